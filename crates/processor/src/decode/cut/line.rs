use memchr::memchr2;

use super::{Cut, Extent};

/// The line end that begins at or after `from`, as the extent of the line
/// before it. Nothing: it is not there yet, which includes a CR that an LF may
/// follow. The end of the stream ends a line too, though it is none to count.
pub(in crate::decode) fn line_end(bytes: &[u8], from: usize, ended: bool) -> Option<Extent> {
    let line = |content, length| Extent {
        content,
        length,
        lines: 1,
    };
    let Some(found) = memchr2(b'\n', b'\r', &bytes[from..]) else {
        let unfinished = ended && !bytes.is_empty();
        return unfinished.then(|| Extent {
            lines: 0,
            ..line(bytes.len(), bytes.len())
        });
    };
    let content = from + found;
    if bytes[content] == b'\n' {
        return Some(line(content, content + 1));
    }
    match bytes.get(content + 1) {
        Some(b'\n') => Some(line(content, content + 2)),
        Some(_) => Some(line(content, content + 1)),
        None => ended.then(|| line(content, content + 1)),
    }
}

/// Cuts records that are one line each.
pub(in crate::decode) struct LineCutter {
    max_record: usize,
    /// Bytes of the line that hold no line end.
    scanned: usize,
}

impl LineCutter {
    pub(in crate::decode) fn new(max_record: usize) -> Self {
        Self {
            max_record,
            scanned: 0,
        }
    }

    /// Nothing of a line was looked at yet.
    pub(in crate::decode) fn is_at_start(&self) -> bool {
        self.scanned == 0
    }

    /// What stands at the beginning of `bytes`, which may only grow until the
    /// answer is another than [`Cut::More`].
    pub(in crate::decode) fn cut(&mut self, bytes: &[u8], ended: bool) -> Cut {
        let found = line_end(bytes, self.scanned, ended);
        let without_cr = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        let content = found.map_or(without_cr.len(), |line| line.content);
        if content > self.max_record {
            self.scanned = 0;
            return Cut::TooLong(Extent {
                content: self.max_record,
                length: self.max_record,
                lines: 0,
            });
        }
        let Some(line) = found else {
            self.scanned = content;
            return Cut::More;
        };
        self.scanned = 0;
        let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
        if bytes[..line.content].iter().all(blank) {
            return Cut::Blank(line);
        }
        Cut::Record(line)
    }
}
