use std::time::Duration;

use anyhow::Result;
use arrivage_testkit::eventually;
use arrivage_tests::{Arrivage, Destination, on_both};

use crate::items::{THREE, arrivals, create_items, items, pipeline, rows};

const SOON: Duration = Duration::from_secs(30);

on_both!(
    a_missing_table_holds_its_pipeline,
    a_process_that_ends_says_what_is_held,
    a_missing_column_holds_its_pipeline,
    a_service_goes_on_with_the_others_and_with_what_is_mended,
);

async fn a_missing_table_holds_its_pipeline(to: Destination) -> Result<()> {
    let arrivage = items(&to, "")?;
    arrivage.file("in/a.csv", THREE)?;
    let held = arrivage.run(&["load", "in/a.csv"]).await?.expect(2);
    held.says("pipeline items is paused").says("create_table");
    let waiting = "SELECT state, records_loaded FROM arrivage.arrivals";
    assert_eq!(to.sql(waiting).await?, "waiting|0");
    assert_eq!(
        to.sql("SELECT * FROM arrivage.backlog").await?,
        "items|0|0|0"
    );
    create_items(&to).await?;
    arrivage.run(&["process", "--until-empty"]).await?.expect(0);
    assert_eq!(rows(&to).await?, "1|one\n2|two\n3|three");
    assert_eq!(to.sql(waiting).await?, "loaded|3");
    assert_eq!(
        to.sql("SELECT error_code, error FROM arrivage.arrivals")
            .await?,
        "|"
    );
    Ok(())
}

async fn a_process_that_ends_says_what_is_held(to: Destination) -> Result<()> {
    let arrivage = items(&to, "")?;
    arrivage.file("in/a.csv", THREE)?;
    arrivage.run(&["load", "in/a.csv"]).await?.expect(2);
    // Found by another before, it is none the less held now.
    for _ in 0..2 {
        let held = arrivage.run(&["process", "--until-empty"]).await?;
        held.expect(2).says("pipeline items is paused");
    }
    assert_eq!(
        to.sql("SELECT state FROM arrivage.arrivals").await?,
        "waiting"
    );
    Ok(())
}

async fn a_missing_column_holds_its_pipeline(to: Destination) -> Result<()> {
    let columns = "[[pipeline.column]]\nname = \"id\"\n[[pipeline.column]]\nname = \"nome\"\n\
        from = \"name\"";
    let arrivage = items(&to, columns)?;
    create_items(&to).await?;
    arrivage.file("in/a.csv", THREE)?;
    arrivage
        .run(&["load", "in/a.csv"])
        .await?
        .expect(2)
        .says("nome");
    to.sql("ALTER TABLE items ADD COLUMN nome text").await?;
    arrivage.run(&["load", "in/a.csv"]).await?.expect(0);
    assert_eq!(
        to.sql("SELECT id, nome FROM items WHERE id = 1").await?,
        "1|one"
    );
    Ok(())
}

async fn a_service_goes_on_with_the_others_and_with_what_is_mended(to: Destination) -> Result<()> {
    let others = pipeline("")
        .replace("items", "others")
        .replace("in/", "other/");
    let folder = |name: &str| {
        format!(
            "[[source]]\nkind = \"folder\"\nname = \"{name}\"\npath = \"{name}\"\nsettle = \"0s\"\n"
        )
    };
    let lease = "[processor]\nlease = \"10s\"\n".to_owned();
    let configuration = [lease, folder("in"), folder("other"), pipeline(""), others].concat();
    let arrivage = Arrivage::new(&to.url(), &configuration)?;
    to.sql("CREATE TABLE others (id bigint, name text)").await?;
    arrivage.file("in/a.csv", THREE)?;
    arrivage.file("other/a.csv", THREE)?;
    let mut running = arrivage.start(&["run"])?;
    let states = "SELECT pipeline, state FROM arrivage.arrivals ORDER BY pipeline";
    eventually(SOON, "the held pipeline", async || {
        let paused = running.process.output().contains("paused");
        (paused && to.sql(states).await.ok()? == "items|waiting\nothers|loaded").then_some(())
    })
    .await;
    assert_eq!(
        running.get("/readyz").await?.0,
        200,
        "a held pipeline is no reason to be restarted"
    );
    let (_, metrics) = running.get("/metrics").await?;
    for line in [
        "arrivage_pipeline_paused{pipeline=\"items\"} 1",
        "arrivage_pipeline_paused{pipeline=\"others\"} 0",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }

    create_items(&to).await?;
    eventually(SOON, "the mended pipeline", async || {
        (to.sql(states).await.ok()? == "items|loaded\nothers|loaded").then_some(())
    })
    .await;
    assert_eq!(rows(&to).await?, "1|one\n2|two\n3|three");
    Ok(())
}

#[tokio::test]
async fn a_table_that_could_forget_rows_is_refused_by_name_on_postgres() -> Result<()> {
    let to = Destination::postgres().await?;
    let arrivage = items(&to, "")?;
    to.sql("CREATE UNLOGGED TABLE items (id bigint, name text)")
        .await?;
    arrivage.file("in/a.csv", THREE)?;
    arrivage
        .run(&["load", "in/a.csv"])
        .await?
        .expect(2)
        .says("items")
        .says("unlogged");
    to.sql("ALTER TABLE items SET LOGGED").await?;
    arrivage.run(&["load", "in/a.csv"]).await?.expect(0);
    assert_eq!(arrivals(&to).await?.split('|').next(), Some("loaded"));
    Ok(())
}

#[tokio::test]
async fn a_missing_right_is_said_on_postgres() -> Result<()> {
    let to = Destination::postgres().await?;
    create_items(&to).await?;
    let name = to.url().rsplit('/').next().unwrap_or_default().to_owned();
    let role = format!("{name}_role");
    to.sql(&format!(
        "CREATE ROLE {role} LOGIN; GRANT CREATE ON DATABASE {name} TO {role}"
    ))
    .await?;
    let url = to.url().replace("postgres@", &format!("{role}@"));
    let arrivage = Arrivage::new(&url, &pipeline(""))?;
    arrivage.file("in/a.csv", THREE)?;
    let held = arrivage.run(&["load", "in/a.csv"]).await?;
    to.sql(&format!("GRANT INSERT, SELECT ON items TO {role}"))
        .await?;
    let granted = arrivage.run(&["load", "in/a.csv"]).await?;
    to.sql(&format!("DROP OWNED BY {role}; DROP ROLE {role}"))
        .await?;
    held.expect(2).says("items").says("INSERT");
    granted.expect(0);
    Ok(())
}
