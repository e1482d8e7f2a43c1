//! Small files share transactions, and none of them suffers for another.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::Result;
use arrivage_testkit::{Fault, Proxy, Verdict};
use arrivage_tests::{Delivery, Destination, Scene, on_both};
use async_compression::tokio::write::GzipEncoder;
use tokio::io::AsyncWriteExt;

const UNTIL_EMPTY: [&str; 2] = ["process", "--until-empty"];

on_both! {
    a_bad_file_harms_no_other,
    who_is_told_to_stop_gives_all_back,
    what_is_too_large_to_share_is_loaded_alone,
}

/// So many small files, registered in the order of their keys.
async fn small(scene: &Scene, files: u64) -> Result<Vec<(String, Delivery)>> {
    let mut all = Vec::new();
    for nth in 0..files {
        let (key, delivery) = (format!("{nth:03}.csv"), Delivery::new(nth, 20 + nth % 3));
        scene.put(&key, delivery.csv());
        all.push((key, delivery));
    }
    Ok(all)
}

async fn a_bad_file_harms_no_other(destination: Destination) -> Result<()> {
    let scene = Scene::new(destination, "", "max_attempts = 2").await?;
    // Makes the table, for the constraint below.
    let first = Delivery::new(1000, 5);
    scene.put("first.csv", first.csv());
    scene.register(1).await?;
    scene.arrivage.run(&UNTIL_EMPTY).await?.expect(0);
    let unique = "CREATE UNIQUE INDEX ON orders (note) WHERE note LIKE 'only one of %'";
    let unique = match scene.destination {
        Destination::Postgres(_) => unique.to_owned(),
        Destination::Sqlite(_) => unique.replace("INDEX ON", "INDEX one ON"),
    };
    scene.destination.sql(&unique).await?;

    let files = small(&scene, 60).await?;
    let header = "order_id,customer,amount,ordered_on,note\n";
    for key in ["007a", "030a", "030b"] {
        let line = format!("{header}1,Ann,1.00,2024-01-01,only one of them\n");
        scene.put(&format!("{key}.csv"), line.as_bytes());
    }
    scene.put("040a-no-header.csv", b"x,y\n1,2\n");
    scene.put("041a-cut.csv.gz", &gzip(first.csv()).await?[..40]);
    scene.put("042a-overwritten.csv", first.csv());
    scene.put("043a-late.csv", first.csv());
    scene.register(1 + 60 + 3 + 4).await?;
    scene.put("042a-overwritten.csv", b"order_id\n1\n");
    let times = AtomicU32::new(0);
    scene.on_read("043a-late.csv", move || {
        let time = times.fetch_add(1, Ordering::Relaxed);
        let status = 503;
        (time < 4).then_some(Fault::Error {
            status,
            code: "SlowDown",
            headers: Vec::new(),
        })
    });

    scene.arrivage.run(&UNTIL_EMPTY).await?.expect(3);
    for (key, delivery) in &files {
        let loaded = scene.loaded(key, delivery).await?;
        assert_eq!((loaded.attempts, loaded.fence), (1, 1), "{loaded:?}");
    }
    scene.loaded("043a-late.csv", &first).await?;
    for (key, state, code) in [
        ("040a-no-header.csv", "failed", "header"),
        ("041a-cut.csv.gz", "failed", "truncated"),
        ("042a-overwritten.csv", "superseded", ""),
    ] {
        let bad = scene.arrival(key).await?.expect("it is registered");
        let how = (bad.state.as_str(), bad.error_code.as_str());
        assert_eq!(how, (state, code), "{bad:?}");
    }
    let only = "SELECT count(*) FROM orders WHERE note = 'only one of them'";
    assert_eq!(scene.destination.count(only).await, 1);
    let refused = "SELECT count(*) FROM arrivage.rejects WHERE reason_code = 'constraint'";
    assert_eq!(scene.destination.count(refused).await, 2);
    if let Destination::Postgres(_) = scene.destination {
        let commits = "SELECT count(DISTINCT xmin::text) FROM orders";
        let commits = scene.destination.count(commits).await;
        // Each of the two refused ones is found in seven halvings and then loaded alone, as
        // is the late one, which may part those before it from those after it; and the first.
        let most = 2 * (7 + 1) + 2 + 1;
        assert!(commits <= most, "{commits} transactions for 68 files");
    }
    Ok(())
}

