//! Files whose rows appear all at once, and files that are written anew under their old name.

use std::fs::File;
use std::time::{Duration, SystemTime};

use anyhow::Result;
use arrivage_tests::{Arrivage, Destination, on_both};

use crate::items::{arrivals, items, pipeline, rows};

on_both!(
    an_atomic_file_over_its_budget_leaves_no_row,
    what_the_table_refuses_of_an_atomic_file_is_rejected,
    a_new_content_replaces_the_rows_of_the_old_one,
    what_stands_at_its_key_is_the_newest_whatever_its_time_says,
    an_old_content_that_is_replayed_is_superseded_and_its_rows_stay,
    members_that_come_late_are_gathered_too,
    replacing_needs_to_know_whose_rows_are_whose,
);

/// Ids are unique, and rows say which arrival they are of.
async fn create_items(to: &Destination) -> Result<()> {
    to.sql("CREATE TABLE items (id bigint UNIQUE, name text, _arrival_id bigint, _record bigint)")
        .await?;
    Ok(())
}

/// Writes the file as if it had been last changed so many days ago.
fn write(arrivage: &Arrivage, content: &str, days_ago: u64) -> Result<()> {
    let path = arrivage.file("in/a.csv", content)?;
    let then = SystemTime::now() - Duration::from_secs(days_ago * 24 * 3600);
    File::options().write(true).open(path)?.set_modified(then)?;
    Ok(())
}

async fn an_atomic_file_over_its_budget_leaves_no_row(to: Destination) -> Result<()> {
    let atomic = "atomic = true\nrejects.max_rows = 1";
    let arrivage = items(&to, atomic)?;
    create_items(&to).await?;
    arrivage.file("in/a.csv", "id,name\n1,one\ntwo,2\n3,three\nfour,4\n")?;
    arrivage.run(&["load", "in/a.csv"]).await?.expect(3);
    assert_eq!(arrivals(&to).await?, "failed|too_many_rejects|1|0|2");
    assert_eq!(rows(&to).await?, "");
    let rejects = arrivage.run(&["rejects", "1"]).await?.expect(0);
    rejects.says("two,2").says("four,4");

    let generous = "atomic = true\nrejects.max_rows = 2";
    arrivage.configure(&to.url(), &pipeline(generous))?;
    arrivage.run(&["replay", "1"]).await?.expect(0);
    arrivage.run(&["process", "--until-empty"]).await?.expect(0);
    assert_eq!(arrivals(&to).await?, "loaded||2|2|2");
    assert_eq!(rows(&to).await?, "1|one\n3|three");
    let kept = "SELECT record FROM arrivage.rejects ORDER BY record";
    assert_eq!(to.sql(kept).await?, "2\n4");
    Ok(())
}

async fn what_the_table_refuses_of_an_atomic_file_is_rejected(to: Destination) -> Result<()> {
    let arrivage = items(&to, "atomic = true")?;
    create_items(&to).await?;
    to.sql("INSERT INTO items VALUES (2, 'was here', NULL, NULL)")
        .await?;
    arrivage.file("in/a.csv", "id,name\n1,one\n2,two\n3,three\n3,again\n")?;
    arrivage.run(&["load", "in/a.csv"]).await?.expect(0);
    assert_eq!(arrivals(&to).await?, "loaded||1|2|2");
    assert_eq!(rows(&to).await?, "1|one\n2|was here\n3|three");
    let rejects = "SELECT record, line, byte_offset, reason_code FROM arrivage.rejects ORDER BY 1";
    assert_eq!(
        to.sql(rejects).await?,
        "2|3|14|constraint\n4|5|28|constraint"
    );

    arrivage.configure(&to.url(), &pipeline("atomic = true\nrejects.max_rows = 1"))?;
    arrivage.file("in/b.csv", "id,name\n1,one\n2,two\n4,four\n")?;
    let refused = arrivage.run(&["load", "in/b.csv"]).await?.expect(3);
    refused.says("the table refuses more than rejects.max_rows = 1");
    assert_eq!(rows(&to).await?, "1|one\n2|was here\n3|three");
    Ok(())
}

