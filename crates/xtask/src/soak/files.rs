//! Files to deliver: what is in them is chance, and what must become of them can be read off them.
//!
//! The auditor (`tests/auditor`) knows this dialect too, and nothing else is shared with it: every
//! record says which content it belongs to; a good one has digits in `n`, two decimals in `amount`
//! and a day up to the 28th.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::Path;

use anyhow::{Result, ensure};
use xtask::chance::Chance;
use xtask::process::tied;

/// The pipelines, each with a table of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pipeline {
    /// CSV in the bucket, appended, with lineage columns; its keys are overwritten.
    Orders,
    /// JSON Lines in the bucket, appended, without lineage columns.
    Events,
    /// CSV in the bucket; of the records of a key the last one stays.
    Accounts,
    /// CSV in the drop folder, appended, without lineage columns.
    Deliveries,
}

impl Pipeline {
    /// As often as they come up.
    pub(crate) fn any(chance: &mut Chance) -> Self {
        match chance.below(20) {
            0..7 => Self::Orders,
            7..12 => Self::Events,
            12..15 => Self::Accounts,
            _ => Self::Deliveries,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Events => "events",
            Self::Accounts => "accounts",
            Self::Deliveries => "deliveries",
        }
    }

    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Events => "jsonl",
            _ => "csv",
        }
    }
}

/// How the file is packed; its name does not say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    Plain,
    Gzip,
    Zstd,
}

/// Writes a file of some records of this content to `path`.
pub(crate) fn write(
    path: &Path,
    pipeline: Pipeline,
    content: &str,
    packings: &[Packing],
    chance: &mut Chance,
) -> Result<()> {
    let records = match chance.below(20) {
        // Two contents of a key would be the same one.
        0 if pipeline == Pipeline::Orders => 1,
        0 => 0,
        1..9 => 1 + chance.below(60),
        9..17 => 200 + chance.below(2_000),
        _ => 3_000 + chance.below(9_000),
    };
    let text = match pipeline {
        Pipeline::Events => json_lines(content, records, chance),
        Pipeline::Accounts => csv(content, records, Numbers::Repeat, chance),
        Pipeline::Orders | Pipeline::Deliveries => csv(content, records, Numbers::Rise, chance),
    };
    fs::write(path, text)?;
    match packings[chance.index(packings.len())] {
        Packing::Plain => Ok(()),
        Packing::Gzip => pack(path, "gzip", &["-1nc"]),
        Packing::Zstd => pack(path, "zstd", &["-1qc"]),
    }
}

fn pack(path: &Path, program: &str, arguments: &[&str]) -> Result<()> {
    let packed = path.with_extension("packed");
    let status = tied(program)
        .args(arguments)
        .arg(path)
        .stdout(File::create(&packed)?)
        .status()?;
    ensure!(status.success(), "{program}: {status}");
    Ok(fs::rename(packed, path)?)
}

/// Whether a number comes once, or several times with other values.
#[derive(Clone, Copy)]
enum Numbers {
    Rise,
    Repeat,
}

impl Numbers {
    fn of(self, record: u64, records: u64, chance: &mut Chance) -> u64 {
        match self {
            Self::Rise => record,
            Self::Repeat => chance.below(records),
        }
    }
}

fn csv(content: &str, records: u64, numbers: Numbers, chance: &mut Chance) -> String {
    let mut csv = String::from("content,n,amount,day,note\n");
    let mut last = String::new();
    for record in 1..=records {
        // A record that is there twice has to be there twice.
        if !last.is_empty() && chance.below(40) == 0 {
            csv.push_str(&last);
            continue;
        }
        let n = numbers.of(record, records, chance);
        let (amount, day, note) = (amount(chance), day(chance), note(chance));
        let note = match &note {
            note if note.contains(['"', ',', '\n']) || chance.below(10) == 0 => {
                format!("\"{}\"", note.replace('"', "\"\""))
            }
            note => note.clone(),
        };
        let text = match chance.below(300) {
            0 => format!("{content},{n},12 euros,{day},{note}"),
            1 => format!("{content},{n},{amount},2026-02-30,{note}"),
            2 => format!("{content},{n},{amount}"),
            3 => format!("{content},,{amount},{day},{note}"),
            4 => format!("{content},{n},{amount},{day},{note},more"),
            _ => format!("{content},{n},{amount},{day},{note}"),
        };
        let end = ["\n", "\n", "\n", "\r\n", "\n\n"][chance.index(5)];
        last = text + end;
        csv.push_str(&last);
    }
    csv
}

fn json_lines(content: &str, records: u64, chance: &mut Chance) -> String {
    let mut lines = String::new();
    let mut last = String::new();
    for n in 1..=records {
        if !last.is_empty() && chance.below(40) == 0 {
            lines.push_str(&last);
            continue;
        }
        let (amount, day, note) = (amount(chance), day(chance), note(chance));
        let note = note
            .replace('"', "\\\"")
            .replace('\n', "\\n")
            .replace('é', "\\u00e9");
        let text = match chance.below(300) {
            0 => format!("{{\"content\": \"{content}\", \"n\": {n}, \"amount\": \"dear\"}}"),
            1 => format!("{{\"content\": \"{content}\", \"n\": {n},"),
            2 => format!("[\"{content}\", {n}]"),
            _ => format!(
                "{{\"content\": \"{content}\", \"n\": {n}, \"amount\": {amount}, \
                 \"day\": \"{day}\", \"note\": \"{note}\"}}"
            ),
        };
        last = text + "\n";
        lines.push_str(&last);
    }
    lines
}

fn amount(chance: &mut Chance) -> String {
    format!("{}.{:02}", chance.below(100_000), chance.below(100))
}

fn day(chance: &mut Chance) -> String {
    format!(
        "20{:02}-{:02}-{:02}",
        10 + chance.below(16),
        1 + chance.below(12),
        1 + chance.below(28)
    )
}

fn note(chance: &mut Chance) -> String {
    let mut note = String::new();
    match chance.below(4) {
        0 => {}
        1 => note.push_str("left at the door,\nring twice\n\nthen leave"),
        2 => note.push_str("\"fragile\", réf "),
        _ => note.push_str("réf "),
    }
    if !note.is_empty() {
        write!(note, "{:016x}", chance.below(u64::MAX)).expect("a String takes everything");
    }
    note
}