/// The second shared commit and the third, so that one before has gone well.
#[tokio::test]
async fn a_commit_without_an_answer_counts_once() -> Result<()> {
    for verdict in [Verdict::Cut, Verdict::LoseAnswer] {
        let scene = Scene::new(Destination::postgres().await?, "", "").await?;
        let files = small(&scene, 100).await?;
        scene.register(100).await?;
        let commits = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&commits);
        let proxy = Proxy::start(&scene.destination.url(), Duration::ZERO, move |question| {
            let commits = question.in_chunk && question.is_commit();
            match commits && matches!(count.fetch_add(1, Ordering::Relaxed), 2 | 3) {
                true => verdict,
                false => Verdict::Pass,
            }
        })?;
        let arrivage = scene.arrivage_with(proxy.url())?;
        arrivage.run(&UNTIL_EMPTY).await?.expect(0);
        for (key, delivery) in &files {
            let loaded = scene.loaded(key, delivery).await?;
            assert_eq!(
                (loaded.attempts, loaded.fence),
                (1, 1),
                "{verdict:?}: {loaded:?}"
            );
        }
        assert!(commits.load(Ordering::Relaxed) >= 4, "{verdict:?}");
    }
    Ok(())
}

async fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzipEncoder::new(Vec::new());
    encoder.write_all(bytes).await?;
    encoder.shutdown().await?;
    Ok(encoder.into_inner())
}

async fn who_is_told_to_stop_gives_all_back(destination: Destination) -> Result<()> {
    let scene = Scene::new(destination, "", "").await?;
    let files = small(&scene, 40).await?;
    scene.register(40).await?;
    // The second one is claimed with the others, and does not come.
    scene.on_read("005.csv", || Some(Fault::Hang));
    let mut process = scene.arrivage.start(&["process"])?;
    scene
        .wait("020.csv", "claimed", |arrival| arrival.state == "loading")
        .await;
    process.process.sigterm()?;
    let status = process.process.wait(Duration::from_secs(20)).await?;
    assert!(status.success(), "{status}\n{}", process.process.output());
    for (key, _) in &files {
        let arrival = scene.arrival(key).await?.expect("it is registered");
        let rests = arrival.state == "loaded" || arrival.state == "waiting" && !arrival.leased;
        assert!(rests, "{arrival:?}");
    }
    scene.server.heal();
    scene.arrivage.run(&UNTIL_EMPTY).await?.expect(0);
    for (key, delivery) in &files {
        scene.loaded(key, delivery).await?;
    }
    Ok(())
}

/// Few bytes in the store that are many in memory.
async fn what_is_too_large_to_share_is_loaded_alone(destination: Destination) -> Result<()> {
    let scene = Scene::new(destination, "", "").await?;
    let files = small(&scene, 10).await?;
    let mut csv = b"order_id,customer,amount,ordered_on,note\n".to_vec();
    for order in 0..20_000 {
        csv.extend_from_slice(format!("{order},Ann,1.00,2024-01-01,\n").as_bytes());
    }
    let packed = gzip(&[csv.clone(), vec![b'\n'; 1 << 20]].concat()).await?;
    scene.put("005a.csv.gz", &packed);
    scene.register(11).await?;
    scene.arrivage.run(&UNTIL_EMPTY).await?.expect(0);
    for (key, delivery) in &files {
        scene.loaded(key, delivery).await?;
    }
    let large = scene
        .arrival("005a.csv.gz")
        .await?
        .expect("it is registered");
    assert_eq!(
        (large.state.as_str(), large.records),
        ("loaded", 20_000),
        "{large:?}"
    );
    Ok(())
}
