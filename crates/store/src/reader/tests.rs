use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrivage_model::{ETag, Location, VersionId};
use async_trait::async_trait;

use super::*;
use crate::digest::Algorithm;
use crate::store::Page;

const SIZE: u64 = 64;
const PART: u64 = 10;
const TAG: &str = "tag";

/// How a store of 64 bytes answers one call.
enum Turn {
    Fail(StoreError),
    /// So many bytes, then the connection breaks.
    CutAfter(u64),
    /// So many bytes, then the body ends as if that were all.
    EndAfter(u64),
    /// Everything from the first byte wanted to the object's last.
    ToTheEnd,
    /// A body from another place than the one asked for.
    From(u64),
    /// Signs of life between the bytes.
    Lively,
    /// What stands there, when asked by HEAD.
    Holds(Object),
}

/// Answers by its script, and honestly once that is used up.
#[derive(Default)]
struct Scripted {
    turns: Mutex<VecDeque<Turn>>,
    asked: Mutex<Vec<String>>,
    digests: Vec<Digest>,
}

#[async_trait]
impl Store for Scripted {
    async fn head(&self, _: &Location, version: Option<&VersionId>) -> Result<Object, StoreError> {
        let version = version.map_or("", |version| version.as_str());
        self.note(format!("head {version}"));
        match self.turn() {
            Some(Turn::Fail(error)) => Err(error),
            Some(Turn::Holds(object)) => Ok(object),
            None => Ok(object()),
            Some(_) => panic!("the script has a body for a HEAD"),
        }
    }

    async fn digests(&self, _: &Object) -> Result<Vec<Digest>, StoreError> {
        self.note("digests".to_owned());
        match self.turn() {
            Some(Turn::Fail(error)) => Err(error),
            None => Ok(self.digests.clone()),
            Some(_) => panic!("the script has a body for a question"),
        }
    }

    async fn list(&self, _: &str, _: &str, _: Option<&str>) -> Result<Page, StoreError> {
        panic!("a reader lists nothing")
    }

    async fn read(&self, object: &Object, range: Range<u64>) -> Result<Body, StoreError> {
        let version = object.version_id.as_ref();
        let version = version.map_or("", |version| version.as_str());
        self.note(format!("read {}..{} {version}", range.start, range.end));
        let turn = self.turn();
        let range = match turn {
            Some(Turn::From(start)) => start..range.end,
            Some(Turn::ToTheEnd) => range.start..SIZE,
            _ => range,
        };
        let content = content();
        // Three bytes at a time, so that blocks and parts meet at odd places.
        let mut blocks: Vec<_> = content[range.start as usize..range.end as usize]
            .chunks(3)
            .map(|block| Ok(Bytes::copy_from_slice(block)))
            .collect();
        match turn {
            Some(Turn::Fail(error)) => return Err(error),
            Some(Turn::CutAfter(count)) => {
                blocks = first(blocks, count);
                blocks.push(Err(StoreError::cut("reset")));
            }
            Some(Turn::EndAfter(count)) => blocks = first(blocks, count),
            Some(Turn::Lively) => {
                let pairs = blocks
                    .into_iter()
                    .flat_map(|block| [Ok(Bytes::new()), block]);
                blocks = pairs.collect();
            }
            Some(Turn::Holds(_)) => panic!("the script has a HEAD for a body"),
            Some(Turn::From(_) | Turn::ToTheEnd) | None => {}
        }
        Ok(Body {
            range,
            total: SIZE,
            last_modified: None,
            chunks: stream::iter(blocks).boxed(),
        })
    }
}

impl Scripted {
    fn note(&self, call: String) {
        self.asked.lock().unwrap().push(call.trim_end().to_owned());
    }

    fn turn(&self) -> Option<Turn> {
        self.turns.lock().unwrap().pop_front()
    }
}

fn first(blocks: Vec<Result<Bytes, StoreError>>, count: u64) -> Vec<Result<Bytes, StoreError>> {
    let bytes: Vec<u8> = blocks.into_iter().flat_map(Result::unwrap).collect();
    bytes[..count as usize]
        .chunks(3)
        .map(|block| Ok(Bytes::copy_from_slice(block)))
        .collect()
}

fn content() -> Vec<u8> {
    (0..SIZE as u8).collect()
}

fn location() -> Location {
    Location::s3("drop", "a.csv")
}

fn object() -> Object {
    Object {
        location: location(),
        etag: ETag::parse(TAG).unwrap(),
        version_id: None,
        size: Some(SIZE),
        last_modified: None,
        sequencer: None,
    }
}

fn version(id: &str) -> Object {
    Object {
        version_id: VersionId::parse(id),
        ..object()
    }
}

