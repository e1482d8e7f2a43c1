//! `cargo xtask bench load`: how long a load takes beside `psql \copy`, and how much memory it needs.
//!
//! Times are compared within one run, one program after the other, and given as medians: this says
//! something on a noisy machine, where seconds do not.

pub(crate) mod ledger;

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use xtask::place::{cargo, target, unique_name};
use xtask::postgres::{Cluster, sql};
use xtask::process::tied;

/// Rows of the file that is timed, and how often it is.
const ROWS: u64 = 1_000_000;
const ROUNDS: usize = 5;

/// Bytes of CSV behind the gzip whose load is measured for memory.
const LARGE: u64 = 2_000_000_000;

const TABLE: &str = "CREATE TABLE lineitem (l_orderkey bigint NOT NULL, l_partkey integer NOT NULL,
  l_suppkey integer NOT NULL, l_linenumber integer NOT NULL, l_quantity numeric(15,2) NOT NULL,
  l_extendedprice numeric(15,2) NOT NULL, l_discount numeric(15,2) NOT NULL,
  l_tax numeric(15,2) NOT NULL, l_returnflag char(1) NOT NULL, l_linestatus char(1) NOT NULL,
  l_shipdate date NOT NULL, l_commitdate date NOT NULL, l_receiptdate date NOT NULL,
  l_shipinstruct char(25) NOT NULL, l_shipmode char(10) NOT NULL, l_comment varchar(44) NOT NULL)";

const HEADER: &str = "l_orderkey,l_partkey,l_suppkey,l_linenumber,l_quantity,l_extendedprice,\
l_discount,l_tax,l_returnflag,l_linestatus,l_shipdate,l_commitdate,l_receiptdate,l_shipinstruct,\
l_shipmode,l_comment\n";

pub(crate) fn bench() -> Result<()> {
    let folder = target().join("bench");
    fs::create_dir_all(&folder)?;
    build(&["--package", "arrivage-cli"])?;
    let plain = plain(&folder)?;
    let gzip = gzip(&folder, &plain)?;
    let cluster = Cluster::start_new().context("PostgreSQL does not start")?;
    let bench = Bench {
        url: cluster.url(),
        folder,
    };
    let mut copies = Vec::new();
    let mut loads = Vec::new();
    let mut compressed = Vec::new();
    for round in 1..=ROUNDS {
        copies.push(bench.copy(&plain)?);
        loads.push(bench.load(&plain, ROWS)?.0);
        compressed.push(bench.load(&gzip, ROWS)?.0);
        println!("round {round} of {ROUNDS}");
    }
    let copy = median(&mut copies);
    println!(
        "{ROWS} rows of lineitem, {} MB of CSV, medians of {ROUNDS}:",
        megabytes(&plain)?
    );
    for (what, times) in [
        ("arrivage load, plain", &mut loads),
        ("arrivage load, gzip", &mut compressed),
    ] {
        let time = median(times);
        let ratio = time.as_secs_f64() / copy.as_secs_f64();
        println!(
            "  {what:<22} {:6.2} s   {ratio:.2} of psql \\copy",
            time.as_secs_f64()
        );
    }
    println!(
        "  {:<22} {:6.2} s",
        "psql \\copy, plain",
        copy.as_secs_f64()
    );
    let (large, rows) = large(&bench.folder, &plain)?;
    let (time, peak) = bench.load(&large, rows)?;
    println!(
        "{rows} rows, {} MB of gzip: {:.0} s, at most {:.1} MiB resident with default settings",
        megabytes(&large)?,
        time.as_secs_f64(),
        peak as f64 / 1024.0
    );
    Ok(())
}

fn build(what: &[&str]) -> Result<()> {
    let built = cargo(&["build", "--release"]).args(what).status()?;
    ensure!(built.success(), "the program does not build");
    Ok(())
}

struct Bench {
    url: String,
    folder: PathBuf,
}

impl Bench {
    /// A new database with the empty table.
    fn database(&self) -> Result<String> {
        let name = unique_name("bench").replace('-', "_");
        let url = xtask::postgres::create_database(&self.url, &name)?;
        sql(&url, TABLE)?;
        Ok(url)
    }

    /// The same with a ledger in it.
    fn migrated(&self) -> Result<String> {
        let url = self.database()?;
        let configuration = self.configure(&url)?;
        let migrated = tied(target().join("release/arrivage"))
            .args(["migrate", "--config"])
            .arg(&configuration)
            .stderr(Stdio::null())
            .status()?;
        ensure!(migrated.success(), "migrate: {migrated}");
        Ok(url)
    }

    fn configure(&self, url: &str) -> Result<PathBuf> {
        let configuration = self.folder.join("arrivage.toml");
        let pattern = self.folder.join("*");
        fs::write(
            &configuration,
            format!(
                "[database]\nurl = \"{url}\"\n[[pipeline]]\nname = \"lineitem\"\n\
                 match = [\"{}\"]\ntable = \"lineitem\"\n",
                pattern.display()
            ),
        )?;
        Ok(configuration)
    }

