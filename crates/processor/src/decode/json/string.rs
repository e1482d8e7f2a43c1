//! JSON strings, as slices with their quotes.

use std::borrow::Cow;

use memchr::memchr;

/// What is wrong with a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    Open,
    Control,
    Escape,
    Surrogate,
    Nul,
}

impl Wrong {
    pub(super) fn why(self) -> &'static str {
        match self {
            Self::Open => "a string is not closed",
            Self::Control => "a control character stands in a string",
            Self::Escape => "there is no such escape",
            Self::Surrogate => "half of a surrogate pair is no character",
            Self::Nul => "U+0000 is no character of a text",
        }
    }
}

/// How long the string is that begins here, with its quotes; or where it is
/// wrong.
pub(super) fn length(text: &[u8]) -> Result<usize, (usize, Wrong)> {
    let mut at = 1;
    loop {
        match text.get(at) {
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => at += escape(&text[at..]).map_err(|wrong| (at, wrong))?.1,
            Some(..0x20) => return Err((at, Wrong::Control)),
            Some(_) => at += 1,
            None => return Err((at, Wrong::Open)),
        }
    }
}

/// The text of a sound string.
pub(in crate::decode) fn text(string: &[u8]) -> Cow<'_, [u8]> {
    let inside = &string[1..string.len() - 1];
    if memchr(b'\\', inside).is_none() {
        return Cow::Borrowed(inside);
    }
    let mut out = Vec::with_capacity(inside.len());
    let mut rest = inside;
    while let Some(at) = memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        let Ok((character, length)) = escape(rest) else {
            break;
        };
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        rest = &rest[length..];
    }
    out.extend_from_slice(rest);
    Cow::Owned(out)
}

/// The character for which the escape at the beginning stands, and how long the
/// escape is.
fn escape(text: &[u8]) -> Result<(char, usize), Wrong> {
    let character = match text.get(1) {
        Some(b'"') => '"',
        Some(b'\\') => '\\',
        Some(b'/') => '/',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return unicode_escape(text),
        _ => return Err(Wrong::Escape),
    };
    Ok((character, 2))
}

fn unicode_escape(text: &[u8]) -> Result<(char, usize), Wrong> {
    let unit = code_unit(text).ok_or(Wrong::Escape)?;
    if unit == 0 {
        return Err(Wrong::Nul);
    }
    if let Some(character) = char::from_u32(unit) {
        return Ok((character, 6));
    }
    let low = code_unit(&text[6..]).ok_or(Wrong::Surrogate)?;
    let is_pair = unit < 0xDC00 && (0xDC00..0xE000).contains(&low);
    if !is_pair {
        return Err(Wrong::Surrogate);
    }
    let code = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
    Ok((char::from_u32(code).ok_or(Wrong::Surrogate)?, 12))
}

/// The number in `\uXXXX`.
fn code_unit(text: &[u8]) -> Option<u32> {
    let digits = text.strip_prefix(br"\u")?.get(..4)?;
    digits.iter().try_fold(0, |unit, digit| {
        Some(unit * 16 + char::from(*digit).to_digit(16)?)
    })
}
