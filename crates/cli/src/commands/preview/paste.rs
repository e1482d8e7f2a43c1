//! A pipeline as the configuration would have it: only what is not the default.

use std::fmt::Write;

use arrivage_model::{
    Column, ColumnSource, Csv, Delimiter, Encoding, FixedWidth, Format, Pipeline, Ragged,
    RepeatedHeader,
};

/// The `[[pipeline]]` that says what this one is; `glob`: what it matches.
pub(super) fn pipeline(pipeline: &Pipeline, glob: &str) -> String {
    let mut text = format!(
        "[[pipeline]]\nname = {}\nmatch = [{}]\ntable = {}\n",
        quoted(&pipeline.name),
        quoted(glob),
        quoted(&pipeline.table.to_string())
    );
    let format = format(pipeline);
    if !format.is_empty() {
        text += "\n[pipeline.format]\n";
        for (key, value) in format {
            line(&mut text, key, &value);
        }
    }
    for column in &pipeline.columns {
        text += "\n[[pipeline.column]]\n";
        for (key, value) in self::column(column) {
            line(&mut text, key, &value);
        }
    }
    text
}

fn line(text: &mut String, key: &str, value: &str) {
    writeln!(text, "{key} = {value}").expect("a text takes what is written");
}

fn format(pipeline: &Pipeline) -> Vec<(&'static str, String)> {
    let mut keys = Vec::new();
    let kind = pipeline.format.as_str();
    if kind != "csv" {
        keys.push(("kind", quoted(kind)));
    }
    let encoding = pipeline.limits.encoding;
    if encoding != Encoding::UTF_8 {
        keys.push(("encoding", quoted(&encoding.to_string().to_lowercase())));
    }
    match &pipeline.format {
        Format::Csv(dialect) => csv(dialect, &mut keys),
        Format::FixedWidth(format) => {
            let usual = FixedWidth::default();
            skip_lines(format.skip_lines, &mut keys);
            null(&format.null, &usual.null, &mut keys);
        }
        Format::JsonLines(_) => {}
    }
    keys
}

fn csv(dialect: &Csv, keys: &mut Vec<(&'static str, String)>) {
    let usual = Csv::default();
    let byte =
        |byte: Option<u8>| quoted(&byte.map_or(String::new(), |byte| char::from(byte).into()));
    if let (Delimiter::Text(text), true) =
        (&dialect.delimiter, dialect.delimiter != usual.delimiter)
    {
        keys.push(("delimiter", quoted(text)));
    }
    if dialect.quote != usual.quote {
        keys.push(("quote", byte(dialect.quote)));
    }
    if dialect.escape != dialect.quote {
        keys.push(("escape", byte(dialect.escape)));
    }
    if !dialect.header {
        keys.push(("header", "false".to_owned()));
    }
    skip_lines(dialect.skip_lines, keys);
    if dialect.comment.is_some() {
        keys.push(("comment", byte(dialect.comment)));
    }
    if dialect.trim {
        keys.push(("trim", "true".to_owned()));
    }
    null(&dialect.null, &usual.null, keys);
    if dialect.ragged == Ragged::Pad {
        keys.push(("ragged", quoted("pad")));
    }
    if dialect.repeated_header == RepeatedHeader::Skip {
        keys.push(("repeated_header", quoted("skip")));
    }
}

fn skip_lines(lines: u64, keys: &mut Vec<(&'static str, String)>) {
    if lines > 0 {
        keys.push(("skip_lines", lines.to_string()));
    }
}

fn null(words: &[String], usual: &[String], keys: &mut Vec<(&'static str, String)>) {
    if words != usual {
        let words: Vec<_> = words.iter().map(|word| quoted(word)).collect();
        keys.push(("null", format!("[{}]", words.join(", "))));
    }
}

fn column(column: &Column) -> Vec<(&'static str, String)> {
    let mut keys = vec![("name", quoted(&column.name))];
    if let Some(kind) = column.kind {
        keys.push(("type", quoted(&kind.to_string())));
    }
    let from = column.from.as_ref().map(|from| match from {
        ColumnSource::Name(text) | ColumnSource::Pointer(text) => quoted(text),
        ColumnSource::Capture(name) => quoted(&format!("{{{name}}}")),
        ColumnSource::Position(position) => position.to_string(),
        ColumnSource::Range(range) => {
            let last = range.last.map_or(String::new(), |last| last.to_string());
            quoted(&format!("{}-{last}", range.first))
        }
    });
    keys.extend(from.map(|from| ("from", from)));
    keys.extend(
        column
            .format
            .as_ref()
            .map(|format| ("format", quoted(format))),
    );
    if column.decimal != '.' {
        keys.push(("decimal", quoted(&column.decimal.to_string())));
    }
    keys
}

/// A basic string of TOML: JSON's, but for one character that JSON lets stand. A
/// variable of the environment is not meant.
fn quoted(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    json.replace('\u{7f}', "\\u007f").replace("${", "$${")
}
