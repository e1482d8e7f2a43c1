//! The database goes away in the middle of a load.

mod postgres {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use anyhow::Result;
    use arrivage_testkit::{Postgres, Proxy, Verdict, eventually};
    use arrivage_tests::{Delivery, Destination, Gate, Scene};

    const KEY: &str = "orders.csv";
    const RECORDS: u64 = 40_000;
    const PACE: Duration = Duration::from_secs(3);

    /// A single attempt without progress, and it would have failed.
    const NO_ATTEMPT_TO_LOSE: &str = "max_attempts = 1";

    async fn scene(destination: Destination) -> Result<(Scene, Delivery)> {
        let scene = Scene::new(destination, "", NO_ATTEMPT_TO_LOSE).await?;
        let delivery = Delivery::new(8, RECORDS);
        scene.put_slow(KEY, delivery.csv(), PACE);
        scene.register(1).await?;
        Ok((scene, delivery))
    }

    /// Fault 26. Commits of chunks that the crash forgets are read again.
    #[tokio::test]
    async fn a_crash_of_the_server_costs_no_record_and_no_attempt() -> Result<()> {
        let cluster = Postgres::cluster().await?;
        let (scene, delivery) = scene(Destination::Postgres(cluster.database().await?)).await?;
        let mut process = scene.arrivage.start(&["process"])?;
        for part in 1..=3 {
            scene.wait_for_records(KEY, RECORDS * part / 5).await;
            cluster.restart_immediate().await?;
        }
        // Once with a chunk in its last statement; the crash opens the gate.
        scene.wait_for_records(KEY, RECORDS * 4 / 5).await;
        let gate = Gate::shut(&scene.destination).await?;
        gate.reached(&scene.destination).await;
        cluster.restart_immediate().await?;
        scene.loaded(KEY, &delivery).await?;
        assert_eq!(
            process.process.ended()?,
            None,
            "{}",
            process.process.output()
        );
        Ok(())
    }

    /// Fault 27.
    #[tokio::test]
    async fn a_backend_that_is_ended_costs_no_record_and_no_attempt() -> Result<()> {
        let (scene, delivery) = scene(Destination::postgres().await?).await?;
        let _process = scene.arrivage.start(&["process"])?;
        let terminate = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
            WHERE datname = current_database() AND application_name LIKE 'arrivage%' \
            AND pid <> pg_backend_pid()";
        for part in 1..=6 {
            scene.wait_for_records(KEY, RECORDS * part / 8).await;
            assert!(scene.destination.count(terminate).await > 0);
        }
        // Once with a chunk in its last statement.
        let gate = Gate::shut(&scene.destination).await?;
        let pid = gate.reached(&scene.destination).await;
        let terminate = format!("SELECT pg_terminate_backend({pid})::int");
        assert_eq!(scene.destination.count(&terminate).await, 1);
        gate.open().await?;
        let loaded = scene.loaded(KEY, &delivery).await?;
        assert_eq!(loaded.attempts, 1, "{loaded:?}");
        Ok(())
    }

    /// Fault 9: what was committed is not committed again, and what was not is.
    #[tokio::test]
    async fn a_commit_whose_answer_gets_lost_counts_once() -> Result<()> {
        // All answers, and of every two commits the first one.
        for (verdict, of_every) in [(Verdict::LoseAnswer, 1), (Verdict::Cut, 2)] {
            let scene = Scene::new(Destination::postgres().await?, "", NO_ATTEMPT_TO_LOSE).await?;
            let delivery = Delivery::new(8, 20_000);
            scene.put(KEY, delivery.csv());
            scene.register(1).await?;
            let commits = Arc::new(AtomicUsize::new(0));
            let count = Arc::clone(&commits);
            let proxy = Proxy::start(&scene.destination.url(), Duration::ZERO, move |question| {
                let is_commit = question.in_chunk && question.is_commit();
                if is_commit
                    && count
                        .fetch_add(1, Ordering::SeqCst)
                        .is_multiple_of(of_every)
                {
                    verdict
                } else {
                    Verdict::Pass
                }
            })?;
            let process = scene.arrivage_with(proxy.url())?;
            let _process = process.start(&["process"])?;
            let loaded = scene.loaded(KEY, &delivery).await?;
            assert_eq!(loaded.attempts, 1, "{verdict:?}: {loaded:?}");
            let lost = commits.load(Ordering::SeqCst) / of_every;
            assert!(lost > 5, "{verdict:?}: {lost}");
        }
        Ok(())
    }

    #[tokio::test]
    async fn a_process_outlives_a_stopped_server_and_says_that_it_is_not_ready() -> Result<()> {
        let cluster = Postgres::cluster().await?;
        let (scene, delivery) = scene(Destination::Postgres(cluster.database().await?)).await?;
        let mut process = scene.arrivage.start(&["process"])?;
        assert_eq!(process.get("/readyz").await?.0, 200);
        scene.wait_for_records(KEY, RECORDS / 3).await;

        cluster.stop().await?;
        assert_eq!(process.get("/readyz").await?.0, 503);
        assert_eq!(process.get("/healthz").await?.0, 200);
        assert_eq!(
            process.process.ended()?,
            None,
            "{}",
            process.process.output()
        );
        cluster.start().await?;
        let ready = async || (process.get("/readyz").await.ok()?.0 == 200).then_some(());
        eventually(Duration::from_secs(30), "readiness", ready).await;
        scene.loaded(KEY, &delivery).await?;
        Ok(())
    }
}
