//! The lease is not renewed, and the load that it is for goes on all the same.

mod postgres {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use anyhow::Result;
    use arrivage_testkit::{Proxy, Verdict, eventually};
    use arrivage_tests::{Delivery, Destination, Scene};

    const KEY: &str = "orders.csv";
    const SOON: Duration = Duration::from_secs(30);

    /// Longer than the lease: its end is loaded by two processes, of which one may.
    const PACE: Duration = Duration::from_secs(5);

    /// Faults 19 and 20. Nobody is frozen and no connection is cut, so it is the fence of each chunk
    /// alone that keeps the first process from committing another one.
    #[tokio::test]
    async fn who_cannot_renew_commits_nothing_once_another_has_claimed() -> Result<()> {
        let scene = Scene::new(Destination::postgres().await?, "", "").await?;
        let delivery = Delivery::new(9, 30_000);
        scene.put_slow(KEY, delivery.csv(), PACE);
        scene.register(1).await?;
        let lost = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&lost);
        let proxy = Proxy::start(&scene.destination.url(), Duration::ZERO, move |question| {
            if !question.says("ledger::renew") {
                return Verdict::Pass;
            }
            count.fetch_add(1, Ordering::SeqCst);
            Verdict::FallSilent
        })?;
        let first = scene.arrivage_with(proxy.url())?;
        let first = first.start(&["process"])?;
        scene.wait_for_records(KEY, 1).await;
        assert!(lost.load(Ordering::SeqCst) > 0);
        let _second = scene.arrivage.start(&["process"])?;

        eventually(SOON, "the first process to be fenced", async || {
            let output = first.process.output();
            output.contains("another process has it now").then_some(())
        })
        .await;
        let loaded = scene.loaded(KEY, &delivery).await?;
        assert_eq!((loaded.attempts, loaded.fence), (2, 2), "{loaded:?}");
        Ok(())
    }

    /// Of a lease that is over because all is loaded, the renewal hears before the load does.
    #[tokio::test]
    async fn what_is_loaded_is_not_taken_for_another_ones_while_the_answer_is_on_its_way()
    -> Result<()> {
        const A_LEASE: Duration = Duration::from_secs(3);

        let scene = Scene::new(Destination::postgres().await?, "", "").await?;
        let delivery = Delivery::new(9, 100);
        scene.put(KEY, delivery.csv());
        scene.register(1).await?;
        let held =
            |question: arrivage_testkit::Question<'_>| question.in_chunk && question.is_commit();
        let proxy =
            Proxy::start(
                &scene.destination.url(),
                Duration::ZERO,
                move |question| match held(question) {
                    true => Verdict::HoldAnswer(A_LEASE),
                    false => Verdict::Pass,
                },
            )?;
        let process = scene.arrivage_with(proxy.url())?;
        process.run(&["process", "--until-empty"]).await?.expect(0);
        let loaded = scene.loaded(KEY, &delivery).await?;
        assert_eq!(loaded.attempts, 1, "{loaded:?}");
        Ok(())
    }
}
