//! What stands beside an object decides when it counts, and whether it is whole.

use std::fs;
use std::time::Duration;

use anyhow::Result;
use arrivage_testkit::eventually;
use arrivage_tests::{Destination, Scene, on_both};

use crate::world::{World, items};

on_both!(
    a_file_waits_for_its_sidecar_and_uses_no_attempt,
    a_sidecar_may_come_first,
    a_checksum_tells_a_cut_file,
    a_checksum_is_of_all_bytes_also_after_a_resume,
    a_manifest_tells_how_many_records_there_are,
    a_sidecar_that_stays_away_fails_its_file,
    an_object_waits_for_its_sidecar_in_a_bucket,
    a_job_passes_by_what_waits_for_a_sidecar,
);

const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until the only arrival is as `wanted` says.
async fn until(world: &World, what: &str, wanted: &str) {
    eventually(PATIENCE, what, async || {
        world.arrival().await.contains(wanted).then_some(())
    })
    .await;
}

async fn a_file_waits_for_its_sidecar_and_uses_no_attempt(to: Destination) -> Result<()> {
    let world = World::new(to, "complete.sidecar = \"{name}.done\"").await?;
    world.arrivage.file("in/a.csv", items(3, "", ""))?;
    let _running = world.arrivage.start(&["run"])?;
    until(&world, "the file to wait", "a.csv|waiting|0||it waits for ").await;
    let show = world.arrivage.run(&["show", "1"]).await?;
    show.expect(0)
        .says("it waits for folder://inbox/a.csv.done");
    assert_eq!(world.rows().await, 0);

    // So that nothing but the sidecar's own coming makes it due.
    let never = "UPDATE arrivage.arrival SET due_at = '2100-01-01T00:00:00.000Z'";
    world.to.sql(never).await?;
    world.arrivage.file("in/a.csv.done", "")?;
    until(&world, "the file to be loaded", "a.csv|loaded|1||").await;
    assert_eq!(world.rows().await, 3);
    let ignored = "SELECT count(*) FROM arrivage.ignored";
    assert_eq!(world.to.count(ignored).await, 0);
    Ok(())
}

async fn a_sidecar_may_come_first(to: Destination) -> Result<()> {
    let world = World::new(to, "complete.sidecar = \"{stem}.ok\"").await?;
    world.arrivage.file("in/a.ok", "")?;
    let _running = world.arrivage.start(&["run"])?;
    world.arrivage.file("in/a.csv", items(3, "", ""))?;
    until(&world, "the file to be loaded", "a.csv|loaded|1||").await;
    Ok(())
}

async fn a_checksum_tells_a_cut_file(to: Destination) -> Result<()> {
    let world = World::new(to, "complete.sidecar = \"{name}.sha256\"\natomic = true").await?;
    let whole = items(3, "", "");
    for (name, tool) in [("a.csv", "sha256sum"), ("b.csv", "md5sum")] {
        let ending = tool.trim_end_matches("sum");
        world.configure(&format!(
            "complete.sidecar = \"{{name}}.{ending}\"\natomic = true"
        ))?;
        world.arrivage.file(&format!("in/{name}"), &whole)?;
        world.sum(tool, name, &format!("{name}.{ending}"))?;
        let (ended, arrival) = world.load(name).await?;
        ended.expect(0);
        assert_eq!(arrival["state"], "loaded");

        // The same name again, cut between two records.
        let cut = &whole[..whole.trim_end().rfind('\n').unwrap_or(0) + 1];
        world.arrivage.file(&format!("in/{name}"), cut)?;
        let (ended, arrival) = world.load(name).await?;
        ended.expect(3).says(&format!("{name}.{ending} states"));
        assert_eq!(arrival["error_code"], "incomplete");
        assert_eq!(arrival["records_loaded"], 0);
    }
    assert_eq!(world.rows().await, 6);
    Ok(())
}

async fn a_checksum_is_of_all_bytes_also_after_a_resume(to: Destination) -> Result<()> {
    let sidecar = "complete.sidecar = \"{name}.sha256\"\n";
    let world = World::new(to, &format!("{sidecar}rejects.max_rows = 0")).await?;
    let text = items(60_000, "x,1.00\n", "");
    for (name, ends_as) in [("good.csv", "loaded"), ("bad.csv", "failed")] {
        world.arrivage.file(&format!("in/{name}"), &text)?;
        world.sum("sha256sum", name, &format!("{name}.sha256"))?;
        if ends_as == "failed" {
            // Cut by one byte at its end, so that all before is as it was.
            world
                .arrivage
                .file(&format!("in/{name}"), &text[..text.len() - 2])?;
        }
        world.configure(&format!("{sidecar}rejects.max_rows = 0"))?;
        let (ended, half) = world.load(name).await?;
        ended.expect(3).says("rejects.max_rows is 0");
        let begun = half["checkpoint_records"].as_u64().unwrap_or_default();
        assert!((1..60_000).contains(&begun), "{half}");

        world.configure(sidecar)?;
        let id = half["id"].to_string();
        world.arrivage.run(&["replay", &id]).await?.expect(0);
        let ended = world.arrivage.run(&["process", "--arrival", &id]).await?;
        let state = format!("SELECT state, error_code FROM arrivage.arrivals WHERE id = {id}");
        let (code, expect) = match ends_as {
            "loaded" => (0, "loaded|".to_owned()),
            _ => (3, "failed|incomplete".to_owned()),
        };
        ended.expect(code);
        assert_eq!(world.to.sql(&state).await?, expect);
        let records =
            format!("SELECT count(*) - count(DISTINCT id) FROM items WHERE _arrival_id = {id}");
        assert_eq!(world.to.count(&records).await, 0, "no row twice");
    }
    Ok(())
}

