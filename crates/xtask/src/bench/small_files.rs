//! `cargo xtask bench small-files`: ten thousand objects of twenty rows, beside reading them alone,
//! and beside what one would write instead.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use xtask::postgres::program;
use xtask::process::tied;
use xtask::venv::Venv;

use super::data::Lineitem;
use super::{Bench, Load, ROUNDS, build, built, drop_database, median};

const FILES: usize = 10_000;
const ROWS: usize = 20;

/// How many of them the slow ones load; their times are multiplied.
const SHELL: usize = 500;
const WORKER: usize = 2_000;

pub(super) const PACKAGES: &[&str] = &["boto3==1.44.5", "psycopg[binary]==3.3.9"];

/// A worker as one writes it: a GET, a COPY and a commit for each object. It prints their seconds.
const PYTHON: &str = "
import sys, time, boto3, psycopg
endpoint, url, files = sys.argv[1], sys.argv[2], int(sys.argv[3])
s3 = boto3.client('s3', endpoint_url=endpoint, region_name='us-east-1')
with psycopg.connect(url) as connection:
    began = time.perf_counter()
    for nth in range(files):
        body = s3.get_object(Bucket='bench', Key=f'small/{nth:05}.csv')['Body'].read()
        with connection.cursor() as cursor:
            with cursor.copy('COPY lineitem FROM STDIN CSV HEADER') as copy:
                copy.write(body)
        connection.commit()
    print(time.perf_counter() - began)
";

pub(crate) fn bench() -> Result<()> {
    let bench = Bench::start()?;
    let folder = make(&bench)?;
    let store = bench.store(&[&folder])?;
    let rows = (FILES * ROWS) as u64;
    let load = Load {
        what: "s3://bench/small/",
        store: Some(&store),
        connections: 2,
        rows,
    };
    build(&[
        "--package",
        "arrivage-store",
        "--example",
        "get_and_discard",
    ])?;
    let (mut floors, mut loads) = (Vec::new(), Vec::new());
    let (mut shells, mut workers) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        floors.push(discard(&store)?);
        loads.push(bench.load(&load)?.time);
        shells.push(shell(&bench, &folder)?);
        workers.push(worker(&bench, &store)?);
        println!("round {round} of {ROUNDS}");
    }
    let floor = median(&mut floors);
    println!("{FILES} objects of {ROWS} rows, medians of {ROUNDS}:");
    tell("GET and discard, the floor", floor, Duration::ZERO);
    let above = |time: Duration| time.saturating_sub(floor);
    let load = median(&mut loads);
    tell("arrivage load --recursive", load, above(load));
    // It reads local files: all of its time is above what a GET takes.
    let shell = median(&mut shells);
    tell("a shell loop of psql \\copy", floor + shell, shell);
    let worker = median(&mut workers);
    let python = "a worker in Python (boto3, psycopg)";
    tell(python, worker, above(worker));
    let ratio = |time: Duration| time.as_secs_f64() / above(load).as_secs_f64();
    println!(
        "above the floor, the loop takes {:.1} times as long (bar: 20), the worker {:.1} (bar: 5)",
        ratio(shell),
        ratio(above(worker))
    );
    Ok(())
}

fn tell(what: &str, time: Duration, above: Duration) {
    let (time, above) = (time.as_secs_f64(), above.as_secs_f64());
    println!(
        "  {what:<36} {time:7.2} s, above the floor {above:7.2} s, {:6.0} files a second",
        FILES as f64 / time
    );
}

/// The files, cut from `lineitem`.
pub(super) fn make(bench: &Bench) -> Result<PathBuf> {
    let folder = bench.folder.join("small");
    if folder.join(name(FILES - 1)).is_file() {
        return Ok(folder);
    }
    let data = Lineitem::of("0.2", &bench.folder)?;
    let text = fs::read_to_string(&data.plain)?;
    let mut lines = text.lines();
    let header = lines.next().context("it has a header")?;
    fs::create_dir_all(&folder)?;
    for nth in 0..FILES {
        let mut file = format!("{header}\n");
        for line in lines.by_ref().take(ROWS) {
            file.push_str(line);
            file.push('\n');
        }
        fs::write(folder.join(name(nth)), file)?;
    }
    Ok(folder)
}

fn name(nth: usize) -> String {
    format!("{nth:05}.csv")
}

fn discard(store: &super::Store) -> Result<Duration> {
    let output = tied(built("examples/get_and_discard"))
        .args([&store.endpoint, "small/"])
        .envs(store.environment())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (objects, seconds) = text.trim().split_once(' ').context("it says how long")?;
    ensure!(objects.parse() == Ok(FILES), "{objects} objects");
    Ok(Duration::from_secs_f64(seconds.parse()?))
}

/// One psql for each file, which need not come from a store; without Debian's wrapper around psql,
/// which takes longer than such a file.
fn shell(bench: &Bench, folder: &Path) -> Result<Duration> {
    let url = bench.database()?;
    let script = format!(
        "for nth in $(seq -f %05g 0 {}); do \
           {} -qX '{url}' -c \"\\copy lineitem FROM '{}/$nth.csv' CSV HEADER\" || exit 1; done",
        SHELL - 1,
        program("psql")?.display(),
        folder.display()
    );
    let started = Instant::now();
    let ended = tied("bash").args(["-c", &script]).status()?;
    let time = started.elapsed();
    ensure!(ended.success(), "the loop: {ended}");
    bench.expect(&url, (SHELL * ROWS) as u64)?;
    drop_database(&bench.url, &url)?;
    Ok(time * (FILES / SHELL) as u32)
}

fn worker(bench: &Bench, store: &super::Store) -> Result<Duration> {
    let url = bench.database()?;
    let python = Venv::prepare_with("bench-worker-venv", PACKAGES)?.python();
    let started = Instant::now();
    let output = tied(python)
        .args(["-c", PYTHON, &store.endpoint, &url, &WORKER.to_string()])
        .envs(store.environment())
        .output()?;
    let time = started.elapsed();
    ensure!(output.status.success(), "the worker: {}", output.status);
    bench.expect(&url, (WORKER * ROWS) as u64)?;
    drop_database(&bench.url, &url)?;
    let seconds = String::from_utf8(output.stdout)?.trim().parse()?;
    // It starts once, however many there are.
    Ok(time + Duration::from_secs_f64(seconds) * (FILES / WORKER - 1) as u32)
}