    fn copy(&self, file: &Path) -> Result<Duration> {
        let url = self.database()?;
        let copy = format!("\\copy lineitem FROM '{}' CSV HEADER", file.display());
        let started = Instant::now();
        let copied = tied("psql").args(["-qX", &url, "-c", &copy]).status()?;
        ensure!(copied.success(), "psql does not copy");
        Ok(started.elapsed())
    }

    /// How long a load takes, and the most that was resident, in KiB.
    fn load(&self, file: &Path, rows: u64) -> Result<(Duration, u64)> {
        self.load_after(file, rows, "SELECT 1")
    }

    /// The same where these statements have changed the ledger before.
    fn load_after(&self, file: &Path, rows: u64, before: &str) -> Result<(Duration, u64)> {
        let url = self.migrated()?;
        sql(&url, before)?;
        let configuration = self.configure(&url)?;
        let started = Instant::now();
        let mut load = tied(target().join("release/arrivage"))
            .arg("load")
            .arg(file)
            .arg("--config")
            .arg(&configuration)
            .stderr(Stdio::null())
            .spawn()?;
        let mut peak = 0;
        let ended = loop {
            peak = peak.max(high_water(load.id()).unwrap_or_default());
            if let Some(ended) = load.try_wait()? {
                break ended;
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        let time = started.elapsed();
        ensure!(ended.success(), "the load fails: {ended}");
        let loaded = sql(&url, "SELECT count(*) FROM lineitem")?;
        ensure!(
            loaded.trim() == rows.to_string(),
            "{} rows are there, not {rows}",
            loaded.trim()
        );
        Ok((time, peak))
    }
}

/// VmHWM of a process, in KiB.
fn high_water(id: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn megabytes(file: &Path) -> Result<u64> {
    Ok(fs::metadata(file)?.len() / 1_000_000)
}

/// Rows like those of TPC-H's lineitem, the same at every run.
fn plain(folder: &Path) -> Result<PathBuf> {
    let path = folder.join("lineitem.csv");
    let mut file = BufWriter::new(File::create(&path)?);
    file.write_all(HEADER.as_bytes())?;
    let mut seed = 42_u64;
    let mut below = |limit: u64| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % limit
    };
    const WORDS: [&str; 8] = [
        "carefully",
        "final",
        "deposits",
        "sleep",
        "furiously",
        "ironic",
        "requests",
        "haggle",
    ];
    let mut line = String::new();
    for row in 0..ROWS {
        line.clear();
        write!(
            line,
            "{},{},{},{},",
            row / 4 + 1,
            below(200_000),
            below(10_000),
            row % 4 + 1
        )?;
        write!(
            line,
            "{},{}.{:02},",
            below(50) + 1,
            below(100_000),
            below(100)
        )?;
        write!(line, "0.{:02},0.{:02},", below(11), below(9))?;
        write!(
            line,
            "{},{},",
            ["R", "A", "N"][below(3) as usize],
            ["O", "F"][below(2) as usize]
        )?;
        for _ in 0..3 {
            write!(
                line,
                "199{}-{:02}-{:02},",
                below(8) + 1,
                below(12) + 1,
                below(28) + 1
            )?;
        }
        write!(
            line,
            "{},",
            ["DELIVER IN PERSON", "COLLECT COD", "NONE"][below(3) as usize]
        )?;
        write!(
            line,
            "{},",
            ["TRUCK", "MAIL", "AIR", "SHIP", "RAIL"][below(5) as usize]
        )?;
        let comment: Vec<&str> = (0..3 + below(2))
            .map(|_| WORDS[below(8) as usize])
            .collect();
        writeln!(line, "{}", comment.join(" "))?;
        file.write_all(line.as_bytes())?;
    }
    file.into_inner()?;
    Ok(path)
}

fn gzip(folder: &Path, plain: &Path) -> Result<PathBuf> {
    let path = folder.join("lineitem.csv.gz");
    compress(plain, File::create(&path)?)?;
    Ok(path)
}

fn compress(plain: &Path, into: File) -> Result<()> {
    let zipped = tied("gzip").arg("-6c").arg(plain).stdout(into).status()?;
    if !zipped.success() {
        bail!("gzip ends with {zipped}");
    }
    Ok(())
}

/// Gigabytes of CSV in gzip: the header, then the same member again and again.
fn large(folder: &Path, plain: &Path) -> Result<(PathBuf, u64)> {
    let text = fs::read(plain)?;
    let body = folder.join("body.csv");
    fs::write(&body, &text[HEADER.len()..])?;
    let header = folder.join("header.csv");
    fs::write(&header, HEADER)?;
    let member = folder.join("member.gz");
    compress(&body, File::create(&member)?)?;
    let path = folder.join("large.csv.gz");
    compress(&header, File::create(&path)?)?;
    let mut file = File::options().append(true).open(&path)?;
    let members = LARGE.div_ceil(text.len() as u64);
    let member = fs::read(&member)?;
    for _ in 0..members {
        file.write_all(&member)?;
    }
    Ok((path, members * ROWS))
}
