//! How fast a core decodes and validates 16 columns, as in TPC-H's `lineitem`:
//! `cargo run --release --package arrivage-processor --example decode_speed`.
#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::sync::Arc;
use std::time::Duration;

use arrivage_model::{
    Captures, Checkpoint, Csv, Format, JsonLines, Limits, Mode, Order, Pipeline, RejectBudget,
    Table, TableColumn,
};
use arrivage_processor::decode::{ChunkTarget, Decoder, Plan};

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

const RECORDS: u64 = 800_000;
const RUNS: u32 = 5;
const PIECE: usize = 128 * 1024;

fn main() {
    measure("csv", csv(), &file(|values| values.join(",")));

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

fn csv() -> Format {
    Format::Csv(Csv::default())
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
    let best = (0..RUNS)
        .map(|_| decode(&plan, file))
        .min()
        .unwrap_or_default();
    let megabytes = file.len() as f64 / 1e6;
    let seconds = best.as_secs_f64();
    println!(
        "{name}: {megabytes:.0} MB in {seconds:.3} s, {:.0} MB/s, {:.2} million records/s",
        megabytes / seconds,
        RECORDS as f64 / 1e6 / seconds
    );
}

fn decode(plan: &Arc<Plan>, file: &[u8]) -> Duration {
    let started = cpu_time();
    let target = ChunkTarget {
        bytes: 4 << 20,
        records: 50_000,
    };
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
