//! zip archives that are cut, changed, or made to harm.

use arrivage_model::ErrorCode;
use arrivage_testkit::archive::{Packed, tar, zip};
use async_compression::tokio::write::GzipEncoder;
use tokio::io::AsyncWriteExt;

use super::{contents, failure, first, hand, read, source};
use crate::fate::LoadError;

fn two() -> Vec<u8> {
    zip(&[
        Packed::new("a.csv", first()),
        Packed::new("b.csv", "id\n1\n").stored(),
    ])
}

/// The byte of the directory's record of an entry, at a place of the record.
fn record(archive: &[u8], name: &str, at: usize) -> usize {
    let mut places =
        (0..archive.len()).filter(|place| archive[*place..].starts_with(b"PK\x01\x02"));
    let place = places.find(|place| archive[place + 46..].starts_with(name.as_bytes()));
    place.expect("a record") + at
}

#[tokio::test]
async fn an_archive_that_is_cut_anywhere_is_truncated() {
    for archive in [
        two(),
        include_bytes!("fixtures/zip64-descriptors.zip").to_vec(),
    ] {
        assert!(!contents(&archive).await.is_empty());
        for length in 4..archive.len() {
            let found = failure(&archive[..length]).await;
            assert!(found.starts_with("truncated: "), "{length}: {found}");
        }
    }
}

/// Whatever byte changes, what is read is what was packed, or nothing is said to be whole.
#[tokio::test]
async fn no_changed_byte_changes_what_is_read_in_silence() {
    let archive = two();
    let expect: Vec<_> = contents(&archive)
        .await
        .into_iter()
        .map(|(_, text)| text)
        .collect();
    let mut unnoticed = 0;
    for at in 4..archive.len() {
        for bit in [0, 3, 7] {
            let mut changed = archive.clone();
            changed[at] ^= 1 << bit;
            match read(&changed).await {
                Ok(handed) => {
                    let found: Vec<_> = handed.files.into_iter().map(|file| file.bytes).collect();
                    assert_eq!(found, expect, "bit {bit} of byte {at}");
                    unnoticed += 1;
                }
                Err(LoadError::File(_)) => {}
                Err(other) => panic!("bit {bit} of byte {at}: {other}"),
            }
        }
    }
    // Times, versions, attributes, and what stands in front of entries once more.
    assert!(unnoticed < 3 * 120, "{unnoticed}");
}

#[tokio::test]
async fn what_does_not_agree_is_corrupt() {
    let check = async |what: &str, change: &dyn Fn(&mut Vec<u8>), expect: &str| {
        let mut archive = two();
        change(&mut archive);
        let found = failure(&archive).await;
        assert!(found.starts_with(expect), "{what}: {found}");
    };
    check(
        "the checksum",
        &|archive| {
            let at = record(archive, "a.csv", 16);
            archive[at] ^= 1;
        },
        "corrupt: its entry a.csv is broken: it does not have its checksum",
    )
    .await;
    check(
        "a shorter length",
        &|archive| {
            let at = record(archive, "a.csv", 24);
            archive[at] -= 1;
        },
        "corrupt: its entry a.csv is broken: it is longer than the directory says",
    )
    .await;
    check(
        "a longer length",
        &|archive| {
            let at = record(archive, "a.csv", 24);
            archive[at] += 1;
        },
        "corrupt: its entry a.csv is broken: it is shorter than the directory says",
    )
    .await;
    check(
        "less that is compressed",
        &|archive| {
            let at = record(archive, "a.csv", 20);
            archive[at] -= 1;
        },
        "corrupt: its entry a.csv is broken: its compressed bytes cannot be read",
    )
    .await;
    check(
        "another place",
        &|archive| {
            let at = record(archive, "b.csv", 42);
            archive[at] -= 1;
        },
        "corrupt: its entry a.csv is broken: it reaches into what follows it",
    )
    .await;
    check(
        "the same place twice",
        &|archive| {
            let at = record(archive, "b.csv", 42);
            archive[at..at + 4].fill(0);
        },
        "corrupt: its entries lie over one another",
    )
    .await;
    check(
        "a place beyond the end",
        &|archive| {
            let at = record(archive, "b.csv", 42);
            archive[at + 3] = 0x7f;
        },
        "corrupt: its entries lie over one another, or beyond its end",
    )
    .await;
    check(
        "a longer name in front of the entry",
        &|archive| archive[28] = 10,
        "corrupt: its entry a.csv is broken: it reaches into what follows it",
    )
    .await;
    check(
        "one entry fewer",
        &|archive| {
            let end = archive.len() - 22;
            archive[end + 8] = 1;
            archive[end + 10] = 1;
        },
        "corrupt: its directory is not as long as it says",
    )
    .await;
    check(
        "a directory in another part",
        &|archive| {
            let end = archive.len() - 22;
            archive[end + 4] = 1;
        },
        "unsupported: it is one part of a zip archive in several parts",
    )
    .await;
}

