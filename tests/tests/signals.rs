//! SIGTERM, as Kubernetes sends it: nothing new is taken, the lease is free at once, and the exit
//! code says whether something is left to do.

use std::time::Duration;

use anyhow::{Context, Result};
use arrivage_tests::{Arrival, Delivery, Destination, Running, Scene, on_both};

const SOON: Duration = Duration::from_secs(20);

/// Time enough for a signal in the middle.
const PACE: Duration = Duration::from_secs(1);

/// A single claim that counts, and it would be the last.
const NO_ATTEMPT_TO_LOSE: &str = "max_attempts = 1";

/// A lease that no test outwaits.
const LONG_LEASE: &str = "lease = \"10m\"";

on_both! {
    a_service_that_is_told_to_leave_ends_with_0_and_frees_the_lease,
    a_command_that_is_told_to_leave_ends_with_143_when_something_is_left,
    a_service_with_nothing_to_do_leaves_with_0,
}

async fn a_service_that_is_told_to_leave_ends_with_0_and_frees_the_lease(
    destination: Destination,
) -> Result<()> {
    let scene = Scene::new(destination, LONG_LEASE, NO_ATTEMPT_TO_LOSE).await?;
    for (command, n) in [["run"], ["process"]].iter().zip(1..) {
        let key = format!("{n}.csv");
        let delivery = put(&scene, &key, n).await?;
        stopped_halfway(&scene, &key, command, 0).await?;
        goes_on(&scene, &key, &delivery).await?;
    }
    Ok(())
}

async fn a_command_that_is_told_to_leave_ends_with_143_when_something_is_left(
    destination: Destination,
) -> Result<()> {
    let scene = Scene::new(destination, LONG_LEASE, NO_ATTEMPT_TO_LOSE).await?;
    let commands: [&[&str]; 4] = [
        &["load", "s3://drop/KEY"],
        &["process", "--until-empty"],
        &["process", "--arrival", "ID"],
        &["process", "--one", "--owner", "job"],
    ];
    for (command, n) in commands.iter().zip(1..) {
        let key = format!("{n}.csv");
        let delivery = put(&scene, &key, n).await?;
        let id = scene
            .arrival(&key)
            .await?
            .context("it is registered")?
            .id
            .to_string();
        let command: Vec<String> = command
            .iter()
            .map(|word| word.replace("KEY", &key).replace("ID", &id))
            .collect();
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        stopped_halfway(&scene, &key, &command, 143).await?;
        goes_on(&scene, &key, &delivery).await?;
    }
    Ok(())
}

async fn a_service_with_nothing_to_do_leaves_with_0(destination: Destination) -> Result<()> {
    let scene = Scene::new(destination, "", "").await?;
    for command in ["run", "watch", "process"] {
        let mut service = scene.arrivage.start(&[command])?;
        service.get("/healthz").await?;
        ended(&mut service, 0).await?;
    }
    Ok(())
}

/// Registers one more object, which takes a second to come.
async fn put(scene: &Scene, key: &str, n: u64) -> Result<Delivery> {
    let delivery = Delivery::new(n, 12_000);
    scene.put_slow(key, delivery.csv(), PACE);
    scene.register(i64::try_from(n)?).await?;
    Ok(delivery)
}

/// Starts the command, ends it in the middle of the load, and finds the arrival free, with what was
/// committed.
async fn stopped_halfway(scene: &Scene, key: &str, command: &[&str], code: i32) -> Result<()> {
    let mut running = scene.arrivage.start(command)?;
    let before = scene.wait_for_records(key, 1).await;
    ended(&mut running, code).await?;
    let left = scene.arrival(key).await?.context("it is registered")?;
    assert!(is_free(&left), "{command:?}: {left:?}");
    assert!(
        left.checkpoint_records >= before.checkpoint_records,
        "{left:?} after {before:?}"
    );
    assert!(
        left.checkpoint_records < 12_000,
        "{command:?} came too late: {left:?}"
    );
    Ok(())
}

