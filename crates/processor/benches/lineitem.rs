//! How fast a core decodes and validates 16 columns, as in TPC-H's `lineitem`,
//! beside `csv` with serde into a struct on the same lines:
//! `cargo bench --package arrivage-processor --bench lineitem`.
//!
//! It counts the time that this thread had a core, which no harness for wall
//! clocks does: so it says the same on a busy machine.
#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use arrivage_model::{
    Captures, Checkpoint, Csv, Delimiter, Format, JsonLines, Limits, Mode, Order, Pipeline,
    RejectBudget, Table, TableColumn,
};
use arrivage_processor::decode::{ChunkTarget, Decoder, Plan, Segment, Spare, Step, Team};

const COLUMNS: [(&str, &str); 16] = [
    ("l_orderkey", "bigint"),
    ("l_partkey", "bigint"),
    ("l_suppkey", "bigint"),
    ("l_linenumber", "integer"),
    ("l_quantity", "numeric(15,2)"),
    ("l_extendedprice", "numeric(15,2)"),
    ("l_discount", "numeric(15,2)"),
    ("l_tax", "numeric(15,2)"),
    ("l_returnflag", "char(1)"),
    ("l_linestatus", "char(1)"),
    ("l_shipdate", "date"),
    ("l_commitdate", "date"),
    ("l_receiptdate", "date"),
    ("l_shipinstruct", "char(25)"),
    ("l_shipmode", "char(10)"),
    ("l_comment", "varchar(44)"),
];

/// Without optimisation, only that it runs counts.
const RECORDS: u64 = if cfg!(debug_assertions) {
    2000
} else {
    800_000
};
const RUNS: u32 = 5;
const PIECE: usize = 128 * 1024;
const TARGET: ChunkTarget = ChunkTarget {
    bytes: 4 << 20,
    records: 50_000,
};

fn main() {
    let commas = file(|values| values.join(","));
    measure("csv", with_delimiter(","), &commas);
    let plan_of_commas = plan(with_delimiter(","));
    report("csv, cut for others", &commas, || {
        cut(&plan_of_commas, &commas)
    });
    report("csv crate with serde", &commas, || deserialize(&commas));
    let bars = String::from_utf8(file(|values| values.join("||"))).expect("plain text");
    let bars = bars.replacen(',', "||", COLUMNS.len() - 1);
    measure("csv, delimiter ||", with_delimiter("||"), bars.as_bytes());
    let utf_16: Vec<u8> = String::from_utf8_lossy(&commas)
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let marked = [&b"\xFF\xFE"[..], &utf_16].concat();
    measure("csv in UTF-16", with_delimiter(","), &marked);
    drop((bars, utf_16, marked));

    let member = |(name, value): (&str, &String)| match value.parse::<f64>() {
        Ok(_) => format!("\"{name}\":{value}"),
        Err(_) => format!("\"{name}\":\"{value}\""),
    };
    let object = |values: &[String]| {
        let names = COLUMNS.iter().map(|(name, _)| *name);
        let members: Vec<_> = names.zip(values).map(member).collect();
        format!("{{{}}}", members.join(","))
    };
    let lines = file(object);
    let first = lines
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or_default();
    measure(
        "json-lines",
        Format::JsonLines(JsonLines::default()),
        &lines[first + 1..],
    );
}

fn with_delimiter(delimiter: &str) -> Format {
    Format::Csv(Csv {
        delimiter: Delimiter::Text(delimiter.to_owned()),
        ..Csv::default()
    })
}

fn file(line: impl Fn(&[String]) -> String) -> Vec<u8> {
    let names = COLUMNS.map(|(name, _)| name.to_owned());
    let mut file = names.join(",");
    let mut seed = 1_u64;
    for record in 0..RECORDS {
        let mut random = |below: u64| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        let mut day = || {
            format!(
                "199{}-{:02}-{:02}",
                random(8) + 1,
                random(12) + 1,
                random(28) + 1
            )
        };
        let days = [day(), day(), day()];
        let [ship, commit, receipt] = days;
        let comment =
            &"furiously regular packages haggle carefully across"[..10 + random(33) as usize];
        let values = [
            (record / 4 + 1).to_string(),
            (random(2_000_000) + 1).to_string(),
            (random(100_000) + 1).to_string(),
            (record % 4 + 1).to_string(),
            (random(50) + 1).to_string(),
            format!("{}.{:02}", random(90_000) + 900, random(100)),
            format!("0.{:02}", random(11)),
            format!("0.{:02}", random(9)),
            ["A", "N", "R"][random(3) as usize].to_owned(),
            ["O", "F"][random(2) as usize].to_owned(),
            ship,
            commit,
            receipt,
            [
                "DELIVER IN PERSON",
                "COLLECT COD",
                "NONE",
                "TAKE BACK RETURN",
            ][random(4) as usize]
                .to_owned(),
            ["REG AIR", "AIR", "RAIL", "SHIP", "TRUCK", "MAIL", "FOB"][random(7) as usize]
                .to_owned(),
            comment.to_owned(),
        ];
        file.push('\n');
        file.push_str(&line(&values));
    }
    file.push('\n');
    file.into_bytes()
}

fn measure(name: &str, format: Format, file: &[u8]) {
    let plan = plan(format);
    report(name, file, || decode(&plan, file));
}

/// The best of some runs.
fn report(name: &str, file: &[u8], run: impl Fn() -> Duration) {
    let best = (0..RUNS).map(|_| run()).min().unwrap_or_default();
    let megabytes = file.len() as f64 / 1e6;
    let seconds = best.as_secs_f64();
    println!(
        "{name}: {megabytes:.0} MB in {seconds:.3} s, {:.0} MB/s, {:.2} million records/s",
        megabytes / seconds,
        RECORDS as f64 / 1e6 / seconds
    );
}

