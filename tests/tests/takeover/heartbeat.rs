//! The lease is not renewed, and the load that it is for goes on all the same.

mod postgres {
    use std::time::Duration;

    use anyhow::Result;
    use arrivage_testkit::eventually;
    use arrivage_tests::{Delivery, Destination, Scene};

    use crate::proxy::{Loses, Proxy};

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
        let proxy = Proxy::start(&scene.destination.url(), Loses::Renewals).await?;
        let first = scene.arrivage_with(proxy.url())?;
        let first = first.start(&["process"])?;
        scene.wait_for_records(KEY, 1).await;
        assert!(proxy.lost() > 0);
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
}
