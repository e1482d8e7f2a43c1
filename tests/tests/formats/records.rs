//! Records that are no rows, and how many of them may be; and records that are alike.

use std::os::unix::process::ExitStatusExt;

use anyhow::Result;
use arrivage_fault::VARIABLE;
use arrivage_tests::{Arrivage, Destination, on_both};

use super::items;

on_both!(
    a_file_of_ragged_records_fails_above_its_budget,
    the_budget_of_rejects_holds_across_a_restart,
    what_is_alike_is_loaded_as_often_as_it_comes,
);

const STATES: &str = "SELECT state, error_code, records_loaded, records_rejected \
     FROM arrivage.arrivals ORDER BY id";

async fn a_file_of_ragged_records_fails_above_its_budget(to: Destination) -> Result<()> {
    to.sql("CREATE TABLE items (id bigint, name text)").await?;
    let arrivage = items(&to, "rejects.max_rows = 20\n")?;
    let ragged = |records: usize| format!("id,name\n1,one\n{}", "2\n3,three,\n".repeat(records));
    arrivage.file("in/10.csv", ragged(10))?;
    arrivage.run(&["load", "in/10.csv"]).await?.expect(0);
    let reasons = "SELECT DISTINCT reason_code FROM arrivage.rejects";
    assert_eq!(to.sql(reasons).await?, "ragged");
    arrivage.file("in/11.csv", ragged(11))?;
    let failed = arrivage.run(&["load", "in/11.csv"]).await?;
    failed.expect(3).says("rejects.max_rows is 20");
    let first = STATES.replace("ORDER BY id", "WHERE key LIKE '%10.csv'");
    assert_eq!(to.sql(&first).await?, "loaded||1|20");
    let second = STATES.replace("ORDER BY id", "WHERE key LIKE '%11.csv'");
    let second = to.sql(&second).await?;
    assert!(second.starts_with("failed|too_many_rejects|"), "{second}");
    Ok(())
}

/// A chunk holds a thousand rejects: of the two, neither alone is above the budget.
async fn the_budget_of_rejects_holds_across_a_restart(to: Destination) -> Result<()> {
    to.sql("CREATE TABLE items (id bigint, name text)").await?;
    let configuration = "[processor]\nlease = \"10s\"\n[[pipeline]]\nname = \"items\"\n\
         match = [\"in/*\"]\ntable = \"items\"\nrejects.max_rows = 1200\n";
    let arrivage = Arrivage::new(&to.url(), configuration)?;
    arrivage.file("in/it.csv", format!("id,name\n{}", "1\n".repeat(1500)))?;
    let killed = arrivage
        .command(&["load", "in/it.csv"])
        .env(VARIABLE, "chunk.committed=kill@1")
        .output()?;
    assert_eq!(killed.status.signal(), Some(9), "{killed:?}");
    assert_eq!(to.sql(STATES).await?, "loading||0|1000");
    let failed = arrivage.run(&["load", "in/it.csv"]).await?;
    failed.expect(3).says("rejects.max_rows is 1200");
    assert_eq!(to.sql(STATES).await?, "failed|too_many_rejects|0|1500");
    Ok(())
}

async fn what_is_alike_is_loaded_as_often_as_it_comes(to: Destination) -> Result<()> {
    to.sql("CREATE TABLE items (id bigint, name text)").await?;
    let arrivage = items(&to, "")?;
    // Records within a file, and the same file under another name; but not the same file again.
    let text = "id,name\n1,one\n1,one\n2,two\n1,one\n";
    arrivage.file("in/a.csv", text)?;
    arrivage.file("in/b.csv", text)?;
    for _ in 0..2 {
        arrivage.run(&["load", "-r", "in"]).await?.expect(0);
    }
    assert_eq!(to.sql(STATES).await?, "loaded||4|0\nloaded||4|0");
    let rows = "SELECT id, name, count(*) FROM items GROUP BY id, name ORDER BY id";
    assert_eq!(to.sql(rows).await?, "1|one|6\n2|two|2");
    Ok(())
}
