//! What a store says of an object's bytes, compared with those that came.

use anyhow::Result;
use arrivage_testkit::{Fault, S3Server};
use arrivage_tests::{Arrivage, Destination, on_both};
use serde_json::Value;

use crate::world::items;

on_both!(
    an_object_that_lacks_its_checksum_is_not_whole,
    a_checksum_is_carried_across_a_resume,
);

/// More than are read in one range.
const RECORDS: u64 = 700_000;

const KEY: &str = "a.csv";

struct Bucket {
    to: Destination,
    server: S3Server,
    arrivage: Arrivage,
}

impl Bucket {
    async fn new(to: Destination) -> Result<Self> {
        to.sql("CREATE TABLE items (id bigint, amount numeric(12,2), _arrival_id bigint)")
            .await?;
        let server = S3Server::start().await?;
        server.create_bucket("drop");
        let arrivage = Arrivage::new(&to.url(), &configuration(&server, ""))?;
        let arrivage = arrivage.env([
            ("AWS_ACCESS_KEY_ID", S3Server::ACCESS_KEY),
            ("AWS_SECRET_ACCESS_KEY", S3Server::SECRET_KEY),
        ]);
        Ok(Self {
            to,
            server,
            arrivage,
        })
    }

    fn configure(&self, pipeline: &str) -> Result<()> {
        let configuration = configuration(&self.server, pipeline);
        self.arrivage.configure(&self.to.url(), &configuration)
    }

    /// Every HEAD says so from now on.
    fn states(&self, checksum: u32) {
        self.server.heal();
        let text = base64(checksum.to_be_bytes());
        self.server.on(move |request| {
            let asks = request.method == "HEAD" && request.header("x-amz-checksum-mode").is_some();
            asks.then(|| Fault::Header("x-amz-checksum-crc32", text.clone()))
        });
    }

    async fn load(&self, code: i32) -> Result<Value> {
        let loading = ["load", "--json", "s3://drop/a.csv"];
        let ended = self.arrivage.run(&loading).await?.expect(code);
        Ok(ended.json().pop().unwrap_or_default())
    }

    /// Where each GET began that asked for more than the first few bytes.
    fn reads(&self) -> Vec<u64> {
        let requests = self.server.requests();
        let ranges = requests
            .iter()
            .filter(|request| request.is_get_object())
            .filter_map(|request| request.header("range").map(str::to_owned));
        let begins = ranges.filter_map(|range| {
            let (begin, end) = range.strip_prefix("bytes=")?.split_once('-')?;
            let (begin, end): (u64, u64) = (begin.parse().ok()?, end.parse().ok()?);
            (end - begin > 64).then_some(begin)
        });
        begins.collect()
    }
}

async fn an_object_that_lacks_its_checksum_is_not_whole(to: Destination) -> Result<()> {
    let bucket = Bucket::new(to).await?;
    bucket.configure("atomic = true")?;
    let file = items(RECORDS, "", "");
    bucket.server.put("drop", KEY, file.clone().into_bytes());
    bucket.states(crc32(b"other bytes"));
    let arrival = bucket.load(3).await?;
    assert_eq!(arrival["error_code"], "incomplete");
    assert!(arrival["error"].to_string().contains("CRC-32"), "{arrival}");
    assert_eq!(arrival["records_loaded"], 0);
    assert_eq!(bucket.to.count("SELECT count(*) FROM items").await, 0);

    bucket.states(crc32(file.as_bytes()));
    let id = arrival["id"].to_string();
    bucket.arrivage.run(&["replay", &id]).await?.expect(0);
    let loaded = bucket.load(0).await?;
    assert_eq!(loaded["state"], "loaded");
    Ok(())
}

async fn a_checksum_is_carried_across_a_resume(to: Destination) -> Result<()> {
    let bucket = Bucket::new(to).await?;
    for (says, code) in [("so", 0), ("otherwise", 3)] {
        let file = items(RECORDS, &format!("{says},1.00\n"), "");
        bucket.server.put("drop", KEY, file.clone().into_bytes());
        bucket.states(crc32(file.as_bytes()));
        bucket.configure("rejects.max_rows = 0")?;
        let half = bucket.load(3).await?;
        assert_eq!(half["error_code"], "too_many_rejects");
        let offset = half["checkpoint_offset"].as_u64().unwrap_or_default();
        assert!(offset > 0 && offset < file.len() as u64, "{half}");

        if says == "otherwise" {
            bucket.states(crc32(b"other bytes"));
        }
        bucket.configure("")?;
        let id = half["id"].to_string();
        bucket.arrivage.run(&["replay", &id]).await?.expect(0);
        let before = bucket.reads().len();
        let ended = bucket.load(code).await?;
        let state = if code == 0 { "loaded" } else { "failed" };
        assert_eq!(ended["state"], state);
        // It goes on from a place that is not far before the checkpoint.
        let first = bucket.reads()[before];
        assert!(first > 0 && first <= offset, "{first}, {offset}");
    }
    Ok(())
}

fn configuration(server: &S3Server, pipeline: &str) -> String {
    format!(
        r#"
[s3]
endpoint = "{}"
path_style = true
region = "{}"

[processor]
poll = "50ms"
memory = "26MiB"
workers = 1

[[pipeline]]
name = "items"
match = ["s3://drop/*"]
table = "items"
{pipeline}
"#,
        server.endpoint(),
        S3Server::REGION
    )
}

/// As zip and S3 make it.
fn crc32(bytes: &[u8]) -> u32 {
    let table: Vec<u32> = (0..256)
        .map(|byte| {
            (0..8).fold(byte, |crc: u32, _| match crc & 1 {
                0 => crc >> 1,
                _ => crc >> 1 ^ 0xEDB8_8320,
            })
        })
        .collect();
    let step = |crc: u32, byte: &u8| table[usize::from(crc as u8 ^ byte)] ^ crc >> 8;
    !bytes.iter().fold(!0, step)
}

/// Of four bytes.
fn base64(bytes: [u8; 4]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let number = u64::from(u32::from_be_bytes(bytes)) << 4;
    let letter = |nth: u64| char::from(LETTERS[(number >> (30 - 6 * nth)) as usize & 63]);
    (0..6).map(letter).chain("==".chars()).collect()
}
