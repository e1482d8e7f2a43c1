//! Two processes on one database: one is killed or frozen, the other takes over after the lease.

use std::time::Duration;

use anyhow::{Context, Result};
use arrivage_testkit::eventually;
use arrivage_tests::{Arrival, Delivery, Destination, Running, Scene, on_both};

const KEY: &str = "orders.csv";
const RECORDS: u64 = 30_000;
const SOON: Duration = Duration::from_secs(30);

/// How long the object takes to come, at least.
const PACE: Duration = Duration::from_millis(1500);

on_both! { a_frozen_process_is_fenced_when_it_wakes_and_leaves_no_row }

async fn a_frozen_process_is_fenced_when_it_wakes_and_leaves_no_row(
    destination: Destination,
) -> Result<()> {
    let mut two = Two::start(destination, PACE).await?;
    two.scene.wait_for_records(KEY, RECORDS / 3).await;
    two.freeze_first().await?;
    let left = two.arrival().await?;
    two.second_took_over(&left).await?;
    two.first.process.sigcont()?;
    two.first_is_fenced().await
}

/// Two processes, of which the first has the only arrival.
struct Two {
    scene: Scene,
    delivery: Delivery,
    first: Running,
    second: Running,
}

impl Two {
    /// `pace`: how long the object takes to come, at least.
    async fn start(destination: Destination, pace: Duration) -> Result<Self> {
        let delivery = Delivery::new(3, RECORDS);
        let scene = Scene::new(destination, "", "").await?;
        scene.put_slow(KEY, delivery.csv(), pace);
        scene.register(1).await?;
        let mut two = [
            scene.arrivage.start(&["process"])?,
            scene.arrivage.start(&["process"])?,
        ];
        let arrival = scene.wait_for_records(KEY, 1).await;
        if is_of(&two[1], &arrival) {
            two.swap(0, 1);
        }
        let [first, second] = two;
        assert!(is_of(&first, &arrival), "{arrival:?}");
        Ok(Self {
            scene,
            delivery,
            first,
            second,
        })
    }

    async fn arrival(&self) -> Result<Arrival> {
        self.scene.arrival(KEY).await?.context("it is registered")
    }

    /// Not in the middle of a transaction on SQLite: there it would hold up everybody, as it says.
    async fn freeze_first(&mut self) -> Result<()> {
        loop {
            self.first.process.sigstop()?;
            let lock = "PRAGMA busy_timeout = 0; BEGIN IMMEDIATE; ROLLBACK";
            match self.scene.destination {
                Destination::Postgres(_) => return Ok(()),
                Destination::Sqlite(_) if self.scene.destination.sql(lock).await.is_ok() => {
                    return Ok(());
                }
                Destination::Sqlite(_) => self.first.process.sigcont()?,
            }
        }
    }

    /// The second has loaded the rest, and nothing but the rest.
    async fn second_took_over(&self, before: &Arrival) -> Result<()> {
        let loaded = self.scene.loaded(KEY, &self.delivery).await?;
        assert!(is_of(&self.second, &loaded), "{loaded:?}");
        assert_eq!((loaded.attempts, loaded.fence), (2, 2), "{loaded:?}");
        let reads = self.scene.reads_from(KEY);
        let goes_on = matches!(reads[..], [0, begin] if begin >= before.checkpoint_offset);
        assert!(goes_on, "{reads:?} after {before:?}");
        Ok(())
    }

    /// The first is awake again and has found out: it stopped quietly, nothing of it came into the
    /// database, and it works on.
    async fn first_is_fenced(&mut self) -> Result<()> {
        eventually(SOON, "the awakened process to be fenced", async || {
            let output = self.first.process.output();
            output.contains("another process has it now").then_some(())
        })
        .await;
        let arrival = self.scene.loaded(KEY, &self.delivery).await?;
        assert_eq!((arrival.attempts, arrival.fence), (2, 2), "{arrival:?}");

        let next = Delivery::new(4, 500);
        self.second.process.kill9()?;
        self.scene.put("next.csv", next.csv());
        self.scene.register(2).await?;
        let loaded = self.scene.loaded("next.csv", &next).await?;
        assert!(is_of(&self.first, &loaded), "{loaded:?}");
        Ok(())
    }
}

/// A process names itself in the ledger with its id.
fn is_of(running: &Running, arrival: &Arrival) -> bool {
    arrival
        .owner
        .contains(&format!("-{}-", running.process.id()))
}

/// SQLite has no backend that outlives its client.
mod postgres {
    use arrivage_tests::Gate;

    use super::*;

