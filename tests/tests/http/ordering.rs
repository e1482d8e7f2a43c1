use anyhow::Result;
use arrivage_testkit::eventually;
use arrivage_tests::{Destination, on_both};
use serde_json::{Value, json};

use crate::world::{SOON, World};

on_both!(
    a_scheduler_orders_a_load_and_follows_it,
    a_pipeline_is_ordered_with_parameters,
    an_order_that_names_nothing_of_ours_is_refused,
    a_failed_arrival_goes_on_when_it_is_replayed,
    a_reconciliation_finds_what_no_notification_told_of,
);

async fn a_scheduler_orders_a_load_and_follows_it(to: Destination) -> Result<()> {
    let world = World::new(to).await?;
    world.put("items/a.csv", "id,name\n1,one\ntwo,two\n3,three\n");
    world.arrivage.file("inbox/f.csv", "id,name\n9,nine\n")?;
    let client = world.start("run").await?;
    let order = json!({"url": "s3://drop/items/a.csv"});
    let key = "\nIdempotency-Key: 2026-11-22/a";
    let first = client.post("/v1/loads", key, &order, 202).await?;
    let id = &first["arrivals"][0]["id"];
    let loaded = client.follow(id, "loaded").await;
    assert_eq!(loaded["records_loaded"], 2, "{loaded}");
    assert_eq!(loaded["bytes_read"], loaded["size"], "{loaded}");
    let rejects = client
        .get(&format!("/v1/arrivals/{id}/rejects"), 200)
        .await?;
    assert_eq!(
        rejects["items"][0]["reason_code"], "not_a_number",
        "{rejects}"
    );
    assert_eq!(rejects["items"][0]["raw"], "two,two", "{rejects}");
    assert_eq!(rejects["next"], Value::Null);

    // Said again, under its key or without, it is the same arrival, and nothing is loaded twice.
    for key in [key, ""] {
        let again = client.post("/v1/loads", key, &order, 202).await?;
        assert_eq!(again["arrivals"][0]["id"], *id);
        assert_eq!(again["arrivals"][0]["state"], "loaded");
    }
    // A new content is a new arrival, but under the old key.
    world.put("items/a.csv", "id,name\n4,four\n");
    let same = client.post("/v1/loads", key, &order, 202).await?;
    assert_eq!(same["arrivals"][0]["id"], *id);
    let new = client.post("/v1/loads", "", &order, 202).await?;
    assert_ne!(new["arrivals"][0]["id"], *id);
    client.follow(&new["arrivals"][0]["id"], "loaded").await;

    let order = json!({"url": "folder://inbox/f.csv"});
    let folder = client.post("/v1/loads", "", &order, 202).await?;
    client.follow(&folder["arrivals"][0]["id"], "loaded").await;
    let rows = world.to.sql("SELECT id FROM items ORDER BY id").await?;
    assert_eq!(rows, "1\n3\n4\n9");

    // A prefix; another process answers the same to the same key.
    world.put("others/x.csv", "id,name\n1,x\n");
    world.put("others/deep/y.csv", "id,name\n2,y\n");
    let order = json!({"url": "s3://drop/others/", "recursive": true, "pipeline": "items"});
    let key = "\nIdempotency-Key: prefix";
    let both = client.post("/v1/loads", key, &order, 202).await?;
    assert_eq!(both["arrivals"].as_array().map(Vec::len), Some(2), "{both}");
    for arrival in both["arrivals"].as_array().into_iter().flatten() {
        assert_eq!(arrival["pipeline"], "items");
        client.follow(&arrival["id"], "loaded").await;
    }
    world.put("others/z.csv", "id,name\n3,z\n");
    let other = world.start("watch").await?;
    let same = other.post("/v1/loads", key, &order, 202).await?;
    assert_eq!(same["arrivals"].as_array().map(Vec::len), Some(2), "{same}");
    let changed = json!({"url": "s3://drop/others/", "recursive": true});
    other.post("/v1/loads", key, &changed, 422).await?;
    Ok(())
}

