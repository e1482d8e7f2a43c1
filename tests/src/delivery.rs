use std::fmt::Write as _;

use anyhow::Result;

use crate::{Chance, Destination};

/// A CSV file of orders, made from a seed, and what must come of it: good records and bad ones,
/// notes over several lines, quotes, blank lines, LF and CRLF.
#[derive(Debug)]
pub struct Delivery {
    csv: Vec<u8>,
    records: u64,
    rows: String,
    rejects: String,
    /// Where each entry ends, of those of an archive.
    ends: Vec<usize>,
}

const HEADER: &[u8] = b"order_id,customer,amount,ordered_on,note\n";

impl Delivery {
    /// The pipeline's columns, for [`Arrivage::new`](crate::Arrivage::new), after its other keys.
    pub const COLUMNS: &str = r#"
[[pipeline.column]]
name = "order_id"
type = "bigint"
required = true

[[pipeline.column]]
name = "customer"
type = "text"

[[pipeline.column]]
name = "amount"
type = "numeric(12,2)"

[[pipeline.column]]
name = "ordered_on"
type = "date"

[[pipeline.column]]
name = "note"
type = "text"

[pipeline.rejects]
max_rows = 1000000
"#;

    /// The same seed, the same file. One record of eighty is bad.
    pub fn new(seed: u64, records: u64) -> Self {
        Self::in_entries(seed, records, 1)
    }

    /// The same in so many files, for an archive: each with a header and lines of its own.
    pub fn in_entries(seed: u64, records: u64, entries: u64) -> Self {
        let mut delivery = Self {
            csv: Vec::new(),
            records,
            rows: String::new(),
            rejects: String::new(),
            ends: Vec::new(),
        };
        let mut chance = Chance::new(seed);
        let mut before = 0;
        for entry in 1..=entries {
            delivery.csv.extend_from_slice(HEADER);
            let mut line = 2;
            let end = records * entry / entries;
            for record in before + 1..=end {
                let text = delivery.record(record, line, &mut chance);
                line += text.matches('\n').count();
                delivery.csv.extend_from_slice(text.as_bytes());
            }
            before = end;
            delivery.ends.push(delivery.csv.len());
        }
        delivery
    }

    /// Its files, one after the other.
    pub fn entries(&self) -> Vec<&[u8]> {
        let begins = [0].into_iter().chain(self.ends.iter().copied());
        let ranges = begins.zip(self.ends.iter().copied());
        ranges.map(|(begin, end)| &self.csv[begin..end]).collect()
    }

    /// The file.
    pub fn csv(&self) -> &[u8] {
        &self.csv
    }

    /// How many records it has, the bad ones too.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Panics unless the table holds exactly the good records of this delivery, each once, and the
    /// ledger its bad ones, each in its place.
    pub async fn check(&self, destination: &Destination, arrival: i64) -> Result<()> {
        self.check_in(destination, arrival, "orders").await
    }

    /// The same for another table than `orders`.
    pub async fn check_in(
        &self,
        destination: &Destination,
        arrival: i64,
        table: &str,
    ) -> Result<()> {
        let rows = format!(
            "SELECT _record, order_id, customer, amount, ordered_on, note FROM {table} \
             WHERE _arrival_id = {arrival} ORDER BY _record, order_id"
        );
        same("rows", &destination.sql(&rows).await?, &self.rows);
        let rejects = format!(
            "SELECT record, line, byte_offset, column_name, reason_code FROM arrivage.rejects \
             WHERE arrival_id = {arrival} ORDER BY record"
        );
        same("rejects", &destination.sql(&rejects).await?, &self.rejects);
        Ok(())
    }

    /// Writes down what must come of the record, and returns its text.
    fn record(&mut self, record: u64, line: usize, chance: &mut Chance) -> String {
        let id = 1_000_000 + record;
        let customer = ["Zoë Martin", "Ann", "O'Neill & Fils"][to_index(chance.below(3))];
        let amount = format!("{}.{:02}", chance.below(100_000), chance.below(100));
        let day = format!(
            "20{:02}-{:02}-{:02}",
            10 + chance.below(16),
            1 + chance.below(12),
            1 + chance.below(28)
        );
        let note = match chance.below(4) {
            0 => String::new(),
            1 => format!(
                "left at the door,\nring {} times\n\nthen leave",
                chance.below(9)
            ),
            2 => format!("\"fragile\", box {:x}", chance.below(u64::MAX)),
            _ => format!("réf {:016x}", chance.below(u64::MAX)),
        };
        let quoted = match note.contains(['"', ',', '\n']) {
            true => format!("\"{}\"", note.replace('"', "\"\"")),
            false => note.clone(),
        };
        let end = ["\n", "\n", "\n", "\r\n", "\n\n"][to_index(chance.below(5))];
        let (text, fault) = match chance.below(400) {
            0 => (
                format!("{id},{customer},12 euros,{day},{quoted}"),
                "amount|not_a_number",
            ),
            1 => (
                format!("{id},{customer},{amount},2026-02-30,{quoted}"),
                "ordered_on|not_a_date",
            ),
            2 => (format!("{id},{customer},{amount}"), "|ragged"),
            3 => (
                format!(",{customer},{amount},{day},{quoted}"),
                "order_id|missing",
            ),
            4 => (
                format!("{id},{customer},{amount}5,{day},{quoted}"),
                "amount|out_of_range",
            ),
            _ => (format!("{id},{customer},{amount},{day},{quoted}"), ""),
        };
        let written = match fault {
            "" => writeln!(self.rows, "{record}|{id}|{customer}|{amount}|{day}|{note}"),
            fault => writeln!(self.rejects, "{record}|{line}|{}|{fault}", self.csv.len()),
        };
        written.expect("a String takes everything");
        text + end
    }
}

fn to_index(number: u64) -> usize {
    usize::try_from(number).expect("a small number")
}

/// Says where they first differ; the whole would fill the screen.
#[track_caller]
fn same(what: &str, found: &str, expect: &str) {
    let (mut found, mut expect) = (found.trim_end().lines(), expect.trim_end().lines());
    for line in 1.. {
        match (found.next(), expect.next()) {
            (None, None) => return,
            (found, expect) => assert_eq!(found, expect, "{what}, line {line} of the answer"),
        }
    }
}
