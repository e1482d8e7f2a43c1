use std::fs;
use std::time::Duration;

use anyhow::Result;
use arrivage_model::{ETag, Holds, Sidecar, State, StoreKind};
use futures::FutureExt;
use metrics_exporter_prometheus::PrometheusBuilder;
use tempfile::TempDir;

use super::*;
use crate::testing::{Books, pipeline, router, stores};

/// A folder as the store, because it is the quickest real one.
struct Bench {
    books: Books,
    inbox: TempDir,
    intake: Intake,
}

async fn bench(mode: Mode) -> Result<Bench> {
    let books = Books::new().await?;
    let inbox = TempDir::new()?;
    let path = inbox.path().display();
    let pipelines = [
        pipeline("orders", mode, &[&format!("{path}/*.csv")]),
        pipeline(
            "events",
            Mode::Append,
            &[&format!("{path}/**/*.jsonl"), &format!("{path}/a.csv")],
        ),
    ];
    let intake = books.intake(
        "test",
        &stores(inbox.path(), None),
        &router(&pipelines, inbox.path()),
    );
    Ok(Bench {
        books,
        inbox,
        intake,
    })
}

fn upsert() -> Mode {
    Mode::Upsert {
        key: vec!["id".to_owned()],
    }
}

impl Bench {
    fn write(&self, key: &str, content: &str) -> Result<()> {
        Ok(fs::write(self.inbox.path().join(key), content)?)
    }

    async fn take(&self, found: Found) -> Result<Taken> {
        let mut taken = self.intake.take(&[found]).await?;
        Ok(taken.remove(0))
    }

    /// As a processor would leave it.
    async fn loaded(&self, id: ArrivalId) {
        let statement = format!(
            "UPDATE arrivage.arrival SET state = 'loaded', finished_at = clock_timestamp()
             WHERE id = {id}"
        );
        self.books.sql(&statement).await;
    }
}

fn found(key: &str, message: &str) -> Found {
    Found {
        notice: Notice {
            location: Location::folder("inbox", key),
            etag: None,
            version_id: None,
            size: None,
            last_modified: None,
            sequencer: None,
        },
        by: FoundBy::Message(message.to_owned()),
    }
}

