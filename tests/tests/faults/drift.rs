//! The table changes while a file is half loaded.

mod postgres {
    use std::time::Duration;

    use anyhow::Result;
    use arrivage_testkit::eventually;
    use arrivage_tests::{Delivery, Destination, Scene};

    const KEY: &str = "orders.csv";
    const RECORDS: u64 = 20_000;

    /// Fault 34, and 35 for a right.
    #[tokio::test]
    async fn a_table_that_changes_in_mid_file_holds_the_pipeline_until_it_is_mended() -> Result<()>
    {
        let table = [
            (
                "ALTER TABLE orders RENAME TO gone",
                "ALTER TABLE gone RENAME TO orders",
                "there is no table",
            ),
            (
                "ALTER TABLE orders RENAME note TO remark",
                "ALTER TABLE orders RENAME remark TO note",
                "note",
            ),
            (
                "REVOKE INSERT ON orders FROM ROLE",
                "GRANT INSERT ON orders TO ROLE",
                "permission denied for table orders",
            ),
        ];
        for (hurt, mend, says) in table {
            check(hurt, mend, says).await?;
        }
        Ok(())
    }

    async fn check(hurt: &str, mend: &str, says: &str) -> Result<()> {
        let scene = Scene::new(Destination::postgres().await?, "", "max_attempts = 1").await?;
        let to = &scene.destination;
        let role = format!("{}_role", to.sql("SELECT current_database()").await?);
        to.sql(&format!(
            "CREATE ROLE {role} LOGIN;
             DO $$ BEGIN
               EXECUTE format('GRANT CREATE ON DATABASE %I TO {role}', current_database());
             END $$;
             CREATE TABLE orders (order_id bigint, customer text, amount numeric(12,2),
               ordered_on date, note text, _arrival_id bigint, _record bigint);
             GRANT INSERT, SELECT ON orders TO {role}"
        ))
        .await?;
        let url = to.url().replace("postgres@", &format!("{role}@"));
        scene.configure_with(&url, "", "max_attempts = 1")?;
        let delivery = Delivery::new(8, RECORDS);
        scene.put_slow(KEY, delivery.csv(), Duration::from_secs(2));
        scene.register(1).await?;
        let mut process = scene.arrivage.start(&["process"])?;
        scene.wait_for_records(KEY, RECORDS / 3).await;
        to.sql(&hurt.replace("ROLE", &role)).await?;
        let held = scene
            .wait(KEY, "waiting", |arrival| arrival.state == "waiting")
            .await;
        assert!(held.error.contains(says), "{hurt}: {held:?}");
        assert!(held.checkpoint_records >= RECORDS / 3, "{hurt}: {held:?}");
        let paused = "SELECT count(*) FROM arrivage.pipeline WHERE paused_reason IS NOT NULL";
        eventually(Duration::from_secs(10), "a paused pipeline", async || {
            (to.count(paused).await == 1).then_some(())
        })
        .await;
        assert_eq!(process.process.ended()?, None, "{hurt}");

        to.sql(&mend.replace("ROLE", &role)).await?;
        let loaded = scene.loaded(KEY, &delivery).await?;
        assert_eq!(loaded.attempts, 2, "{hurt}: {loaded:?}");
        drop(process);
        to.sql(&format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}"))
            .await?;
        Ok(())
    }
}
