use std::collections::BTreeMap;
use std::fmt;

use regex::Regex;

/// What `{name}` parts of a pattern stood for in a matched key.
pub type Captures = BTreeMap<String, String>;

/// A glob over whole URLs or paths: `*` and `?` within a segment, `**` across
/// segments, `{a,b}` one of these, `{name}` captures a segment or a part of it.
#[derive(Clone)]
pub struct Pattern {
    text: String,
    regex: Regex,
    captures: Vec<String>,
}

/// A pattern that says nothing.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PatternError {
    /// A bracket has no partner.
    #[error("{0:?} is never closed")]
    Open(char),
    /// `{name}` with a name that is none, or used twice.
    #[error("{{{0}}} is no capture: a capture is one word, used once")]
    Capture(String),
    /// An empty pattern.
    #[error("it is empty")]
    Empty,
}

impl Pattern {
    /// Compiles a glob.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        let mut captures = Vec::new();
        let source = translate(text, &mut captures)?;
        let regex = Regex::new(&source).expect("a translated glob is a regular expression");
        Ok(Self {
            text: text.to_owned(),
            regex,
            captures,
        })
    }

    /// The glob as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The names that it captures.
    #[must_use]
    pub fn capture_names(&self) -> &[String] {
        &self.captures
    }

    /// What its captures stand for in `text`, if the whole of it matches.
    #[must_use]
    pub fn captures(&self, text: &str) -> Option<Captures> {
        let found = self.regex.captures(text)?;
        let named = self.captures.iter().filter_map(|name| {
            found
                .name(name)
                .map(|part| (name.clone(), part.as_str().to_owned()))
        });
        Some(named.collect())
    }

    /// What every text begins with that it matches and of which its captures take these
    /// values.
    #[must_use]
    pub fn prefix(&self, values: &Captures) -> String {
        let mut prefix = String::new();
        let mut rest = self.text.chars();
        while let Some(next) = rest.next() {
            match next {
                '*' | '?' | '[' => break,
                '\\' => prefix.extend(rest.next()),
                '{' => {
                    let inside: String = rest.by_ref().take_while(|c| *c != '}').collect();
                    let Some(value) = values.get(&inside) else {
                        break;
                    };
                    prefix.push_str(value);
                }
                literal => prefix.push(literal),
            }
        }
        prefix
    }

    /// Whether the whole of `text` matches.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({:?})", self.text)
    }
}

fn translate(glob: &str, captures: &mut Vec<String>) -> Result<String, PatternError> {
    let mut regex = String::from(r"(?s)\A");
    let mut rest = glob;
    while let Some(next) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("**/") {
            regex.push_str("(?:.*/)?");
            rest = after;
            continue;
        }
        if let Some(after) = rest.strip_prefix("**") {
            regex.push_str(".*");
            rest = after;
            continue;
        }
        let mut length = next.len_utf8();
        match next {
            '*' => regex.push_str("[^/]*"),
            '?' => regex.push_str("[^/]"),
            '\\' => {
                let literal = rest[1..].chars().next().ok_or(PatternError::Open('\\'))?;
                length += literal.len_utf8();
                push_literal(&mut regex, literal);
            }
            '[' => {
                let end = rest[1..].find(']').ok_or(PatternError::Open('['))?;
                push_class(&mut regex, &rest[1..=end]);
                length = end + 2;
            }
            '{' => {
                let end = rest.find('}').ok_or(PatternError::Open('{'))?;
                push_braces(&mut regex, &rest[1..end], captures)?;
                length = end + 1;
            }
            literal => push_literal(&mut regex, literal),
        }
        rest = &rest[length..];
    }
    regex.push_str(r"\z");
    Ok(regex)
}

fn push_literal(regex: &mut String, literal: char) {
    regex.push_str(&regex::escape(literal.encode_utf8(&mut [0; 4])));
}

