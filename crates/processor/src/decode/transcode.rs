use std::collections::VecDeque;

use arrivage_model::{Encoding, InvalidBytes};
use encoding_rs::{Decoder, DecoderResult, ISO_2022_JP};
use memchr::{memchr, memchr3};

use super::state::{EncodingState, changed};
use super::text::{Flaw, invalid_byte, nul};
use super::{DecodeError, plan::Plan};

/// Puts a stream of another encoding into UTF-8, and knows where its lines stand
/// in the stream.
///
/// Places are counted twice: in bytes of the text that is given out, and in bytes
/// of the stream. They are matched at every line end, where a decoder holds
/// nothing back, and only there, so that only there the stream can be gone on
/// from.
pub(super) struct Transcoder {
    encoding: Encoding,
    invalid_bytes: InvalidBytes,
    decoder: Decoder,
    /// The end of what was put into UTF-8.
    end: Match,
    /// The last match at or before the place up to which the text is used up.
    used: Match,
    /// The matches behind it; none where the one before tells as well.
    matches: VecDeque<Match>,
    /// Where the text was matched last, whether it had to be kept or not.
    matched: u64,
    /// The first bytes of each line that the encoding does not have.
    damages: VecDeque<Damage>,
    line_is_damaged: bool,
    /// The last bytes of the stream.
    before: [u8; BEFORE],
    /// UTF-16: the next byte is the second of its unit.
    within_unit: bool,
}

/// A byte sequence that an encoding does not have is at most so long, with what
/// was read behind it.
const BEFORE: usize = 8;

/// A place in the text and the same in the stream.
#[derive(Clone, Copy, Debug)]
struct Match {
    text: u64,
    raw: u64,
    /// ISO-2022-JP: what follows is in the Roman set, unless it says otherwise.
    roman: bool,
}

/// Bytes that stand in the text as U+FFFD.
struct Damage {
    text: u64,
    raw: u64,
    byte: u8,
}

impl Transcoder {
    /// For a stream from here on, in its first or a later line.
    pub(super) fn new(encoding: Encoding, invalid_bytes: InvalidBytes, raw: u64) -> Self {
        let start = Match {
            text: 0,
            raw,
            roman: false,
        };
        Self {
            encoding,
            invalid_bytes,
            decoder: encoding.get().new_decoder_without_bom_handling(),
            end: start,
            used: start,
            matches: VecDeque::new(),
            matched: 0,
            damages: VecDeque::new(),
            line_is_damaged: false,
            before: [0; BEFORE],
            within_unit: false,
        }
    }

    /// For a stream that goes on in the state of a checkpoint.
    pub(super) fn resume(
        plan: &Plan,
        raw: u64,
        state: &EncodingState,
    ) -> Result<Self, DecodeError> {
        let encoding: Encoding = state
            .name
            .parse()
            .map_err(|error| changed(&format!("{error}")))?;
        let mut transcoder = Self::new(encoding, plan.invalid_bytes, raw);
        if state.roman {
            transcoder.used.roman = true;
            transcoder.end.roman = true;
            // The letter ends the escape sequence: the next one may follow at once.
            let mut nowhere = [0; 16];
            let switch = b"\x1b(Ja";
            let _ =
                transcoder
                    .decoder
                    .decode_to_utf8_without_replacement(switch, &mut nowhere, false);
        }
        Ok(transcoder)
    }

    pub(super) fn state(&self) -> EncodingState {
        EncodingState {
            name: self.encoding.to_string(),
            roman: self.used.roman,
        }
    }

    /// Adds the text of the next bytes of the stream.
    pub(super) fn push(&mut self, mut raw: &[u8], out: &mut Vec<u8>) {
        while !raw.is_empty() {
            let found = self.find_break(raw);
            let (line, rest) = raw.split_at(found.unwrap_or(raw.len()));
            self.decode(line, false, out);
            if found.is_some() {
                self.note_match();
            }
            raw = rest;
        }
    }

    /// Adds what is still held back.
    pub(super) fn end(&mut self, out: &mut Vec<u8>) {
        self.decode(&[], true, out);
        // A line's end stays where it is, whatever follows it that stands for no text.
        if self.end.text > self.matched {
            self.note_match();
        }
    }

    /// The end of the stream as far as it came, with bytes that stand for no text.
    pub(super) fn end_of_stream(&self) -> u64 {
        self.end.raw
    }

    /// Says that the text is used up so far. The place in the stream, which is
    /// exact at the beginning of a line and at the stream's end.
    pub(super) fn advance(&mut self, text: u64) -> u64 {
        while let Some(next) = self.matches.front().filter(|next| next.text <= text) {
            self.used = *next;
            self.matches.pop_front();
        }
        while self
            .damages
            .front()
            .is_some_and(|damage| damage.text < text)
        {
            self.damages.pop_front();
        }
        self.used.raw + (text - self.used.text)
    }