#[track_caller]
fn id(taken: &Taken) -> ArrivalId {
    match taken {
        Taken::Registered(registered) => registered.id(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_content_is_completed_and_the_first_pipeline_takes_it() -> Result<()> {
    let bench = bench(Mode::Append).await?;
    bench.write("a.csv", "1")?;
    let taken = bench.take(found("a.csv", "m1")).await?;
    assert!(
        matches!(taken, Taken::Registered(Registered::New(_))),
        "{taken:?}"
    );

    let arrivals = bench.books.arrivals().await;
    let [arrival] = arrivals.as_slice() else {
        panic!("{arrivals:?}")
    };
    assert_eq!(arrival.pipeline, "orders");
    assert_eq!(arrival.store, StoreKind::Folder);
    assert_eq!(arrival.size, Some(1));
    assert!(arrival.last_modified.is_some());
    let object = bench
        .intake
        .stores
        .get(StoreKind::Folder)
        .head(&arrival.location(), None)
        .await?;
    assert_eq!(arrival.etag, object.etag);
    Ok(())
}

#[tokio::test]
async fn each_thing_found_gets_its_own_answer() -> Result<()> {
    let bench = bench(Mode::Append).await?;
    bench.write("a.csv", "1")?;
    bench.write("b.txt", "2")?;
    bench.write("c.jsonl", "3")?;
    let mut marker = found("c.jsonl/", "m");
    marker.notice.size = Some(0);
    let mut announced_now = found("not-yet.csv", "m");
    announced_now.notice.last_modified = Some(Utc::now());
    let all = [
        found("b.txt", "m"),
        found("a.csv", "m"),
        found("gone.csv", "m"),
        announced_now,
        found("a.csv", "m"),
        found("c.jsonl", "m"),
        marker,
    ];
    let taken = bench.intake.take(&all).await?;
    let [b, a, gone, not_yet, a_again, c, marker] = taken.as_slice() else {
        panic!("{taken:?}")
    };
    assert_eq!(*b, Taken::Ignored);
    assert!(matches!(a, Taken::Registered(Registered::New(_))), "{a:?}");
    assert_eq!(*gone, Taken::Nothing);
    assert!(
        matches!(not_yet, Taken::NotYet(_)) && !not_yet.is_settled(),
        "{not_yet:?}"
    );
    let known = Registered::Known(id(a), State::Waiting);
    assert_eq!(*a_again, Taken::Registered(known));
    assert!(matches!(c, Taken::Registered(Registered::New(_))), "{c:?}");
    assert_eq!(*marker, Taken::Ignored, "no pipeline takes it");
    assert_eq!(bench.books.keys().await, ["a.csv", "c.jsonl"]);
    assert_eq!(bench.books.ignored().await.len(), 2);
    Ok(())
}

#[tokio::test]
async fn watchers_that_find_the_same_register_it_once() -> Result<()> {
    let bench = bench(Mode::Append).await?;
    for nth in 0..40 {
        bench.write(&format!("{nth}.csv"), "1")?;
    }
    let take = async |watcher: usize| {
        let by = match watcher {
            0 => FoundBy::Listing,
            _ => FoundBy::Message(format!("m{watcher}")),
        };
        // Each finds them in another order.
        let found = |nth: usize| Found {
            by: by.clone(),
            ..found(&format!("{}.csv", (nth * 7 + watcher * 13) % 40), "")
        };
        let all: Vec<Found> = (0..40).map(found).collect();
        bench.intake.take(&all).await
    };
    let taken = futures::future::try_join_all((0..6).map(take)).await?;
    let is_new = |taken: &&Taken| matches!(taken, Taken::Registered(Registered::New(_)));
    assert_eq!(taken.iter().flatten().filter(is_new).count(), 40);
    assert_eq!(bench.books.keys().await.len(), 40);
    Ok(())
}

#[tokio::test]
async fn a_directory_marker_is_nothing_to_load() -> Result<()> {
    let bench = bench(Mode::Append).await?;
    let intake = Intake::new(
        "test",
        Arc::clone(&bench.books.ledger),
        bench.intake.stores.clone(),
        router(
            &[pipeline("orders", Mode::Append, &["s3://drop/**"])],
            bench.inbox.path(),
        ),
    );
    let check = async |key: &str, size: u64| {
        let mut found = found("x", "m");
        found.notice.location = Location::s3("drop", key);
        found.notice.etag = ETag::parse("d41d8cd98f00b204e9800998ecf8427e");
        found.notice.size = Some(size);
        intake
            .take(&[found])
            .await
            .expect("the ledger answers")
            .remove(0)
    };
    assert_eq!(check("orders/", 0).await, Taken::Nothing);
    assert!(matches!(check("odd/", 1).await, Taken::Registered(_)));
    assert!(matches!(check("empty", 0).await, Taken::Registered(_)));
    Ok(())
}

#[tokio::test]
async fn a_content_that_comes_back_is_loaded_anew_in_an_upsert() -> Result<()> {
    for (mode, anew) in [(upsert(), true), (Mode::Append, false)] {
        let bench = bench(mode).await?;
        bench.write("a.csv", "A")?;
        let first = id(&bench.take(found("a.csv", "m1")).await?);
        bench.loaded(first).await;
        bench.write("a.csv", "B, longer")?;
        let second = id(&bench.take(found("a.csv", "m2")).await?);
        bench.loaded(second).await;
        assert_ne!(first, second);
        let a = bench
            .books
            .ledger
            .arrival(first)
            .await?
            .expect("it is there");

        // Announced again while B stands there: a late message.
        let mut late = found("a.csv", "m3");
        late.notice.etag = Some(a.etag.clone());
        let taken = bench.take(late.clone()).await?;
        assert_eq!(taken, Taken::Registered(Registered::LoadedBefore(first)));

        bench.write("a.csv", "A")?;
        let taken = bench.take(late).await?;
        let again = bench
            .books
            .ledger
            .arrival(first)
            .await?
            .expect("it is there");
        if anew {
            assert_eq!(taken, Taken::Registered(Registered::Requeued(first)));
            assert_eq!(again.state, State::Waiting);
        } else {
            assert_eq!(taken, Taken::Registered(Registered::LoadedBefore(first)));
            assert_eq!(again.state, State::Loaded);
        }
    }
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_asked_for_stays_unsettled() -> Result<()> {
    let bench = bench(Mode::Append).await?;
    let nowhere = stores(bench.inbox.path(), None);
    let intake = Intake::new(
        "test",
        Arc::clone(&bench.books.ledger),
        nowhere,
        router(
            &[pipeline("orders", Mode::Append, &["folder://elsewhere/*"])],
            bench.inbox.path(),
        ),
    );
    let mut found = found("a.csv", "m");
    found.notice.location = Location::folder("elsewhere", "a.csv");
    let taken = intake.take(&[found]).await?;
    assert!(
        matches!(taken.as_slice(), [Taken::NotYet(why)] if why.contains("elsewhere")),
        "{taken:?}"
    );
    assert_eq!(bench.books.keys().await, Vec::<String>::new());
    Ok(())
}

#[tokio::test]
async fn an_unreadable_message_is_kept_cut_between_two_characters() -> Result<()> {
    let bench = bench(Mode::Append).await?;
    let body = format!("x{}", "é".repeat(40_000));
    bench
        .intake
        .keep_unreadable(body.as_bytes(), &["one".to_owned(), "two".to_owned()])
        .await?;
    bench
        .intake
        .keep_unreadable(b"\xff\0", &["three".to_owned()])
        .await?;
    let kept = bench
        .books
        .sql("SELECT source, octet_length(body), right(body, 1), reason FROM arrivage.unreadable ORDER BY id")
        .await;
    assert_eq!(kept, "test|65535|é|one; two\ntest|6|\u{FFFD}|three");
    Ok(())
}

#[tokio::test]
async fn notifications_are_counted_by_what_became_of_them() -> Result<()> {
    let recorder = PrometheusBuilder::new().build_recorder();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let bench = bench(Mode::Append).await?;
    counts::show("test");
    bench.write("a.csv", "1")?;
    bench.take(found("a.csv", "m1")).await?;
    bench.take(found("a.csv", "m1")).await?;
    bench.take(found("b.txt", "m2")).await?;
    bench.take(found("gone.csv", "m3")).await?;
    bench
        .take(Found {
            by: FoundBy::Listing,
            ..found("a.csv", "")
        })
        .await?;
    bench
        .intake
        .keep_unreadable(b"?", &["it is not JSON".to_owned()])
        .await?;

    let told = recorder.handle().render();
    for (result, count) in [
        ("new", 1),
        ("duplicate", 1),
        ("requeued", 0),
        ("ignored", 1),
        ("skipped", 1),
        ("unreadable", 1),
    ] {
        let line =
            format!("arrivage_notifications_total{{source=\"test\",result=\"{result}\"}} {count}");
        assert!(told.contains(&line), "{line} is missing in\n{told}");
    }
    assert!(
        told.contains("arrivage_source_errors_total{source=\"test\"} 0"),
        "{told}"
    );
    Ok(())
}

#[tokio::test]
async fn a_sidecar_is_neither_registered_nor_ignored_and_wakes_what_waits_for_it() -> Result<()> {
    let bench = bench(Mode::Append).await?;
    let path = bench.inbox.path().display();
    let waiting = Arc::new(Pipeline {
        sidecar: Some(Sidecar {
            name: "{name}.done".parse()?,
            holds: Holds::Nothing,
            within: Duration::from_secs(3600),
        }),
        ..(*pipeline("orders", Mode::Append, &[&format!("{path}/*")])).clone()
    });
    let wake = Arc::new(Notify::new());
    let stores = stores(bench.inbox.path(), None);
    let router = router(&[waiting], bench.inbox.path());
    let intake = bench.books.intake("test", &stores, &router);
    let intake = intake.waking(Some(Arc::clone(&wake)));
    bench.write("a.csv", "1\n")?;
    bench.write("a.csv.done", "")?;
    let id = id(&intake.take(&[found("a.csv", "1")]).await?[0]);
    wake.notified().await;

    let due = async |statement: &str| {
        let due = format!("UPDATE arrivage.arrival SET {statement} WHERE id = {id}");
        bench.books.sql(&due).await;
    };
    due("due_at = now() + interval '1 day', awaits = 'a.csv.done'").await;
    let taken = intake.take(&[found("a.csv.done", "2")]).await?;
    assert_eq!(taken, [Taken::Nothing]);
    wake.notified().await;
    let waits = "SELECT count(*) FROM arrivage.arrival WHERE due_at > now()";
    assert_eq!(bench.books.sql(waits).await.trim(), "0");
    let kept =
        "SELECT (SELECT count(*) FROM arrivage.arrival), (SELECT count(*) FROM arrivage.ignored)";
    assert_eq!(bench.books.sql(kept).await.trim(), "1|0");

    // Nothing waits for it now: nobody is woken.
    intake.take(&[found("a.csv.done", "3")]).await?;
    assert!(wake.notified().now_or_never().is_none());
    Ok(())
}