fn other_content() -> Object {
    Object {
        etag: ETag::parse("other").unwrap(),
        ..object()
    }
}

fn busy() -> StoreError {
    StoreError::Busy {
        retry_after: None,
        source: "503 SlowDown".into(),
    }
}

fn quick() -> Persistence {
    let millisecond = Duration::from_millis(1);
    Persistence {
        part: PART,
        ahead: false,
        policy: Policy {
            first: millisecond,
            cap: millisecond,
            tries: Some(3),
        },
        appears_within: Duration::from_secs(60),
    }
}

struct Outcome {
    bytes: Vec<u8>,
    error: Option<StoreError>,
    asked: Vec<String>,
    progress: usize,
    pin: Option<VersionId>,
}

async fn outcome(object: Object, from: u64, persistence: Persistence, turns: Vec<Turn>) -> Outcome {
    let store = Arc::new(Scripted {
        turns: Mutex::new(turns.into()),
        ..Scripted::default()
    });
    let progress = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&progress);
    let mut reader = ObjectReader::new(
        store.clone(),
        object,
        from,
        persistence,
        Arc::new(move || {
            counted.fetch_add(1, Ordering::Relaxed);
        }),
    );
    let mut bytes = Vec::new();
    let mut error = None;
    while let Some(block) = reader.next().await {
        assert!(error.is_none(), "nothing comes after an error");
        match block {
            Ok(block) => {
                assert!(!block.is_empty());
                bytes.extend_from_slice(&block);
                assert_eq!(reader.position(), from + bytes.len() as u64);
            }
            Err(cause) => error = Some(cause),
        }
    }
    Outcome {
        bytes,
        error,
        asked: store.asked.lock().unwrap().clone(),
        progress: progress.load(Ordering::Relaxed),
        pin: reader.object().version_id.clone(),
    }
}

/// Every byte from `from` on came, once.
async fn whole(object: Object, from: u64, turns: Vec<Turn>) -> Outcome {
    let outcome = outcome(object, from, quick(), turns).await;
    assert!(outcome.error.is_none(), "{:?}", outcome.error);
    assert_eq!(outcome.bytes, content()[from as usize..]);
    outcome
}

#[tokio::test]
async fn an_object_is_read_part_by_part_from_any_byte() {
    for from in 0..=SIZE {
        let outcome = whole(object(), from, vec![]).await;
        assert_eq!(outcome.asked.len() as u64, (SIZE - from).div_ceil(PART));
    }
    assert_eq!(whole(object(), 59, vec![]).await.asked, ["read 59..64"]);
}

/// While one part is read the next one is on its way, and whatever breaks, every byte comes once.
#[tokio::test]
async fn a_part_is_asked_for_before_it_is_wanted() {
    let ahead = Persistence {
        ahead: true,
        ..quick()
    };
    let store = Arc::new(Scripted::default());
    let mut reader = ObjectReader::new(store.clone(), object(), 0, ahead, Arc::new(|| {}));
    reader.next().await.unwrap().unwrap();
    tokio::task::yield_now().await;
    let asked = store.asked.lock().unwrap().clone();
    assert_eq!(asked, ["read 0..10", "read 10..20"]);

    for broken in 0..7 {
        for count in 0..4 {
            let turn = |nth| match (nth == broken, count) {
                (false, _) => Turn::CutAfter(PART.min(SIZE - nth * PART)),
                (true, 0) => Turn::Fail(busy()),
                (true, 1) => Turn::EndAfter(2),
                (true, count) => Turn::CutAfter(count),
            };
            // Whole parts that break after their last byte are whole.
            let outcome = outcome(object(), 0, ahead, (0..7).map(turn).collect()).await;
            assert!(outcome.error.is_none(), "{:?}", outcome.error);
            assert_eq!(outcome.bytes, content(), "part {broken}, {count}");
        }
    }
}

#[tokio::test]
async fn an_empty_object_is_asked_for_once() {
    let store = Scripted::default();
    let empty = Object {
        size: Some(0),
        ..object()
    };
    store
        .turns
        .lock()
        .unwrap()
        .push_back(Turn::Fail(StoreError::Changed(location())));
    let mut reader = ObjectReader::new(Arc::new(store), empty, 0, quick(), Arc::new(|| ()));
    assert!(matches!(
        reader.next().await,
        Some(Err(StoreError::Changed(_)))
    ));
    assert!(reader.next().await.is_none());
}

#[tokio::test]
async fn a_cut_at_any_byte_loses_none_and_doubles_none() {
    for cut in 0..=PART {
        for turn in [Turn::CutAfter(cut), Turn::EndAfter(cut)] {
            whole(
                object(),
                7,
                vec![turn, Turn::CutAfter(1), Turn::EndAfter(0)],
            )
            .await;
        }
    }
}

