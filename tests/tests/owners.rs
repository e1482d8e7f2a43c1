//! `process --one --owner NAME`, a Kubernetes Job, in all its branches; and `process --arrival ID`.

use std::time::Duration;

use anyhow::{Context, Result};
use arrivage_testkit::Fault;
use arrivage_tests::{Arrival, Delivery, Destination, Ended, Scene, on_both};

/// A lease that no test outwaits: who goes on in time did not wait for it.
const LONG_LEASE: &str = "lease = \"10m\"";

/// Long enough to be found in the middle.
const PACE: Duration = Duration::from_secs(2);

on_both! {
    a_job_claims_one_arrival_and_its_retry_no_other,
    a_retry_takes_its_arrival_back_without_waiting_for_the_lease,
    a_retry_takes_its_arrival_back_before_it_is_due,
    a_retry_leaves_an_arrival_alone_that_another_has,
    a_retry_of_what_failed_says_so,
    jobs_of_different_names_never_take_the_same_arrival,
    an_arrival_is_loaded_by_its_number,
}

async fn a_job_claims_one_arrival_and_its_retry_no_other(destination: Destination) -> Result<()> {
    let scene = scene(destination, 2).await?;
    for run in 1..=2 {
        job(&scene, "first").await?.expect(0);
        assert_eq!(states(&scene, 2).await?, ["loaded", "waiting"], "run {run}");
    }
    job(&scene, "second").await?.expect(0);
    assert_eq!(states(&scene, 2).await?, ["loaded", "loaded"]);
    job(&scene, "third")
        .await?
        .expect(0)
        .says("nothing is waiting");
    for n in 1..=2 {
        let loaded = scene.loaded(&key(n), &delivery(n)).await?;
        assert_eq!(loaded.attempts, 1, "{loaded:?}");
    }
    Ok(())
}

async fn a_retry_takes_its_arrival_back_without_waiting_for_the_lease(
    destination: Destination,
) -> Result<()> {
    let scene = scene(destination, 1).await?;
    let slow = put_slow(&scene, "slow.csv").await?;
    // The first is done; the slow one is the second's, and a third waits.
    job(&scene, "first").await?.expect(0);
    let mut second = scene.arrivage.start(&one("second"))?;
    scene.wait_for_records("slow.csv", 1).await;
    second.process.kill9()?;
    scene.put("later.csv", delivery(1).csv());
    scene.register(3).await?;

    job(&scene, "second").await?.expect(0);
    let loaded = scene.loaded("slow.csv", &slow).await?;
    assert_eq!(
        (loaded.attempts, loaded.owner.as_str()),
        (2, "second"),
        "{loaded:?}"
    );
    assert_eq!(arrival(&scene, "later.csv").await?.state, "waiting");
    Ok(())
}

async fn a_retry_takes_its_arrival_back_before_it_is_due(destination: Destination) -> Result<()> {
    let scene = scene(destination, 1).await?;
    scene.server.next(Fault::error(403, "AccessDenied"));
    job(&scene, "job").await?.expect(1);
    let left = arrival(&scene, &key(1)).await?;
    assert_eq!(left.state, "waiting", "{left:?}");
    scene.put("other.csv", delivery(2).csv());
    scene.register(2).await?;

    // Nobody else may have it yet.
    let due = "SELECT count(*) FROM arrivage.arrivals WHERE state = 'waiting' AND due_at > now()";
    if let Destination::Postgres(_) = scene.destination {
        assert_eq!(scene.destination.count(due).await, 1);
    }
    job(&scene, "job").await?.expect(0);
    scene.loaded(&key(1), &delivery(1)).await?;
    assert_eq!(arrival(&scene, "other.csv").await?.state, "waiting");
    Ok(())
}

async fn a_retry_leaves_an_arrival_alone_that_another_has(destination: Destination) -> Result<()> {
    let scene = scene(destination, 0).await?;
    let slow = put_slow(&scene, "slow.csv").await?;
    let mut first = scene.arrivage.start(&one("job"))?;
    let taken = scene.wait_for_records("slow.csv", 1).await;
    first.process.sigterm()?;
    first.process.wait(Duration::from_secs(20)).await?;
    let id = taken.id.to_string();
    let _another = scene.arrivage.start(&["process", "--arrival", &id])?;
    scene
        .wait("slow.csv", "taken by another", |arrival| arrival.fence == 2)
        .await;
    scene.put("other.csv", delivery(1).csv());
    scene.register(2).await?;

    job(&scene, "job").await?.expect(0).says("by another");
    scene
        .arrivage
        .run(&["process", "--arrival", &id])
        .await?
        .expect(1)
        .says("another");
    let loaded = scene.loaded("slow.csv", &slow).await?;
    assert_eq!(loaded.fence, 2, "{loaded:?}");
    job(&scene, "job").await?.expect(0).says("loaded");
    assert_eq!(arrival(&scene, "other.csv").await?.state, "waiting");
    Ok(())
}

