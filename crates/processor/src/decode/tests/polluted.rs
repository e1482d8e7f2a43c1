//! The files of `tests/fixtures/polluted.toml`, each with the rows and rejects
//! that it must give.

use std::path::{Path, PathBuf};

use arrivage_model::{Csv, Delimiter, ExtraColumns, Ragged, RepeatedHeader};
use toml::{Table, Value};

use super::{Case, column, csv};

/// A file, and what must become of it.
pub(super) struct Polluted {
    pub(super) name: String,
    case: Case,
    bytes: Vec<u8>,
    /// Its records; or what the refusal says.
    pub(super) expect: Result<Vec<String>, String>,
    /// Why DuckDB does otherwise, where it does.
    pub(super) duckdb: Option<String>,
}

#[test]
fn every_polluted_file_gives_its_rows_and_rejects() {
    let files = polluted();
    assert!(files.len() >= 150, "{} files", files.len());
    let mut wrong = Vec::new();
    for file in &files {
        let found = file.case.read(&file.bytes).map_err(|error| error.message);
        let as_expected = match (&found, &file.expect) {
            (Err(message), Err(part)) => message.contains(part),
            (found, expect) => found == expect,
        };
        if !as_expected {
            wrong.push(format!("{}: {found:?}, not {:?}", file.name, file.expect));
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

pub(super) fn polluted() -> Vec<Polluted> {
    let text = std::fs::read_to_string(path()).expect("the files are there");
    let fixtures: Table = text.parse().expect("the files are TOML");
    let groups = fixtures["group"].as_array().expect("groups");
    let mut files = Vec::new();
    for group in groups.iter().filter_map(Value::as_table) {
        let about = string(&group["about"]);
        let case = case(group);
        for file in group["file"].as_array().expect("files") {
            let parts = file.as_array().expect("name, text and records");
            let text = string(&parts[1]);
            let bytes = match group.contains_key("bytes") {
                true => text
                    .chars()
                    .map(|c| u8::try_from(c).expect("one byte"))
                    .collect(),
                false => text.into_bytes(),
            };
            files.push(Polluted {
                name: format!("{about}: {}", string(&parts[0])),
                case: case.clone(),
                bytes,
                expect: match &parts[2] {
                    Value::Array(records) => Ok(records.iter().map(string).collect()),
                    message => Err(string(message)),
                },
                duckdb: parts.get(3).map(string),
            });
        }
    }
    files
}

pub(super) fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/polluted.toml")
}

fn case(group: &Table) -> Case {
    let mut case = csv(&string(&group["columns"]));
    for (key, value) in table(group, "format") {
        case = match key.as_str() {
            "encoding" => case.encoding(&string(&value)),
            "max_record" => case.max_record(number(&value) as usize),
            _ => case.dialect(|csv| set(csv, &key, &value)),
        };
    }
    for (name, mark) in table(group, "decimal") {
        let decimal = string(&mark).chars().next().expect("a decimal mark");
        case = case.declare(super::Column {
            decimal,
            ..column(&name)
        });
    }
    case
}

fn set(csv: &mut Csv, key: &str, value: &Value) {
    let byte = || string(value).bytes().next();
    match (key, value.as_str()) {
        ("delimiter", Some("auto")) => csv.delimiter = Delimiter::Auto,
        ("delimiter", _) => csv.delimiter = Delimiter::Text(string(value)),
        ("quote", _) => csv.quote = byte(),
        ("escape", _) => csv.escape = byte(),
        ("comment", _) => csv.comment = byte(),
        ("skip_lines", _) => csv.skip_lines = number(value),
        ("skip_last", _) => csv.skip_last = number(value),
        ("trailer", _) => csv.trailer = Some(string(value)),
        ("trim", _) => csv.trim = value.as_bool().expect("true or false"),
        ("null", _) => {
            let words = value.as_array().expect("words");
            csv.null = words.iter().map(string).collect();
        }
        ("ragged", Some("pad")) => csv.ragged = Ragged::Pad,
        ("repeated_header", Some("skip")) => csv.repeated_header = RepeatedHeader::Skip,
        ("extra_columns", Some("keep")) => csv.extra_columns = ExtraColumns::Keep,
        _ => panic!("{key} = {value}"),
    }
}

fn table(group: &Table, key: &str) -> Table {
    let found = group.get(key).and_then(Value::as_table);
    found.cloned().unwrap_or_default()
}

fn string(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn number(value: &Value) -> u64 {
    let number = value.as_integer().expect("a number");
    u64::try_from(number).expect("not below zero")
}