fn push_class(regex: &mut String, class: &str) {
    let (negated, members) = match class.strip_prefix(['!', '^']) {
        Some(members) => (true, members),
        None => (false, class),
    };
    if members.is_empty() {
        // `[]` matches nothing, as in a shell's glob.
        regex.push_str(r"[^\s\S]");
        return;
    }
    regex.push_str(if negated { "[^/" } else { "[" });
    for member in members.chars() {
        if member == '-' {
            regex.push('-');
        } else {
            push_literal(regex, member);
        }
    }
    regex.push(']');
}

fn push_braces(
    regex: &mut String,
    inside: &str,
    captures: &mut Vec<String>,
) -> Result<(), PatternError> {
    if inside.contains(',') {
        let alternatives: Vec<_> = inside.split(',').map(regex::escape).collect();
        regex.push_str(&format!("(?:{})", alternatives.join("|")));
        return Ok(());
    }
    let starts_well = inside.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let word = inside
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !starts_well || !word || captures.iter().any(|name| name == inside) {
        return Err(PatternError::Capture(inside.to_owned()));
    }
    captures.push(inside.to_owned());
    regex.push_str(&format!("(?P<{inside}>[^/]+)"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_whole_keys() {
        let check = |glob: &str, text: &str, expect: bool| {
            assert_eq!(
                Pattern::new(glob).expect(glob).is_match(text),
                expect,
                "{glob} on {text}"
            );
        };
        check("s3://drop/*.csv", "s3://drop/a.csv", true);
        check("s3://drop/*.csv", "s3://drop/x/a.csv", false);
        check("s3://drop/*.csv*", "s3://drop/a.csv.gz", true);
        check("s3://drop/**/*.csv", "s3://drop/a.csv", true);
        check("s3://drop/**/*.csv", "s3://drop/x/y/a.csv", true);
        check("s3://drop/**", "s3://drop/x\ny", true);
        check("s3://drop/a.csv", "s3://drop/aXcsv", false);
        check("a?c", "aéc", true);
        check("a?c", "a/c", false);
        check("[a-c]1", "b1", true);
        check("[!a-c]1", "b1", false);
        check("{csv,json}", "json", true);
        check(r"\*", "*", true);
        check("a+b (1).csv", "a+b (1).csv", true);
    }

    #[test]
    fn captures_are_the_parts_of_a_key() {
        let pattern = Pattern::new("s3://drop/{day}/orders-{shop}.csv").expect("sound");
        let captures = pattern
            .captures("s3://drop/2026-11-22/orders-paris.csv")
            .expect("matches");
        assert_eq!(captures["day"], "2026-11-22");
        assert_eq!(captures["shop"], "paris");
        assert_eq!(pattern.captures("s3://drop/orders-paris.csv"), None);
    }

    #[test]
    fn what_is_known_of_a_key_is_its_prefix() {
        let values = Captures::from([("day".to_owned(), "2026-11-22".to_owned())]);
        let check = |glob: &str, expect: &str| {
            let pattern = Pattern::new(glob).expect(glob);
            assert_eq!(pattern.prefix(&values), expect, "{glob}");
        };
        check("s3://drop/{day}/*.csv", "s3://drop/2026-11-22/");
        check("s3://drop/{shop}/{day}.csv", "s3://drop/");
        check("s3://drop/{day}-{shop}.csv", "s3://drop/2026-11-22-");
        check("s3://{drop,other}/{day}", "s3://");
        check(r"/srv/\*/{day}.csv", "/srv/*/2026-11-22.csv");
        check("/srv/a?/{day}.csv", "/srv/a");
    }

    #[test]
    fn a_broken_glob_says_why() {
        let check = |glob: &str, expect: PatternError| {
            assert_eq!(Pattern::new(glob).expect_err(glob), expect);
        };
        check("", PatternError::Empty);
        check("a{b", PatternError::Open('{'));
        check("a[b", PatternError::Open('['));
        check("{a b}", PatternError::Capture("a b".into()));
        check("{a}/{a}", PatternError::Capture("a".into()));
    }
}