/// What most programs would do: numbers that are exact are read inexactly here.
#[derive(serde::Deserialize)]
#[expect(dead_code, reason = "reading them is what counts")]
struct Line<'a> {
    l_orderkey: i64,
    l_partkey: i64,
    l_suppkey: i64,
    l_linenumber: i32,
    l_quantity: f64,
    l_extendedprice: f64,
    l_discount: f64,
    l_tax: f64,
    l_returnflag: &'a str,
    l_linestatus: &'a str,
    l_shipdate: chrono::NaiveDate,
    l_commitdate: chrono::NaiveDate,
    l_receiptdate: chrono::NaiveDate,
    l_shipinstruct: &'a str,
    l_shipmode: &'a str,
    l_comment: &'a str,
}

fn deserialize(file: &[u8]) -> Duration {
    let started = cpu_time();
    let mut reader = csv::Reader::from_reader(file);
    let headers = reader.headers().expect("a header").clone();
    let mut record = csv::StringRecord::new();
    let mut rows = 0;
    while reader.read_record(&mut record).expect("a sound file") {
        let line: Line<'_> = record.deserialize(Some(&headers)).expect("a sound record");
        std::hint::black_box(line);
        rows += 1;
    }
    assert_eq!(rows, RECORDS);
    cpu_time() - started
}

fn decode(plan: &Arc<Plan>, file: &[u8]) -> Duration {
    let started = cpu_time();
    let target = TARGET;
    let mut decoder = Decoder::new(
        Arc::clone(plan),
        &Captures::new(),
        &Checkpoint::default(),
        target,
    )
    .expect("nothing to go on from");
    let (mut rows, mut rejects) = (0, 0);
    for piece in file.chunks(PIECE) {
        decoder.push(piece, 0);
        while let Some(chunk) = decoder.take().expect("a sound file") {
            rows += chunk.rows.len();
            rejects += chunk.rejects.len();
        }
    }
    decoder.end();
    while let Some(chunk) = decoder.take().expect("a sound file") {
        rows += chunk.rows.len();
        rejects += chunk.rejects.len();
    }
    assert_eq!((rows as u64, rejects), (RECORDS, 0));
    cpu_time() - started
}

/// What it costs to cut a file for another thread, which decodes it.
fn cut(plan: &Arc<Plan>, file: &[u8]) -> Duration {
    let target = TARGET;
    let (segments, taken) = sync_channel::<Segment>(0);
    let (decoded, landed) = sync_channel(1);
    thread::scope(|scope| {
        scope.spawn(move || {
            for segment in taken {
                decoded.send(segment.decode()).expect("it is waited for");
            }
        });
        let started = cpu_time();
        let (plan, start) = (Arc::clone(plan), Checkpoint::default());
        let mut team =
            Team::new(plan, Captures::new(), &start, target).expect("nothing to go on from");
        let mut spare = Spare::default();
        let (mut rows, mut out) = (0, 0);
        let pieces = file.chunks(PIECE).map(Some).chain([None]);
        for piece in pieces {
            match piece {
                Some(piece) => team.push(piece, 0),
                None => team.end(),
            }
            loop {
                team.set_helpers(true);
                let step = team.step().expect("a sound file");
                let chunk = match step {
                    Step::More => break,
                    Step::Chunk(chunk) => Some(*chunk),
                    Step::Segment(segment) => {
                        segments.send(*segment).expect("it is decoded");
                        out += 1;
                        team.set_target(target, std::mem::take(&mut spare));
                        None
                    }
                    Step::Land => None,
                };
                let chunk = match chunk {
                    None if out > 0 => {
                        out -= 1;
                        let decoded = landed.recv().expect("it is decoded");
                        team.land(decoded).expect("a sound file")
                    }
                    chunk => {
                        team.set_target(target, Spare::default());
                        chunk
                    }
                };
                if let Some(chunk) = chunk {
                    rows += chunk.rows.len() as u64;
                    spare = chunk.into_spare();
                }
            }
        }
        drop(segments);
        assert_eq!(rows, RECORDS);
        cpu_time() - started
    })
}

/// Time that this thread had a core, so that its neighbours do not count.
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text
        .split(' ')
        .next()
        .and_then(|number| number.parse().ok());
    Duration::from_nanos(nanoseconds.expect("Linux"))
}

fn plan(format: Format) -> Arc<Plan> {
    let pipeline = Pipeline {
        name: "lineitem".to_owned(),
        patterns: Vec::new(),
        ignored_names: Vec::new(),
        table: "lineitem".parse().expect("a table's name"),
        order: Order::Any,
        atomic: false,
        mode: Mode::Append,
        create_table: false,
        max_attempts: 1,
        format,
        limits: Limits::default(),
        columns: Vec::new(),
        rejects: RejectBudget {
            max_rows: 0,
            max_ratio: None,
        },
        sidecar: None,
    };
    let table = Table {
        name: pipeline.table.clone(),
        columns: COLUMNS
            .iter()
            .map(|(name, kind)| TableColumn {
                name: (*name).to_owned(),
                kind: Ok(kind.parse().expect(kind)),
                required: true,
            })
            .collect(),
        has_arrival_id: false,
        has_record: false,
        lineage_is_bigint: true,
        parallel: true,
    };
    Arc::new(Plan::new(&pipeline, &table).expect("they fit"))
}
