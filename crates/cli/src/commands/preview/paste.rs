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
        Format::JsonLines(_) | Format::Parquet | Format::Avro => {}
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
    keys.extend(column.from.as_ref().map(|from| match from {
        ColumnSource::Name(text) | ColumnSource::Pointer(text) => ("from", quoted(text)),
        ColumnSource::Capture(name) => ("from", quoted(&format!("{{{name}}}"))),
        ColumnSource::Position(position) => ("from", position.to_string()),
        ColumnSource::Range(range) => {
            let last = range.last.map_or(String::new(), |last| last.to_string());
            ("from", quoted(&format!("{}-{last}", range.first)))
        }
        ColumnSource::Constant(text) => ("constant", quoted(text)),
    }));
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use arrivage_model::Pattern;
    use arrivage_processor::decode::detect::{Sample, detect};

    use super::*;
    use crate::config::Config;

    /// What is printed means, in a configuration, the pipeline that was tried.
    fn check(bytes: &[u8], expect: &[&str]) {
        let sample = Sample { bytes, whole: true };
        let detected = detect(sample).expect("a file that can be read");
        let glob = "s3://drop/in/*.csv";
        let pattern = Pattern::new(glob).expect("a sound glob");
        let table = "t".parse().expect("a sound name");
        let tried = detected.pipeline("p", vec![pattern], table);
        let text = pipeline(&tried, glob);
        let file = format!("database.url = 'sqlite://x.db'\n{text}");
        let config = Config::parse(&file, Path::new("arrivage.toml"), "/etc", &|_| None);
        let config = config.unwrap_or_else(|errors| panic!("{errors}\n{text}"));
        let pipelines = config.pipelines().expect("no variables");
        assert_eq!(pipelines[0].reading(), tried.reading(), "{text}");
        assert_eq!(pipelines[0].patterns[0].as_str(), glob);
        for line in expect {
            assert!(text.lines().any(|found| found == *line), "{line} in {text}");
        }
    }

    #[test]
    fn what_is_pasted_is_what_was_tried() {
        check(b"a,b\n1,2\n", &[]);
        check(b"a;b\n1;2,5\n", &["delimiter = \";\"", "decimal = \",\""]);
        check(b"a\x01b\n1\x01x\n", &["delimiter = \"\\u0001\""]);
        check(b"1\tx\n2\ty\n", &["delimiter = \"\\t\"", "header = false"]);
        check(b"a,'b'\n1,'x,y'\n2,'z'\n", &["quote = \"'\""]);
        check(b"a,b\n1,\"x\\\"y, z\"\n2,\"z\"\n", &["escape = \"\\\\\""]);
        check(b"a,b\n1,NA\n2,3\n", &["null = [\"\", \"NA\"]"]);
        check(
            b"#x\na, b\n1, 2\n3, 4\n",
            &["comment = \"#\"", "trim = true"],
        );
        check(b"a,b\n1,2\na,b\n3,4\n", &["repeated_header = \"skip\""]);
        check(
            b"${A} \"x\",b,c\x7f!\n1,02/01/2026,1\n2,13/01/2026,2\n",
            &[
                "from = \"$${A} \\\"x\\\"\"",
                "format = \"%d/%m/%Y\"",
                "from = \"c\\u007f!\"",
            ],
        );
        check(
            b"x;\xe9\xe8\n1;\xe0 \xe9t\xe9 pr\xeat\n",
            &["encoding = \"windows-1252\""],
        );
        check(
            b"{\"a b\":1,\"/\":2,\"{c}\":\"24/12/2026\"}\n",
            &["kind = \"json-lines\"", "from = \"/~1\"", "from = \"/{c}\""],
        );
        check(
            b"AB 001\nCD 002\nEF 123\n",
            &["kind = \"fixed-width\"", "from = \"1-3\"", "from = \"4-\""],
        );
    }
}
