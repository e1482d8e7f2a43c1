//! Fault 36: behind a pooler in transaction mode no transaction meets the session of the one before.

mod postgres {
    use std::time::Duration;

    use anyhow::Result;
    use arrivage_tests::{Delivery, Destination, Scene};

    use crate::pooler::Pooler;

    const RECORDS: u64 = 20_000;

    /// A scene whose program reaches the database through the pooler.
    async fn scene(setting: &str) -> Result<(Scene, Pooler)> {
        let scene = Scene::new(Destination::postgres().await?, "", "").await?;
        let pooler = Pooler::start(&scene.destination.url()).await?;
        scene.configure_with(pooler.url(), "", "")?;
        let configuration = std::fs::read_to_string(scene.arrivage.path("arrivage.toml"))?;
        let configuration = configuration.replacen("\n\n", &format!("\n{setting}\n"), 1);
        scene.arrivage.file("arrivage.toml", configuration)?;
        Ok((scene, pooler))
    }

    #[tokio::test]
    async fn a_transaction_pooler_may_stand_between() -> Result<()> {
        let (scene, pooler) = scene("pooler = \"transaction\"").await?;
        let delivery = Delivery::new(36, RECORDS);
        for key in ["a", "b", "c"] {
            scene.put_slow(key, delivery.csv(), Duration::from_secs(1));
        }
        scene.register(3).await?;
        // One is killed with a transaction open, and two others load side by side.
        let mut killed = scene.arrivage.start(&["process"])?;
        let first = scene.wait_for_records("a", RECORDS / 3).await;
        killed.process.kill9()?;
        let _others = [
            scene.arrivage.start(&["process"])?,
            scene.arrivage.start(&["process"])?,
        ];
        for key in ["a", "b", "c"] {
            scene.loaded(key, &delivery).await?;
        }
        let id = first.id.to_string();
        let commands: [&[&str]; 4] = [
            &["arrivals"],
            &["rejects", &id],
            &["migrate"],
            &["replay", "--from-start", &id],
        ];
        for command in commands {
            scene.arrivage.run(command).await?.expect(0);
        }
        scene
            .wait("a", "loaded again", |arrival| {
                arrival.state == "loaded" && arrival.fence > first.fence + 2
            })
            .await;
        scene.loaded("a", &delivery).await?;
        assert!(pooler.transactions() > 100, "{}", pooler.transactions());
        let (sessions, left) = pooler.left_behind().await?;
        assert!(sessions > 1, "{sessions} sessions were shared");
        assert_eq!(left, Vec::<String>::new());
        assert_eq!(pooler.refused(), 0);
        Ok(())
    }

    /// Without the setting it asks for what no shared session may have.
    #[tokio::test]
    async fn a_transaction_pooler_refuses_a_program_that_does_not_expect_it() -> Result<()> {
        let (scene, pooler) = scene("").await?;
        let refused = scene.arrivage.run(&["migrate"]).await?;
        refused.expect(2).says("unsupported startup parameter");
        assert!(pooler.refused() > 0);
        Ok(())
    }
}
