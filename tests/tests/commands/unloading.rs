use anyhow::Result;
use arrivage_tests::{Destination, on_both};

use crate::items::{THREE, arrivals, create_items, create_items_with_lineage, items, rows};

on_both!(
    a_wrong_file_is_taken_out_and_may_come_again,
    rows_that_cannot_be_told_are_not_unloaded,
    of_an_upsert_only_the_rows_that_are_still_its_own_go,
    a_failed_one_is_dismissed_and_its_rows_unloaded,
    what_is_not_at_rest_is_refused,
);

const STATES: &str = "SELECT state FROM arrivage.arrivals ORDER BY id";

async fn a_wrong_file_is_taken_out_and_may_come_again(to: Destination) -> Result<()> {
    let arrivage = items(&to, "")?;
    create_items_with_lineage(&to).await?;
    arrivage.file("in/a.csv", "id,name\n1,one\ntwo,2\n3,three\n")?;
    arrivage.file("in/b.csv", "id,name\n4,four\n")?;
    arrivage
        .run(&["load", "in/a.csv", "in/b.csv"])
        .await?
        .expect(0);

    let unloaded = arrivage.run(&["unload", "--json", "1"]).await?.expect(0);
    let row = &unloaded.json()[0];
    assert_eq!(
        (&row["state"], &row["result"]),
        (&"loaded".into(), &"unloaded".into())
    );
    assert_eq!((&row["rows"], &row["rejects"]), (&2.into(), &1.into()));
    assert_eq!(rows(&to).await?, "4|four");
    assert_eq!(to.sql("SELECT count(*) FROM arrivage.rejects").await?, "0");
    assert_eq!(arrivals(&to).await?, "unloaded||1|0|0\nloaded||1|1|0");

    let again = arrivage.run(&["unload", "1"]).await?.expect(0);
    again.says("already unloaded");
    // Neither a look nor a processor brings it back; a person does.
    arrivage.run(&["process", "--until-empty"]).await?.expect(0);
    assert_eq!(to.sql(STATES).await?, "unloaded\nloaded");
    arrivage
        .run(&["replay", "1"])
        .await?
        .expect(0)
        .says("1 queued");
    arrivage.run(&["process", "--until-empty"]).await?.expect(0);
    assert_eq!(rows(&to).await?, "1|one\n3|three\n4|four");
    assert_eq!(to.sql("SELECT count(*) FROM arrivage.rejects").await?, "1");

    let unknown = arrivage.run(&["unload", "2", "9"]).await?.expect(2);
    unknown.says("there is no arrival 9");
    assert_eq!(to.sql(STATES).await?, "loaded\nloaded", "all or nothing");
    Ok(())
}

async fn rows_that_cannot_be_told_are_not_unloaded(to: Destination) -> Result<()> {
    let arrivage = items(&to, "")?;
    create_items(&to).await?;
    arrivage.file("in/a.csv", THREE)?;
    arrivage.run(&["load", "in/a.csv"]).await?.expect(0);
    let refused = arrivage.run(&["unload", "1"]).await?.expect(2);
    refused
        .says("the 3 rows of arrival 1 cannot be told")
        .says("_arrival_id bigint");
    assert_eq!(arrivals(&to).await?, "loaded||1|3|0");
    assert_eq!(rows(&to).await?, "1|one\n2|two\n3|three");
    Ok(())
}

async fn of_an_upsert_only_the_rows_that_are_still_its_own_go(to: Destination) -> Result<()> {
    let arrivage = items(&to, "mode = \"upsert\"\nkey = [\"id\"]")?;
    create_items_with_lineage(&to).await?;
    to.sql("CREATE UNIQUE INDEX ON_ID ON items (id)").await?;
    arrivage.file("in/a.csv", THREE)?;
    arrivage.file("in/b.csv", "id,name\n3,drei\n4,vier\n")?;
    arrivage.run(&["load", "in/a.csv"]).await?.expect(0);
    arrivage.run(&["load", "in/b.csv"]).await?.expect(0);
    // The older value of 3 does not come back.
    arrivage.run(&["unload", "2"]).await?.expect(0);
    assert_eq!(rows(&to).await?, "1|one\n2|two");
    let partly = arrivage.run(&["unload", "1"]).await?.expect(0);
    partly.says("3 rows were loaded, and 2 were left to take out");
    assert_eq!(rows(&to).await?, "");
    Ok(())
}

async fn a_failed_one_is_dismissed_and_its_rows_unloaded(to: Destination) -> Result<()> {
    let arrivage = items(&to, "rejects.max_rows = 0")?;
    create_items_with_lineage(&to).await?;
    arrivage.file("in/a.csv", "id,name\n1,one\ntwo,2\n")?;
    arrivage.file("in/b.csv", "id,name\n7,seven\n")?;
    arrivage.run(&["load", "-r", "in"]).await?.expect(3);
    let refused = arrivage.run(&["dismiss", "1", "2"]).await?.expect(2);
    refused.says("arrival 2 is loaded; only a failed one is dismissed");
    assert_eq!(
        arrivals(&to).await?,
        "dismissed|too_many_rejects|1|1|1\nloaded||1|1|0"
    );
    let again = arrivage.run(&["dismiss", "1"]).await?.expect(0);
    again.says("already dismissed");
    assert_eq!(rows(&to).await?, "1|one\n7|seven");
    arrivage.run(&["unload", "1"]).await?.expect(0);
    assert_eq!(rows(&to).await?, "7|seven");
    assert_eq!(to.sql(STATES).await?, "unloaded\nloaded");
    Ok(())
}

async fn what_is_not_at_rest_is_refused(to: Destination) -> Result<()> {
    let arrivage = items(&to, "")?;
    create_items_with_lineage(&to).await?;
    arrivage.file("in/a.csv", THREE)?;
    arrivage.run(&["load", "in/a.csv"]).await?.expect(0);
    arrivage
        .run(&["replay", "--from-start", "1"])
        .await?
        .expect(0);
    let refused = arrivage.run(&["unload", "1"]).await?.expect(2);
    refused.says("waits to be loaded");
    arrivage
        .run(&["dismiss", "1"])
        .await?
        .expect(2)
        .says("is waiting");
    assert_eq!(rows(&to).await?, "1|one\n2|two\n3|three");
    Ok(())
}
