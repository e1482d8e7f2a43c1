use arrivage_model::{Arrival, Column, ColumnSource, ColumnType, Pattern, Range};
use chrono::format::{Item, StrftimeItems};

use crate::settings::{self, Format, Key, List, Origin, Reader, Typed};

pub(super) fn column(
    typed: &settings::Column,
    format: Option<&Typed<Format>>,
    patterns: Option<&[Pattern]>,
    reader: &mut Reader<'_>,
) -> Option<Column> {
    let name = name(typed, reader);
    let from = source(typed, format, patterns, reader);
    let decimal = decimal(typed, reader);
    check_format(typed, reader);
    Some(Column {
        name: name?,
        kind: typed.r#type.get(),
        from: from?,
        format: typed.format.get(),
        decimal: decimal?,
        required: typed.required.get()?,
        default: typed.default.get().map(|default| default.0),
    })
}

fn name(typed: &settings::Column, reader: &mut Reader<'_>) -> Option<String> {
    let name = typed.name.typed()?;
    if name.is_empty() || name.len() > 63 || name.contains('\0') {
        reader.complain(&name.place, "a column's name has 1 to 63 bytes");
    }
    if matches!(name.as_str(), "_arrival_id" | "_record") {
        reader.complain(&name.place, "Arrivage fills this column itself");
    }
    Some(name.value.clone())
}

/// What `from` means depends on the format, and on what `match` captures.
/// `Some(None)`: nothing was typed.
fn source(
    typed: &settings::Column,
    format: Option<&Typed<Format>>,
    patterns: Option<&[Pattern]>,
    reader: &mut Reader<'_>,
) -> Option<Option<ColumnSource>> {
    if let Key::Here(constant) = &typed.constant {
        if matches!(typed.from, Key::Here(_)) {
            reader.complain(
                &constant.place,
                "it is the same in every row; leave from out",
            );
        }
        return Some(Some(ColumnSource::Constant(constant.value.0.clone())));
    }
    let from = match &typed.from {
        Key::Absent => {
            let fixed = matches!(format?.value, Format::FixedWidth(_));
            if fixed && let Some(name) = typed.name.typed() {
                reader.complain(&name.place, format!("it needs a from, {POSITIONS}"));
            }
            return Some(None);
        }
        Key::Unusable => return None,
        Key::Here(from) => from,
    };
    let format = &format?.value;
    let source = match (&from.value, format) {
        (Origin::Position(0), _) => Err("positions begin at 1".to_owned()),
        (Origin::Position(_), Format::JsonLines(_) | Format::Parquet(_) | Format::Avro(_)) => {
            Err("its records have no positions; give a name or a JSON pointer".to_owned())
        }
        (Origin::Position(position), Format::FixedWidth(_)) => Ok(ColumnSource::Range(Range {
            first: *position,
            last: Some(*position),
        })),
        (Origin::Position(position), Format::Csv(_)) => Ok(ColumnSource::Position(*position)),
        (Origin::Text(text), _) if text.is_empty() => Err("it is empty".to_owned()),
        (Origin::Text(text), _) if capture(text).is_some() => {
            let name = capture(text)?;
            captured(name, patterns?).map(|()| ColumnSource::Capture(name.to_owned()))
        }
        (Origin::Text(text), Format::JsonLines(_) | Format::Parquet(_) | Format::Avro(_))
            if text.starts_with('/') =>
        {
            pointer(text)
        }
        (Origin::Text(text), Format::Csv(csv)) if csv.header.get() == Some(false) => Err(format!(
            "header = false leaves no header to find {text:?} in; give a position"
        )),
        (Origin::Text(text), Format::FixedWidth(_)) => range(text),
        (Origin::Text(text), _) => Ok(ColumnSource::Name(text.clone())),
    };
    reader.take(&from.place, source).map(Some)
}

const POSITIONS: &str =
    "its first and last position, such as \"1-8\", or \"9-\" up to the line's end";

/// `1-8`, or `9-`
fn range(text: &str) -> Result<ColumnSource, String> {
    let problem = || format!("{text:?} is no range of positions; give {POSITIONS}");
    let (first, last) = text.split_once('-').ok_or_else(problem)?;
    let first = first.trim().parse().map_err(|_| problem())?;
    let last = match last.trim() {
        "" => None,
        last => Some(last.parse().map_err(|_| problem())?),
    };
    if first == 0 || last.is_some_and(|last| last < first) {
        return Err(problem());
    }
    Ok(ColumnSource::Range(Range { first, last }))
}

