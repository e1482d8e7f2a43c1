//! What an atomic load has gathered is lost, or stands in the way.

use std::time::Duration;

use anyhow::Result;
use arrivage_tests::{Delivery, Destination, Scene, on_both};

const KEY: &str = "orders.csv";
const RECORDS: u64 = 30_000;

/// How long the object takes to come, at least.
const PACE: Duration = Duration::from_millis(1500);

on_both! { rows_that_were_gathered_and_are_gone_are_read_again }

async fn rows_that_were_gathered_and_are_gone_are_read_again(to: Destination) -> Result<()> {
    let delivery = Delivery::new(4, RECORDS);
    let scene = Scene::new(to, "", "atomic = true").await?;
    scene.put_slow(KEY, delivery.csv(), PACE);
    scene.register(1).await?;
    let mut first = scene
        .arrivage
        .start(&["process", "--one", "--owner", "job"])?;
    let arrival = scene.wait_for_records(KEY, RECORDS / 3).await;
    first.process.kill9()?;
    // Its last chunk is committed, or never will be.
    let gathered = format!("arrivage.staging_{}", arrival.id);
    scene
        .destination
        .sql(&format!("DROP TABLE {gathered}"))
        .await?;

    let mut second = scene
        .arrivage
        .start(&["process", "--one", "--owner", "job"])?;
    let status = second.process.wait(Duration::from_secs(60)).await?;
    assert!(status.success(), "{status}\n{}", second.process.output());
    let loaded = scene.loaded(KEY, &delivery).await?;
    assert!(
        loaded.fence > arrival.fence + 1,
        "it started over: {loaded:?}"
    );
    Ok(())
}