/// Some programs hide what they want behind what everybody reads.
#[tokio::test]
async fn nothing_stands_behind_what_is_compressed() {
    let mut archive = two();
    let number = |archive: &[u8], at: usize| {
        u32::from_le_bytes(archive[at..at + 4].try_into().expect("four bytes"))
    };
    let b = usize::try_from(number(&archive, record(&archive, "b.csv", 42))).expect("small");
    archive.insert(b, b'x');
    for at in [
        record(&archive, "a.csv", 20),
        record(&archive, "b.csv", 42),
        archive.len() - 22 + 16,
    ] {
        let moved = number(&archive, at) + 1;
        archive[at..at + 4].copy_from_slice(&moved.to_le_bytes());
    }
    let expect = "corrupt: its entry a.csv is broken: something follows its compressed bytes";
    assert_eq!(failure(&archive).await, expect);
}

#[tokio::test]
async fn what_nobody_wants_is_said_by_name() {
    let check = async |files: &[Packed], expect: &str| {
        let found = failure(&zip(files)).await;
        assert!(found.starts_with(expect), "{found}");
    };
    check(&[], "unsupported: no file is in the archive").await;
    let hidden = [
        Packed::new("in/", ""),
        Packed::new("__MACOSX/._a.csv", "x"),
        Packed::new(".a", "x"),
    ];
    let said = "unsupported: no file is in the archive, only .a (hidden), __MACOSX/._a.csv (left by macOS), in/ (a folder)";
    check(&hidden, said).await;
    let nested = [Packed::new("a.csv", "id\n1\n"), Packed::new("b.zip", two())];
    check(&nested, "unsupported: its entry b.zip is zip, and").await;
    let packed = [Packed::new("a.csv.gz", b"\x1f\x8b\x08\0".to_vec())];
    check(&packed, "unsupported: its entry a.csv.gz is gzip, and").await;
    let office = [Packed::new("[Content_Types].xml", "<x/>")];
    check(
        &office,
        "unsupported: it is a document of an office program",
    )
    .await;
    let dangerous = [
        Packed::new("../../etc/a.csv", "id\n1\n"),
        Packed::new("/b.csv", "id\n2\n"),
        Packed::new("/b.csv", "id\n3\n"),
    ];
    let names: Vec<_> = contents(&zip(&dangerous))
        .await
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(
        names,
        ["../../etc/a.csv", "/b.csv", "/b.csv"],
        "no path is ever written"
    );
}

#[tokio::test]
async fn bombs_are_judged_over_the_whole_archive() {
    // Each is below what is judged at all; together they are not.
    let zeros = vec![b'0'; 20 << 20];
    let files: Vec<_> = (0..4)
        .map(|n| Packed::new(&format!("{n}.csv"), zeros.clone()))
        .collect();
    let archive = zip(&files);
    let limited = |most: u64| {
        let (mut source, _) = source(&archive, 64 * 1024);
        source.limits.max_expansion = most;
        source
    };
    match hand(limited(500)).await {
        Err(LoadError::File(failure)) => {
            assert_eq!(failure.code, Some(ErrorCode::ExpandsTooMuch));
        }
        other => panic!("{:?}", other.map(|handed| handed.files.len())),
    }
    assert_eq!(
        hand(limited(2000))
            .await
            .expect("it is allowed")
            .files
            .len(),
        4
    );
}

#[tokio::test]
async fn what_is_passed_over_is_no_way_around_the_limit() {
    let hidden = tar(&[
        Packed::new(".hidden", vec![0; 80 << 20]),
        Packed::new("a.csv", "id\n1\n"),
    ]);
    let mut encoder = GzipEncoder::new(Vec::new());
    encoder.write_all(&hidden).await.expect("into memory");
    encoder.shutdown().await.expect("into memory");
    let (mut source, _) = source(&encoder.into_inner(), 64 * 1024);
    source.limits.max_expansion = 500;
    match hand(source).await {
        Err(LoadError::File(failure)) => {
            assert_eq!(failure.code, Some(ErrorCode::ExpandsTooMuch));
        }
        other => panic!("{:?}", other.map(|handed| handed.files.len())),
    }
}

#[tokio::test]
async fn a_directory_that_does_not_fit_the_memory_is_refused() {
    let files: Vec<_> = (0..100)
        .map(|n| Packed::new(&format!("{n}.csv"), "id\n"))
        .collect();
    let (mut source, _) = source(&zip(&files), 4096);
    source.window = 4096;
    match hand(source).await {
        Err(LoadError::File(failure)) => {
            assert_eq!(failure.code, Some(ErrorCode::NeedsMemory));
            assert!(
                failure.message.contains("100 entries"),
                "{}",
                failure.message
            );
        }
        other => panic!("{:?}", other.map(|handed| handed.files.len())),
    }
}
