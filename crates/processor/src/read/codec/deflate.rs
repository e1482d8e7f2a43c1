//! Where a deflate stream can be taken up again: at the beginning of a block, with the bytes
//! before it at hand.
//!
//! The inflater tells in which byte a block begins, and not at which bit of it. So each of the
//! eight is tried on what followed, and only what gives the very bytes that were read is kept.

use zlib_rs::{Inflate, InflateError, InflateFlush, Status};

/// So many bytes that come out alike show that a place is the right one.
const ENOUGH: usize = 16 * 1024;

/// The most compressed bytes for it: blocks that hold next to nothing show nothing.
const TOO_MANY: usize = 256 * 1024;

/// A block's beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::read) struct Block {
    /// Bits of the byte before it that are its own, 0 to 7.
    pub(in crate::read) bits: u8,
    /// What was inflated just before it.
    pub(in crate::read) window: Vec<u8>,
}

impl Block {
    /// The farthest that one looks back, in bytes.
    pub(in crate::read) const WINDOW: usize = 32 * 1024;

    /// An inflater that goes on here. `last`: the byte before it.
    pub(super) fn resume(&self, last: u8) -> Result<Inflate, InflateError> {
        let mut inflate = Inflate::new(false, 15);
        inflate.set_dictionary(&self.window)?;
        let lead = lead(last, self.bits);
        let status = inflate.decompress(&lead, &mut [0; 8], InflateFlush::NoFlush)?;
        let all = inflate.total_in() == lead.len() as u64;
        match (status, inflate.total_out(), all) {
            (Status::Ok, 0, true) | (Status::BufError, 0, true) => Ok(inflate),
            _ => Err(InflateError::DataError),
        }
    }

    /// Whether `input` comes to `output` from here.
    fn leads_to(&self, last: u8, input: &[u8], output: &[u8]) -> bool {
        let Ok(mut inflate) = self.resume(last) else {
            return false;
        };
        let mut found = vec![0; output.len()];
        let inflated = inflate.decompress(input, &mut found, InflateFlush::NoFlush);
        inflated.is_ok() && inflate.total_out() == output.len() as u64 && found == output
    }
}

/// Blocks that hold nothing, so long that the last `bits` bits of their last byte are free, where
/// those of `last` stand.
fn lead(last: u8, bits: u8) -> Vec<u8> {
    let mut lead = Bits::default();
    if bits == 0 {
        return lead.bytes;
    }
    let free = usize::from(bits);
    if !free.is_multiple_of(2) {
        lead.empty_dynamic_block();
    }
    while !(lead.length + free).is_multiple_of(8) {
        lead.empty_fixed_block();
    }
    if let Some(byte) = lead.bytes.last_mut() {
        *byte |= last & !(u8::MAX >> bits);
    }
    lead.bytes
}

/// Bits as deflate writes them, the lowest of a byte first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    length: usize,
}

impl Bits {
    fn push(&mut self, value: u32, bits: usize) {
        for bit in 0..bits {
            if self.length.is_multiple_of(8) {
                self.bytes.push(0);
            }
            let one = (value >> bit & 1) as u8;
            *self.bytes.last_mut().expect("it was pushed") |= one << (self.length % 8);
            self.length += 1;
        }
    }

    /// 10 bits: not the last, of type 1, its end (RFC 1951, 3.2.6).
    fn empty_fixed_block(&mut self) {
        self.push(0b010, 3);
        self.push(0, 7);
    }

    /// 93 bits, an odd number: not the last, of type 2 (RFC 1951, 3.2.7).
    fn empty_dynamic_block(&mut self) {
        self.push(0b100, 3);
        // 257 codes for literals, one for distances, 19 for the lengths of codes: of those only
        // 1 (a code `0`) and 18 (many zeros, a code `1`) are used, which stand 18th and 3rd.
        self.push(0, 5);
        self.push(0, 5);
        self.push(15, 4);
        for place in 0..19 {
            self.push(u32::from(matches!(place, 2 | 17)), 3);
        }
        for zeros in [138, 118] {
            self.push(1, 1);
            self.push(zeros - 11, 7);
        }
        // The end of the block has a code, as has one distance.
        self.push(0, 2);
        self.push(0, 1);
    }
}

/// Looks for the beginning of a block in what an inflater reads and gives.
#[derive(Default)]
pub(super) struct Seeker {
    seeking: Seeking,
    /// The byte that was read last.
    last: u8,
}

