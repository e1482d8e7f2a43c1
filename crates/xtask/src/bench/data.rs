//! TPC-H's `lineitem`, made by tpchgen-cli and kept under cargo's target directory.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use xtask::process::tied;
use xtask::venv::Venv;

/// What makes the data, and the peers that others would use.
const PACKAGES: &[&str] = &[
    "tpchgen-cli==4.0.0",
    "sling-linux-amd64==1.4.11",
    "dlt[postgres]==1.31.0",
    "pyarrow==26.0.1",
    "duckdb==2.0.0",
    "pandas==3.1.1",
];

/// The environment with these.
pub(super) fn tools() -> Result<Venv> {
    Venv::prepare_with("bench-venv", PACKAGES)
}

/// One table at a scale, as CSV with a header and as that in one gzip member.
pub(super) struct Lineitem {
    pub(super) plain: PathBuf,
    pub(super) gzip: PathBuf,
    pub(super) rows: u64,
}

impl Lineitem {
    /// `scale` as tpchgen-cli takes it: 1 are six million rows.
    pub(super) fn of(scale: &str, folder: &Path) -> Result<Self> {
        let folder = folder.join(format!("tpch-{scale}"));
        let plain = folder.join("lineitem.csv");
        let gzip = folder.join("lineitem.csv.gz");
        if !gzip.is_file() {
            fs::create_dir_all(&folder)?;
            println!("making lineitem of scale {scale}");
            let made = Command::new(tools()?.program("tpchgen-cli"))
                .args(["csv", "--tables=lineitem", "-s", scale, "--output-dir"])
                .arg(&folder)
                .status()?;
            ensure!(made.success(), "tpchgen-cli: {made}");
            let part = folder.join("lineitem.csv.gz.part");
            compress(&plain, &part)?;
            fs::rename(&part, &gzip)?;
        }
        let rows = count(&plain)? - 1;
        Ok(Self { plain, gzip, rows })
    }
}

fn compress(plain: &Path, into: &Path) -> Result<()> {
    let mut gzip = tied("gzip");
    let zipped = gzip.arg("-6c").arg(plain).stdout(File::create(into)?);
    let zipped = zipped.status()?;
    ensure!(zipped.success(), "gzip: {zipped}");
    Ok(())
}

fn count(file: &Path) -> Result<u64> {
    let output = tied("wc").arg("-l").arg(file).output()?;
    let text = String::from_utf8(output.stdout)?;
    let lines = text.split_whitespace().next().context("wc says a number")?;
    Ok(lines.parse()?)
}