/// Another process goes on from the checkpoint, without waiting for anything.
async fn goes_on(scene: &Scene, key: &str, delivery: &Delivery) -> Result<()> {
    let left = scene.arrival(key).await?.context("it is registered")?;
    scene
        .arrivage
        .run(&["process", "--until-empty"])
        .await?
        .expect(0);
    let loaded = scene.loaded(key, delivery).await?;
    assert_eq!((loaded.attempts, loaded.fence), (2, 2), "{loaded:?}");
    assert_eq!(scene.reads_from(key), [0, left.checkpoint_offset]);
    Ok(())
}

fn is_free(arrival: &Arrival) -> bool {
    arrival.state == "waiting" && !arrival.leased && arrival.error.is_empty()
}

/// Sends SIGTERM and expects the exit code.
async fn ended(running: &mut Running, code: i32) -> Result<()> {
    running.process.sigterm()?;
    leaves(running, code).await
}

async fn leaves(running: &mut Running, code: i32) -> Result<()> {
    let status = running.process.wait(SOON).await?;
    assert_eq!(status.code(), Some(code), "{}", running.process.output());
    Ok(())
}

/// A database that is slow, or away, when the signal comes.
mod postgres {
    use anyhow::{Context, Result};
    use arrivage_testkit::{Cluster, Postgres, eventually};
    use arrivage_tests::{Delivery, Destination, Gate, Running, Scene};

    use super::{SOON, ended, is_free, leaves};

    const UNTIL_EMPTY: [&str; 2] = ["process", "--until-empty"];

    /// A scene whose table is there, and so many small files that wait: 1.csv, 2.csv…
    async fn scene(processor: &str, files: i64) -> Result<Scene> {
        let scene = Scene::new(Destination::postgres().await?, processor, "").await?;
        scene.put("0.csv", Delivery::new(0, 10).csv());
        scene.register(1).await?;
        scene.arrivage.run(&UNTIL_EMPTY).await?.expect(0);
        for n in 1..=files {
            scene.put(&format!("{n}.csv"), Delivery::new(1, 10).csv());
            scene.register(n + 1).await?;
        }
        Ok(scene)
    }

    /// From now on every chunk fails, and may succeed when it is tried again.
    async fn keep_busy(scene: &Scene) -> Result<()> {
        let statements = "CREATE FUNCTION busy() RETURNS trigger LANGUAGE plpgsql AS
              $$ BEGIN RAISE 'busy' USING ERRCODE = 'serialization_failure'; END $$;
            CREATE TRIGGER busy BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION busy()";
        scene.destination.sql(statements).await?;
        Ok(())
    }

    async fn says(running: &Running, words: &str) {
        eventually(SOON, words, async || {
            running.process.output().contains(words).then_some(())
        })
        .await;
    }

    /// Sends SIGTERM and waits until it is heard: two at once would be one.
    async fn hears(running: &mut Running) -> Result<()> {
        running.process.sigterm()?;
        says(running, "stopping").await;
        Ok(())
    }

    async fn state(scene: &Scene, key: &str) -> Result<String> {
        Ok(scene.arrival(key).await?.context("it is registered")?.state)
    }

    /// The chunk that commits is ended; what says 143 is what nobody has taken yet.
    #[tokio::test]
    async fn until_empty_says_whether_arrivals_are_left() -> Result<()> {
        for (files, code) in [(1, 0), (2, 143)] {
            let scene = scene("", files).await?;
            let gate = Gate::shut(&scene.destination).await?;
            let mut process = scene.arrivage.start(&UNTIL_EMPTY)?;
            gate.reached(&scene.destination).await;
            hears(&mut process).await?;
            gate.open().await?;
            leaves(&mut process, code).await?;
            assert_eq!(state(&scene, "1.csv").await?, "loaded");
            if files == 2 {
                assert_eq!(state(&scene, "2.csv").await?, "waiting");
            }
        }
        Ok(())
    }