    /// Says why a record that begins where the text is used up is none.
    pub(super) fn flaw(&self, text: u64, record: &[u8]) -> Option<Flaw> {
        let within = |damage: &&Damage| damage.text < text + record.len() as u64;
        if let Some(damage) = self.damages.front().filter(within) {
            let encoding = self.encoding.to_string();
            return Some(Flaw {
                at: usize::try_from(damage.text - text).expect("it is in the record"),
                fault: invalid_byte(&encoding, damage.byte, damage.raw),
            });
        }
        let at = memchr(0, record)?;
        let behind = self.raw(text + at as u64 + 1);
        let fault = nul(behind - if self.is_utf_16() { 2 } else { 1 });
        Some(Flaw { at, fault })
    }

    /// Where a place of the text, which is a line's beginning or follows a U+0000,
    /// stands in the stream.
    fn raw(&self, text: u64) -> u64 {
        let before = self.matches.iter().take_while(|next| next.text <= text);
        let last = before.last().unwrap_or(&self.used);
        last.raw + (text - last.text)
    }

    /// The length of what ends with the next line end or U+0000. No encoding but
    /// UTF-16 has their bytes within another character.
    fn find_break(&self, raw: &[u8]) -> Option<usize> {
        if !self.is_utf_16() {
            return memchr3(b'\n', b'\r', 0, raw).map(|at| at + 1);
        }
        let high_first = self.encoding == Encoding::UTF_16BE;
        let mut before = self.before[BEFORE - 1];
        let mut within_unit = self.within_unit;
        for (at, &byte) in raw.iter().enumerate() {
            let (high, low) = if high_first {
                (before, byte)
            } else {
                (byte, before)
            };
            if within_unit && high == 0 && matches!(low, b'\n' | b'\r' | 0) {
                return Some(at + 1);
            }
            within_unit = !within_unit;
            before = byte;
        }
        None
    }

    fn is_utf_16(&self) -> bool {
        self.encoding == Encoding::UTF_16LE || self.encoding == Encoding::UTF_16BE
    }

    fn decode(&mut self, raw: &[u8], last: bool, out: &mut Vec<u8>) {
        let mut done = 0;
        loop {
            let start = out.len();
            let most = self
                .decoder
                .max_utf8_buffer_length_without_replacement(raw.len() - done);
            out.resize(start + most.expect("a short piece"), 0);
            let (result, read, written) = self.decoder.decode_to_utf8_without_replacement(
                &raw[done..],
                &mut out[start..],
                last,
            );
            out.truncate(start + written);
            self.end.text += written as u64;
            done += read;
            match result {
                DecoderResult::InputEmpty => break,
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(length, behind) => {
                    let back = usize::from(length) + usize::from(behind);
                    self.note_damage(raw, done, back);
                    out.extend_from_slice(REPLACEMENT);
                    self.end.text += REPLACEMENT.len() as u64;
                }
            }
        }
        self.pass(raw);
    }

    /// Notes that the bytes which begin so far back, before `done` bytes of the
    /// piece, are none of the encoding's.
    fn note_damage(&mut self, raw: &[u8], done: usize, back: usize) {
        if self.line_is_damaged || self.invalid_bytes == InvalidBytes::Replace {
            return;
        }
        self.line_is_damaged = true;
        let byte = match done.checked_sub(back) {
            Some(at) => raw[at],
            None => self.before[BEFORE + done - back],
        };
        self.damages.push_back(Damage {
            text: self.end.text,
            raw: self.end.raw + done as u64 - back as u64,
            byte,
        });
    }

    /// Moves behind bytes that were decoded.
    fn pass(&mut self, raw: &[u8]) {
        self.end.raw += raw.len() as u64;
        self.within_unit ^= raw.len() % 2 == 1;
        if self.encoding.get() == ISO_2022_JP {
            self.follow_sets(raw);
        }
        let new = raw.len().min(BEFORE);
        self.before.rotate_left(new);
        self.before[BEFORE - new..].copy_from_slice(&raw[raw.len() - new..]);
    }

    /// Follows the escape sequences that switch between character sets.
    fn follow_sets(&mut self, raw: &[u8]) {
        let [.., mut first, mut second] = self.before;
        for &third in raw {
            match [first, second, third] {
                [0x1B, b'(', b'J'] => self.end.roman = true,
                [0x1B, b'(', b'B' | b'I'] | [0x1B, b'$', b'@' | b'B'] => self.end.roman = false,
                _ => {}
            }
            (first, second) = (second, third);
        }
    }

    fn note_match(&mut self) {
        self.line_is_damaged = false;
        self.matched = self.end.text;
        let last = self.matches.back().unwrap_or(&self.used);
        let told = self.end.raw - last.raw == self.end.text - last.text;
        if !told || self.end.roman != last.roman {
            self.matches.push_back(self.end);
        }
    }
}

const REPLACEMENT: &[u8] = "\u{FFFD}".as_bytes();
