//! `kill -9` in the middle of a load.

use std::time::Duration;

use anyhow::Result;
use arrivage_testkit::archive::{Packed, tar, zip};
use arrivage_tests::{Chance, Delivery, Destination, Scene, on_both};
use async_compression::tokio::write::GzipEncoder;
use tokio::io::AsyncWriteExt;

const KEY: &str = "orders.csv";
const RECORDS: u64 = 60_000;
const KILLS: usize = 10;

/// Files in an archive: so few that kills fall into the middle of them.
const ENTRIES: u64 = 4;

/// How long the object takes to come, at least. The kills fall into the first half, so the load is
/// never over before the last of them.
const PACE: Duration = Duration::from_millis(2500);

on_both! {
    ten_kills_cost_no_record_of_a_plain_file,
    ten_kills_cost_no_record_of_a_compressed_file,
    ten_kills_cost_no_record_of_a_zip_archive,
    ten_kills_cost_no_record_of_a_compressed_tar_archive,
    ten_kills_show_no_row_of_an_atomic_file_before_its_end,
    a_compressed_file_is_read_on_in_its_middle,
}

async fn ten_kills_cost_no_record_of_a_plain_file(destination: Destination) -> Result<()> {
    let delivery = Delivery::new(1, RECORDS);
    let object = delivery.csv().to_vec();
    ten_kills(destination, &delivery, &object, 7, "").await
}

async fn ten_kills_cost_no_record_of_a_compressed_file(destination: Destination) -> Result<()> {
    let delivery = Delivery::new(2, RECORDS);
    let object = gzip(delivery.csv()).await?;
    ten_kills(destination, &delivery, &object, 8, "").await
}

async fn ten_kills_cost_no_record_of_a_zip_archive(destination: Destination) -> Result<()> {
    let delivery = Delivery::in_entries(4, RECORDS, ENTRIES);
    ten_kills(destination, &delivery, &zip(&packed(&delivery)), 10, "").await
}

async fn ten_kills_cost_no_record_of_a_compressed_tar_archive(
    destination: Destination,
) -> Result<()> {
    let delivery = Delivery::in_entries(5, RECORDS, ENTRIES);
    let object = gzip(&tar(&packed(&delivery))).await?;
    ten_kills(destination, &delivery, &object, 11, "").await
}

async fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut gzip = GzipEncoder::new(Vec::new());
    gzip.write_all(bytes).await?;
    gzip.shutdown().await?;
    Ok(gzip.into_inner())
}

/// With a folder and a hidden file among them; every second file is not compressed in a zip.
fn packed(delivery: &Delivery) -> Vec<Packed> {
    let mut files = vec![Packed::new("orders/", ""), Packed::new("orders/.x", "x")];
    for (number, entry) in delivery.entries().into_iter().enumerate() {
        let file = Packed::new(&format!("orders/{number}.csv"), entry);
        files.push(if number % 2 == 0 { file } else { file.stored() });
    }
    files
}

async fn ten_kills_show_no_row_of_an_atomic_file_before_its_end(
    destination: Destination,
) -> Result<()> {
    let delivery = Delivery::new(3, RECORDS);
    let object = delivery.csv().to_vec();
    ten_kills(destination, &delivery, &object, 9, "atomic = true").await
}

/// Not from its start: what comes before the checkpoint is neither fetched nor inflated again, but
/// for the last few mebibytes.
async fn a_compressed_file_is_read_on_in_its_middle(destination: Destination) -> Result<()> {
    // More than one answer of the store holds.
    const MANY: u64 = 500_000;

    let delivery = Delivery::new(12, MANY);
    let object = gzip(delivery.csv()).await?;
    let scene = Scene::new(destination, "", "").await?;
    scene.put_slow(KEY, &object, 2 * PACE);
    scene.register(1).await?;
    let job = ["process", "--one", "--owner", "job"];
    let mut killed = scene.arrivage.start(&job)?;
    scene.wait_for_records(KEY, MANY * 3 / 4).await;
    killed.process.kill9()?;
    let before = scene.reads_from(KEY).len();

    scene.arrivage.run(&job).await?.expect(0);
    let loaded = scene.loaded(KEY, &delivery).await?;
    assert_eq!(loaded.fence, 2, "{loaded:?}");
    let begun = scene
        .reads_from(KEY)
        .get(before)
        .copied()
        .unwrap_or_default();
    let half = object.len() as u64 / 2;
    assert!(begun > half, "read from byte {begun} of {}", object.len());
    if let Destination::Postgres(_) = scene.destination {
        let kept = "SELECT count(*) FROM arrivage.arrival WHERE checkpoint_state LIKE '%place%'";
        assert_eq!(
            scene.destination.count(kept).await,
            0,
            "nobody goes on from its end"
        );
    }
    Ok(())
}

/// Each process goes on where the one before was killed: nine times as the retry of a Job, at once;
/// the last time as another process, once the lease has ended. Ten claims without progress would use
/// up the attempts; these make progress, so one is enough.
async fn ten_kills(
    destination: Destination,
    delivery: &Delivery,
    object: &[u8],
    seed: u64,
    pipeline: &str,
) -> Result<()> {
    let pipeline = format!("max_attempts = 1\n{pipeline}");
    let scene = Scene::new(destination, "", &pipeline).await?;
    scene.put_slow(KEY, object, PACE);
    scene.register(1).await?;

    for (fence, moment) in (1..).zip(moments(seed)) {
        let mut job = scene
            .arrivage
            .start(&["process", "--one", "--owner", "job"])?;
        // Only now can a backend of the one before commit nothing more.
        let claimed = scene
            .wait(KEY, "claimed", |arrival| arrival.fence == fence)
            .await;
        let wanted = moment.records.max(claimed.checkpoint_records + 1);
        scene.wait_for_records(KEY, wanted).await;
        tokio::time::sleep(moment.after).await;
        job.process.kill9()?;

        let left = scene.arrival(KEY).await?.expect("it is registered");
        let inside = 0 < left.checkpoint_records && left.checkpoint_records < RECORDS;
        assert!(left.state == "loading" && left.leased && inside, "{left:?}");
        assert_eq!((left.attempts, left.fence), (fence, fence), "{left:?}");
        if pipeline.contains("atomic") {
            let shown = scene.destination.count("SELECT count(*) FROM orders").await;
            assert_eq!(shown, 0, "{left:?}");
        }
    }

    let _another = scene.arrivage.start(&["process"])?;
    let loaded = scene.loaded(KEY, delivery).await?;
    assert_eq!(loaded.fence, KILLS as u64 + 1, "{loaded:?}");
    Ok(())
}

/// When to kill: so long after so many records are committed.
struct Moment {
    records: u64,
    /// Anywhere in a chunk or two: while it is read, sent or committed.
    after: Duration,
}

/// In order.
fn moments(seed: u64) -> Vec<Moment> {
    let mut chance = Chance::new(seed);
    let mut records: Vec<u64> = (0..KILLS).map(|_| chance.below(RECORDS / 2)).collect();
    records.sort_unstable();
    let moment = |records| Moment {
        records,
        after: Duration::from_micros(chance.below(60_000)),
    };
    records.into_iter().map(moment).collect()
}
