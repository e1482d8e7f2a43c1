use std::ops::Range;

/// What a line looks like that is no record, as `format.trailer` says it: `*` stands for
/// any text, `{count}` for the number of records, `{sum:amount}` for the sum of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrailerPattern {
    /// What stands before, between and after the stars.
    segments: Vec<Vec<Part>>,
    totals: Vec<Total>,
}

/// A total that a trailer states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Total {
    /// `{count}`, or `{count+2}` where so many other lines are counted with the records.
    Count {
        /// How many.
        more: u64,
    },
    /// `{sum:amount}`
    Sum {
        /// Of the table.
        column: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(Vec<u8>),
    /// Digits, with blanks around.
    Count,
    /// Digits, signs, marks and blanks.
    Sum,
}

/// A pattern that is none.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TrailerPatternError {
    /// Every line would be like it.
    #[error("every line would be like it")]
    Anything,
    /// Something else in braces.
    #[error(
        "{{{0}}} is no total; write {{count}}, {{count+1}} where the trailer counts itself, or {{sum:COLUMN}}"
    )]
    Total(String),
    /// A brace without its partner.
    #[error("a {{ is never closed")]
    Open,
    /// The end of one number and the beginning of the next cannot be told.
    #[error("something has to stand between two totals")]
    Adjacent,
}

impl TrailerPattern {
    /// Reads a pattern.
    pub fn new(text: &str) -> Result<Self, TrailerPatternError> {
        let mut totals = Vec::new();
        let segments = text.split('*').map(|text| segment(text, &mut totals));
        let segments = segments.collect::<Result<Vec<_>, _>>()?;
        if segments.iter().all(Vec::is_empty) {
            return Err(TrailerPatternError::Anything);
        }
        Ok(Self { segments, totals })
    }

    /// The totals that it states, in their order.
    #[must_use]
    pub fn totals(&self) -> &[Total] {
        &self.totals
    }

    /// Where the totals stand in a line, if it is like this.
    #[must_use]
    pub fn find(&self, line: &[u8]) -> Option<Vec<Range<usize>>> {
        let mut found = Vec::new();
        let (first, rest) = self.segments.split_first()?;
        let mut at = match_at(first, line, 0, &mut found)?;
        let Some((last, between)) = rest.split_last() else {
            return (at == line.len()).then_some(found);
        };
        for segment in between {
            at = (at..=line.len()).find_map(|at| match_at(segment, line, at, &mut found))?;
        }
        let begins = match text_length(last) {
            Some(length) => line.len().checked_sub(length)?.max(at)..line.len() + 1,
            None => at..line.len() + 1,
        };
        for at in begins {
            let before = found.len();
            if match_at(last, line, at, &mut found) == Some(line.len()) {
                return Some(found);
            }
            found.truncate(before);
        }
        None
    }
}

/// How long what matches is, where there are no numbers in it.
fn text_length(segment: &[Part]) -> Option<usize> {
    let length = |part: &Part| match part {
        Part::Text(text) => Some(text.len()),
        Part::Count | Part::Sum => None,
    };
    segment.iter().map(length).sum()
}

fn segment(text: &str, totals: &mut Vec<Total>) -> Result<Vec<Part>, TrailerPatternError> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        if !before.is_empty() {
            parts.push(Part::Text(before.into()));
        }
        let (inside, after) = after.split_once('}').ok_or(TrailerPatternError::Open)?;
        let total = total(inside).ok_or_else(|| TrailerPatternError::Total(inside.to_owned()))?;
        if !matches!(parts.last(), None | Some(Part::Text(_))) {
            return Err(TrailerPatternError::Adjacent);
        }
        parts.push(match total {
            Total::Count { .. } => Part::Count,
            Total::Sum { .. } => Part::Sum,
        });
        totals.push(total);
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.into()));
    }
    Ok(parts)
}

fn total(inside: &str) -> Option<Total> {
    if let Some(column) = inside.strip_prefix("sum:") {
        let column = column.trim().to_owned();
        return (!column.is_empty()).then_some(Total::Sum { column });
    }
    let more = match inside.strip_prefix("count")? {
        "" => 0,
        more => more.strip_prefix('+')?.trim().parse().ok()?,
    };
    Some(Total::Count { more })
}