#[tokio::test]
async fn a_store_that_cannot_cut_is_read_to_the_end_at_once() {
    let outcome = whole(object(), 7, vec![Turn::ToTheEnd]).await;
    assert_eq!(outcome.asked, ["read 7..17"]);
}

#[tokio::test]
async fn bytes_from_another_place_are_never_taken() {
    whole(object(), 7, vec![Turn::From(8), Turn::From(0)]).await;
    let turns = (0..4).map(|_| Turn::From(8)).collect();
    let outcome = outcome(object(), 7, quick(), turns).await;
    assert!(matches!(
        outcome.error,
        Some(StoreError::Contradiction { .. })
    ));
    assert!(outcome.bytes.is_empty());
}

#[tokio::test]
async fn refusals_are_waited_out_and_count_as_progress() {
    let turns = vec![Turn::Fail(busy()), Turn::Fail(busy()), Turn::Fail(busy())];
    let patient = whole(object(), 60, turns).await;
    let calm = whole(object(), 60, vec![]).await;
    // The refusal and the end of the wait.
    assert_eq!(patient.progress, calm.progress + 6);
}

#[tokio::test]
async fn signs_of_life_are_progress_and_no_bytes() {
    let lively = whole(object(), 60, vec![Turn::Lively]).await;
    let calm = whole(object(), 60, vec![]).await;
    assert_eq!(lively.progress, calm.progress + 2);
}

#[tokio::test]
async fn it_gives_up_after_failures_without_a_byte_between() {
    let failures = |count| (0..count).map(|_| Turn::Fail(busy()));
    let outcome = outcome(object(), 0, quick(), failures(4).collect()).await;
    assert!(matches!(outcome.error, Some(StoreError::Busy { .. })));
    assert!(outcome.error.unwrap().is_away());

    let turns = (0..4).map(|_| Turn::EndAfter(0)).collect();
    let outcome = self::outcome(object(), 0, quick(), turns).await;
    assert!(matches!(outcome.error, Some(StoreError::Unavailable(_))));

    let mut turns: Vec<_> = failures(3).collect();
    turns.push(Turn::CutAfter(1));
    turns.extend(failures(2));
    whole(object(), 0, turns).await;
}

#[tokio::test]
async fn what_waiting_cannot_mend_ends_it_at_once() {
    let source = || "no".into();
    let lasting = [
        StoreError::Changed(location()),
        StoreError::Archived(location()),
        StoreError::Corrupted(location()),
        StoreError::Denied {
            location: location(),
            source: source(),
        },
        StoreError::Misconfigured {
            what: "no such bucket".to_owned(),
            source: None,
        },
    ];
    for error in lasting {
        let expect = error.to_string();
        let outcome = outcome(
            object(),
            0,
            quick(),
            vec![Turn::CutAfter(5), Turn::Fail(error)],
        )
        .await;
        assert_eq!(outcome.error.unwrap().to_string(), expect);
        assert_eq!(outcome.bytes, content()[..5]);
    }
}

#[tokio::test]
async fn an_object_that_shows_itself_late_is_read() {
    let gone = |_| Turn::Fail(StoreError::Gone(location()));
    whole(object(), 0, (0..6).map(gone).collect()).await;

    let brief = Persistence {
        appears_within: Duration::from_millis(20),
        ..quick()
    };
    let begun = Instant::now();
    let outcome = self::outcome(object(), 0, brief, (0..1000).map(gone).collect()).await;
    assert!(matches!(outcome.error, Some(StoreError::Gone(_))));
    assert!(begun.elapsed() >= brief.appears_within);
    assert!(outcome.asked.len() > 1);
}

#[tokio::test]
async fn the_pin_moves_to_the_version_that_holds_the_same_content() {
    let gone = || Turn::Fail(StoreError::Gone(location()));
    let turns = vec![Turn::CutAfter(5), gone(), Turn::Holds(version("v2"))];
    let outcome = whole(version("v1"), 50, turns).await;
    assert_eq!(
        outcome.asked[..3],
        ["read 50..60 v1", "read 55..64 v1", "head"]
    );
    assert_eq!(outcome.asked[3], "read 55..64 v2");
    assert_eq!(outcome.pin, VersionId::parse("v2"));

    let turns = vec![gone(), Turn::Holds(other_content())];
    let changed = self::outcome(version("v1"), 0, quick(), turns).await;
    assert!(matches!(changed.error, Some(StoreError::Changed(_))));
}

