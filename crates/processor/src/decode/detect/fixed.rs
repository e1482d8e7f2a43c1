use arrivage_model::{Column, ColumnSource, Encoding, FixedWidth, Format, Limits, Range};

use super::kind::{self, Caution, Guess};
use super::names::{self, Named};
use super::{DecodeError, Detected, Sample, Trial};

/// So many lines tell the positions.
const HEAD: usize = 2000;

/// A file of a fixed width, if it looks like one: lines of the same length, with
/// blanks at the same positions of all.
pub(super) fn find(
    encoding: Encoding,
    text: &str,
    sample: Sample<'_>,
) -> Result<Option<Detected>, DecodeError> {
    let mut lines = text.lines();
    if !sample.whole {
        lines.next_back();
    }
    let lines: Vec<Vec<char>> = lines
        .filter(|line| !line.trim().is_empty())
        .take(HEAD)
        .map(|line| line.trim_end_matches('\r').chars().collect())
        .collect();
    let ranges = ranges(&lines);
    if ranges.len() < 2 {
        return Ok(None);
    }
    let first: Vec<_> = ranges
        .iter()
        .map(|range| slice(&lines[0], *range))
        .collect();
    let by_number = names::numbered(ranges.len());
    let with_first = detected(encoding, 0, by_number.clone(), &ranges, sample)?;
    let without_first = detected(encoding, 1, names::name_all(&first), &ranges, sample)?;
    let is_typed = |detected: &Detected| {
        let text = Some(arrivage_model::ColumnType::Text);
        detected
            .columns
            .iter()
            .filter(|column| column.kind != text)
            .count()
    };
    let has_header = first
        .iter()
        .all(|name| !name.is_empty() && !kind::is_value(name))
        && is_typed(&without_first) > is_typed(&with_first);
    Ok(Some(match has_header {
        true => without_first,
        false => with_first,
    }))
}

/// Where the columns stand; none where the lines are not alike.
fn ranges(lines: &[Vec<char>]) -> Vec<Range> {
    let longest = lines.iter().map(Vec::len).max().unwrap_or_default();
    let alike: Vec<_> = lines.iter().filter(|line| line.len() == longest).collect();
    if alike.len() < 3 || alike.len() * 4 < lines.len() * 3 || longest < 4 {
        return Vec::new();
    }
    if lines.iter().flatten().any(|c| *c == '\t') {
        return Vec::new();
    }
    let is_blank = |at: usize| alike.iter().all(|line| line[at] == ' ');
    let mut texts: Vec<(usize, usize)> = Vec::new();
    for at in (0..longest).filter(|at| !is_blank(*at)) {
        match texts.last_mut() {
            Some((_, last)) if *last + 1 == at => *last = at,
            _ => texts.push((at, at)),
        }
    }
    let right_aligned = |(first, last): (usize, usize)| {
        alike.iter().all(|line| line[last] != ' ') && alike.iter().any(|line| line[first] == ' ')
    };
    // The blanks between two columns belong to the one whose values may grow there.
    let mut ranges: Vec<Range> = Vec::new();
    for (at, text) in texts.iter().enumerate() {
        let first = match at.checked_sub(1).map(|before| texts[before]) {
            Some((_, before)) if right_aligned(*text) => before + 1,
            None if right_aligned(*text) => 0,
            _ => text.0,
        };
        if let Some(before) = ranges.last_mut() {
            before.last = Some(first);
        }
        ranges.push(Range {
            first: first + 1,
            last: None,
        });
    }
    ranges
}

fn slice(line: &[char], range: Range) -> String {
    let last = range.last.unwrap_or(line.len()).min(line.len());
    let text: String = line[(range.first - 1).min(last)..last].iter().collect();
    text.trim().to_owned()
}

fn detected(
    encoding: Encoding,
    skip_lines: u64,
    named: Vec<Named>,
    ranges: &[Range],
    sample: Sample<'_>,
) -> Result<Detected, DecodeError> {
    let column = |(named, range): (Named, &Range), guess: Guess| Column {
        name: named.name,
        kind: Some(guess.kind),
        from: Some(ColumnSource::Range(*range)),
        format: guess.format,
        decimal: guess.decimal,
        required: false,
        default: None,
    };
    let mut format = FixedWidth {
        skip_lines,
        ..FixedWidth::default()
    };
    let texts = named.iter().cloned().zip(ranges);
    let texts = Detected {
        format: Format::FixedWidth(format.clone()),
        encoding,
        columns: texts.map(|place| column(place, Guess::text())).collect(),
        notes: Vec::new(),
    };
    let limits = Limits {
        encoding,
        ..Limits::default()
    };
    let Trial { rows, .. } = texts.try_texts(limits, sample, HEAD)?;
    let values = |at: usize| rows.iter().filter_map(move |row| row[at].as_deref());
    let values: Vec<Vec<_>> = (0..ranges.len()).map(|at| values(at).collect()).collect();
    let guesses = kind::guess(&values, Caution::Looked);
    let null = guesses.iter().flat_map(|guess| guess.null.clone());
    format
        .null
        .extend(null.collect::<std::collections::BTreeSet<_>>());
    let note = |(named, guess): (&Named, &Guess)| {
        let note = guess.note.as_ref()?;
        Some(format!("{}: {note}", named.name))
    };
    let notes = named.iter().zip(&guesses).filter_map(note).collect();
    let columns = named.into_iter().zip(ranges).zip(guesses);
    Ok(Detected {
        format: Format::FixedWidth(format),
        encoding,
        columns: columns.map(|(place, guess)| column(place, guess)).collect(),
        notes,
    })
}
