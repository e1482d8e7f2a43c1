use serde::{Deserialize, Serialize};

use super::{Cut, Extent};

/// Cuts the elements of a JSON array, which may stand on lines of their own or not.
///
/// An element reaches to the comma or bracket behind it, whatever is in it: whether
/// it is sound is for the reader to say. Where brackets do not match, that may be
/// far, but never farther than `max_record`.
pub(in crate::decode) struct ArrayCutter {
    max_record: usize,
    /// Bytes of the element that were looked at.
    at: usize,
    state: ArrayState,
}

/// Where in an array a decoder stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::decode) struct ArrayState {
    phase: Phase,
    /// What is open at the byte that is looked at next.
    #[serde(default, skip_serializing_if = "is_nothing")]
    open: Open,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Phase {
    /// Before the first element, or the end.
    #[default]
    First,
    /// Before an element.
    Element,
    /// Behind one, before its comma or the end.
    After,
    /// In the rest of an element that is too long.
    TooLong,
    /// Behind the end.
    Closed,
}

/// Brackets and quotes that are open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Open {
    brackets: u64,
    string: bool,
    escape: bool,
}

fn is_nothing(open: &Open) -> bool {
    *open == Open::default()
}

impl ArrayCutter {
    /// Goes on in this state; the default one is behind the opening bracket.
    pub(in crate::decode) fn new(max_record: usize, state: ArrayState) -> Self {
        Self {
            max_record,
            at: 0,
            state,
        }
    }

    pub(in crate::decode) fn state(&self) -> ArrayState {
        ArrayState {
            open: match self.state.phase {
                Phase::TooLong => self.state.open,
                _ => Open::default(),
            },
            ..self.state
        }
    }

    /// Nothing of the array follows any more.
    pub(in crate::decode) fn is_closed(&self) -> bool {
        self.state.phase == Phase::Closed
    }

    /// What stands at the beginning of `bytes`, which may only grow until the
    /// answer is another than [`Cut::More`]. Blanks, commas and brackets between
    /// elements are [`Cut::Blank`].
    pub(in crate::decode) fn cut(&mut self, bytes: &[u8], ended: bool) -> Cut {
        if self.state.phase == Phase::TooLong {
            return self.pass_over(bytes, ended);
        }
        if self.at == 0 {
            match bytes.iter().position(is_text) {
                Some(0) => {}
                Some(blanks) => return Cut::Blank(extent(bytes, blanks)),
                None if bytes.len() > self.max_record => return piece(bytes),
                None => return Cut::More,
            }
        }
        let phase = match (self.state.phase, bytes[0]) {
            (Phase::First, b']') | (Phase::After, b']') => Phase::Closed,
            (Phase::After, b',') => Phase::Element,
            _ => return self.element(bytes),
        };
        self.state.phase = phase;
        Cut::Blank(extent(bytes, 1))
    }

    fn element(&mut self, bytes: &[u8]) -> Cut {
        let window = &bytes[..bytes.len().min(self.max_record)];
        while let Some(byte) = window.get(self.at) {
            if self.state.open.ends_before(*byte) {
                return self.record(bytes);
            }
            self.state.open.step(*byte);
            self.at += 1;
        }
        match bytes.get(self.max_record) {
            Some(byte) if self.state.open.ends_before(*byte) => self.record(bytes),
            Some(_) => {
                self.at = 0;
                self.state.phase = Phase::TooLong;
                Cut::TooLong(extent(bytes, self.max_record))
            }
            None => Cut::More,
        }
    }

    fn record(&mut self, bytes: &[u8]) -> Cut {
        let last = bytes[..self.at].iter().rposition(is_text);
        let length = last.map_or(0, |last| last + 1);
        self.at = 0;
        self.state = ArrayState {
            phase: Phase::After,
            open: Open::default(),
        };
        Cut::Record(extent(bytes, length))
    }

    /// Moves over the rest of an element, as far as it is there.
    fn pass_over(&mut self, bytes: &[u8], ended: bool) -> Cut {
        let mut open = self.state.open;
        for (at, byte) in bytes.iter().enumerate() {
            if open.ends_before(*byte) {
                self.state = ArrayState {
                    phase: Phase::After,
                    open: Open::default(),
                };
                return Cut::Blank(extent(bytes, at));
            }
            open.step(*byte);
        }
        // A line end that may have a second half counts with that.
        let length = bytes.strip_suffix(b"\r").unwrap_or(bytes).len();
        if length == 0 || ended {
            return Cut::More;
        }
        for byte in &bytes[..length] {
            self.state.open.step(*byte);
        }
        Cut::Blank(extent(bytes, length))
    }
}

impl Open {
    /// Whether an element ends before this byte.
    fn ends_before(self, byte: u8) -> bool {
        !self.string && self.brackets == 0 && matches!(byte, b',' | b']')
    }

    fn step(&mut self, byte: u8) {
        if self.string {
            match byte {
                _ if self.escape => self.escape = false,
                b'\\' => self.escape = true,
                b'"' => self.string = false,
                _ => {}
            }
            return;
        }
        match byte {
            b'"' => self.string = true,
            b'{' | b'[' => self.brackets += 1,
            b'}' | b']' => self.brackets = self.brackets.saturating_sub(1),
            _ => {}
        }
    }
}

/// Whether a byte is more than a blank. A form feed is: what begins an element must end it as well.
fn is_text(byte: &u8) -> bool {
    !matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Blanks without end, without the half of a line end.
fn piece(bytes: &[u8]) -> Cut {
    Cut::Blank(extent(
        bytes,
        bytes.strip_suffix(b"\r").unwrap_or(bytes).len(),
    ))
}

/// So many bytes, with the line ends that begin in them.
pub(in crate::decode) fn extent(bytes: &[u8], length: usize) -> Extent {
    let ends_line = |at: &usize| match bytes[*at] {
        b'\n' => true,
        b'\r' => bytes.get(at + 1) != Some(&b'\n'),
        _ => false,
    };
    Extent {
        content: length,
        length,
        lines: (0..length).filter(ends_line).count() as u64,
    }
}
