use super::header::Kind;

/// What headers before an entry's own say of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Extended {
    pub(super) name: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) sparse: bool,
}

pub(super) fn is_about_the_next(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::LongName | Kind::LongLink | Kind::Pax | Kind::PaxGlobal
    )
}

impl Extended {
    /// Adds what one of them says.
    pub(super) fn add(&mut self, kind: Kind, text: &[u8]) -> Result<(), String> {
        match kind {
            Kind::LongName => {
                let end = text.iter().position(|byte| *byte == 0);
                self.name = Some(text[..end.unwrap_or(text.len())].to_vec());
                Ok(())
            }
            Kind::Pax => self.add_records(text),
            // Owners, times, comments: what all entries have is nothing that counts here.
            _ => Ok(()),
        }
    }

    /// Records of POSIX: their length, a blank, a keyword, `=`, a value and a line end.
    fn add_records(&mut self, mut text: &[u8]) -> Result<(), String> {
        while !text.is_empty() {
            let (record, rest) = record(text).ok_or("an extended header cannot be read")?;
            text = rest;
            let Some(equals) = record.iter().position(|byte| *byte == b'=') else {
                return Err("an extended header cannot be read".to_owned());
            };
            let (keyword, value) = (&record[..equals], &record[equals + 1..]);
            match keyword {
                b"path" => self.name = Some(value.to_vec()),
                b"size" => {
                    let size = decimal(value).ok_or("an extended header has no sound size")?;
                    self.size = Some(size);
                }
                _ if keyword.starts_with(b"GNU.sparse.") => self.sparse = true,
                _ => {}
            }
        }
        Ok(())
    }
}

/// The first record without its length and line end, and what follows it.
fn record(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let blank = text.iter().position(|byte| *byte == b' ')?;
    let length = usize::try_from(decimal(&text[..blank])?).ok()?;
    let (record, rest) = text.split_at_checked(length)?;
    let record = record.get(blank + 1..)?.strip_suffix(b"\n")?;
    Some((record, rest))
}

fn decimal(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_posix_are_taken_to_the_letter() {
        let check = |text: &[u8], expect: Option<(&str, Option<u64>, bool)>| {
            let mut found = Extended::default();
            let added = found.add(Kind::Pax, text);
            let expect = expect.map(|(name, size, sparse)| Extended {
                name: (!name.is_empty()).then(|| name.as_bytes().to_vec()),
                size,
                sparse,
            });
            assert_eq!(added.ok().map(|()| found), expect, "{text:?}");
        };
        check(b"", Some(("", None, false)));
        check(b"14 path=a.csv\n", Some(("a.csv", None, false)));
        check(b"12 path=a=b\n", Some(("a=b", None, false)));
        check(b"10 path=\nb\n", None);
        check(b"12 path=a\nb\n", Some(("a\nb", None, false)));
        check(
            b"11 size=12\n14 path=b.csv\n",
            Some(("b.csv", Some(12), false)),
        );
        check(b"22 GNU.sparse.major=1\n", Some(("", None, true)));
        for broken in [
            &b"14 path=a.csv"[..],
            b"15 path=a.csv\n",
            b"13 path=a.csv\n",
            b"+14 path=a.csv\n",
            b"2 \n",
            b"1\n",
            b"99999999999999999999 a=b\n",
            b"11 size=-1\n",
            b"8 path\n",
        ] {
            check(broken, None);
        }
    }
}