/// Complains about columns of a line that hold the same position.
pub(super) fn check_apart(
    typed: &List<settings::Column>,
    columns: &[Option<Column>],
    reader: &mut Reader<'_>,
) {
    let ranges: Vec<_> = typed
        .iter()
        .zip(columns)
        .filter_map(|(typed, column)| match column.as_ref()?.from {
            Some(ColumnSource::Range(range)) => Some((typed.as_ref()?, range)),
            _ => None,
        })
        .collect();
    for (at, (typed, range)) in ranges.iter().enumerate() {
        let other = ranges[..at]
            .iter()
            .find(|(_, other)| range.overlaps(*other));
        if let (Some((other, _)), Some(from)) = (other, typed.from.typed())
            && let Some(name) = other.name.typed()
        {
            let message = format!("it overlaps with the column {}", name.value);
            reader.complain(&from.place, message);
        }
    }
}

/// `{day}` → `day`
fn capture(text: &str) -> Option<&str> {
    text.strip_prefix('{')?.strip_suffix('}')
}

fn captured(name: &str, patterns: &[Pattern]) -> Result<(), String> {
    if Arrival::FACTS.contains(&name) {
        return Ok(());
    }
    // No glob can capture under such a name.
    if name.contains('.') {
        let facts = Arrival::FACTS.join("}, {");
        return Err(format!(
            "{{{name}}} is not known of arrivals; {{{facts}}} are"
        ));
    }
    let without = |pattern: &&Pattern| !pattern.capture_names().iter().any(|known| known == name);
    match patterns.iter().find(without) {
        None => Ok(()),
        Some(pattern) => Err(format!(
            "every glob of match has to capture {{{name}}}, but {:?} does not",
            pattern.as_str()
        )),
    }
}

fn pointer(text: &str) -> Result<ColumnSource, String> {
    let mut escapes = text.split('~').skip(1);
    if escapes.all(|rest| rest.starts_with(['0', '1'])) {
        Ok(ColumnSource::Pointer(text.to_owned()))
    } else {
        Err("in a JSON pointer ~ is written ~0".to_owned())
    }
}

fn decimal(typed: &settings::Column, reader: &mut Reader<'_>) -> Option<char> {
    let decimal = typed.decimal.typed()?;
    let mut chars = decimal.chars();
    let (Some(mark), None) = (chars.next(), chars.next()) else {
        reader.complain(&decimal.place, "a decimal mark is one character");
        return None;
    };
    if mark.is_alphanumeric() || mark.is_whitespace() || matches!(mark, '+' | '-') {
        reader.complain(&decimal.place, format!("{mark:?} cannot be a decimal mark"));
    }
    if let Some(kind) = typed.r#type.get()
        && mark != '.'
        && !has_fractions(kind)
    {
        reader.complain(&decimal.place, format!("{kind} has no decimal mark"));
    }
    Some(mark)
}

fn has_fractions(kind: ColumnType) -> bool {
    use ColumnType::{DoublePrecision, Numeric, Real};
    matches!(kind, Numeric(_) | Real | DoublePrecision)
}

fn check_format(typed: &settings::Column, reader: &mut Reader<'_>) {
    let Some(format) = typed.format.typed() else {
        return;
    };
    if let Some(kind) = typed.r#type.get()
        && !is_of_time(kind)
    {
        reader.complain(
            &format.place,
            format!("only dates and times have a format, {kind} has none"),
        );
    }
    let broken = StrftimeItems::new(format).any(|item| matches!(item, Item::Error));
    let plain =
        StrftimeItems::new(format).all(|item| matches!(item, Item::Literal(_) | Item::Space(_)));
    if broken || plain {
        let message = format!(
            "{:?} is no format; write it as strftime does, such as \"%d/%m/%Y\"",
            format.value
        );
        reader.complain(&format.place, message);
    }
}

fn is_of_time(kind: ColumnType) -> bool {
    use ColumnType::{Date, Time, Timestamp, TimestampTz};
    matches!(kind, Date | Time | Timestamp | TimestampTz)
}