    #[tokio::test]
    async fn a_chunk_that_does_not_get_in_is_given_up_within_drain() -> Result<()> {
        let scene = scene("drain = \"2s\"", 1).await?;
        keep_busy(&scene).await?;
        for (command, code) in [(&["process"][..], 0), (&UNTIL_EMPTY, 143)] {
            let mut process = scene.arrivage.start(command)?;
            says(&process, "a chunk was not committed").await;
            ended(&mut process, code).await?;
            let left = scene.arrival("1.csv").await?.context("it is registered")?;
            assert!(is_free(&left), "{command:?}: {left:?}");
        }
        Ok(())
    }

    /// Its own backend holds the arrival's row when it is given back.
    #[tokio::test]
    async fn a_chunk_that_hangs_in_its_last_statement_is_given_up_within_drain() -> Result<()> {
        let scene = scene("drain = \"5s\"\nlease = \"10m\"", 1).await?;
        let gate = Gate::shut(&scene.destination).await?;
        let mut process = scene.arrivage.start(&["process"])?;
        gate.reached(&scene.destination).await;
        ended(&mut process, 0).await?;
        let left = scene.arrival("1.csv").await?.context("it is registered")?;
        assert!(is_free(&left), "{left:?}");
        Ok(())
    }

    #[tokio::test]
    async fn a_second_signal_gives_up_the_chunk_at_once() -> Result<()> {
        let scene = scene("drain = \"10m\"", 1).await?;
        keep_busy(&scene).await?;
        let mut process = scene.arrivage.start(&["process"])?;
        says(&process, "a chunk was not committed").await;
        hears(&mut process).await?;
        ended(&mut process, 0).await?;
        let left = scene.arrival("1.csv").await?.context("it is registered")?;
        assert!(is_free(&left), "{left:?}");
        Ok(())
    }

    /// A scene on a cluster of its own, to be stopped.
    async fn stoppable(drain: &str) -> Result<(Cluster, Scene)> {
        let cluster = Postgres::cluster().await?;
        let destination = Destination::Postgres(cluster.database().await?);
        let scene = Scene::new(destination, &format!("drain = \"{drain}\""), "").await?;
        Ok((cluster, scene))
    }

    #[tokio::test]
    async fn an_idle_service_leaves_within_drain_while_the_database_is_away() -> Result<()> {
        let (cluster, scene) = stoppable("5s").await?;
        let mut process = scene.arrivage.start(&["process"])?;
        eventually(SOON, "readiness", async || {
            (process.get("/readyz").await.ok()?.0 == 200).then_some(())
        })
        .await;
        cluster.stop().await?;
        assert_eq!(process.get("/readyz").await?.0, 503);
        ended(&mut process, 0).await
    }

    #[tokio::test]
    async fn a_service_that_has_not_found_its_database_yet_leaves_within_drain() -> Result<()> {
        let (cluster, scene) = stoppable("5s").await?;
        cluster.stop().await?;
        let mut process = scene.arrivage.start(&["process"])?;
        assert_eq!(process.get("/readyz").await?.0, 503);
        ended(&mut process, 0).await
    }

    #[tokio::test]
    async fn a_loading_service_leaves_within_drain_while_the_database_is_away() -> Result<()> {
        let (cluster, scene) = stoppable("5s").await?;
        let delivery = Delivery::new(1, 12_000);
        scene.put_slow("1.csv", delivery.csv(), super::PACE);
        scene.register(1).await?;
        let mut process = scene.arrivage.start(&["process"])?;
        scene.wait_for_records("1.csv", 1).await;
        cluster.stop().await?;
        ended(&mut process, 0).await?;

        // It could not say so; its lease ends by itself.
        cluster.start().await?;
        let _next = scene.arrivage.start(&["process"])?;
        scene.loaded("1.csv", &delivery).await?;
        Ok(())
    }
}
