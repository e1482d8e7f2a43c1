//! The CSV files of csv-spectrum, each with what it holds.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::csv;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/csv-spectrum")
}

/// What a file holds: the names of its columns, and its records.
fn expected(name: &str) -> (Vec<String>, Vec<String>) {
    let path = folder().join(format!("json/{name}.json"));
    let text = fs::read_to_string(&path).expect("the package has it");
    // The package is wrong here: the CSV file has another number.
    let text = match name {
        "location_coordinates" => text.replace("1234567890", "2095257564"),
        _ => text,
    };
    let found: Value = serde_json::from_str(&text).expect("the package's JSON is sound");
    let records = match found {
        Value::Array(records) => records,
        one => vec![one],
    };
    let cells = |record: &Value, names: &[String]| -> String {
        let cells = names
            .iter()
            .map(|name| record[name].as_str().unwrap_or_default());
        cells.collect::<Vec<_>>().join("|")
    };
    let csv = fs::read_to_string(folder().join(format!("csvs/{name}.csv"))).expect("a file");
    let header = csv.lines().next().unwrap_or_default();
    let names: Vec<String> = header.split(',').map(str::to_owned).collect();
    let rows = records.iter().map(|record| cells(record, &names)).collect();
    (names, rows)
}

#[test]
fn every_file_of_csv_spectrum_is_read_as_it_is_meant() {
    let mut read = 0;
    for entry in fs::read_dir(folder().join("csvs")).expect("the folder is there") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_stem()
            .and_then(|name| name.to_str())
            .expect("a name");
        let (names, rows) = expected(name);
        let bytes = fs::read(&path).expect("a file");
        let columns: Vec<_> = (1..=names.len()).map(|at| format!("c{at} text")).collect();
        let mut case = csv(&columns.join(", "));
        for (at, name) in names.iter().enumerate() {
            let from = arrivage_model::ColumnSource::Name(name.clone());
            case = case.declare(super::from(&format!("c{}", at + 1), from));
        }
        let found = case.read(&bytes).expect("a file that can be read");
        let found: Vec<_> = found.iter().map(|row| row.replace('∅', "")).collect();
        assert_eq!(found, rows, "{name}");
        read += 1;
    }
    assert_eq!(read, 12);
}
