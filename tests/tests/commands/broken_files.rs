use anyhow::Result;
use arrivage_tests::{Arrivage, Destination, on_both};
use async_compression::tokio::write::{GzipEncoder, ZstdEncoder};
use tokio::io::AsyncWriteExt;

use crate::items::{THREE, create_items, items, rows};

on_both!(
    every_cut_of_a_compressed_file_is_found,
    a_broken_file_fails_with_its_reason,
    a_file_without_records_is_loaded,
);

async fn gzip() -> Result<Vec<u8>> {
    let mut encoder = GzipEncoder::new(Vec::new());
    encoder.write_all(THREE.as_bytes()).await?;
    encoder.shutdown().await?;
    Ok(encoder.into_inner())
}

async fn zstd() -> Result<Vec<u8>> {
    let mut encoder = ZstdEncoder::new(Vec::new());
    encoder.write_all(THREE.as_bytes()).await?;
    encoder.shutdown().await?;
    Ok(encoder.into_inner())
}

async fn every_cut_of_a_compressed_file_is_found(to: Destination) -> Result<()> {
    let arrivage = items(&to, "")?;
    create_items(&to).await?;
    // Shorter ones have no magic bytes.
    let (gzip, zstd) = (gzip().await?, zstd().await?);
    for length in 2..gzip.len() {
        arrivage.file(&format!("in/gzip-{length}.csv"), &gzip[..length])?;
    }
    for length in 4..zstd.len() {
        arrivage.file(&format!("in/zstd-{length}.csv"), &zstd[..length])?;
    }
    arrivage.run(&["load", "-r", "in"]).await?.expect(3);
    let wrong = "SELECT key, state, error_code FROM arrivage.arrivals
        WHERE state <> 'failed' OR error_code <> 'truncated'";
    assert_eq!(to.sql(wrong).await?, "");
    let cuts = i64::try_from(gzip.len() - 2 + zstd.len() - 4)?;
    assert_eq!(
        to.count("SELECT count(*) FROM arrivage.arrivals").await,
        cuts
    );
    Ok(())
}

async fn a_broken_file_fails_with_its_reason(to: Destination) -> Result<()> {
    let arrivage = items(&to, "")?;
    create_items(&to).await?;
    let (gzip, zstd) = (gzip().await?, zstd().await?);
    let changed = |content: &[u8], at: usize, bits: u8| {
        let mut content = content.to_vec();
        content[at] ^= bits;
        content
    };
    let checksum = gzip.len() - 8;
    check(&arrivage, &changed(&gzip, checksum, 1), "failed|corrupt|0").await?;
    check(
        &arrivage,
        &changed(&gzip, gzip.len() - 1, 1),
        "failed|corrupt|0",
    )
    .await?;
    check(&arrivage, &changed(&gzip, 25, 1), "failed|corrupt|0").await?;
    check(
        &arrivage,
        &[&gzip[..], b"and more"].concat(),
        "failed|corrupt|0",
    )
    .await?;
    let reserved_block_type = changed(&changed(&zstd, 6, 2), 6, 4);
    check(&arrivage, &reserved_block_type, "failed|corrupt|0").await?;
    check(
        &arrivage,
        &[&zstd[..], b"and more"].concat(),
        "failed|corrupt|0",
    )
    .await?;
    check(&arrivage, b"BZh91AY&SY\0\0", "failed|truncated|0").await?;
    check(&arrivage, b"BZh91AYxSY\0\0", "failed|corrupt|0").await?;
    check(&arrivage, b"\xFD7zXZ\0\0\x04", "failed|truncated|0").await?;
    check(&arrivage, b"PK\x03\x04\x14\0\0\0", "failed|truncated|0").await?;
    check(&arrivage, b"\x04\x22\x4D\x18\x64\x40", "failed|truncated|0").await?;
    // Packed once more; with a dictionary that is somewhere else.
    let mut twice = GzipEncoder::new(Vec::new());
    twice.write_all(&gzip).await?;
    twice.shutdown().await?;
    check(&arrivage, &twice.into_inner(), "failed|unsupported|0").await?;
    let dictionary = b"\x28\xB5\x2F\xFD\x21\x2A\x05\x29\0\0id\n1\n";
    check(&arrivage, dictionary, "failed|unsupported|0").await?;
    // As lz4 wrote it long ago.
    check(
        &arrivage,
        b"\x02\x21\x4C\x18\x64\x40",
        "failed|unsupported|0",
    )
    .await?;
    assert_eq!(rows(&to).await?, "");
    Ok(())
}

async fn a_file_without_records_is_loaded(to: Destination) -> Result<()> {
    let arrivage = items(&to, "")?;
    create_items(&to).await?;
    check(&arrivage, b"", "loaded||0").await?;
    check(&arrivage, b"id,name", "loaded||0").await?;
    check(&arrivage, b"\xEF\xBB\xBFname,id\r\n", "loaded||0").await?;
    check(&arrivage, b"\n\r\n\n", "loaded||0").await?;
    assert_eq!(rows(&to).await?, "");
    Ok(())
}

/// Loads this content alone, and looks at state, error code and loaded records.
async fn check(arrivage: &Arrivage, content: &[u8], expect: &str) -> Result<()> {
    arrivage.file("in/it.csv", content)?;
    let code = if expect.starts_with("failed") { 3 } else { 0 };
    let loaded = arrivage.run(&["load", "--json", "in/it.csv"]).await?;
    let arrival = loaded.json().pop().unwrap_or_default();
    let text = |name: &str| arrival[name].as_str().unwrap_or_default().to_owned();
    let found = [
        text("state"),
        text("error_code"),
        arrival["records_loaded"].to_string(),
    ];
    assert_eq!(found.join("|"), expect, "{content:?}\n{loaded}");
    loaded.expect(code);
    Ok(())
}
