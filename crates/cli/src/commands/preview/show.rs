//! What is said of an object: for people, and for scripts.

use arrivage_model::{Column, Compression, Csv, Delimiter, Format, Reject};
use serde_json::{Map, Value, json};

use super::Previewed;
use crate::output;

/// As many rejects are shown.
const REJECTS: usize = 10;

/// The widest cell, in characters.
const CELL: usize = 40;

pub(super) fn text(previewed: &Previewed) {
    let Previewed {
        beginning,
        detected,
        trial,
        ..
    } = previewed;
    output::data(&output::cell(&previewed.url, usize::MAX));
    output::data(&format!(
        "{}, {}",
        written(previewed),
        compression(beginning.compression)
    ));
    if let Some(entry) = &beginning.entry {
        let entry = output::cell(entry, usize::MAX);
        output::data(&format!(
            "an archive, of which this is the first file: {entry}"
        ));
    }
    let sample = match beginning.whole {
        true => "the whole file".to_owned(),
        false if beginning.stated.is_some() => "its first records".to_owned(),
        false => format!("its first {} bytes", beginning.bytes.len()),
    };
    let (records, rejected) = (trial.records, trial.rejected);
    output::data(&format!(
        "{sample}: {records} records, {rejected} of them rejects"
    ));
    for note in &detected.notes {
        output::data(&format!("note: {}", output::cell(note, usize::MAX)));
    }

    output::data("");
    let header: Vec<&str> = detected
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    let cell = |cell: &Option<String>| match cell {
        Some(text) => output::cell(text, CELL),
        None => "NULL".to_owned(),
    };
    let rows: Vec<Vec<String>> = trial
        .rows
        .iter()
        .map(|row| row.iter().map(cell).collect())
        .collect();
    let rows: Vec<&[String]> = rows.iter().map(Vec::as_slice).collect();
    output::grid(&header, &rows);
    if rejected > 0 {
        output::data("");
        rejects(&trial.rejects, rejected);
    }
    output::data("");
    output::data(&previewed.create_table);
    output::data("");
    output::data(previewed.toml.trim_end());
}

fn rejects(rejects: &[Reject], all: u64) {
    let row = |reject: &Reject| {
        [
            reject.record.to_string(),
            reject.line.to_string(),
            reject.column.clone().unwrap_or_default(),
            reject.code.to_string(),
            output::cell(&reject.reason, 70),
            output::cell(&reject.raw, CELL),
        ]
    };
    let rows: Vec<_> = rejects.iter().take(REJECTS).map(row).collect();
    output::table(["RECORD", "LINE", "COLUMN", "REASON", "WHY", "RAW"], &rows);
    let more = all.saturating_sub(REJECTS as u64);
    if more > 0 {
        output::data(&format!("… and {more} more"));
    }
}

/// How its text is written, in words.
fn written(previewed: &Previewed) -> String {
    let mut words = vec![previewed.detected.format.as_str().to_owned()];
    if !previewed.detected.format.is_typed() {
        words.push(previewed.detected.encoding.to_string());
    }
    if let Format::Csv(csv) = &previewed.detected.format {
        words.extend(dialect(csv));
    }
    words.join(", ")
}

fn dialect(csv: &Csv) -> Vec<String> {
    let mut words = Vec::new();
    if let Delimiter::Text(text) = &csv.delimiter {
        words.push(format!("delimiter {text:?}"));
    }
    words.push(match csv.quote {
        Some(quote) => format!("quote {}", char::from(quote)),
        None => "no quotes".to_owned(),
    });
    words.push(match (csv.header, csv.skip_lines) {
        (true, 0) => "header".to_owned(),
        (true, lines) => format!("header from line {}", lines + 1),
        (false, 0) => "no header".to_owned(),
        (false, lines) => format!("no header, records from line {}", lines + 1),
    });
    words
}

fn compression(compression: Compression) -> &'static str {
    match compression {
        Compression::Auto | Compression::None => "not compressed",
        Compression::Gzip => "gzip",
        Compression::Zstd => "zstd",
        Compression::Bzip2 => "bzip2",
        Compression::Xz => "xz",
        Compression::Lz4 => "lz4",
        Compression::Zip => "zip",
    }
}

pub(super) fn json(previewed: &Previewed) {
    let Previewed {
        beginning,
        detected,
        trial,
        ..
    } = previewed;
    let row = |row: &Vec<Option<String>>| {
        let cells = detected.columns.iter().zip(row);
        let member =
            |(column, cell): (&Column, &Option<String>)| (column.name.clone(), json!(cell));
        Value::Object(cells.map(member).collect::<Map<_, _>>())
    };
    let reject = |reject: &Reject| {
        json!({
            "record": reject.record,
            "line": reject.line,
            "byte_offset": reject.byte_offset,
            "column_name": reject.column,
            "reason_code": reject.code.as_str(),
            "reason": reject.reason,
            "raw": reject.raw,
        })
    };
    let column = |column: &Column| {
        json!({
            "name": column.name,
            "type": column.kind.map(|kind| kind.to_string()),
            "format": column.format,
            "decimal": column.decimal.to_string(),
        })
    };
    let compression = match beginning.compression {
        Compression::Auto | Compression::None => "none",
        other => compression(other),
    };
    let encoding = match detected.format.is_typed() {
        true => None,
        false => Some(detected.encoding.to_string().to_lowercase()),
    };
    output::json_lines(&[json!({
        "url": previewed.url,
        "compression": compression,
        "entry": beginning.entry,
        "format": detected.format.as_str(),
        "encoding": encoding,
        "whole": beginning.whole,
        "sample_bytes": beginning.bytes.len(),
        "records": trial.records,
        "rejected": trial.rejected,
        "notes": detected.notes,
        "columns": detected.columns.iter().map(column).collect::<Vec<_>>(),
        "rows": trial.rows.iter().map(row).collect::<Vec<_>>(),
        "rejects": trial.rejects.iter().map(reject).collect::<Vec<_>>(),
        "table": previewed.pipeline.table.to_string(),
        "create_table": previewed.create_table,
        "pipeline": previewed.toml,
    })]);
}
