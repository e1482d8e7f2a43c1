//! `cargo xtask bench`: speed beside what others would use, and memory.
//!
//! Times are compared within one run, one program after the other, and given as medians: this says
//! something on a noisy machine, where seconds do not.

mod data;
pub(crate) mod latency;
pub(crate) mod ledger;
pub(crate) mod memory;
mod peers;
pub(crate) mod resume;
pub(crate) mod small_files;
pub(crate) mod throughput;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use xtask::place::{cargo, target, unique_name};
use xtask::postgres::{Cluster, sql};
use xtask::process::tied;

/// How often each thing is timed.
const ROUNDS: usize = 5;

const TABLE: &str = "CREATE TABLE lineitem (l_orderkey bigint NOT NULL, l_partkey integer NOT NULL,
  l_suppkey integer NOT NULL, l_linenumber integer NOT NULL, l_quantity numeric(15,2) NOT NULL,
  l_extendedprice numeric(15,2) NOT NULL, l_discount numeric(15,2) NOT NULL,
  l_tax numeric(15,2) NOT NULL, l_returnflag char(1) NOT NULL, l_linestatus char(1) NOT NULL,
  l_shipdate date NOT NULL, l_commitdate date NOT NULL, l_receiptdate date NOT NULL,
  l_shipinstruct char(25) NOT NULL, l_shipmode char(10) NOT NULL, l_comment varchar(44) NOT NULL)";

/// What is timed, and where.
struct Bench {
    _cluster: Cluster,
    url: String,
    /// Files that are kept from run to run.
    folder: PathBuf,
}

/// A load that is timed.
struct Load<'a> {
    /// A URL or a path.
    what: &'a str,
    store: Option<&'a Store>,
    /// `processor.connections`.
    connections: usize,
    /// What the table must hold then.
    rows: u64,
}

struct Loaded {
    time: Duration,
    /// The most that was resident, in KiB.
    peak: u64,
}

/// An S3 server with files in the bucket `bench`; it ends with this.
struct Store {
    server: Child,
    _input: Option<ChildStdin>,
    endpoint: String,
    key: String,
    secret: String,
}

impl Bench {
    /// Builds the program, and starts a PostgreSQL of its own.
    fn start() -> Result<Self> {
        let folder = target().join("bench");
        fs::create_dir_all(&folder)?;
        build(&["--package", "arrivage-cli"])?;
        let cluster = Cluster::start_new().context("PostgreSQL does not start")?;
        Ok(Self {
            url: cluster.url(),
            _cluster: cluster,
            folder,
        })
    }

    fn store(&self, files: &[&Path]) -> Result<Store> {
        build(&["--package", "arrivage-testkit", "--example", "s3_folder"])?;
        let mut server = tied(built("examples/s3_folder"))
            .args(files)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = server.stdout.take().context("it has an output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let mut words = line.split_whitespace().map(str::to_owned);
        let mut word = || words.next().context("the S3 server does not start");
        Ok(Store {
            endpoint: word()?,
            key: word()?,
            secret: word()?,
            _input: server.stdin.take(),
            server,
        })
    }

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
        let configuration = self.configure(&url, None, 2)?;
        let migrated = tied(built("arrivage"))
            .args(["migrate", "--config"])
            .arg(&configuration)
            .stderr(Stdio::null())
            .status()?;
        ensure!(migrated.success(), "migrate: {migrated}");
        Ok(url)
    }

    fn configure(&self, url: &str, store: Option<&Store>, connections: usize) -> Result<PathBuf> {
        let configuration = self.folder.join("arrivage.toml");
        let s3 = store.map_or(String::new(), |store| {
            format!(
                "[s3]\nendpoint = \"{}\"\npath_style = true\n",
                store.endpoint
            )
        });
        fs::write(
            &configuration,
            format!(
                "[database]\nurl = \"{url}\"\n{s3}[processor]\nconnections = {connections}\n\
                 [[pipeline]]\nname = \"lineitem\"\nmatch = [\"s3://bench/**\", \"{}\"]\n\
                 table = \"lineitem\"\n",
                self.folder.join("**").display()
            ),
        )?;
        Ok(configuration)
    }

    /// `psql \copy` of a local file into a new table.
    fn copy(&self, file: &Path) -> Result<Duration> {
        let url = self.database()?;
        let copy = format!("\\copy lineitem FROM '{}' CSV HEADER", file.display());
        let started = Instant::now();
        let copied = tied("psql").args(["-qX", &url, "-c", &copy]).status()?;
        ensure!(copied.success(), "psql does not copy");
        let time = started.elapsed();
        drop_database(&self.url, &url)?;
        Ok(time)
    }

    fn load(&self, load: &Load<'_>) -> Result<Loaded> {
        self.load_after(load, "SELECT 1")
    }

    /// The same where these statements have changed the ledger before.
    fn load_after(&self, load: &Load<'_>, before: &str) -> Result<Loaded> {
        let url = self.migrated()?;
        sql(&url, before)?;
        let configuration = self.configure(&url, load.store, load.connections)?;
        let mut command = tied(built("arrivage"));
        command.args(["load", "--recursive", load.what, "--config"]);
        command.arg(&configuration).stderr(Stdio::null());
        command.envs(load.store.map(Store::environment).into_iter().flatten());
        let started = Instant::now();
        let mut process = command.spawn()?;
        let mut peak = 0;
        let ended = loop {
            peak = peak.max(high_water(process.id()).unwrap_or_default());
            if let Some(ended) = process.try_wait()? {
                break ended;
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        let time = started.elapsed();
        ensure!(ended.success(), "the load fails: {ended}");
        self.expect(&url, load.rows)?;
        drop_database(&self.url, &url)?;
        Ok(Loaded { time, peak })
    }

    fn expect(&self, url: &str, rows: u64) -> Result<()> {
        let loaded = sql(url, "SELECT count(*) FROM lineitem")?;
        ensure!(
            loaded.trim() == rows.to_string(),
            "{} rows are there, not {rows}",
            loaded.trim()
        );
        Ok(())
    }
}

impl Store {
    /// What a client needs to be let in.
    fn environment(&self) -> [(&'static str, &str); 3] {
        [
            ("AWS_ACCESS_KEY_ID", &self.key),
            ("AWS_SECRET_ACCESS_KEY", &self.secret),
            ("AWS_REGION", "us-east-1"),
        ]
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// What is shipped is what is measured.
const PROFILE: &str = "dist";

fn build(what: &[&str]) -> Result<()> {
    let built = cargo(&["build", "--profile", PROFILE])
        .args(what)
        .status()?;
    ensure!(built.success(), "the program does not build");
    Ok(())
}

/// A program that was built for this.
fn built(program: &str) -> PathBuf {
    target().join(PROFILE).join(program)
}

/// What was measured is not kept: the disk would fill.
fn drop_database(server: &str, url: &str) -> Result<()> {
    let name = url.rsplit('/').next().context("a database has a name")?;
    xtask::postgres::drop_database(server, name)
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