async fn a_manifest_tells_how_many_records_there_are(to: Destination) -> Result<()> {
    let complete = "complete = { sidecar = \"MANIFEST\", holds = \"manifest\" }\natomic = true";
    let world = World::new(to, complete).await?;
    world
        .arrivage
        .file("in/MANIFEST", "name;records\na.csv;4\nb.csv;4\n")?;
    world.arrivage.file("in/a.csv", items(3, "x,1\n", ""))?;
    world.arrivage.file("in/b.csv", items(3, "", ""))?;
    let (ended, arrival) = world.load("a.csv").await?;
    ended.expect(0);
    assert_eq!(
        (&arrival["records_loaded"], &arrival["records_rejected"]),
        (&3.into(), &1.into())
    );
    let (ended, arrival) = world.load("b.csv").await?;
    ended
        .expect(3)
        .says("it has 3 records, and folder://inbox/MANIFEST says 4");
    assert_eq!(arrival["error_code"], "incomplete");
    assert_eq!(world.rows().await, 3);
    Ok(())
}

async fn a_sidecar_that_stays_away_fails_its_file(to: Destination) -> Result<()> {
    let complete = "complete = { sidecar = \"{name}.done\", within = \"1s\" }";
    let world = World::new(to, complete).await?;
    world.arrivage.file("in/a.csv", items(3, "", ""))?;
    let (ended, arrival) = world.load("a.csv").await?;
    ended
        .expect(3)
        .says("it waited in vain for folder://inbox/a.csv.done");
    assert_eq!(arrival["error_code"], "incomplete");
    assert_eq!(arrival["attempts"], 0);

    fs::write(world.arrivage.path("in/a.csv.done"), "")?;
    world.arrivage.run(&["replay", "1"]).await?.expect(0);
    let done = world.arrivage.run(&["process", "--until-empty"]).await?;
    done.expect(0);
    assert_eq!(world.rows().await, 3);
    Ok(())
}

async fn an_object_waits_for_its_sidecar_in_a_bucket(to: Destination) -> Result<()> {
    let complete = "complete = { sidecar = \"{name}.md5\" }";
    let scene = Scene::new(to, "", complete).await?;
    scene.put(
        "in/a.csv",
        b"order_id,customer,amount,ordered_on,note\n1,,,,\n",
    );
    // Its digest comes later: until then it says nothing.
    scene.put("in/a.csv.md5", b"");
    let _running = scene.arrivage.start(&["run"])?;
    let waiting = |arrival: &arrivage_tests::Arrival| {
        arrival.state == "waiting" && arrival.error.contains("says nothing of a.csv yet")
    };
    scene.wait("in/a.csv", "waiting", waiting).await;
    scene.put("in/a.csv.md5", b"f45ce0c2a4ccdd02ec84bbb80a1d7b10  a.csv\n");
    let failed = scene
        .wait("in/a.csv", "failed", |arrival| arrival.state == "failed")
        .await;
    assert_eq!(failed.error_code, "incomplete", "{failed:?}");
    let arrivals = scene
        .destination
        .count("SELECT count(*) FROM arrivage.arrivals");
    assert_eq!(arrivals.await, 1);
    Ok(())
}

async fn a_job_passes_by_what_waits_for_a_sidecar(to: Destination) -> Result<()> {
    let world = World::new(to, "complete.sidecar = \"{name}.done\"").await?;
    for name in ["a.csv", "b.csv", "b.csv.done"] {
        world
            .arrivage
            .file(&format!("in/{name}"), items(3, "", ""))?;
    }
    world.arrivage.run(&["migrate"]).await?.expect(0);
    eventually(PATIENCE, "both files to be registered", async || {
        let reconciled = world.arrivage.run(&["reconcile"]).await.ok()?;
        reconciled.expect(0);
        let count = "SELECT count(*) FROM arrivage.arrivals";
        (world.to.count(count).await == 2).then_some(())
    })
    .await;
    let job = ["process", "--one", "--owner", "job-1"];
    world.arrivage.run(&job).await?.expect(0);
    let states = "SELECT key, state, attempts FROM arrivage.arrivals ORDER BY key";
    assert_eq!(
        world.to.sql(states).await?,
        "a.csv|waiting|0\nb.csv|loaded|1"
    );
    // The one that it was asked for is not loaded: that is to be said.
    let id = "SELECT id FROM arrivage.arrivals WHERE key = 'a.csv'";
    let id = world.to.sql(id).await?;
    let due = format!("UPDATE arrivage.arrival SET due_at = registered_at WHERE id = {id}");
    world.to.sql(&due).await?;
    let asked = world.arrivage.run(&["process", "--arrival", &id]).await?;
    asked.expect(1).says("it waits for");
    let empty = world.arrivage.run(&["process", "--until-empty"]).await?;
    empty.expect(0);
    Ok(())
}
