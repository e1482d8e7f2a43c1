//! Reads one flat JSON object, as the generator of the soak writes it.

use std::collections::HashMap;
use std::str::Chars;

/// Members by name: texts without their quotes, numbers as they stand. None: this is no such object.
pub(crate) fn object(line: &str) -> Option<HashMap<String, String>> {
    let mut rest = Reader(line.trim().chars());
    rest.expect('{')?;
    let mut members = HashMap::new();
    loop {
        rest.expect('"')?;
        let name = rest.text()?;
        rest.expect(':')?;
        let (value, after) = rest.value()?;
        members.insert(name, value);
        match after {
            ',' => {}
            '}' => return rest.0.as_str().is_empty().then_some(members),
            _ => return None,
        }
    }
}

struct Reader<'a>(Chars<'a>);

impl Reader<'_> {
    /// The next character that is no blank.
    fn next(&mut self) -> Option<char> {
        self.0.find(|c| *c != ' ')
    }

    fn expect(&mut self, expected: char) -> Option<()> {
        (self.next()? == expected).then_some(())
    }

    /// The rest of a text whose first quote is read.
    fn text(&mut self) -> Option<String> {
        let mut text = String::new();
        loop {
            match self.0.next()? {
                '"' => return Some(text),
                '\\' => text.push(match self.0.next()? {
                    'n' => '\n',
                    'u' => {
                        let digits: String = self.0.by_ref().take(4).collect();
                        char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?
                    }
                    other => other,
                }),
                other => text.push(other),
            }
        }
    }

    /// A text or a number, and what stands after it.
    fn value(&mut self) -> Option<(String, char)> {
        let first = self.next()?;
        if first == '"' {
            return Some((self.text()?, self.next()?));
        }
        let mut number = String::from(first);
        loop {
            match self.next()? {
                digit @ ('0'..='9' | '.') => number.push(digit),
                after => return first.is_ascii_digit().then_some((number, after)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_read_and_nothing_else() {
        let check = |line: &str, expect: Option<&[(&str, &str)]>| {
            let expect = expect.map(|members| {
                let owned = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
                members.iter().map(owned).collect()
            });
            assert_eq!(object(line), expect, "{line}");
        };
        check(
            r#"{"content": "a", "n": 12, "amount": 0.50}"#,
            Some(&[("content", "a"), ("n", "12"), ("amount", "0.50")]),
        );
        check(
            r#"{"note": "a \"b\"\nr\u00e9f"}"#,
            Some(&[("note", "a \"b\"\nréf")]),
        );
        check(r#"{"content": "a", "n": 12,"#, None);
        check(r#"["a", 12]"#, None);
        check(r#"{"n": 12} {"n": 13}"#, None);
        check("", None);
    }
}
