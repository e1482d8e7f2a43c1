use arrivage_model::{Csv, Format, JsonLines, Limits};

use super::rules::at_least;
use crate::settings::{self, Byte, Key, Reader, Size};

/// Buffers of chunks are addressed with 31 bits.
const LARGEST_RECORD: u64 = 1 << 30;

pub(super) fn format(typed: &settings::Format, reader: &mut Reader<'_>) -> Option<Format> {
    match typed {
        settings::Format::Csv(typed) => csv(typed, reader).map(Format::Csv),
        settings::Format::JsonLines(_) => Some(Format::JsonLines(JsonLines {})),
    }
}

fn csv(typed: &settings::Csv, reader: &mut Reader<'_>) -> Option<Csv> {
    let delimiter = typed.delimiter.typed()?;
    let quote = typed.quote.get()?.0;
    let comment = typed.comment.get().and_then(|byte| byte.0);
    let escape = match typed.escape.get() {
        Some(Byte(escape)) => escape,
        None => quote,
    };
    let Byte(Some(delimiter_byte)) = delimiter.value else {
        reader.complain(
            &delimiter.place,
            "it is empty; fields need something between them",
        );
        return None;
    };
    apart(&typed.quote, "delimiter", delimiter_byte, reader);
    apart(&typed.escape, "delimiter", delimiter_byte, reader);
    apart(&typed.comment, "delimiter", delimiter_byte, reader);
    if let Some(quote) = quote {
        apart(&typed.comment, "quote", quote, reader);
    } else if let Key::Here(escape) = &typed.escape
        && escape.0.is_some()
    {
        reader.complain(&escape.place, "without a quote there is nothing to escape");
    }
    let null = typed.null.typed()?.iter();
    let null: Option<_> = null
        .map(|word| Some(word.as_ref()?.value.clone()))
        .collect();
    Some(Csv {
        delimiter: delimiter_byte,
        quote,
        escape,
        header: typed.header.get()?,
        skip_lines: typed.skip_lines.get()?,
        comment,
        trim: typed.trim.get()?,
        null: null?,
        ragged: typed.ragged.get()?,
    })
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
    };
    at_least(&any.max_record, Size(1), "1 byte", reader);
    at_least(&any.max_expansion, 1, "1", reader);
    let max_record = any.max_record.typed()?;
    if max_record.0 > LARGEST_RECORD {
        reader.complain(&max_record.place, "too much; at most 1GiB");
        return None;
    }
    Some(Limits {
        compression: any.compression.get()?,
        encoding: any.encoding.get()?,
        invalid_bytes: any.invalid_bytes.get()?,
        max_record: usize::try_from(max_record.0).ok()?,
        max_expansion: any.max_expansion.get()?,
    })
}
