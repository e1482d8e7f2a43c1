//! What is resident with default settings stays below `processor.memory`, whatever the file.

use std::fs;
use std::time::Duration;

use anyhow::Result;
use arrivage_testkit::{Content, S3Server};
use arrivage_tests::{Arrivage, Destination};
use async_compression::tokio::bufread::GzipEncoder;
use tokio::io::{AsyncReadExt, BufReader};

/// The default of `processor.memory`, in KiB.
const CEILING: u64 = 64 * 1024;

const MIB: u64 = 1 << 20;
const BLOCK: u64 = 64 * 1024;

/// The length of a line that [`lines`] makes.
const LINE: u64 = 32;

/// So many bytes of lines of two columns, made when they are asked for.
fn lines(length: u64) -> Content {
    Content::generated(length, |offset| {
        let first = offset / LINE;
        let lines: String = (first..first + BLOCK / LINE)
            .map(|number| format!("{number:012},{number:>18}\n"))
            .collect();
        lines.into_bytes()[(offset % LINE) as usize..]
            .to_vec()
            .into()
    })
}

/// One line of so many bytes, without an end.
fn line(length: u64) -> Content {
    Content::generated(length, |_| vec![b'x'; BLOCK as usize].into())
}

/// So many zeros in gzip.
async fn bomb(length: u64) -> Result<Vec<u8>> {
    let zeros = BufReader::new(tokio::io::repeat(0).take(length));
    let mut bytes = Vec::new();
    GzipEncoder::new(zeros).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

fn wide(columns: usize, rows: usize) -> Vec<u8> {
    let line = |cell: &dyn Fn(usize) -> String| {
        let cells: Vec<String> = (0..columns).map(cell).collect();
        cells.join(",") + "\n"
    };
    let rows: String = (0..rows)
        .map(|row| line(&|column| format!("{row}{column}")))
        .collect();
    (line(&|column| format!("c{column}")) + &rows).into_bytes()
}

/// Loads one object, and returns exit code and the most that was resident, in KiB.
async fn load(arrivage: &Arrivage, key: &str) -> Result<(Option<i32>, u64)> {
    let mut running = arrivage.start(&["load", &format!("s3://drop/{key}")])?;
    let status = format!("/proc/{}/status", running.process.id());
    let mut peak = 0;
    loop {
        let high = fs::read_to_string(&status).ok().and_then(|status| {
            let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
            line.split_whitespace().nth(1)?.parse().ok()
        });
        peak = peak.max(high.unwrap_or_default());
        if let Some(ended) = running.process.ended()? {
            return Ok((ended.code(), peak));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_does_not_grow_with_the_file_on_postgres() -> Result<()> {
    // One after the other: the machine may be small.
    memory_does_not_grow("decoders = 1").await?;
    memory_does_not_grow("decoders = 2").await
}

async fn memory_does_not_grow(processor: &str) -> Result<()> {
    let to = Destination::postgres().await?;
    let columns: Vec<String> = (0..1000).map(|column| format!("c{column} text")).collect();
    to.sql("CREATE TABLE lines (number bigint, words text)")
        .await?;
    to.sql(&format!("CREATE TABLE wide ({})", columns.join(", ")))
        .await?;
    let server = S3Server::start().await?;
    server.create_bucket("drop");
    server.put("drop", "small.csv", lines(32 * MIB));
    server.put("drop", "large.csv", lines(128 * MIB));
    server.put("drop", "line.csv", line(512 * MIB));
    server.put("drop", "bomb.csv", bomb(256 * MIB).await?);
    server.put("drop", "wide.wide", wide(1000, 4000));
    let configuration = format!(
        r#"
[s3]
endpoint = "{}"
path_style = true
region = "{}"

[processor]
{processor}

[[pipeline]]
name = "wide"
match = ["s3://drop/*.wide"]
table = "wide"

[[pipeline]]
name = "lines"
match = ["s3://drop/*.csv"]
table = "lines"
format.header = false
"#,
        server.endpoint(),
        S3Server::REGION,
    );
    let credentials = [
        ("AWS_ACCESS_KEY_ID", S3Server::ACCESS_KEY),
        ("AWS_SECRET_ACCESS_KEY", S3Server::SECRET_KEY),
    ];
    let arrivage = Arrivage::new(&to.url(), &configuration)?.env(credentials);
    arrivage.run(&["migrate"]).await?.expect(0);

    let mut peaks = Vec::new();
    for (key, expect) in [
        ("small.csv", "loaded||1048576|0"),
        ("large.csv", "loaded||4194304|0"),
        ("wide.wide", "loaded||4000|0"),
        ("line.csv", "loaded||0|1"),
        ("bomb.csv", "failed|expands_too_much|0|"),
    ] {
        let (code, peak) = load(&arrivage, key).await?;
        let look = format!(
            "SELECT state, error_code, records_loaded, records_rejected \
             FROM arrivage.arrivals WHERE key = '{key}'"
        );
        let found = to.sql(&look).await?;
        assert!(found.starts_with(expect), "{key}: {code:?} {found}");
        assert!(
            peak > 0 && peak <= CEILING,
            "{key}, {processor}: {peak} KiB"
        );
        peaks.push(peak);
    }
    let (small, large) = (peaks[0], peaks[1]);
    assert!(large * 100 <= small * 115, "{small} KiB, then {large} KiB");
    Ok(())
}
