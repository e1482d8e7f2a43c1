//! The rights that a mode needs beside INSERT, each of them missing once.

use anyhow::{Context, Result};
use arrivage_tests::{Arrivage, Destination};

use crate::items::{THREE, pipeline, rows};

/// Loading goes on by what the program says, word for word.
async fn check(settings: &str, missing: &str) -> Result<()> {
    let to = Destination::postgres().await?;
    let owner = Arrivage::new(&to.url(), &pipeline(""))?;
    owner.run(&["migrate"]).await?.expect(0);
    let name = to.url().rsplit('/').next().unwrap_or_default().to_owned();
    let role = format!("{name}_role");
    let missing = missing.replace("{database}", &name);
    to.sql(&format!(
        "CREATE TABLE items (id bigint UNIQUE, name text, _arrival_id bigint, _record bigint);
         CREATE ROLE {role} LOGIN; REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC;
         GRANT TEMPORARY ON DATABASE {name} TO {role};
         GRANT USAGE, CREATE ON SCHEMA arrivage TO {role};
         GRANT ALL ON ALL TABLES IN SCHEMA arrivage TO {role};
         GRANT SELECT, INSERT, UPDATE, DELETE ON items TO {role};
         REVOKE {missing} FROM {role}"
    ))
    .await?;
    let url = to.url().replace("postgres@", &format!("{role}@"));
    let arrivage = Arrivage::new(&url, &pipeline(settings))?;
    arrivage.file("in/a.csv", THREE)?;

    let checked = arrivage.run(&["check"]).await?.expect(2);
    let loaded = arrivage
        .run(&["load", "--no-migrate", "in/a.csv"])
        .await?
        .expect(2);
    // Nobody takes it up again before it is mended.
    let process = ["process", "--no-migrate", "--until-empty"];
    arrivage.run(&process).await?.expect(2);
    let attempts = "SELECT attempts FROM arrivage.arrivals";
    assert_eq!(to.sql(attempts).await?, "1", "{missing}");

    let said = [&checked.stdout, &loaded.stderr].map(|text| {
        let begin = text.rfind("GRANT ")?;
        text[begin..].lines().next()
    });
    let [Some(grant), Some(again)] = said else {
        panic!("{missing}: no GRANT is named\n{checked}\n{loaded}");
    };
    assert_eq!(grant, again);
    to.sql(grant).await.context(grant.to_owned())?;
    arrivage.run(&process).await?.expect(0);
    assert_eq!(rows(&to).await?, "1|one\n2|two\n3|three");
    arrivage.run(&["check"]).await?.expect(0);
    to.sql(&format!("DROP OWNED BY {role}; DROP ROLE {role}"))
        .await?;
    Ok(())
}

const UPSERT: &str = "mode = \"upsert\"\nkey = [\"id\"]";
const REPLACE: &str = "mode = \"replace\"";

#[tokio::test]
async fn every_right_that_a_mode_needs_is_named_on_postgres() -> Result<()> {
    check("atomic = true", "CREATE ON SCHEMA arrivage").await?;
    check(REPLACE, "CREATE ON SCHEMA arrivage").await?;
    check(REPLACE, "DELETE ON items").await?;
    check(UPSERT, "UPDATE ON items").await?;
    check(UPSERT, "SELECT ON items").await?;
    check(UPSERT, "TEMPORARY ON DATABASE {database}").await
}