#[derive(Default)]
enum Seeking {
    #[default]
    Not,
    /// The bytes before the block are gathered.
    Window(Vec<u8>),
    /// A block has begun after this byte: what follows tells at which bit.
    Bit {
        last: u8,
        window: Vec<u8>,
        input: Vec<u8>,
        output: Vec<u8>,
    },
}

/// What a [`Seeker`] came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sought {
    /// Nothing yet.
    Nothing,
    /// Here a block begins; whether it can be told is seen later.
    Begins,
    /// It can be taken up there.
    Found(Block),
    /// It cannot be told.
    Lost,
}

impl Seeker {
    pub(super) fn seek(&mut self) {
        self.seeking = Seeking::Window(Vec::new());
    }

    pub(super) fn rests(&self) -> bool {
        matches!(self.seeking, Seeking::Not)
    }

    /// How to inflate next.
    pub(super) fn flush(&self) -> InflateFlush {
        match self.seeking {
            Seeking::Window(_) => InflateFlush::Block,
            Seeking::Not | Seeking::Bit { .. } => InflateFlush::NoFlush,
        }
    }

    /// `input` came to `output`. `stopped`: although there is more input and there is room.
    pub(super) fn saw(&mut self, input: &[u8], output: &[u8], stopped: bool) -> Sought {
        self.last = input.last().copied().unwrap_or(self.last);
        match &mut self.seeking {
            Seeking::Not => Sought::Nothing,
            Seeking::Window(window) => {
                keep_last(window, output);
                if !stopped || window.len() < Block::WINDOW {
                    return Sought::Nothing;
                }
                self.seeking = Seeking::Bit {
                    last: self.last,
                    window: std::mem::take(window),
                    input: Vec::new(),
                    output: Vec::new(),
                };
                Sought::Begins
            }
            Seeking::Bit {
                last,
                window,
                input: inputs,
                output: outputs,
            } => {
                inputs.extend_from_slice(input);
                outputs.extend_from_slice(output);
                if outputs.len() < ENOUGH && inputs.len() < TOO_MANY {
                    return Sought::Nothing;
                }
                let (last, window) = (*last, std::mem::take(window));
                let enough = outputs.get(..ENOUGH);
                let found = enough.and_then(|enough| tell(last, window, inputs, enough));
                self.seeking = Seeking::Not;
                found.map_or(Sought::Lost, Sought::Found)
            }
        }
    }
}

fn keep_last(window: &mut Vec<u8>, output: &[u8]) {
    let output = &output[output.len().saturating_sub(Block::WINDOW)..];
    let surplus = (window.len() + output.len()).saturating_sub(Block::WINDOW);
    window.drain(..surplus);
    window.extend_from_slice(output);
}

fn tell(last: u8, window: Vec<u8>, input: &[u8], output: &[u8]) -> Option<Block> {
    let mut block = Block { bits: 0, window };
    (0..8).find_map(|bits| {
        block.bits = bits;
        block
            .leads_to(last, input, output)
            .then(|| Block { ..block.clone() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_to_a_block_holds_nothing_and_ends_at_its_bit() {
        for bits in 0..8 {
            for last in [0, 0b1010_1010, u8::MAX] {
                let lead = lead(last, bits);
                let own = lead.last().map_or(0, |byte| byte & !(u8::MAX >> bits));
                assert_eq!(own, last & !(u8::MAX >> bits), "{bits} of {last}");
                // A stored block of one byte, from the first free bit on.
                let mut whole = Bits {
                    length: lead.len() * 8 - usize::from(bits),
                    bytes: lead,
                };
                if let Some(byte) = whole.bytes.last_mut() {
                    *byte &= u8::MAX >> bits;
                }
                whole.push(0b001, 3);
                whole.length = whole.bytes.len() * 8;
                for byte in [1, 0, !1, !0, b'x'] {
                    whole.push(u32::from(byte), 8);
                }
                let mut out = [0; 4];
                let mut inflate = Inflate::new(false, 15);
                let status = inflate.decompress(&whole.bytes, &mut out, InflateFlush::Finish);
                assert_eq!(status, Ok(Status::StreamEnd), "{bits}");
                assert_eq!((inflate.total_out(), out[0]), (1, b'x'), "{bits}");
            }
        }
    }
}
