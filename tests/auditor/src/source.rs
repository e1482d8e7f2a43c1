//! What must become of a content, read off its bytes by the generator's own rules: five fields
//! `content,n,amount,day,note`; a good record has digits in `n`, two decimals in `amount` and a day
//! up to the 28th, and every other one is a reject.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::csv;
use crate::json;
use crate::manifest::Content;

/// Pipelines, with a table of the same name each.
pub(crate) const TABLES: [&str; 4] = ["orders", "events", "accounts", "deliveries"];

/// Its table names arrival and record of each row.
pub(crate) fn has_lineage(table: &str) -> bool {
    table == "orders"
}

const NAMES: [&str; 5] = ["content", "n", "amount", "day", "note"];

/// Rows and rejects as COPY prints them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) records: u64,
    pub(crate) rows: Vec<String>,
    pub(crate) rejects: Vec<String>,
}

/// Reads a content's bytes, as they were kept.
pub(crate) fn read(content: &Content) -> Result<Expected> {
    let bytes = unpacked(&content.source)
        .with_context(|| format!("{} cannot be read", content.source.display()))?;
    let text = String::from_utf8(bytes)?;
    Ok(expected(content, &text))
}

/// What must become of this text.
pub(crate) fn expected(content: &Content, text: &str) -> Expected {
    let mut expected = Expected::default();
    let mut last_of_key: HashMap<Option<String>, usize> = HashMap::new();
    for (raw, fields) in records(&content.pipeline, text) {
        expected.records += 1;
        let Some(fields) = fields.filter(is_good) else {
            let reject = format!("{}\t{}", expected.records, escaped(&raw));
            expected.rejects.push(reject);
            continue;
        };
        let mut row: Vec<String> = fields.iter().map(column).collect();
        if has_lineage(&content.pipeline) {
            row.push(expected.records.to_string());
            row.extend([escaped(&content.key), escaped(&content.etag)]);
        }
        let row = row.join("\t");
        let [_, n, ..] = fields;
        match last_of_key.get(&n) {
            Some(&place) if content.pipeline == "accounts" => expected.rows[place] = row,
            _ => {
                last_of_key.insert(n, expected.rows.len());
                expected.rows.push(row);
            }
        }
    }
    expected
}

type Fields = [Option<String>; 5];

/// In order, with their text; without fields where they are not five.
fn records(pipeline: &str, text: &str) -> Vec<(String, Option<Fields>)> {
    if pipeline == "events" {
        let lines = text.lines().filter(|line| !line.is_empty());
        let record = |line: &str| {
            let fields =
                json::object(line).map(|mut members| NAMES.map(|name| members.remove(name)));
            (line.to_owned(), fields)
        };
        return lines.map(record).collect();
    }
    let mut records = csv::records(text);
    records.drain(..records.len().min(1));
    let record = |record: csv::Record| (record.raw, record.fields.try_into().ok());
    records.into_iter().map(record).collect()
}

fn is_good(fields: &Fields) -> bool {
    let [content, n, amount, day, _] = fields.each_ref().map(Option::as_deref);
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let is_amount = |text: &str| {
        let parts = text.split_once('.');
        parts.is_some_and(|(whole, cents)| digits(whole) && digits(cents) && cents.len() == 2)
    };
    let is_day = |text: &str| match text.split('-').collect::<Vec<_>>()[..] {
        [year, month, day] => digits(year) && digits(month) && digits(day) && day <= "28",
        _ => false,
    };
    content.is_some()
        && n.is_some_and(digits)
        && amount.is_some_and(is_amount)
        && day.is_some_and(is_day)
}

fn column(value: &Option<String>) -> String {
    value.as_deref().map_or("\\N".to_owned(), escaped)
}

/// As COPY writes a text.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('\n', "\\n");
    text.replace('\r', "\\r").replace('\t', "\\t")
}

/// By the first bytes, as the names say nothing.
fn unpacked(path: &Path) -> Result<Vec<u8>> {
    let bytes = std::fs::read(path)?;
    let program = match bytes {
        _ if bytes.starts_with(&[0x1F, 0x8B]) => "gzip",
        _ if bytes.starts_with(&[0x28, 0xB5, 0x2F, 0xFD]) => "zstd",
        _ => return Ok(bytes),
    };
    let output = Command::new(program)
        .arg("-dc")
        .stdin(std::fs::File::open(path)?)
        .output()?;
    ensure!(output.status.success(), "{program}: {}", output.status);
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(pipeline: &str) -> Content {
        Content {
            pipeline: pipeline.to_owned(),
            name: "c".to_owned(),
            key: "k".to_owned(),
            etag: "e".to_owned(),
            source: "s".into(),
            stands: true,
        }
    }

    #[test]
    fn every_record_is_a_row_or_a_reject() {
        let check = |pipeline: &str, text: &str, rows: &[&str], rejects: &[&str]| {
            let found = expected(&content(pipeline), text);
            assert_eq!(found.rows, rows, "{text}");
            assert_eq!(found.rejects, rejects, "{text}");
            let all = if pipeline == "accounts" {
                3
            } else {
                rows.len() + rejects.len()
            };
            assert_eq!(found.records, all as u64, "{text}");
        };
        let head = "content,n,amount,day,note\n";
        check("deliveries", head, &[], &[]);
        check("events", "", &[], &[]);
        check(
            "deliveries",
            &format!("{head}c,1,0.50,2026-01-28,\"a\nb\"\nc,1,0.50,2026-01-28,\nc,2,0.50\n"),
            &[
                "c\t1\t0.50\t2026-01-28\ta\\nb",
                "c\t1\t0.50\t2026-01-28\t\\N",
            ],
            &["3\tc,2,0.50"],
        );
        check(
            "deliveries",
            &format!(
                "{head}c,1,5 euros,2026-01-28,x\nc,,0.50,2026-01-28,x\nc,1,0.50,2026-02-30,x\n"
            ),
            &[],
            &[
                "1\tc,1,5 euros,2026-01-28,x",
                "2\tc,,0.50,2026-01-28,x",
                "3\tc,1,0.50,2026-02-30,x",
            ],
        );
        check(
            "orders",
            &format!("{head}c,1,0.50,2026-01-28,\n"),
            &["c\t1\t0.50\t2026-01-28\t\\N\t1\tk\te"],
            &[],
        );
        check(
            "accounts",
            &format!("{head}c,1,0.50,2026-01-28,\nc,2,0.50,2026-01-28,\nc,1,7.00,2026-01-28,\n"),
            &["c\t1\t7.00\t2026-01-28\t\\N", "c\t2\t0.50\t2026-01-28\t\\N"],
            &[],
        );
        check(
            "events",
            "{\"content\": \"c\", \"n\": 1, \"amount\": 0.50, \"day\": \"2026-01-28\", \"note\": \"\"}\n[1]\n",
            &["c\t1\t0.50\t2026-01-28\t"],
            &["2\t[1]"],
        );
    }
}