async fn a_pipeline_is_ordered_with_parameters(to: Destination) -> Result<()> {
    let world = World::new(to).await?;
    for (key, id) in [
        ("days/2026-11-22/paris.csv", 1),
        ("days/2026-11-22/lyon.csv", 2),
        ("days/2026-11-22/lyon.csv.part", 3),
        ("days/2026-11-22/deep/lyon.csv", 4),
        ("days/2026-11-23/paris.csv", 5),
    ] {
        world.put(key, &format!("id,name\n{id},x\n"));
    }
    world
        .arrivage
        .file("inbox/2026-11-22-a.txt", "id,name\n6,x\n")?;
    world
        .arrivage
        .file("inbox/2026-11-23-a.txt", "id,name\n7,x\n")?;
    let client = world.start("run").await?;
    let order = async |parameters: Value| -> Result<Vec<String>> {
        let order = json!({"pipeline": "others", "parameters": parameters});
        let answer = client.post("/v1/loads", "", &order, 202).await?;
        let arrivals = answer["arrivals"].as_array().into_iter().flatten();
        let mut keys = Vec::new();
        for arrival in arrivals {
            let loaded = client.follow(&arrival["id"], "loaded").await;
            keys.push(loaded["key"].as_str().unwrap_or_default().to_owned());
        }
        keys.sort();
        Ok(keys)
    };
    let one = order(json!({"day": "2026-11-23", "shop": "paris"})).await?;
    assert_eq!(one, ["days/2026-11-23/paris.csv"]);
    let shop = order(json!({"shop": "paris"})).await?;
    assert_eq!(
        shop,
        ["days/2026-11-22/paris.csv", "days/2026-11-23/paris.csv"]
    );
    let day = order(json!({"day": "2026-11-22"})).await?;
    let expect = [
        "2026-11-22-a.txt",
        "days/2026-11-22/lyon.csv",
        "days/2026-11-22/paris.csv",
    ];
    assert_eq!(day, expect);
    // Said again, it is the same arrivals.
    assert_eq!(order(json!({"day": "2026-11-22"})).await?, expect);
    let rows = world.to.sql("SELECT id FROM others ORDER BY id").await?;
    assert_eq!(rows, "1\n2\n5\n6");

    for (parameters, words) in [
        (json!({"day": "2026-11-24"}), "has no such object"),
        (json!({"date": "2026-11-22"}), "it has: day, shop"),
        (json!({"day": "../22"}), "without a /"),
    ] {
        let order = json!({"pipeline": "others", "parameters": parameters});
        let problem = client.post("/v1/loads", "", &order, 422).await?;
        let detail = problem["detail"].as_str().unwrap_or_default();
        anyhow::ensure!(detail.contains(words), "{order}: {problem}");
    }
    Ok(())
}

async fn an_order_that_names_nothing_of_ours_is_refused(to: Destination) -> Result<()> {
    let world = World::new(to).await?;
    world.put("items/a.csv", "id,name\n1,one\n");
    world.put("nobodys.csv", "id,name\n");
    world.arrivage.file("secret.csv", "id,name\n")?;
    let client = world.start("watch").await?;
    let check = async |order: Value, words: &str| -> Result<()> {
        let problem = client.post("/v1/loads", "", &order, 422).await?;
        let detail = problem["detail"].as_str().unwrap_or_default();
        anyhow::ensure!(detail.contains(words), "{order}: {problem}");
        Ok(())
    };
    let secret = world.arrivage.path("secret.csv").display().to_string();
    let no_bucket = "no pipeline or listing source names the bucket";
    check(json!({"url": "s3://elsewhere/items/a.csv"}), no_bucket).await?;
    check(json!({"url": "s3://169.254.169.254/latest"}), no_bucket).await?;
    check(json!({"url": "s3://drop/items/none.csv"}), "is not there").await?;
    check(
        json!({"url": "s3://drop/nobodys.csv"}),
        "no pipeline matches",
    )
    .await?;
    check(json!({"url": "s3://drop/items/"}), "recursive").await?;
    check(
        json!({"url": "s3://drop/none/", "recursive": true}),
        "holds no object",
    )
    .await?;
    check(json!({"url": "https://drop/items/a.csv"}), "is no object").await?;
    check(json!({"url": "inbox/f.csv"}), "is no object").await?;
    check(
        json!({"url": secret}),
        "no folder source is named \"local\"",
    )
    .await?;
    check(
        json!({"url": "folder://local/etc/passwd"}),
        "no folder source",
    )
    .await?;
    check(json!({"url": "folder://inbox/../secret.csv"}), "").await?;
    let pipeline = json!({"url": "s3://drop/items/a.csv", "pipeline": "item"});
    check(pipeline, "there is no pipeline item, did you mean items?").await?;
    let asked = world.s3.requests();
    let ours = asked.iter().all(|request| request.bucket == "drop");
    assert!(ours, "{asked:?}");
    assert_eq!(
        world
            .to
            .count("SELECT count(*) FROM arrivage.arrivals")
            .await,
        0
    );

    for place in ["s3://elsewhere/", "folder://local/etc/", "/etc", "outbox"] {
        let order = json!({ "url": place });
        client.post("/v1/reconciliations", "", &order, 422).await?;
    }
    Ok(())
}

