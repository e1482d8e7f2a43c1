use arrivage_model::{
    Csv, Delimiter, Encoding, ExtraColumns, FixedWidth, Format, JsonLines, Limits, MissingColumns,
    Positions, RepeatedHeader, TrailerPattern,
};

use super::rules::at_least;
use crate::settings::{self, Byte, Key, List, Reader, Size};

/// As many lines at the end are looked for at most.
const MOST_LAST_LINES: u64 = 100;

/// Buffers of chunks are addressed with 31 bits.
const LARGEST_RECORD: u64 = 1 << 30;

pub(super) fn format(typed: &settings::Format, reader: &mut Reader<'_>) -> Option<Format> {
    match typed {
        settings::Format::Csv(typed) => csv(typed, reader).map(Format::Csv),
        settings::Format::JsonLines(_) => Some(Format::JsonLines(JsonLines {})),
        settings::Format::FixedWidth(typed) => fixed_width(typed, reader).map(Format::FixedWidth),
        settings::Format::Parquet(_) => Some(Format::Parquet),
        settings::Format::Avro(_) => Some(Format::Avro),
    }
}

fn csv(typed: &settings::Csv, reader: &mut Reader<'_>) -> Option<Csv> {
    let delimiter = typed.delimiter.get()?;
    let quote = typed.quote.get()?.0;
    let comment = typed.comment.get().and_then(|byte| byte.0);
    let escape = match typed.escape.get() {
        Some(Byte(escape)) => escape,
        None => quote,
    };
    if let Delimiter::Text(text) = &delimiter {
        for byte in text.bytes() {
            apart(&typed.quote, "delimiter", byte, reader);
            apart(&typed.escape, "delimiter", byte, reader);
            apart(&typed.comment, "delimiter", byte, reader);
        }
    }
    check_policies(typed, reader);
    if let Some(quote) = quote {
        apart(&typed.comment, "quote", quote, reader);
    } else if let Key::Here(escape) = &typed.escape
        && escape.0.is_some()
    {
        reader.complain(&escape.place, "without a quote there is nothing to escape");
    }
    Some(Csv {
        delimiter,
        quote,
        escape,
        header: typed.header.get()?,
        skip_lines: typed.skip_lines.get()?,
        skip_last: typed.skip_last.get()?,
        trailer: typed.trailer.get(),
        comment,
        trim: typed.trim.get()?,
        null: words(&typed.null)?,
        ragged: typed.ragged.get()?,
        repeated_header: typed.repeated_header.get()?,
        extra_columns: typed.extra_columns.get()?,
        missing_columns: typed.missing_columns.get()?,
    })
}

fn fixed_width(typed: &settings::FixedWidth, reader: &mut Reader<'_>) -> Option<FixedWidth> {
    check_trailer(&typed.skip_last, &typed.trailer, reader);
    let encoding = typed.any.encoding.get()?;
    let counts_bytes = encoding == Encoding::UTF_8 || encoding.get().is_single_byte();
    if let Some(positions) = typed.positions.typed()
        && positions.value == Positions::Bytes
        && !counts_bytes
    {
        let message = format!(
            "bytes are counted in UTF-8 and where every character is one; with {encoding} give characters"
        );
        reader.complain(&positions.place, message);
    }
    Some(FixedWidth {
        // Where every character is one byte, they are the same.
        positions: match encoding == Encoding::UTF_8 {
            true => typed.positions.get()?,
            false => Positions::Characters,
        },
        skip_lines: typed.skip_lines.get()?,
        skip_last: typed.skip_last.get()?,
        trailer: typed.trailer.get(),
        comment: typed.comment.get().and_then(|byte| byte.0),
        trim: typed.trim.get()?,
        null: words(&typed.null)?,
        ragged: typed.ragged.get()?,
    })
}

fn words(typed: &Key<List<String>>) -> Option<Vec<String>> {
    let words = typed.typed()?.iter();
    words
        .map(|word| Some(word.as_ref()?.value.clone()))
        .collect()
}

fn check_trailer(last: &Key<u64>, like: &Key<String>, reader: &mut Reader<'_>) {
    if let Some(lines) = last.typed()
        && lines.value > MOST_LAST_LINES
    {
        reader.complain(&lines.place, format!("too many; at most {MOST_LAST_LINES}"));
    }
    if let Some(trailer) = like.typed()
        && let Err(error) = TrailerPattern::new(&trailer.value)
    {
        reader.complain(&trailer.place, error.to_string());
    }
}

/// Complains about what cannot be kept to.
fn check_policies(typed: &settings::Csv, reader: &mut Reader<'_>) {
    check_trailer(&typed.skip_last, &typed.trailer, reader);
    if typed.header.get() != Some(false) {
        return;
    }
    let message = "header = false leaves no names to go by";
    if let Some(policy) = typed.extra_columns.typed()
        && policy.value != ExtraColumns::Ignore
    {
        reader.complain(&policy.place, message);
    }
    if let Some(policy) = typed.missing_columns.typed()
        && policy.value != MissingColumns::Reject
    {
        reader.complain(&policy.place, message);
    }
    if let Some(policy) = typed.repeated_header.typed()
        && policy.value != RepeatedHeader::Record
    {
        reader.complain(&policy.place, message);
    }
}

/// Complains where two characters that must differ are the same.
fn apart(key: &Key<Byte>, other: &str, byte: u8, reader: &mut Reader<'_>) {
    if let Some(typed) = key.typed()
        && typed.0 == Some(byte)
    {
        reader.complain(&typed.place, format!("the {other} is the same character"));
    }
}

pub(super) fn limits(typed: &settings::Format, reader: &mut Reader<'_>) -> Option<Limits> {
    let any = match typed {
        settings::Format::Csv(typed) => &typed.any,
        settings::Format::JsonLines(typed) => &typed.any,
        settings::Format::FixedWidth(typed) => &typed.any,
        // No text, and packed in its own way.
        settings::Format::Parquet(typed) => {
            return sizes(&typed.max_record, &typed.max_expansion, reader);
        }
        settings::Format::Avro(typed) => {
            return sizes(&typed.max_record, &typed.max_expansion, reader);
        }
    };
    let sizes = sizes(&any.max_record, &any.max_expansion, reader)?;
    Some(Limits {
        compression: any.compression.get()?,
        encoding: any.encoding.get()?,
        invalid_bytes: any.invalid_bytes.get()?,
        ..sizes
    })
}

fn sizes(max_record: &Key<Size>, expansion: &Key<u64>, reader: &mut Reader<'_>) -> Option<Limits> {
    at_least(max_record, Size(1), "1 byte", reader);
    at_least(expansion, 1, "1", reader);
    let max_record = max_record.typed()?;
    if max_record.0 > LARGEST_RECORD {
        reader.complain(&max_record.place, "too much; at most 1GiB");
        return None;
    }
    Some(Limits {
        max_record: usize::try_from(max_record.0).ok()?,
        max_expansion: expansion.get()?,
        ..Limits::default()
    })
}
