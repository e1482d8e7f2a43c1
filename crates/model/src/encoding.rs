use std::fmt;
use std::str::FromStr;

/// How the text of a file is written: an encoding of the WHATWG standard.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Encoding(&'static encoding_rs::Encoding);

/// What becomes of bytes that the encoding does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InvalidBytes {
    /// Their record is a reject.
    Reject,
    /// Each such sequence is read as U+FFFD.
    Replace,
}

/// A label that the standard does not have, or one of an encoding that it
/// forbids to read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "unknown encoding {0:?}; the encodings are those of the WHATWG standard, such as utf-8, utf-16le, windows-1252, iso-8859-15, shift_jis, gb18030"
)]
pub struct UnknownEncoding(String);

impl Encoding {
    /// What is read unless something else is said.
    pub const UTF_8: Self = Self(encoding_rs::UTF_8);
    /// The low byte of each unit first.
    pub const UTF_16LE: Self = Self(encoding_rs::UTF_16LE);
    /// The high byte of each unit first.
    pub const UTF_16BE: Self = Self(encoding_rs::UTF_16BE);

    /// The encoding itself.
    #[must_use]
    pub fn get(self) -> &'static encoding_rs::Encoding {
        self.0
    }
}

impl FromStr for Encoding {
    type Err = UnknownEncoding;

    /// Takes the standard's labels, in any case, also with `_` for `-`.
    fn from_str(text: &str) -> Result<Self, UnknownEncoding> {
        let label = text.trim();
        let known = encoding_rs::Encoding::for_label_no_replacement(label.as_bytes());
        let dashes = || label.replace('_', "-");
        known
            .or_else(|| encoding_rs::Encoding::for_label_no_replacement(dashes().as_bytes()))
            .map(Self)
            .ok_or_else(|| UnknownEncoding(text.to_owned()))
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0.name())
    }
}

impl fmt::Debug for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_known_by_every_label_of_the_standard() {
        let check = |label: &str, expect: &str| {
            let encoding: Encoding = label.parse().expect(label);
            assert_eq!(encoding.to_string(), expect, "{label}");
        };
        check("UTF8", "UTF-8");
        check("utf_8", "UTF-8");
        check("utf-16", "UTF-16LE");
        check("utf-16be", "UTF-16BE");
        check("latin1", "windows-1252");
        check("cp1252", "windows-1252");
        check("iso_8859-15", "ISO-8859-15");
        check("Shift_JIS", "Shift_JIS");
        check("gbk", "GBK");
        check(" koi8-r ", "KOI8-R");
        for label in [
            "",
            "utf-32",
            "ebcdic",
            "hz-gb-2312",
            "iso-2022-kr",
            "replacement",
        ] {
            assert!(label.parse::<Encoding>().is_err(), "{label}");
        }
    }
}
