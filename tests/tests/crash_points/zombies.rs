//! A lease is renewed while its load moves, and no longer.

use std::time::Duration;

use anyhow::{Result, ensure};
use arrivage_testkit::Fault;
use arrivage_tests::{Delivery, Scene};

use crate::strike::{Kind, each, on_each};

const KEY: &str = "orders.csv";

on_each! { a_load_that_does_not_move_is_let_go_after_stall }

/// Its lease would be renewed for ever; the attempt counts.
async fn a_load_that_does_not_move_is_let_go_after_stall(kind: Kind) {
    each([kind], |kind| async move {
        let stall = "lease = \"10m\"\nstall = \"1s\"";
        let scene = Scene::new(kind.destination().await?, stall, "max_attempts = 1").await?;
        scene.put(KEY, Delivery::new(20, 100).csv());
        scene.on_read(KEY, || Some(Fault::Hang));
        let load = scene.arrivage.run(&["load", "s3://drop/orders.csv"]);
        load.await?.expect(3).says("came for 1s");
        let failed = scene.arrival(KEY).await?.expect("it is registered");
        let how = (failed.state.as_str(), failed.error_code.as_str());
        ensure!(how == ("failed", "attempts_used_up"), "{failed:?}");
        Ok(())
    })
    .await;
}

mod postgres {
    use arrivage_testkit::eventually;
    use arrivage_tests::Destination;
    use sqlx::{Connection, Executor, PgConnection};

    use super::*;

    /// Nobody comes to the table for longer than a lease: every connection that loads waits.
    #[tokio::test]
    async fn a_lease_is_renewed_while_every_load_waits_for_the_table() -> Result<()> {
        let scene = Scene::new(Destination::postgres().await?, "", "").await?;
        let delivery = Delivery::new(21, 4_000);
        scene.put(KEY, delivery.csv());
        scene.register(1).await?;
        let empty = "CREATE TABLE orders (_arrival_id bigint, _record bigint, order_id bigint, \
            customer text, amount numeric(12,2), ordered_on date, note text)";
        scene.destination.sql(empty).await?;
        let mut locker = PgConnection::connect(&scene.destination.url()).await?;
        locker
            .execute("BEGIN; LOCK TABLE orders IN EXCLUSIVE MODE")
            .await?;

        let _process = scene.arrivage.start(&["process"])?;
        scene.wait(KEY, "claimed", |arrival| arrival.leased).await;
        // The lease is of three seconds.
        let renewed = "SELECT count(*) FROM arrivage.arrivals \
            WHERE lease_until > started_at + interval '7 seconds'";
        eventually(Duration::from_secs(30), "renewals", async || {
            (scene.destination.count(renewed).await == 1).then_some(())
        })
        .await;
        locker.execute("COMMIT").await?;
        let loaded = scene.loaded(KEY, &delivery).await?;
        ensure!((loaded.attempts, loaded.fence) == (1, 1), "{loaded:?}");
        Ok(())
    }
}
