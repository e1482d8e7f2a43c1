//! Fault 37: a database that takes its time.

mod postgres {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use anyhow::Result;
    use arrivage_testkit::{Content, eventually};
    use arrivage_tests::{Destination, Scene};

    const KEY: &str = "orders.csv";
    const PIPELINE: &str = "max_attempts = 1\nformat.header = false";
    const MIB: u64 = 1 << 20;
    const SIZE: u64 = 64 * MIB;
    const LINE: &[u8; 32] = b"12345678,someone,12.34,2026-01-0";

    /// The object is 64 MiB, of which the process reads no more than it can load.
    #[tokio::test]
    async fn a_slow_database_holds_up_the_reading_and_keeps_its_lease() -> Result<()> {
        let scene = Scene::new(Destination::postgres().await?, "", PIPELINE).await?;
        let sent = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&sent);
        let content = Content::generated(SIZE, move |offset| {
            seen.fetch_max(offset, Ordering::SeqCst);
            // Of lines of 40 bytes, 1024 at a time.
            let line = [LINE, b"1,note\r\n".as_slice()].concat();
            let begin = usize::try_from(offset % 40).expect("a small number");
            line.repeat(1024).split_off(begin).into()
        });
        scene.server.put("drop", KEY, content);
        scene.register(1).await?;
        scene
            .destination
            .sql(
                "CREATE TABLE orders (order_id bigint, customer text, amount numeric(12,2),
                   ordered_on date, note text, _arrival_id bigint, _record bigint);
                 CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$
                 BEGIN PERFORM pg_sleep(0.3); RETURN NULL; END $$;
                 CREATE TRIGGER t BEFORE INSERT ON orders EXECUTE FUNCTION dawdle()",
            )
            .await?;
        // The server has gone over it for its ETag.
        sent.store(0, Ordering::SeqCst);
        let process = scene.arrivage.start(&["process"])?;
        let arrival = scene.wait_for_records(KEY, 1).await;
        let after_one = resident(process.process.id())?;
        // Longer than two leases.
        let query = "SELECT count(*) FROM arrivage.arrivals \
            WHERE clock_timestamp() > started_at + interval '7 seconds'";
        eventually(
            std::time::Duration::from_secs(30),
            "some time",
            async || (scene.destination.count(query).await == 1).then_some(()),
        )
        .await;
        let now = scene.arrival(KEY).await?.expect("it is registered");
        assert_eq!(
            (now.state.as_str(), now.attempts, now.fence),
            ("loading", 1, arrival.fence)
        );
        assert!(
            now.checkpoint_records > arrival.checkpoint_records,
            "{now:?}"
        );
        let ahead = sent.load(Ordering::SeqCst) - now.checkpoint_offset;
        assert!(ahead < 24 * MIB, "{ahead} bytes were read ahead");
        let grown = resident(process.process.id())?.saturating_sub(after_one);
        assert!(grown < 8 * 1024, "it grew by {grown} KiB");
        Ok(())
    }

    /// In KiB.
    fn resident(process: u32) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().nth(1));
        Ok(kib.unwrap_or_default().parse()?)
    }
}
