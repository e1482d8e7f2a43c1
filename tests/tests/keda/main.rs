//! A KEDA ScaledJob: KEDA's published formulas over the real view, real processes as the Jobs' pods,
//! and the numbers of the chart.

mod cluster;

/// KEDA asks PostgreSQL.
mod postgres {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::{Duration, Instant};

    use anyhow::{Context, Result};
    use arrivage_testkit::Fault;
    use arrivage_tests::{Delivery, Destination, Scene};

    use crate::cluster::{Cluster, Strategy};

    const FILES: u64 = 60;
    /// They are refused three times, and then not any more.
    const STUBBORN: [u64; 3] = [5, 25, 45];
    /// It is always refused.
    const HOPELESS: u64 = 15;
    /// Its first pod is killed in the middle.
    const SLOW: u64 = 35;

    #[tokio::test]
    async fn ten_jobs_at_once_load_sixty_arrivals_each_once_by_default() -> Result<()> {
        let started = simulate(Strategy::Default).await?;
        // One for each arrival, and a second one for each that used up its first Job's tries; a few
        // more where one Job took what was due to another.
        assert!((64..=70).contains(&started), "{started} Jobs");
        Ok(())
    }

    #[tokio::test]
    async fn ten_jobs_at_once_load_sixty_arrivals_each_once_accurately() -> Result<()> {
        let started = simulate(Strategy::Accurate).await?;
        // A pod that has started and not yet claimed is not pending, so that it is made up for twice.
        assert!((64..600).contains(&started), "{started} Jobs");
        Ok(())
    }

    #[tokio::test]
    async fn a_job_too_many_leaves_within_a_second() -> Result<()> {
        let scene = Scene::new(Destination::postgres().await?, "", "").await?;
        scene.arrivage.run(&["migrate"]).await?.expect(0);
        let mut fastest = Duration::MAX;
        for n in 1..=3 {
            let begin = Instant::now();
            let owner = format!("job-{n}");
            let job = ["process", "--one", "--owner", &owner];
            let ended = scene.arrivage.run(&job).await?;
            fastest = fastest.min(begin.elapsed());
            ended.expect(0).says("nothing is waiting");
        }
        // Of three, for the machine may be busy with other things.
        assert!(fastest < Duration::from_secs(1), "{fastest:?}");
        Ok(())
    }

    /// Until all have come to rest and KEDA has nothing more to do. How many Jobs it took.
    async fn simulate(strategy: Strategy) -> Result<usize> {
        let destination = Destination::postgres().await?;
        let scene = Scene::new(destination, "lease = \"10s\"\nmax_attempts = 4", "").await?;
        for n in 1..=FILES {
            put(&scene, n);
        }
        scene.register(i64::try_from(FILES)?).await?;

        let mut cluster = Cluster::new(&scene, strategy)?;
        let mut killed = None;
        while !cluster.is_at_rest(FILES).await? {
            cluster.poll().await?;
            let slow = scene.arrival(&key(SLOW)).await?.context("it is known")?;
            if killed.is_none() && slow.state == "loading" && slow.checkpoint_records > 0 {
                cluster.kill(&slow.owner)?;
                killed = Some(slow.owner);
            }
        }
        let started = cluster.started();
        for _ in 0..5 {
            cluster.poll().await?;
        }
        assert_eq!(cluster.started(), started, "Jobs for nothing");

        for n in (1..=FILES).filter(|n| *n != HOPELESS) {
            let loaded = scene.loaded(&key(n), &delivery(n)).await?;
            let attempts = match n {
                SLOW => 2,
                n if STUBBORN.contains(&n) => 4,
                _ => 1,
            };
            assert_eq!(loaded.attempts, attempts, "{loaded:?}");
            if n == SLOW {
                assert_eq!(Some(loaded.owner), killed, "its own Job took it up again");
            }
        }
        let failed = scene
            .arrival(&key(HOPELESS))
            .await?
            .context("it is known")?;
        assert_eq!(
            (failed.state.as_str(), failed.attempts),
            ("failed", 4),
            "{failed:?}"
        );
        Ok(started)
    }

    fn put(scene: &Scene, n: u64) {
        let csv = delivery(n);
        if n == SLOW {
            scene.put_slow(&key(n), csv.csv(), Duration::from_secs(2));
            return;
        }
        scene.put(&key(n), csv.csv());
        let refusals = match n {
            HOPELESS => u32::MAX,
            n if STUBBORN.contains(&n) => 3,
            _ => return,
        };
        let reads = AtomicU32::new(0);
        scene.on_read(&key(n), move || {
            let refused = reads.fetch_add(1, Ordering::Relaxed) < refusals;
            refused.then(|| Fault::error(403, "AccessDenied"))
        });
    }

    fn delivery(n: u64) -> Delivery {
        Delivery::new(n, if n == SLOW { 12_000 } else { 50 })
    }

    fn key(n: u64) -> String {
        format!("{n}.csv")
    }
}
