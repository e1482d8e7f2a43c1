//! `pause` and `resume` by a person.

use std::time::Duration;

use anyhow::Result;
use arrivage_tests::{Delivery, Destination, Scene, on_both};

use crate::items::{THREE, create_items, items, rows};

on_both!(
    a_person_pauses_and_only_a_person_resumes,
    a_paused_table_is_quiet_at_once_and_nothing_is_lost,
);

async fn a_person_pauses_and_only_a_person_resumes(to: Destination) -> Result<()> {
    let arrivage = items(&to, "")?;
    arrivage.run(&["migrate"]).await?.expect(0);
    arrivage
        .run(&["pause", "itmes"])
        .await?
        .expect(2)
        .says("did you mean items?");
    // Before its first start, and before its table is there.
    let paused = arrivage
        .run(&["pause", "items", "--reason", "moving house", "--json"])
        .await?
        .expect(0);
    let row = &paused.json()[0];
    assert_eq!(row["result"], "paused");
    assert_eq!(row["reason"], "moving house");
    create_items(&to).await?;
    arrivage.file("in/a.csv", THREE)?;
    for command in [
        &["load", "in/a.csv"][..],
        &["process", "--until-empty"],
        &["process", "--one", "--owner", "job"],
        &["check"],
    ] {
        let held = arrivage.run(command).await?.expect(2);
        let held = held.says("pipeline items is paused: moving house");
        // Its table is there; that is nobody's leave to go on.
        assert!(!held.stderr.contains("goes on"), "{held}");
        held.says("arrivage resume items");
    }
    assert_eq!(
        to.sql("SELECT waiting, outstanding FROM arrivage.backlog")
            .await?,
        "0|0"
    );
    let arrivals = arrivage.run(&["arrivals"]).await?.expect(0);
    arrivals.says("waiting").says("paused: moving house");
    let shown = arrivage.run(&["show", "1"]).await?.expect(0);
    shown.says("pipeline items is paused: moving house");
    // Said again, it keeps its reason.
    arrivage
        .run(&["pause", "items"])
        .await?
        .expect(0)
        .says("moving house");

    arrivage
        .run(&["resume", "items"])
        .await?
        .expect(0)
        .says("it was paused: moving house");
    arrivage
        .run(&["resume", "items"])
        .await?
        .expect(0)
        .says("is not paused");
    arrivage.run(&["process", "--until-empty"]).await?.expect(0);
    assert_eq!(rows(&to).await?, "1|one\n2|two\n3|three");
    Ok(())
}

const KEY: &str = "orders.csv";
const RECORDS: u64 = 60_000;

async fn a_paused_table_is_quiet_at_once_and_nothing_is_lost(to: Destination) -> Result<()> {
    let delivery = Delivery::new(3, RECORDS);
    let scene = Scene::new(to, "", "max_attempts = 1").await?;
    scene.put_slow(KEY, delivery.csv(), Duration::from_millis(1500));
    scene.register(1).await?;
    let _processor = scene.arrivage.start(&["process"])?;
    scene.wait_for_records(KEY, RECORDS / 10).await;

    let paused = scene.arrivage.run(&["pause", "orders", "--json"]).await?;
    let paused = paused.expect(0);
    let held = scene.arrival(KEY).await?.expect("it is registered");
    assert_eq!(paused.json()[0]["taken_back"], serde_json::json!([held.id]));
    assert!(held.state == "waiting" && !held.leased, "{held:?}");
    assert!(held.checkpoint_records < RECORDS, "{held:?}");
    // Nobody holds a lock on it, or a row that would still commit.
    let columns = "SELECT count(*) FROM orders";
    let count = scene.destination.count(columns).await;
    let loaded = "SELECT records_loaded FROM arrivage.arrivals";
    assert_eq!(count, scene.destination.count(loaded).await, "{held:?}");
    let statement = match &scene.destination {
        Destination::Postgres(_) => {
            "SET lock_timeout = '2s'; ALTER TABLE orders ADD COLUMN remark text"
        }
        Destination::Sqlite(_) => "ALTER TABLE orders ADD COLUMN remark text",
    };
    scene.destination.sql(statement).await?;
    assert_eq!(scene.destination.count(columns).await, count);

    scene.arrivage.run(&["resume", "orders"]).await?.expect(0);
    let loaded = scene.loaded(KEY, &delivery).await?;
    assert!(loaded.fence > held.fence, "{loaded:?}");
    Ok(())
}
