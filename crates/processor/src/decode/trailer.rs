use memchr::memchr2;

use super::cut::{Extent, line_end};

/// Lines that are no records although they look like some: totals, signatures.
pub(super) struct Trailer {
    /// So many lines at the end, not counting blank ones.
    last: u64,
    /// Lines like this, wherever they stand.
    like: Option<String>,
    /// No line that counts is longer.
    max_record: usize,
}

/// What stands at the front.
pub(super) enum Ahead {
    /// More bytes are needed to say.
    More,
    /// Perhaps a record.
    Record,
    /// A line that is none.
    Line(Extent),
    /// Nothing but the last lines.
    End,
}

/// The last lines together are taken to be no longer than this, besides one
/// record.
const LONGEST: usize = 64 * 1024;

impl Trailer {
    /// Nothing where every line may be a record.
    pub(super) fn new(last: u64, like: Option<&String>, max_record: usize) -> Option<Self> {
        if last == 0 && like.is_none() {
            return None;
        }
        Some(Self {
            last,
            like: like.cloned(),
            max_record,
        })
    }

    /// Looks at the bytes that begin where a record may. The answer does not
    /// depend on how many more are there.
    pub(super) fn look(&self, rest: &[u8], ended: bool) -> Ahead {
        match self.more_than_the_last(rest, ended) {
            None => return Ahead::More,
            Some(false) => return Ahead::End,
            Some(true) => {}
        }
        let Some(like) = &self.like else {
            return Ahead::Record;
        };
        let window = &rest[..rest.len().min(self.max_record + 2)];
        match line_end(window, 0, ended && window.len() == rest.len()) {
            Some(line) if line.content > self.max_record => Ahead::Record,
            Some(line) if is_like(like.as_bytes(), &window[..line.content]) => Ahead::Line(line),
            None if !ended && window.len() < self.max_record + 2 => Ahead::More,
            _ => Ahead::Record,
        }
    }

    /// Whether more lines begin here than the last ones.
    fn more_than_the_last(&self, rest: &[u8], ended: bool) -> Option<bool> {
        if self.last == 0 {
            return Some(true);
        }
        let window = &rest[..rest.len().min(self.max_record + LONGEST)];
        let is_text = |byte: &u8| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        let mut lines = 0;
        let mut at = 0;
        while let Some(text) = window[at..].iter().position(is_text) {
            lines += 1;
            if lines > self.last {
                return Some(true);
            }
            at += text;
            let Some(end) = memchr2(b'\n', b'\r', &window[at..]) else {
                break;
            };
            at += end;
        }
        let all_seen = window.len() == rest.len();
        match all_seen {
            true if ended => Some(false),
            true if window.len() < self.max_record + LONGEST => None,
            _ => Some(true),
        }
    }
}

/// Whether a line is as the pattern says, in which `*` stands for any bytes.
fn is_like(pattern: &[u8], line: &[u8]) -> bool {
    let mut parts = pattern.split(|byte| *byte == b'*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    for part in parts {
        match memchr::memmem::find(rest, part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        let check = |pattern: &str, line: &str, expect: bool| {
            let found = is_like(pattern.as_bytes(), line.as_bytes());
            assert_eq!(found, expect, "{pattern:?} and {line:?}");
        };
        check("Total", "Total", true);
        check("Total", "Total;5", false);
        check("Total*", "Total;5", true);
        check("Total*", "Total", true);
        check("Total*", "Subtotal", false);
        check("*;;", "Sum;;", true);
        check("*;;", "Sum;;1", false);
        check("#*rows*#", "# 5 rows #", true);
        check("#*rows*#", "#rows#", true);
        check("#*rows*#", "#rows", false);
        check("a*a", "a", false);
        check("a*b*c", "abcbc", true);
        check("a*b*c", "acb", false);
    }
}
