//! Archives that are read on from a checkpoint.

use arrivage_model::Checkpoint;
use arrivage_store::{Algorithm, Digest};
use arrivage_testkit::archive::{Packed, tar, zip};
use serde_json::json;

use super::{Seen, first, hand, read, source};
use crate::decode::EntryPlace;
use crate::fate::LoadError;

fn files() -> Vec<Packed> {
    vec![
        Packed::new("a.csv", first()),
        Packed::new("empty.csv", ""),
        Packed::new("b.csv", "id\n1\n2\n").stored(),
        Packed::new("c.csv", first()),
    ]
}

/// A checkpoint so many bytes into a file.
fn checkpoint(place: EntryPlace, within: u64) -> Checkpoint {
    let state = json!({"line": 1, "entry": {"at": place.at, "start": place.start, "records": 0}});
    Checkpoint {
        records: 1,
        offset: place.start + within,
        bytes_read: 0,
        state: Some(state.to_string()),
    }
}

#[tokio::test]
async fn reading_goes_on_at_every_byte_of_every_file() {
    for archive in [zip(&files()), tar(&files())] {
        let whole = read(&archive).await.expect("it is read").files;
        assert_eq!(whole.len(), 4);
        for (at, file) in whole.iter().enumerate() {
            let length = file.bytes.len() as u64;
            for within in (0..=length).filter(|within| within % 7 == 0 || *within == length) {
                let (mut source, _) = source(&archive, 1000);
                source.from = checkpoint(file.place, within);
                let rest = hand(source).await.expect("it is read on").files;
                let begun = usize::try_from(within).expect("a small file");
                let cut = Seen {
                    bytes: file.bytes[begun..].to_vec(),
                    ..file.clone()
                };
                let expect: Vec<Seen> = [cut].into_iter().chain(whole[at + 1..].to_vec()).collect();
                assert_eq!(rest, expect, "{} from {within}", file.name);
            }
        }
    }
}

#[tokio::test]
async fn what_stands_before_the_entry_is_not_asked_for_again() {
    let mut files = files();
    let noise = |n: u32| n.wrapping_mul(0x9E37_79B9).to_le_bytes();
    let large: Vec<u8> = (0..1 << 18).flat_map(noise).collect();
    files.insert(0, Packed::new("large.csv", large));
    let archive = zip(&files);
    let last = read(&archive)
        .await
        .expect("it is read")
        .files
        .pop()
        .expect("a file");
    let (mut source, store) = source(&archive, 4096);
    source.from = checkpoint(last.place, 10);
    hand(source).await.expect("it is read on");
    let asked = store.read.load(std::sync::atomic::Ordering::Relaxed);
    assert!(asked < 200 * 1024, "{asked} of {}", archive.len());
}

#[tokio::test]
async fn a_checkpoint_of_another_archive_is_told() {
    for archive in [zip(&files()), tar(&files())] {
        let whole = read(&archive).await.expect("it is read").files;
        let check = async |from: Checkpoint| {
            let (mut source, _) = source(&archive, 1000);
            source.from = from;
            match hand(source).await {
                Err(LoadError::File(failure)) => {
                    let code = failure.code.map(arrivage_model::ErrorCode::as_str);
                    assert_eq!(code, Some("config_changed"), "{}", failure.message);
                }
                other => panic!("{other:?}"),
            }
        };
        let place = whole[2].place;
        check(checkpoint(
            EntryPlace {
                at: place.at + 1,
                ..place
            },
            0,
        ))
        .await;
        check(checkpoint(
            EntryPlace {
                at: 1 << 30,
                ..place
            },
            0,
        ))
        .await;
        check(checkpoint(place, whole[2].bytes.len() as u64 + 1)).await;
        // It was read as a file, byte after byte: a zip never is.
        let plain = Checkpoint {
            records: 1,
            offset: 10,
            bytes_read: 10,
            state: Some(json!({"line": 2}).to_string()),
        };
        if archive.starts_with(b"PK") {
            check(plain).await;
        }
    }
}

#[tokio::test]
async fn what_is_announced_of_the_whole_is_compared_also_on_a_resume() {
    for archive in [zip(&files()), tar(&files())] {
        let whole = read(&archive).await.expect("it is read").files;
        let checked = async |value: Vec<u8>, from: Checkpoint| {
            let (mut source, _) = source(&archive, 1000);
            source.from = from;
            source.digests = vec![Digest {
                algorithm: Algorithm::Crc32,
                value,
                stated_by: "a sidecar".to_owned(),
            }];
            hand(source).await.map(|handed| handed.files.len())
        };
        let mut sum = flate2::Crc::new();
        sum.update(&archive);
        let right = sum.sum().to_be_bytes().to_vec();
        for (at, from) in [
            (0, Checkpoint::default()),
            (2, checkpoint(whole[2].place, 3)),
        ] {
            let found = checked(right.clone(), from.clone())
                .await
                .expect("it is right");
            assert_eq!(found, 4 - at);
            let error = checked(vec![0; 4], from).await.expect_err("it is wrong");
            assert!(error.to_string().contains("is not whole"), "{error}");
        }
    }
}
