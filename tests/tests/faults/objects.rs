//! Stores that refuse, stumble and lie while the whole program loads from them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use arrivage_testkit::Fault;
use arrivage_tests::{Delivery, Destination, Scene};

const KEY: &str = "orders.csv";

/// A single attempt, and nothing may use it up that is not the file's fault.
async fn scene(delivery: &Delivery) -> Result<Scene> {
    let scene = Scene::new(Destination::sqlite()?, "", "max_attempts = 1").await?;
    scene.put(KEY, delivery.csv());
    scene.register(1).await?;
    Ok(scene)
}

/// Faults 40 to 44: what passes burns no attempt, and no byte comes twice.
#[tokio::test]
async fn what_passes_by_in_a_store_burns_no_attempt() -> Result<()> {
    let cut = |after| Fault::CutBody { after };
    let table = [
        vec![
            Fault::error(503, "SlowDown"),
            Fault::error(500, "InternalError"),
        ],
        vec![Fault::Error {
            status: 429,
            code: "TooManyRequests",
            headers: vec![("retry-after", "1".to_owned())],
        }],
        vec![cut(0), cut(10_000), Fault::Reset, cut(1)],
        vec![Fault::ResetBody { after: 70_000 }, Fault::IgnoreRange],
        vec![Fault::ContentRange("bytes 1-2/3".to_owned()), cut(65_536)],
        vec![Fault::error(404, "NoSuchKey"), cut(123_456)],
    ];
    let delivery = Delivery::new(42, 5_000);
    for faults in table {
        let scene = scene(&delivery).await?;
        let shown = format!("{faults:?}");
        for fault in faults {
            scene.server.next(fault);
        }
        let job = ["process", "--until-empty"];
        let ended = scene.arrivage.run(&job).await?;
        assert_eq!(ended.code, Some(0), "{shown}: {ended}");
        let loaded = scene.loaded(KEY, &delivery).await?;
        assert_eq!(loaded.attempts, 1, "{shown}: {loaded:?}");
    }
    Ok(())
}

/// Fault 42, for longer than a reader tries: the arrival waits, and is claimed again.
#[tokio::test]
async fn a_store_that_stays_busy_is_given_back_to_and_burns_no_attempt() -> Result<()> {
    let delivery = Delivery::new(42, 5_000);
    let scene = scene(&delivery).await?;
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    scene.on_read(KEY, move || {
        let busy = count.fetch_add(1, Ordering::SeqCst) < 9;
        busy.then(|| Fault::error(503, "SlowDown"))
    });
    let _process = scene.arrivage.start(&["process"])?;
    let given_back = scene
        .wait(KEY, "given back", |arrival| {
            arrival.state == "waiting" && arrival.attempts == 1
        })
        .await;
    assert!(given_back.error.contains("SlowDown"), "{given_back:?}");
    assert_eq!(given_back.error_code, "");
    let loaded = scene.loaded(KEY, &delivery).await?;
    assert_eq!(loaded.attempts, 2, "{loaded:?}");
    Ok(())
}

/// Faults 45, 46 and 50: what lasts ends in a state with a reason, and leaves no row behind.
#[tokio::test]
async fn what_lasts_in_a_store_ends_in_a_stated_state() -> Result<()> {
    let table = [
        (Fault::error(403, "AccessDenied"), 3, "failed|access_denied"),
        (
            Fault::error(403, "InvalidObjectState"),
            3,
            "failed|archived",
        ),
        (Fault::error(412, "PreconditionFailed"), 0, "superseded|"),
        (Fault::ETag("\"other\"".to_owned()), 0, "superseded|"),
        (Fault::error(404, "NoSuchBucket"), 2, "waiting|"),
        (Fault::error(403, "InvalidAccessKeyId"), 2, "waiting|"),
        (Fault::error(301, "PermanentRedirect"), 2, "waiting|"),
    ];
    let delivery = Delivery::new(46, 500);
    for (fault, code, expect) in table {
        let scene = scene(&delivery).await?;
        let shown = format!("{fault:?}");
        scene.on_read(KEY, move || Some(fault.clone()));
        let ended = scene.arrivage.run(&["process", "--arrival", "1"]).await?;
        let arrival = scene.arrival(KEY).await?.expect("it is registered");
        let found = format!("{}|{}", arrival.state, arrival.error_code);
        assert_eq!(found, expect, "{shown}: {arrival:?} {ended}");
        assert_eq!(ended.code, Some(code), "{shown}: {ended}");
        let rows = scene.destination.count("SELECT count(*) FROM orders").await;
        assert_eq!(rows, 0, "{shown}");
        // Fault 11: the object is looked at and nothing else.
        for request in scene.server.requests() {
            assert!(
                ["GET", "HEAD"].contains(&request.method.as_str()),
                "{request:?}"
            );
        }
    }
    Ok(())
}
