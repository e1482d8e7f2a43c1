use std::fs;

use anyhow::Result;
use arrivage_tests::{Arrivage, Destination, on_both};

use crate::items::{THREE, create_items, pipeline, rows};

on_both!(
    a_folder_is_held_against_the_ledger,
    a_pipeline_takes_a_folder_by_its_url,
    what_another_tool_loaded_is_adopted,
    an_unknown_place_is_said,
);

const STATES: &str = "SELECT key, state FROM arrivage.arrivals ORDER BY key, id";

/// A folder source that nothing watches.
fn folder(to: &Destination) -> Result<Arrivage> {
    let source =
        "[[source]]\nkind = \"folder\"\nname = \"inbox\"\npath = \"in\"\nsettle = \"0s\"\n";
    Arrivage::new(&to.url(), &format!("{source}{}", pipeline("")))
}

async fn a_folder_is_held_against_the_ledger(to: Destination) -> Result<()> {
    let arrivage = folder(&to)?;
    create_items(&to).await?;
    for name in ["a.csv", "b.csv", "c.csv", "d/a.csv", "readme.txt"] {
        arrivage.file(&format!("in/{name}"), format!("{THREE}9,{name}\n"))?;
    }
    arrivage.file("in/e.csv.part", THREE)?;
    arrivage.run(&["migrate"]).await?.expect(0);
    let dry = arrivage.run(&["reconcile", "--dry-run"]).await?.expect(0);
    dry.says("4 would be registered");
    assert_eq!(to.sql(STATES).await?, "");

    // By its source's name, by a path, and as all that there is; one file, too.
    let one = ["reconcile", "--dry-run", "in/a.csv"];
    let one = arrivage.run(&one).await?.expect(0);
    one.says("1 would be registered");
    arrivage.run(&["reconcile", "in/d"]).await?.expect(0);
    assert_eq!(to.sql(STATES).await?, "d/a.csv|waiting");
    let all = arrivage.run(&["reconcile", "--json"]).await?.expect(0);
    let lines = all.json();
    let results: Vec<_> = lines.iter().map(|line| &line["result"]).collect();
    assert_eq!(results, ["missing", "missing", "missing", "summary"]);
    let summary = &lines[3];
    assert_eq!(
        (&summary["known"], &summary["ignored"]),
        (&1.into(), &1.into())
    );
    arrivage.run(&["process", "--until-empty"]).await?.expect(0);

    fs::remove_file(arrivage.path("in/a.csv"))?;
    arrivage.file("in/b.csv", THREE)?;
    to.sql(match &to {
        Destination::Postgres(_) => {
            "UPDATE arrivage.arrival SET state = 'failed' WHERE key = 'c.csv'"
        }
        Destination::Sqlite(_) => {
            "UPDATE arrivage_arrival SET state = 'failed' WHERE key = 'c.csv'"
        }
    })
    .await?;
    let report = arrivage.run(&["reconcile", "inbox", "-v"]).await?.expect(0);
    report
        .says("vanished  folder://inbox/a.csv")
        .says("changed   folder://inbox/b.csv")
        .says("1 registered")
        .says("1 vanished");
    assert_eq!(
        to.sql(STATES).await?,
        "a.csv|loaded\nb.csv|loaded\nb.csv|waiting\nc.csv|failed\nd/a.csv|loaded"
    );
    Ok(())
}

async fn what_another_tool_loaded_is_adopted(to: Destination) -> Result<()> {
    let arrivage = folder(&to)?;
    create_items(&to).await?;
    to.sql("INSERT INTO items VALUES (1, 'one'), (2, 'two'), (3, 'three')")
        .await?;
    arrivage.file("in/a.csv", THREE)?;
    arrivage.run(&["migrate"]).await?.expect(0);
    arrivage
        .run(&["reconcile", "--adopt"])
        .await?
        .expect(0)
        .says("1 adopted");
    let adopted = "SELECT state, error_code, records_loaded FROM arrivage.arrivals";
    assert_eq!(to.sql(adopted).await?, "loaded|adopted|0");

    // Whoever finds it from now on finds it loaded.
    arrivage.run(&["reconcile"]).await?.expect(0);
    arrivage
        .run(&["load", "in/a.csv"])
        .await?
        .expect(0)
        .says("already loaded");
    arrivage.run(&["process", "--until-empty"]).await?.expect(0);
    assert_eq!(rows(&to).await?, "1|one\n2|two\n3|three");
    arrivage
        .run(&["unload", "1"])
        .await?
        .expect(2)
        .says("adopted");
    assert_eq!(to.sql(adopted).await?, "loaded|adopted|0");
    Ok(())
}

async fn an_unknown_place_is_said(to: Destination) -> Result<()> {
    let arrivage = folder(&to)?;
    arrivage.run(&["migrate"]).await?.expect(0);
    for (place, words) in [
        ("inbx", "did you mean the folder source inbox?"),
        ("folder://other/", "there is no place other"),
        ("http://drop/", "s3://bucket/key"),
    ] {
        arrivage
            .run(&["reconcile", place])
            .await?
            .expect(2)
            .says(words);
    }
    Ok(())
}

/// As `arrivals` shows it.
async fn a_pipeline_takes_a_folder_by_its_url(to: Destination) -> Result<()> {
    let arrivage = folder(&to)?;
    create_items(&to).await?;
    let configuration = fs::read_to_string(arrivage.path("arrivage.toml"))?;
    let by_url = configuration.replace("\"in/**/*.csv\"", "\"folder://inbox/**/{word}.csv\"");
    arrivage.file("arrivage.toml", by_url)?;
    arrivage.file("in/d/a.csv", THREE)?;
    arrivage.run(&["load", "in/d/a.csv"]).await?.expect(0);
    assert_eq!(rows(&to).await?, "1|one\n2|two\n3|three");
    arrivage
        .run(&["arrivals"])
        .await?
        .expect(0)
        .says("folder://inbox/d/a.csv");
    Ok(())
}
