//! What stands in a sidecar: digests as sha256sum and md5sum write them, or names with
//! their counts. Nothing here is an error: what says nothing of an object is waited for
//! until it does, for a sidecar may be read while it is written.

/// The digest of the object of this name, `length` bytes long.
///
/// Lines as `sha256sum` writes them (`HEX  NAME`, `HEX *NAME`), with `--tag`
/// (`SHA256 (NAME) = HEX`), or the digest alone where nothing else stands there.
pub(super) fn digest(text: &[u8], name: &str, length: usize) -> Option<Vec<u8>> {
    let text = String::from_utf8_lossy(text);
    let lines: Vec<&str> = lines(&text).collect();
    if let [alone] = lines[..]
        && let Some(value) = hex(alone, length)
    {
        return Some(value);
    }
    lines.into_iter().find_map(|line| {
        let (named, value) = plain(line).or_else(|| tagged(line))?;
        is_of(&named, name).then(|| hex(value, length))?
    })
}

/// How many records the object of this name has.
///
/// A line for each object: its name and its count, or the count and its name, with a
/// tab, `,`, `;`, `|` or blanks between.
pub(super) fn count(text: &[u8], name: &str) -> Option<u64> {
    let text = String::from_utf8_lossy(text);
    lines(&text).find_map(|line| {
        let (first, second) = match line.find(['\t', ',', ';', '|']) {
            Some(at) => {
                let mark = &line[at..=at];
                let mut fields = line.split(mark);
                (fields.next()?, fields.next()?)
            }
            // The name may have blanks in it.
            None => match line.rsplit_once([' ']) {
                Some((name, count)) if number(count).is_some() => (name, count),
                _ => line.split_once(' ')?,
            },
        };
        let named = |field: &str| is_of(unquoted(field), name);
        match (number(first), number(second)) {
            (_, Some(count)) if named(first) => Some(count),
            (Some(count), _) if named(second) => Some(count),
            _ => None,
        }
    })
}

/// Lines with something in them that is no comment.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let lines = text.split(['\n', '\r']).map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// `HEX  NAME`. A backslash in front says that backslashes and line ends of the name are
/// escaped.
fn plain(line: &str) -> Option<(String, &str)> {
    let escaped = line.strip_prefix('\\');
    let (value, name) = escaped.unwrap_or(line).split_once([' ', '\t'])?;
    let name = name.trim_start();
    let name = name.strip_prefix('*').unwrap_or(name);
    let name = match escaped {
        Some(_) => name.replace("\\n", "\n").replace("\\\\", "\\"),
        None => name.to_owned(),
    };
    Some((name, value)).filter(|(_, value)| value.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// `SHA256 (NAME) = HEX`
fn tagged(line: &str) -> Option<(String, &str)> {
    let (head, value) = line.rsplit_once('=')?;
    let (_, name) = head.trim_end().strip_suffix(')')?.split_once('(')?;
    Some((name.to_owned(), value.trim()))
}

/// A path may stand before the name, as it was where the list was made.
fn is_of(named: &str, name: &str) -> bool {
    named.rsplit(['/', '\\']).next() == Some(name)
}

fn unquoted(field: &str) -> &str {
    field.trim().trim_matches('"')
}

fn number(field: &str) -> Option<u64> {
    let digits = unquoted(field);
    let sound = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| sound)
}

fn hex(text: &str, length: usize) -> Option<Vec<u8>> {
    if text.len() != 2 * length || !text.is_ascii() {
        return None;
    }
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).ok();
    let sound = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    (0..text.len())
        .step_by(2)
        .map(byte)
        .collect::<Option<_>>()
        .filter(|_| sound)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_digest_is_found_by_its_objects_name() {
        let check = |text: &str, expect: Option<&[u8]>| {
            assert_eq!(
                digest(text.as_bytes(), "a.csv", 4).as_deref(),
                expect,
                "{text:?}"
            );
        };
        let found: Option<&[u8]> = Some(&[0xde, 0xad, 0xbe, 0xef]);
        check("deadbeef  a.csv\n", found);
        check("DEADBEEF *a.csv\r\n", found);
        check("deadbeef\n", found);
        check("\u{FEFF}deadbeef  ./out/a.csv", found);
        check("deadbeef  C:\\out\\a.csv", found);
        check("SHA256 (a.csv) = deadbeef", found);
        check("# made today\n\n00000000  b.csv\ndeadbeef  a.csv\n", found);
        check("00000000  b.csv\n", None);
        check("deadbeef\n00000000\n", None);
        check("deadbe  a.csv", None);
        check("deadbeeg  a.csv", None);
        check("+eadbeef", None);
        check("", None);
        check("deadbeef  a.csv.part", None);
        let escaped = digest(b"\\deadbeef  x\\\\y\\nz", "y\nz", 4);
        assert_eq!(escaped.as_deref(), found);
    }

    #[test]
    fn a_count_is_found_by_its_objects_name() {
        let check = |text: &str, expect: Option<u64>| {
            assert_eq!(count(text.as_bytes(), "a b.csv"), expect, "{text:?}");
        };
        check("a b.csv 12", Some(12));
        check("12 a b.csv", Some(12));
        check("a b.csv\t12\n", Some(12));
        check(
            "name;records\n\"x.csv\";3\n\"a b.csv\";\"0012\";77\n",
            Some(12),
        );
        check("12|out/a b.csv", Some(12));
        check("a b.csv,12,extra\r\n", Some(12));
        check("a b.csv,many", None);
        check("a b.csv,-1", None);
        check("a b.csv", None);
        check("b.csv,12", None);
        check("", None);
    }

    proptest! {
        #[test]
        fn what_sha256sum_writes_is_read_back(names in prop::collection::vec("[a-zé .*-]{1,12}", 1..6), which: prop::sample::Index) {
            // It pads nothing and trims nothing; ours trims lines.
            let names: Vec<String> = names.iter().map(|name| format!("x{}y", name)).collect();
            let at = which.index(names.len());
            let first = names.iter().position(|name| *name == names[at]).unwrap_or(at);
            let text: String = names.iter().enumerate().map(|(nth, name)| format!("{nth:064x}  {name}\n")).collect();
            let found = digest(text.as_bytes(), &names[at], 32);
            prop_assert_eq!(found, hex(&format!("{first:064x}"), 32));
        }

        #[test]
        fn no_text_is_too_strange(text: Vec<u8>) {
            let _ = (digest(&text, "a", 16), count(&text, "a"));
        }
    }
}