#[tokio::test]
async fn an_unknown_size_is_asked_for_and_never_guessed() {
    let unknown = |object: Object| Object {
        size: None,
        ..object
    };
    let outcome = whole(unknown(object()), 60, vec![]).await;
    assert_eq!(outcome.asked, ["head", "read 60..64"]);

    let turns = vec![Turn::Holds(other_content())];
    let changed = self::outcome(unknown(object()), 0, quick(), turns).await;
    assert!(matches!(changed.error, Some(StoreError::Changed(_))));

    let turns = (0..4).map(|_| Turn::Holds(unknown(object()))).collect();
    let silent = self::outcome(unknown(object()), 0, quick(), turns).await;
    assert!(matches!(
        silent.error,
        Some(StoreError::Contradiction { .. })
    ));
}

#[tokio::test]
async fn another_size_than_the_announced_one_is_a_contradiction() {
    for size in [SIZE - 1, SIZE + 1] {
        let object = Object {
            size: Some(size),
            ..object()
        };
        let turns = (0..4).map(|_| Turn::ToTheEnd).collect();
        let outcome = outcome(object, 60, quick(), turns).await;
        assert!(matches!(
            outcome.error,
            Some(StoreError::Contradiction { .. })
        ));
        assert!(outcome.bytes.is_empty());
    }
    let beyond = outcome(object(), SIZE + 1, quick(), vec![]).await;
    assert!(matches!(
        beyond.error,
        Some(StoreError::Contradiction { .. })
    ));
}

#[tokio::test]
async fn it_may_be_dropped_in_the_middle_of_a_call() {
    let turns = vec![Turn::CutAfter(5), Turn::Fail(busy())];
    let store = Arc::new(Scripted {
        turns: Mutex::new(turns.into()),
        ..Scripted::default()
    });
    let mut reader = ObjectReader::new(store, object(), 0, quick(), Arc::new(|| ()));
    let mut bytes = Vec::new();
    loop {
        // Polls once, and drops the call if it has to wait.
        tokio::select! {
            biased;
            block = reader.next() => match block {
                Some(block) => bytes.extend(block.unwrap()),
                None => break,
            },
            () = tokio::task::yield_now() => {}
        }
    }
    assert_eq!(bytes, content());
}

/// Of the 64 bytes that [`content`] has; or of others.
fn stated(of: &[u8]) -> Digest {
    let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, of);
    Digest {
        algorithm: Algorithm::Crc64Nvme,
        value: crc.to_be_bytes().to_vec(),
        stated_by: "the store".to_owned(),
    }
}

/// Reads on from a mark, or from the start; returns the error, and the marks on the way.
async fn verified(
    digest: Digest,
    mark: Option<Mark>,
    turns: Vec<Turn>,
) -> (Option<StoreError>, Vec<Mark>) {
    let store = Scripted {
        turns: Mutex::new(turns.into()),
        digests: vec![digest],
        ..Scripted::default()
    };
    let marks = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&marks);
    let from = mark.map_or(0, |mark| mark.at);
    let reader = ObjectReader::new(Arc::new(store), object(), from, quick(), Arc::new(|| ()));
    let mut reader = reader.verifying(Verifying {
        mark,
        marked: Some(Arc::new(move |mark| seen.lock().unwrap().push(mark))),
        ..Verifying::default()
    });
    let mut bytes = Vec::new();
    let mut error = None;
    while let Some(block) = reader.next().await {
        match block {
            Ok(block) => bytes.extend_from_slice(&block),
            Err(cause) => error = Some(cause),
        }
    }
    assert_eq!(bytes, content()[from as usize..]);
    let marks = marks.lock().unwrap().clone();
    (error, marks)
}

#[tokio::test]
async fn all_bytes_are_compared_whatever_cuts_the_way_and_wherever_reading_goes_on() {
    let turns = || vec![Turn::Fail(busy()), Turn::Fail(StoreError::Gone(location()))];
    let (error, marks) = verified(stated(&content()), None, turns()).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(marks.last().map(|mark| mark.at), Some(SIZE));
    let other: Vec<u8> = content().into_iter().rev().collect();
    for mark in [None].into_iter().chain(marks.into_iter().map(Some)) {
        let (error, _) = verified(stated(&content()), mark, Vec::new()).await;
        assert!(error.is_none(), "{mark:?}: {error:?}");
        let (error, _) = verified(stated(&other), mark, Vec::new()).await;
        let incomplete = matches!(error, Some(StoreError::Incomplete { .. }));
        assert!(incomplete, "{mark:?}: {error:?}");
    }
}

#[tokio::test]
async fn a_digest_that_a_mark_is_not_of_is_not_compared() {
    let mark = Mark {
        at: 10,
        algorithm: Algorithm::Crc32,
        crc: 0,
    };
    let (error, marks) = verified(stated(b"other"), Some(mark), Vec::new()).await;
    assert!(error.is_none() && marks.is_empty(), "{error:?} {marks:?}");
}