async fn a_retry_of_what_failed_says_so(destination: Destination) -> Result<()> {
    let scene = Scene::new(destination, LONG_LEASE, "").await?;
    scene.put("broken.csv", b"\x1f\x8b\x08\0no gzip at all");
    scene.register(1).await?;
    scene.put("other.csv", delivery(1).csv());
    scene.register(2).await?;
    for _ in 1..=2 {
        job(&scene, "job").await?.expect(3);
        let failed = arrival(&scene, "broken.csv").await?;
        assert_eq!(
            (failed.state.as_str(), failed.attempts),
            ("failed", 1),
            "{failed:?}"
        );
        assert_eq!(arrival(&scene, "other.csv").await?.state, "waiting");
    }
    let id = arrival(&scene, "broken.csv").await?.id.to_string();
    scene
        .arrivage
        .run(&["process", "--arrival", &id])
        .await?
        .expect(3);
    Ok(())
}

async fn jobs_of_different_names_never_take_the_same_arrival(
    destination: Destination,
) -> Result<()> {
    const JOBS: u64 = 6;
    let scene = scene(destination, JOBS).await?;
    let mut jobs = Vec::new();
    for n in 1..=JOBS {
        jobs.push(scene.arrivage.start(&one(&format!("job-{n}")))?);
    }
    for job in &mut jobs {
        let status = job.process.wait(Duration::from_secs(60)).await?;
        assert!(status.success(), "{status}\n{}", job.process.output());
    }
    let mut owners = Vec::new();
    for n in 1..=JOBS {
        let loaded = scene.loaded(&key(n), &delivery(n)).await?;
        assert_eq!(loaded.attempts, 1, "{loaded:?}");
        owners.push(loaded.owner);
    }
    owners.sort();
    owners.dedup();
    assert_eq!(owners.len() as u64, JOBS, "{owners:?}");
    Ok(())
}

async fn an_arrival_is_loaded_by_its_number(destination: Destination) -> Result<()> {
    let scene = scene(destination, 2).await?;
    let id = arrival(&scene, &key(2)).await?.id.to_string();
    for run in 1..=2 {
        scene
            .arrivage
            .run(&["process", "--arrival", &id])
            .await?
            .expect(0);
        assert_eq!(states(&scene, 2).await?, ["waiting", "loaded"], "run {run}");
    }
    scene.loaded(&key(2), &delivery(2)).await?;
    scene
        .arrivage
        .run(&["process", "--arrival", "999"])
        .await?
        .expect(2)
        .says("no arrival 999");
    Ok(())
}

/// So many small files, registered in their order.
async fn scene(destination: Destination, files: u64) -> Result<Scene> {
    let scene = Scene::new(destination, LONG_LEASE, "").await?;
    for n in 1..=files {
        scene.put(&key(n), delivery(n).csv());
        scene.register(i64::try_from(n)?).await?;
    }
    Ok(scene)
}

async fn put_slow(scene: &Scene, key: &str) -> Result<Delivery> {
    let known = scene
        .destination
        .count("SELECT count(*) FROM arrivage.arrivals")
        .await;
    let delivery = Delivery::new(99, 12_000);
    scene.put_slow(key, delivery.csv(), PACE);
    scene.register(known + 1).await?;
    Ok(delivery)
}

fn key(n: u64) -> String {
    format!("{n}.csv")
}

fn delivery(n: u64) -> Delivery {
    Delivery::new(n, 50)
}

async fn arrival(scene: &Scene, key: &str) -> Result<Arrival> {
    scene.arrival(key).await?.context("it is registered")
}

async fn states(scene: &Scene, files: u64) -> Result<Vec<String>> {
    let mut states = Vec::new();
    for n in 1..=files {
        states.push(arrival(scene, &key(n)).await?.state);
    }
    Ok(states)
}

async fn job(scene: &Scene, owner: &str) -> Result<Ended> {
    scene.arrivage.run(&one(owner)).await
}

fn one(owner: &str) -> [&str; 4] {
    ["process", "--one", "--owner", owner]
}