/// Where the segment ends, if it begins at this place. What it found is left in `found`
/// only then.
fn match_at(
    segment: &[Part],
    line: &[u8],
    begin: usize,
    found: &mut Vec<Range<usize>>,
) -> Option<usize> {
    let before = found.len();
    let mut at = begin;
    for (nth, part) in segment.iter().enumerate() {
        let rest = &line[at..];
        let length = match part {
            Part::Text(text) => rest.starts_with(text).then_some(text.len()),
            Part::Count | Part::Sum => {
                let end = match segment.get(nth + 1) {
                    Some(Part::Text(text)) => text.first().copied(),
                    _ => None,
                };
                let length = number(part, rest, end);
                found.extend(length.map(|length| at..at + length));
                length
            }
        };
        let Some(length) = length else {
            found.truncate(before);
            return None;
        };
        at += length;
    }
    Some(at)
}

/// How long the number is, with its blanks, that stands at the front. `end`: what stands
/// behind it is no part of it, whatever it is.
fn number(part: &Part, rest: &[u8], end: Option<u8>) -> Option<usize> {
    let is_of_it = |byte: u8| match part {
        Part::Count => byte.is_ascii_digit(),
        _ => byte.is_ascii_digit() || b"+-., '".contains(&byte),
    };
    let run = |from: usize, is_of_it: &dyn Fn(u8) -> bool| {
        let more = rest[from..].iter();
        from + more
            .take_while(|byte| is_of_it(**byte) && Some(**byte) != end)
            .count()
    };
    let begin = run(0, &|byte| byte == b' ');
    let digits = run(begin, &is_of_it);
    rest[begin..digits]
        .iter()
        .any(u8::is_ascii_digit)
        .then(|| run(digits, &|byte| byte == b' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text_and_a_total_for_a_number() {
        let check = |pattern: &str, line: &str, expect: Option<&[&str]>| {
            let found = TrailerPattern::new(pattern)
                .expect(pattern)
                .find(line.as_bytes());
            let found: Option<Vec<_>> =
                found.map(|found| found.into_iter().map(|place| &line[place]).collect());
            assert_eq!(found.as_deref(), expect, "{pattern:?} and {line:?}");
        };
        check("Total", "Total", Some(&[]));
        check("Total", "Total;5", None);
        check("Total*", "Total;5", Some(&[]));
        check("Total*", "Total", Some(&[]));
        check("Total*", "Subtotal", None);
        check("*;;", "Sum;;", Some(&[]));
        check("*;;", "Sum;;1", None);
        check("#*rows*#", "# 5 rows #", Some(&[]));
        check("#*rows*#", "#rows#", Some(&[]));
        check("#*rows*#", "#rows", None);
        check("a*a", "a", None);
        check("a*b*c", "abcbc", Some(&[]));
        check("a*b*c", "acb", None);

        check("T;{count}", "T;12", Some(&["12"]));
        check("T;{count}", "T; 0012 ", Some(&[" 0012 "]));
        check("T;{count}", "T;12;", None);
        check("T;{count}", "T;", None);
        check("T;{count}", "T;-1", None);
        check("T{count}*", "T0000012ABC", Some(&["0000012"]));
        check("*{count}", "rows 12", Some(&[" 12"]));
        check("*{count} rows*", "these 12 rows.", Some(&["12"]));
        check("T,{count},{sum:a}", "T,3,1.50", Some(&["3", "1.50"]));
        check(
            "T;{sum:a};{count}",
            "T;-1.234,50;3",
            Some(&["-1.234,50", "3"]),
        );
        check("T;{sum:a}*", "T;1 234,5-", Some(&["1 234,5-"]));
        check("T;{sum:a}", "T;+", None);
        check("\"T\";\"{sum:a}\"", "\"T\";\"1,5\"", Some(&["1,5"]));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        let check = |pattern: &str, expect: TrailerPatternError| {
            assert_eq!(TrailerPattern::new(pattern), Err(expect), "{pattern:?}");
        };
        check("", TrailerPatternError::Anything);
        check("**", TrailerPatternError::Anything);
        check("T{count", TrailerPatternError::Open);
        check("T{rows}", TrailerPatternError::Total("rows".into()));
        check("T{count-1}", TrailerPatternError::Total("count-1".into()));
        check("T{sum:}", TrailerPatternError::Total("sum:".into()));
        check("{count}{sum:a}", TrailerPatternError::Adjacent);
        let more = TrailerPattern::new("{count+2};{sum:a b}").expect("sound");
        let sum = Total::Sum {
            column: "a b".to_owned(),
        };
        assert_eq!(more.totals(), [Total::Count { more: 2 }, sum]);
    }
}
