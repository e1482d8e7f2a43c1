//! What else one would use for `cargo xtask bench throughput --peers`, as its own documentation has
//! it: each loads the same file once into a table of the same kind.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use xtask::place::find_program;
use xtask::process::tied;
use xtask::venv::Venv;

use super::data::{Lineitem, tools};
use super::{Bench, Store, drop_database};

/// The program that its package brings, with further arguments.
const SLING: &str = "import os, sys, sling_linux_amd64 as sling; \
                     os.execv(sling.SLING_BIN, ['sling', *sys.argv[1:]])";

/// dlt: the file read as its tutorial has it, which goes through pandas and INSERT; or by DuckDB
/// into Arrow tables, which are loaded as CSV by COPY; or handed to COPY unread, with the names
/// of its columns.
const DLT: &str = "
import sys, dlt
from dlt.sources.filesystem import filesystem, read_csv, read_csv_duckdb
how, folder, file, url, work = sys.argv[1:]
postgres = dlt.destinations.postgres(url)
pipeline = dlt.pipeline('bench', pipelines_dir=work, destination=postgres, dataset_name='public')
if how == 'tutorial':
    lines = filesystem(bucket_url=folder, file_glob=file) | read_csv()
    pipeline.run(lines.with_name('lineitem'))
elif how == 'read':
    lines = filesystem(bucket_url=folder, file_glob=file) \\
      | read_csv_duckdb(use_pyarrow=True, chunk_size=100_000)
    pipeline.run(lines.with_name('lineitem'), loader_file_format='csv')
else:
    header = open(f'{folder}/{file}').readline().strip().split(',')
    @dlt.resource(columns={name: {'data_type': 'text'} for name in header})
    def lineitem():
        yield dlt.mark.with_file_import(f'{folder}/{file}', 'csv')
    pipeline.run(lineitem)
";

/// What dlt's page on performance advises for one large table: files that are not compressed on
/// their way from step to step, and several of them, loaded at the same time.
const DLT_TUNED: [(&str, &str); 2] = [
    ("DATA_WRITER__DISABLE_COMPRESSION", "true"),
    ("DATA_WRITER__FILE_MAX_ITEMS", "250000"),
];

impl Bench {
    /// `object` is the gzip'ed file in the store; `tell` prints a line.
    pub(super) fn peers(
        &self,
        data: &Lineitem,
        store: &Store,
        object: &str,
        tell: impl Fn(&str, Duration),
    ) -> Result<()> {
        let time = self.pipe(data, store, object)?;
        tell("aws s3 cp | gzip -dc | psql \\copy", time);
        let time = self.sling(data)?;
        tell("sling run, gzip, local file", time);
        match find_program("pgloader") {
            None => println!("  pgloader is missing (Debian: apt-get install pgloader)"),
            Some(_) => tell("pgloader, plain local file", self.pgloader(data)?),
        }
        for (what, how, settings) in [
            ("dlt, as in its tutorial", "tutorial", &[][..]),
            ("dlt, Arrow to CSV, plain local file", "read", &[]),
            ("dlt, the same, uncompressed, in parts", "read", &DLT_TUNED),
            ("dlt, the file imported unread", "import", &[]),
        ] {
            tell(what, self.dlt(data, how, settings)?);
        }
        Ok(())
    }

    fn pipe(&self, data: &Lineitem, store: &Store, object: &str) -> Result<Duration> {
        let aws = Venv::prepare()?.aws();
        self.peer(data, |url| {
            let script = format!(
                "set -o pipefail; {} --endpoint-url {} s3 cp {object} - | gzip -dc | \
                 psql -qX '{url}' -c '\\copy lineitem FROM STDIN CSV HEADER'",
                aws.display(),
                store.endpoint
            );
            let mut bash = tied("bash");
            bash.args(["-c", &script]).envs(store.environment());
            Ok(bash)
        })
    }

    fn sling(&self, data: &Lineitem) -> Result<Duration> {
        let python = tools()?.python();
        self.peer(data, |url| {
            let mut run = tied(&python);
            run.args(["-c", SLING, "run", "--mode", "truncate"])
                .args(["--src-stream", &format!("file://{}", data.gzip.display())])
                .args(["--tgt-conn", &format!("{url}?sslmode=disable")])
                .args(["--tgt-object", "public.lineitem"]);
            Ok(run)
        })
    }

    /// Its batches and its one reader as they are by default: others were no faster.
    fn pgloader(&self, data: &Lineitem) -> Result<Duration> {
        let mut lines = BufReader::new(File::open(&data.plain)?).lines();
        let header = lines.next().context("it has a header")??;
        let order = self.folder.join("pgloader.load");
        self.peer(data, |url| {
            fs::write(
                &order,
                format!(
                    "LOAD CSV FROM '{}' HAVING FIELDS ({header})\n\
                     INTO {url} TARGET TABLE public.lineitem\n\
                     WITH skip header = 1, fields terminated by ',',\n\
                     fields optionally enclosed by '\"', fields escaped by double-quote;\n",
                    data.plain.display()
                ),
            )?;
            let mut run = tied("pgloader");
            run.arg("--root-dir").arg(self.folder.join("pgloader"));
            run.arg(&order);
            Ok(run)
        })
    }

    fn dlt(&self, data: &Lineitem, how: &str, settings: &[(&str, &str)]) -> Result<Duration> {
        let python = tools()?.python();
        let work = self.folder.join("dlt");
        let (folder, file) = (data.plain.parent(), data.plain.file_name());
        let time = self.peer(data, |url| {
            let mut run = tied(&python);
            run.args(["-c", DLT, how])
                .args([folder.context("it is in a folder")?.as_os_str()])
                .args([file.context("it has a name")?])
                // It wants a password; the server does not.
                .arg(url.replace("postgres@", "postgres:none@"))
                .arg(&work)
                .env("RUNTIME__DLTHUB_TELEMETRY", "false")
                .envs(settings.iter().copied());
            Ok(run)
        });
        if work.exists() {
            fs::remove_dir_all(&work)?;
        }
        time
    }

    /// How long another program takes into a new table of the same kind.
    fn peer(
        &self,
        data: &Lineitem,
        command: impl FnOnce(&str) -> Result<Command>,
    ) -> Result<Duration> {
        let url = self.database()?;
        let mut command = command(&url)?;
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let started = Instant::now();
        let ended = command.status()?;
        let time = started.elapsed();
        ensure!(ended.success(), "{command:?}: {ended}");
        self.expect(&url, data.rows)?;
        drop_database(&self.url, &url)?;
        Ok(time)
    }
}
