//! The files of `tests/fixtures/polluted.toml` as DuckDB reads them: every
//! difference is listed there, with who is right.

use std::path::Path;
use std::process::Command;

use super::polluted::{Polluted, path, polluted};

#[test]
fn duckdb_reads_the_same_rows_but_where_the_files_say_who_is_right() {
    let python = arrivage_testkit::duckdb_python().expect("a Python environment with DuckDB");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/duckdb_rows.py");
    let output = Command::new(python)
        .arg(script)
        .arg(path())
        .output()
        .expect("Python starts");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}");
    let theirs: Vec<Option<Vec<String>>> =
        serde_json::from_slice(&output.stdout).expect("a list of rows");
    let files = polluted();
    assert_eq!(theirs.len(), files.len());
    let mut wrong = Vec::new();
    for (file, theirs) in files.iter().zip(theirs) {
        let ours = loaded(file);
        match &file.duckdb {
            None if ours != theirs => {
                wrong.push(format!("{}: {ours:?}, and DuckDB {theirs:?}", file.name));
            }
            Some(_) if ours == theirs => {
                wrong.push(format!("{}: DuckDB reads the same by now", file.name));
            }
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

/// The rows that a file must give; nothing where it is refused.
fn loaded(file: &Polluted) -> Option<Vec<String>> {
    let records = file.expect.as_ref().ok()?;
    let rows = records.iter().filter(|record| !record.starts_with('!'));
    Some(rows.cloned().collect())
}
