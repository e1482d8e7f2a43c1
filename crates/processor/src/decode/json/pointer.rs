use std::ops::Range;

use super::document;

/// A JSON pointer (RFC 6901), as its unescaped parts.
pub(in crate::decode) fn parts(pointer: &str) -> Option<Vec<String>> {
    if pointer.is_empty() {
        return Some(Vec::new());
    }
    let rest = pointer.strip_prefix('/')?;
    let unescape = |part: &str| part.replace("~1", "/").replace("~0", "~");
    Some(rest.split('/').map(unescape).collect())
}

/// Where the value stands in a sound document to which the parts of a pointer
/// lead.
pub(super) fn find(text: &[u8], parts: &[String]) -> Option<Range<usize>> {
    let mut value = 0..text.len();
    for part in parts {
        let inside = step(&text[value.clone()], part)?;
        value = value.start + inside.start..value.start + inside.end;
    }
    let blanks = text.len() - text.trim_ascii_start().len();
    Some(match parts {
        [] => blanks..blanks + text.trim_ascii().len(),
        _ => value,
    })
}

fn step(text: &[u8], part: &str) -> Option<Range<usize>> {
    match text.trim_ascii_start().first()? {
        b'{' => {
            let mut found = None;
            document::members(text, |name, range| {
                if name == part.as_bytes() {
                    found = Some(range);
                }
            })
            .ok()?;
            found
        }
        b'[' => {
            let plain = part == "0" || !part.starts_with(['0', '+']);
            let index = part.parse().ok().filter(|_| plain)?;
            document::element(text, index)
        }
        _ => None,
    }
}