    #[tokio::test]
    async fn a_second_process_goes_on_from_the_last_checkpoint_of_a_killed_one() -> Result<()> {
        let mut two = Two::start(Destination::postgres().await?, PACE).await?;
        let seen = two.scene.wait_for_records(KEY, RECORDS / 3).await;
        two.first.process.kill9()?;
        let left = two.arrival().await?;
        assert_eq!(
            (left.state.as_str(), left.fence),
            ("loading", 1),
            "{left:?}"
        );

        let taken = two
            .scene
            .wait(KEY, "taken over", |arrival| arrival.fence == 2)
            .await;
        assert!(
            taken.checkpoint_records >= seen.checkpoint_records,
            "{taken:?} after {seen:?}"
        );
        two.second_took_over(&left).await
    }

    /// The backend waits for a client that does not come: only the reaper ends it.
    #[tokio::test]
    async fn one_that_freezes_in_the_middle_of_a_copy_holds_up_nobody() -> Result<()> {
        let pace = Duration::from_millis(400);
        let mut two = Two::start(Destination::postgres().await?, pace).await?;
        let frozen = loop {
            two.first.process.sigstop()?;
            let arrival = two.arrival().await?;
            assert_eq!(arrival.state, "loading", "the load went by: {arrival:?}");
            if backend(
                &two.scene,
                "query LIKE 'COPY%' AND wait_event = 'ClientRead'",
            )
            .await
                > 0
            {
                break arrival;
            }
            two.first.process.sigcont()?;
        };
        two.second_took_over(&frozen).await?;
        gone(&two.scene, "query LIKE 'COPY%'").await;
        two.first.process.sigcont()?;
        two.first_is_fenced().await
    }

    /// Between its last statement and COMMIT it holds the arrival's row: nobody can claim it before
    /// that backend is ended.
    #[tokio::test]
    async fn one_that_freezes_with_the_arrival_locked_loses_it_to_the_reaper() -> Result<()> {
        let mut two = Two::start(Destination::postgres().await?, PACE).await?;
        let frozen = Frozen::with_the_arrival_locked(&mut two).await?;
        gone(&two.scene, &frozen.backend).await;
        frozen.gate.open().await?;
        two.second_took_over(&frozen.arrival).await?;
        two.first.process.sigcont()?;
        two.first_is_fenced().await
    }

    /// Where nothing but Jobs runs, they are the reaper too.
    #[tokio::test]
    async fn a_job_gets_the_arrival_of_one_that_froze_with_it_locked() -> Result<()> {
        let mut two = Two::start(Destination::postgres().await?, PACE).await?;
        two.second.process.kill9()?;
        let frozen = Frozen::with_the_arrival_locked(&mut two).await?;
        eventually(SOON, "the end of the lease", async || {
            let waiting = "SELECT waiting FROM arrivage.backlog";
            (two.scene.destination.count(waiting).await == 1).then_some(())
        })
        .await;
        let opened = async {
            gone(&two.scene, &frozen.backend).await;
            frozen.gate.open().await
        };
        // The first may find the backend still on its way out, and nothing to claim.
        let jobs = async {
            while two.arrival().await?.state != "loaded" {
                let job = two
                    .scene
                    .arrivage
                    .run(&["process", "--one", "--owner", "job"]);
                job.await?.expect(0);
            }
            Ok(())
        };
        tokio::try_join!(opened, jobs)?;
        let loaded = two.scene.loaded(KEY, &two.delivery).await?;
        assert_eq!(loaded.owner, "job", "{loaded:?}");
        Ok(())
    }

    /// What a process left that froze between the last statement of a chunk and its COMMIT.
    struct Frozen {
        arrival: Arrival,
        /// The condition that finds its backend.
        backend: String,
        gate: Gate,
    }

    impl Frozen {
        async fn with_the_arrival_locked(two: &mut Two) -> Result<Self> {
            two.scene.wait_for_records(KEY, RECORDS / 4).await;
            let gate = Gate::shut(&two.scene.destination).await?;
            let pid = gate.reached(&two.scene.destination).await;
            two.first.process.sigstop()?;
            Ok(Self {
                arrival: two.arrival().await?,
                backend: format!("pid = {pid}"),
                gate,
            })
        }
    }

    /// How many chunks' transactions have a backend like this.
    async fn backend(scene: &Scene, condition: &str) -> i64 {
        let query = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
             AND application_name LIKE 'arrivage %' AND {condition}"
        );
        scene.destination.count(&query).await
    }

    async fn gone(scene: &Scene, condition: &str) {
        eventually(
            SOON,
            "the backend of the frozen process to be ended",
            async || (backend(scene, condition).await == 0).then_some(()),
        )
        .await;
    }
}
