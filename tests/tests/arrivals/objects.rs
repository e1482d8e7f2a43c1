//! A hundred objects of mixed kinds, and the rows that they must become.

use anyhow::Result;
use arrivage_testkit::archive::{Packed, zip};
use async_compression::tokio::write::{GzipEncoder, ZstdEncoder};
use serde_json::json;
use tokio::io::AsyncWriteExt;

/// How many there are.
pub(crate) const COUNT: usize = 100;

/// One object, how it is uploaded, and what it holds.
pub(crate) struct Object {
    pub(crate) number: usize,
    pub(crate) key: String,
    pub(crate) upload: Upload,
    pub(crate) content: Vec<u8>,
    /// `[object, record, label]` of each row, the object by its number.
    pub(crate) rows: Vec<(usize, usize, String)>,
    pub(crate) rejects: usize,
}

/// The ways to bring an object into a bucket. Each has an event of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Upload {
    Put,
    Parts,
    Copy,
}

#[derive(Clone, Copy)]
enum Text {
    Csv,
    JsonLines,
}

#[derive(Clone, Copy)]
enum Packing {
    Plain,
    Gzip,
    Zstd,
    Zip,
}

/// A file's name without its ending; each is used with every kind of content.
const NAMES: [&str; 13] = [
    "plain",
    "two words",
    "plus+plus ++",
    "100%25 %zz%",
    "caf\u{e9}",
    "cafe\u{301}",
    "it's \"quoted\" `so`",
    "a//b",
    "/leading",
    "&=?#;:@$,!*()[]{}<>|\\^~",
    "日本語/😀",
    ".hidden",
    // Made long enough.
    "long",
];

/// Labels that are awkward in CSV, JSON, COPY or all of them.
const LABELS: [&str; 8] = [
    "simple",
    "comma, \"quote\"",
    "two\nlines",
    "tab\tand back\\slash",
    "é e\u{301} 😀",
    "\\.",
    "NULL",
    "it's; DROP TABLE items --",
];

/// The object of this number: kinds, names and uploads in every combination.
pub(crate) async fn object(number: usize) -> Result<Object> {
    let text = [Text::Csv, Text::JsonLines][number % 2];
    let mut packing = [Packing::Plain, Packing::Gzip, Packing::Zstd][number / 2 % 3];
    if number.is_multiple_of(5) {
        packing = Packing::Zip;
    }
    let upload = [Upload::Put, Upload::Parts, Upload::Copy][number / 6 % 3];
    // One that really has two parts.
    let (records, unknown) = match number {
        BIG => (30_000, "x".repeat(200)),
        _ => (5 + number % 7, String::new()),
    };
    let broken = number.is_multiple_of(10);

    let label = |record: usize| LABELS[(number + record) % LABELS.len()];
    let mut lines = vec![first_line(text)];
    lines.extend((0..records).map(|record| line(text, number, record, label(record), &unknown)));
    if broken {
        lines.push(broken_line(text));
    }
    Ok(Object {
        number,
        key: key(number, text),
        upload,
        content: pack(&lines, packing).await?,
        rows: (0..records)
            .map(|record| (number, record, label(record).to_owned()))
            .collect(),
        rejects: usize::from(broken),
    })
}

/// The number of a plain CSV that is uploaded in parts.
const BIG: usize = 42;

fn key(number: usize, text: Text) -> String {
    let ending = match text {
        Text::Csv => "csv",
        Text::JsonLines => "jsonl",
    };
    let name = NAMES[number % NAMES.len()];
    let key = format!("{name} {number}.{ending}");
    if name != "long" {
        return key;
    }
    // 900 bytes, and each of its folders is as long as a file system would take.
    let folders = format!("{}/", "é".repeat(100)).repeat(4);
    let rest = 900 - folders.len() - key.len();
    format!("{folders}{}{key}", "x".repeat(rest))
}

fn first_line(text: Text) -> String {
    match text {
        // Columns are found by name, whatever their order.
        Text::Csv => "label,object,record,unknown\r\n".to_owned(),
        Text::JsonLines => "\n".to_owned(),
    }
}

fn line(text: Text, object: usize, record: usize, label: &str, unknown: &str) -> String {
    match text {
        Text::Csv => format!(
            "\"{}\",{object},{record},{unknown}\r\n",
            label.replace('"', "\"\"")
        ),
        Text::JsonLines => {
            format!(
                "{}\n",
                json!({"record": record, "label": label, "object": object, "unknown": unknown})
            )
        }
    }
}

fn broken_line(text: Text) -> String {
    match text {
        Text::Csv => "no number,one,2,\r\n".to_owned(),
        Text::JsonLines => "{\"record\": 1, \"object\": tru".to_owned(),
    }
}

/// Compressed ones in three members or frames, one of them empty.
async fn pack(lines: &[String], packing: Packing) -> Result<Vec<u8>> {
    if let Packing::Zip = packing {
        // The other half has its header again, behind a folder.
        let (begin, end) = lines.split_at(lines.len() / 2);
        return Ok(zip(&[
            Packed::new("a/", ""),
            Packed::new("a/begin", begin.concat()),
            Packed::new("end", [&lines[0], end.concat().as_str()].concat()).stored(),
        ]));
    }
    let (begin, end) = lines.split_at(lines.len() / 2);
    let parts = [begin.concat(), String::new(), end.concat()];
    let mut content = Vec::new();
    for part in &parts {
        match packing {
            Packing::Plain | Packing::Zip => content.extend(part.as_bytes()),
            Packing::Gzip => {
                let mut member = GzipEncoder::new(&mut content);
                member.write_all(part.as_bytes()).await?;
                member.shutdown().await?;
            }
            Packing::Zstd => {
                let mut frame = ZstdEncoder::new(&mut content);
                frame.write_all(part.as_bytes()).await?;
                frame.shutdown().await?;
            }
        }
    }
    Ok(content)
}
