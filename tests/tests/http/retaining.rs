use anyhow::Result;
use arrivage_tests::{Destination, on_both};
use serde_json::{Value, json};

use crate::world::World;

on_both!(who_asks_for_rejects_is_told_that_they_were_removed,);

async fn who_asks_for_rejects_is_told_that_they_were_removed(to: Destination) -> Result<()> {
    let world = World::new(to).await?;
    world.put("items/a.csv", "id,name\none,1\ntwo,2\n3,three\n");
    let client = world.start("watch").await?;
    let order = json!({"url": "s3://drop/items/a.csv"});
    client.post("/v1/loads", "", &order, 202).await?;
    let work = ["process", "--until-empty"];
    world.arrivage.run(&work).await?.expect(0);
    let loaded = client.get("/v1/arrivals/1", 200).await?;
    let there = client.get("/v1/arrivals/1/rejects", 200).await?;
    assert_eq!(there["items"].as_array().map(Vec::len), Some(2), "{there}");
    assert_eq!(there.get("removed"), None, "{there}");

    world
        .to
        .sql("UPDATE arrivage.arrival SET finished_at = '2026-01-02T03:04:05.678Z'")
        .await?;
    let file = std::fs::read_to_string(world.arrivage.path("arrivage.toml"))?;
    let retention = "[database]\nretention = \"30d\"\n";
    world
        .arrivage
        .file("arrivage.toml", file.replace("[database]\n", retention))?;
    world.arrivage.run(&work).await?.expect(0);

    let gone = client.get("/v1/arrivals/1/rejects", 200).await?;
    assert_eq!((&gone["items"], &gone["next"]), (&json!([]), &Value::Null));
    let says = gone["removed"].as_str().unwrap_or_default();
    let words = "its 2 rejects were removed on 20";
    assert!(says.starts_with(words), "{gone}");
    let next = client.get("/v1/arrivals/1/rejects?after=1", 200).await?;
    assert_eq!(next.get("removed"), None, "{next}");
    // All that is known of the arrival stays.
    let arrival = client.get("/v1/arrivals/1", 200).await?;
    for column in ["state", "records_loaded", "records_rejected", "etag"] {
        assert_eq!(arrival[column], loaded[column], "{column}");
    }
    Ok(())
}