async fn a_failed_arrival_goes_on_when_it_is_replayed(to: Destination) -> Result<()> {
    let world = World::new(to).await?;
    world.put("items/a.csv", "id,name\n1,one\n");
    let client = world.start("run").await?;
    let order = json!({"url": "s3://drop/items/a.csv"});
    let loads = client.post("/v1/loads", "", &order, 202).await?;
    let id = loads["arrivals"][0]["id"].clone();
    client.follow(&id, "loaded").await;
    let path = format!("/v1/arrivals/{id}/replay");
    let skipped = client.post(&path, "", &json!({}), 202).await?;
    assert_eq!(skipped["state"], "loaded");
    client
        .post(&path, "", &json!({"from_start": true}), 202)
        .await?;
    let twice = "SELECT state, attempts, records_loaded FROM arrivage.arrivals";
    world.until(twice, "loaded|2|1").await;
    assert_eq!(world.to.sql("SELECT id FROM items").await?, "1");

    // Loaded elsewhere into a table that cannot tell its rows.
    world
        .to
        .sql("CREATE TABLE others (id bigint, name text)")
        .await?;
    world.put("others/b.csv", "id,name\n1,one\n");
    let order = json!({"url": "s3://drop/others/b.csv"});
    let loads = client.post("/v1/loads", "", &order, 202).await?;
    let id = loads["arrivals"][0]["id"].clone();
    client.follow(&id, "loaded").await;
    let path = format!("/v1/arrivals/{id}/replay");
    let problem = client
        .post(&path, "", &json!({"from_start": true}), 422)
        .await?;
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("cannot be told from others"), "{problem}");
    client
        .post("/v1/arrivals/4711/replay", "", &json!({}), 404)
        .await?;
    Ok(())
}

async fn a_reconciliation_finds_what_no_notification_told_of(to: Destination) -> Result<()> {
    let world = World::new(to).await?;
    for n in 0..3 {
        world.put(&format!("items/{n}.csv"), &format!("id,name\n{n},x\n"));
    }
    world.arrivage.file("inbox/f.csv", "id,name\n9,nine\n")?;
    let client = world.start("run").await?;
    let order = json!({"url": "s3://drop/items/"});
    let begun = client.post("/v1/reconciliations", "", &order, 202).await?;
    assert_eq!(begun, json!({"places": ["s3://drop/items/"]}));
    world.until("SELECT count(*) FROM items", "3").await;
    // Once it has ended, the next one may begin.
    eventually(SOON, "the next reconciliation", async || {
        let begun = client.post("/v1/reconciliations", "", &order, 202);
        begun.await.ok()
    })
    .await;
    let arrivals = "SELECT count(*), sum(attempts) FROM arrivage.arrivals";
    world.until(arrivals, "3|3").await;
    Ok(())
}