async fn a_new_content_replaces_the_rows_of_the_old_one(to: Destination) -> Result<()> {
    let arrivage = items(&to, "mode = \"replace\"")?;
    create_items(&to).await?;
    arrivage.file("in/other.csv", "id,name\n7,other\n")?;
    write(&arrivage, "id,name\n1,one\n2,two\nx,bad\n", 3)?;
    arrivage
        .run(&["load", "in/other.csv", "in/a.csv"])
        .await?
        .expect(0);
    write(&arrivage, "id,name\n2,zwei\n3,drei\n", 2)?;
    arrivage.run(&["load", "in/a.csv"]).await?.expect(0);
    assert_eq!(rows(&to).await?, "2|zwei\n3|drei\n7|other");
    assert_eq!(
        arrivals(&to).await?,
        "loaded||1|1|0\nloaded|replaced|1|0|0\nloaded||1|2|0"
    );
    assert_eq!(to.sql("SELECT count(*) FROM arrivage.rejects").await?, "0");
    let shown = arrivage.run(&["show", "2"]).await?.expect(0);
    shown.says("its 2 rows were replaced by those of arrival 3");

    // The first content stands there once more.
    write(&arrivage, "id,name\n1,one\n2,two\nx,bad\n", 1)?;
    arrivage.run(&["load", "in/a.csv"]).await?.expect(0);
    assert_eq!(rows(&to).await?, "1|one\n2|two\n7|other");
    assert_eq!(
        arrivals(&to).await?,
        "loaded||1|1|0\nloaded||2|2|1\nloaded|replaced|1|0|0"
    );
    Ok(())
}

async fn what_stands_at_its_key_is_the_newest_whatever_its_time_says(
    to: Destination,
) -> Result<()> {
    let arrivage = items(&to, "mode = \"replace\"")?;
    create_items(&to).await?;
    write(&arrivage, "id,name\n1,new\n", 1)?;
    arrivage.run(&["load", "in/a.csv"]).await?.expect(0);
    // As `cp -p` or `tar x` leave it.
    write(&arrivage, "id,name\n2,older by its time\n", 2)?;
    arrivage.run(&["load", "in/a.csv"]).await?.expect(0);
    assert_eq!(rows(&to).await?, "2|older by its time");
    Ok(())
}

async fn an_old_content_that_is_replayed_is_superseded_and_its_rows_stay(
    to: Destination,
) -> Result<()> {
    let arrivage = items(&to, "mode = \"upsert\"\nkey = [\"id\"]")?;
    create_items(&to).await?;
    write(&arrivage, "id,name\n1,one\n2,two\n", 2)?;
    arrivage.run(&["load", "in/a.csv"]).await?.expect(0);
    write(&arrivage, "id,name\n2,zwei\n", 1)?;
    arrivage.run(&["load", "in/a.csv"]).await?.expect(0);
    arrivage
        .run(&["replay", "--from-start", "1"])
        .await?
        .expect(0);
    arrivage.run(&["process", "--until-empty"]).await?.expect(0);
    let states = "SELECT state FROM arrivage.arrivals ORDER BY id";
    assert_eq!(to.sql(states).await?, "superseded\nloaded");
    assert_eq!(rows(&to).await?, "1|one\n2|zwei");
    Ok(())
}

async fn members_that_come_late_are_gathered_too(to: Destination) -> Result<()> {
    let format = "atomic = true\nformat.kind = \"json-lines\"";
    let arrivage = items(&to, format)?;
    create_items(&to).await?;
    let lines = "{\"id\":1}\n{\"id\":2,\"name\":\"two\"}\n{\"id\":3}\n";
    arrivage.file("in/a.csv", lines)?;
    arrivage.file("in/empty.csv", "")?;
    arrivage
        .run(&["load", "in/a.csv", "in/empty.csv"])
        .await?
        .expect(0);
    assert_eq!(rows(&to).await?, "1|\n2|two\n3|");
    Ok(())
}

async fn replacing_needs_to_know_whose_rows_are_whose(to: Destination) -> Result<()> {
    let arrivage = items(&to, "mode = \"replace\"")?;
    to.sql("CREATE TABLE items (id bigint, name text)").await?;
    arrivage.file("in/a.csv", "id,name\n1,one\n")?;
    let refused = arrivage.run(&["load", "in/a.csv"]).await?.expect(2);
    refused.says("has no column _arrival_id bigint, which mode = \"replace\" needs");
    let checked = arrivage.run(&["check"]).await?.expect(2);
    checked.says("has no column _arrival_id bigint, which mode = \"replace\" needs");
    Ok(())
}
