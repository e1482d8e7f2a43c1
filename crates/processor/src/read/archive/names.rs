//! Names in archives. No path is ever written, so none is dangerous; but not every
//! entry is a file that somebody meant to send.

/// How much of a name is shown, in characters.
const SHOWN: usize = 200;

/// A name as people can read it, whatever its bytes are.
pub(super) fn shown(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name);
    let mut shown = String::new();
    for (at, c) in text.chars().enumerate() {
        if at == SHOWN {
            shown.push('…');
            break;
        }
        match c {
            '\\' => shown.push(c),
            c if c.is_control() => shown.extend(c.escape_debug()),
            c => shown.push(c),
        }
    }
    shown
}

/// Why an entry of this name is passed over: programs leave such things behind.
pub(super) fn passed_over(name: &[u8]) -> Option<&'static str> {
    let is_separator = |byte: &u8| matches!(byte, b'/' | b'\\');
    for part in name.split(is_separator) {
        if part == b"__MACOSX" {
            return Some("left by macOS");
        }
        if part.starts_with(b".") && part != b"." && part != b".." {
            return Some("hidden");
        }
    }
    None
}

/// Whether a name is that of a folder.
pub(super) fn is_folder(name: &[u8]) -> bool {
    matches!(name.last(), Some(b'/' | b'\\'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_meant_to_send_is_passed_over() {
        let check = |name: &str, expect: Option<&str>| {
            assert_eq!(passed_over(name.as_bytes()), expect, "{name}");
        };
        for name in [
            "a.csv",
            "./a.csv",
            "../a.csv",
            "in/a.csv",
            "/a",
            "a.b/c",
            "C:\\a.csv",
        ] {
            check(name, None);
        }
        for name in [".a", "in/._a.csv", "./.git/a.csv", "in\\.a", "...a"] {
            check(name, Some("hidden"));
        }
        check("__MACOSX/a.csv", Some("left by macOS"));
        check("in/__MACOSX/._a.csv", Some("left by macOS"));
        assert!(is_folder(b"in/") && is_folder(b"in\\") && !is_folder(b"in") && !is_folder(b""));
    }

    #[test]
    fn names_are_shown_on_one_line() {
        assert_eq!(shown("été.csv".as_bytes()), "été.csv");
        assert_eq!(shown(b"a\nb\0\x1b[1m\\c"), "a\\nb\\0\\u{1b}[1m\\c");
        assert_eq!(shown(b"\x82t\x82.csv"), "\u{FFFD}t\u{FFFD}.csv");
        assert_eq!(shown(&[b'a'; 300]).chars().count(), SHOWN + 1);
    }
}
