//! Batches that end: a Job that is told to leave, CronJobs beside a deployment, a load that nobody
//! wants any more.

use std::time::Duration;

use anyhow::Result;
use arrivage_testkit::eventually;
use arrivage_tests::{Arrival, Delivery, Destination, Scene, on_both};

/// Long enough to be found in the middle.
const PACE: Duration = Duration::from_secs(3);

const RECORDS: u64 = 20_000;

const SOON: Duration = Duration::from_secs(60);

on_both! {
    a_job_that_is_told_to_leave_ends_with_143_and_its_retry_goes_on,
    a_load_that_is_told_to_leave_ends_with_143_and_another_goes_on,
    a_load_that_nobody_wants_stops_and_a_replay_goes_on,
    cron_jobs_are_harmless_beside_a_deployment_and_each_other,
}

async fn a_job_that_is_told_to_leave_ends_with_143_and_its_retry_goes_on(
    to: Destination,
) -> Result<()> {
    let (scene, delivery) = scene(to).await?;
    let job = ["process", "--one", "--owner", "job"];
    let left = leave_in_the_middle(&scene, &job).await?;
    // It waits for anybody, at once, with nothing lost.
    assert_eq!((left.state.as_str(), left.leased), ("waiting", false));
    // Another Job finds other work, or none; the retry has the arrival that was its own.
    scene.arrivage.run(&job).await?.expect(0);
    goes_on(&scene, &delivery, &left).await
}

async fn a_load_that_is_told_to_leave_ends_with_143_and_another_goes_on(
    to: Destination,
) -> Result<()> {
    let (scene, delivery) = scene(to).await?;
    let load = ["load", "s3://drop/slow.csv"];
    let left = leave_in_the_middle(&scene, &load).await?;
    scene.arrivage.run(&load).await?.expect(0);
    goes_on(&scene, &delivery, &left).await
}

async fn a_load_that_nobody_wants_stops_and_a_replay_goes_on(to: Destination) -> Result<()> {
    let (scene, delivery) = scene(to).await?;
    let mut processing = scene.arrivage.start(&["process", "--until-empty"])?;
    let loading = scene.wait_for_records("slow.csv", 1).await;
    let id = loading.id.to_string();
    let cancelled = scene
        .arrivage
        .run(&["cancel", "--json", &id])
        .await?
        .expect(0);
    assert_eq!(cancelled.json()[0]["result"], "cancelled");
    let status = processing.process.wait(SOON).await?;
    let output = processing.process.output();
    assert_eq!(status.code(), Some(1), "fenced: {output}");

    let rests = scene.arrival("slow.csv").await?.expect("it is registered");
    assert_eq!(
        (rests.state.as_str(), rests.error_code.as_str()),
        ("dismissed", "cancelled")
    );
    assert!(rests.checkpoint_records < RECORDS, "{rests:?}");
    let rows_and_rejects =
        "SELECT (SELECT count(*) FROM orders) + (SELECT count(*) FROM arrivage.rejects)";
    let count = scene.destination.count(rows_and_rejects).await;
    assert_eq!(u64::try_from(count)?, rests.records, "{rests:?}");
    // Nobody takes it up, and it is cancelled but once.
    let nothing = scene.arrivage.run(&["process", "--until-empty"]).await?;
    nothing.expect(0);
    scene
        .arrivage
        .run(&["cancel", &id])
        .await?
        .expect(0)
        .says("already");
    let still = scene.arrival("slow.csv").await?.expect("it is registered");
    assert_eq!(still.fence, rests.fence);

    scene
        .arrivage
        .run(&["replay", &id])
        .await?
        .expect(0)
        .says("1 queued");
    scene
        .arrivage
        .run(&["process", "--until-empty"])
        .await?
        .expect(0);
    goes_on(&scene, &delivery, &rests).await?;
    let loaded = scene.arrivage.run(&["cancel", &id]).await?;
    loaded.expect(2).says("there is no load to cancel");
    Ok(())
}

async fn cron_jobs_are_harmless_beside_a_deployment_and_each_other(to: Destination) -> Result<()> {
    const FILES: u64 = 24;

    let scene = Scene::new(to, "", "").await?;
    let mut deployment = scene.arrivage.start(&["run"])?;
    eventually(SOON, "the deployment is ready", async || {
        (deployment.get("/readyz").await.ok()?.0 == 200).then_some(())
    })
    .await;
    for n in 0..FILES {
        scene.put(&format!("{n}.csv"), Delivery::new(n, 300).csv());
    }
    let reconcile = || scene.arrivage.run(&["reconcile"]);
    let process = || scene.arrivage.run(&["process", "--until-empty"]);
    for ended in tokio::try_join!(reconcile(), reconcile(), process(), process())
        .map(|(a, b, c, d)| [a, b, c, d])?
    {
        ended.expect(0);
    }
    // What was put before it looked is in the ledger, and loaded by whomever.
    for n in 0..FILES {
        let delivery = Delivery::new(n, 300);
        let loaded = scene.loaded(&format!("{n}.csv"), &delivery).await?;
        assert_eq!(loaded.attempts, 1, "{loaded:?}");
    }
    let all = scene
        .destination
        .count("SELECT count(*) FROM arrivage.arrivals");
    assert_eq!(u64::try_from(all.await)?, FILES);
    drop(deployment);
    // With nothing left, they end at once.
    reconcile().await?.expect(0);
    process().await?.expect(0);
    Ok(())
}

/// A slow object that the ledger knows.
async fn scene(to: Destination) -> Result<(Scene, Delivery)> {
    let scene = Scene::new(to, "", "").await?;
    let delivery = Delivery::new(5, RECORDS);
    scene.put_slow("slow.csv", delivery.csv(), PACE);
    scene.register(1).await?;
    Ok((scene, delivery))
}

/// Starts the command, and sends SIGTERM as soon as something is committed.
async fn leave_in_the_middle(scene: &Scene, command: &[&str]) -> Result<Arrival> {
    let mut running = scene.arrivage.start(command)?;
    scene.wait_for_records("slow.csv", 1).await;
    running.process.sigterm()?;
    let status = running.process.wait(SOON).await?;
    assert_eq!(status.code(), Some(143), "{}", running.process.output());
    let left = scene.arrival("slow.csv").await?.expect("it is registered");
    let inside = 0 < left.checkpoint_records && left.checkpoint_records < RECORDS;
    assert!(inside, "{left:?}");
    Ok(left)
}

/// It is loaded, and was read on from where it was left.
async fn goes_on(scene: &Scene, delivery: &Delivery, left: &Arrival) -> Result<()> {
    let loaded = scene.loaded("slow.csv", delivery).await?;
    assert_eq!(loaded.id, left.id);
    assert!(loaded.fence > left.fence, "{left:?}, then {loaded:?}");
    let reads = scene.reads_from("slow.csv");
    let last = reads.last().copied().unwrap_or_default();
    assert!(last > 0, "read from {reads:?}, though {left:?}");
    Ok(())
}
