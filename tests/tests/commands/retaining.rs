//! What goes when it is older than `database.retention`, and what is said of it.

use std::fs;
use std::time::Duration;

use anyhow::Result;
use arrivage_testkit::eventually;
use arrivage_tests::{Arrivage, Destination, on_both};

use crate::items::{arrivals, create_items_with_lineage, items, rows};

on_both!(
    old_rejects_are_removed_and_it_is_said,
    a_service_removes_what_is_old,
);

const REJECTS: &str = "SELECT count(*) FROM arrivage.rejects";

/// Arrival 1 is loaded with two rejects, long ago.
async fn loaded_long_ago(to: &Destination) -> Result<Arrivage> {
    let arrivage = items(to, "")?;
    create_items_with_lineage(to).await?;
    arrivage.file("in/a.csv", "id,name\n1,one\ntwo,2\nthree,3\n")?;
    arrivage.run(&["load", "in/a.csv"]).await?.expect(0);
    to.sql("UPDATE arrivage.arrival SET finished_at = '2026-01-02T03:04:05.678Z'")
        .await?;
    Ok(arrivage)
}

fn retain(arrivage: &Arrivage, retention: &str) -> Result<()> {
    let file = fs::read_to_string(arrivage.path("arrivage.toml"))?;
    let retention = format!("[database]\nretention = \"{retention}\"\n");
    arrivage.file("arrivage.toml", file.replace("[database]\n", &retention))?;
    Ok(())
}

async fn old_rejects_are_removed_and_it_is_said(to: Destination) -> Result<()> {
    let arrivage = loaded_long_ago(&to).await?;
    let work = ["process", "--until-empty"];
    arrivage.run(&work).await?.expect(0);
    let kept = arrivage.run(&["rejects", "1"]).await?.expect(0);
    kept.says("not_a_number");

    retain(&arrivage, "90d")?;
    let done = arrivage.run(&work).await?.expect(0);
    done.says("removed what is older than database.retention");
    assert_eq!(to.sql(REJECTS).await?, "0");
    let words = "its 2 rejects were removed on 20";
    for command in [
        &["rejects", "1"][..],
        &["rejects", "1", "--json"],
        &["rejects", "1", "--raw"],
    ] {
        let gone = arrivage.run(command).await?.expect(0);
        assert_eq!(gone.stdout, "", "{gone}");
        gone.says(words).says(", as database.retention says");
    }
    let shown = arrivage.run(&["show", "1"]).await?.expect(0).says(words);
    assert!(!shown.stderr.contains("arrivage rejects"), "{shown}");
    assert_eq!(arrivals(&to).await?, "loaded||1|1|2");

    // It is known for ever.
    let again = arrivage.run(&["load", "in/a.csv"]).await?.expect(0);
    again.says("already loaded");
    assert_eq!(rows(&to).await?, "1|one");

    let replay = ["replay", "--from-start", "1"];
    arrivage.run(&replay).await?.expect(0);
    arrivage.run(&work).await?.expect(0);
    assert_eq!(rows(&to).await?, "1|one");
    let anew = arrivage.run(&["rejects", "1"]).await?.expect(0);
    assert!(!anew.stderr.contains("removed"), "{anew}");
    anew.says("not_a_number");
    let shown = arrivage.run(&["show", "1"]).await?.expect(0);
    shown.says("see its rejects with `arrivage rejects 1`");
    Ok(())
}

async fn a_service_removes_what_is_old(to: Destination) -> Result<()> {
    let arrivage = loaded_long_ago(&to).await?;
    retain(&arrivage, "1h")?;
    let _service = arrivage.start(&["process"])?;
    eventually(Duration::from_secs(60), "no reject", async || {
        (to.sql(REJECTS).await.ok()? == "0").then_some(())
    })
    .await;
    assert_eq!(arrivals(&to).await?, "loaded||1|1|2");
    Ok(())
}
