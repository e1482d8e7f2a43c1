//! The totals that a file states of itself.

use anyhow::Result;
use arrivage_tests::{Destination, on_both};

use crate::world::{World, items};

on_both!(
    a_file_that_lacks_its_trailer_was_cut,
    totals_hold_across_a_resume,
);

const TOTALS: &str = "format.trailer = \"TOTAL,{count},{sum:amount}\"\n";

async fn a_file_that_lacks_its_trailer_was_cut(to: Destination) -> Result<()> {
    let world = World::new(to, &format!("{TOTALS}atomic = true")).await?;
    let whole = items(3, "", "TOTAL,3,6.06\n");
    world.arrivage.file("in/whole.csv", &whole)?;
    let (ended, arrival) = world.load("whole.csv").await?;
    ended.expect(0);
    assert_eq!(arrival["records_loaded"], 3);
    for (name, cut, why) in [
        (
            "cut.csv",
            items(2, "", ""),
            "no line of it is like format.trailer",
        ),
        (
            "count.csv",
            items(2, "", "TOTAL,3,3.03\n"),
            "it has 2 records, and its trailer says 3",
        ),
        (
            "sum.csv",
            items(3, "", "TOTAL,3,6.07\n"),
            "come to 6.06, and its trailer says 6.07",
        ),
    ] {
        world.arrivage.file(&format!("in/{name}"), cut)?;
        let (ended, arrival) = world.load(name).await?;
        ended.expect(3).says(why);
        assert_eq!(arrival["error_code"], "incomplete", "{name}");
        assert_eq!(arrival["records_loaded"], 0, "{name}");
    }
    assert_eq!(world.rows().await, 3);
    Ok(())
}

async fn totals_hold_across_a_resume(to: Destination) -> Result<()> {
    let world = World::new(to, &format!("{TOTALS}rejects.max_rows = 0")).await?;
    let records = 40_000_i64;
    let cents: i64 = (1..=records).map(|id| id % 1000 * 100 + id % 100).sum();
    for (name, sum, state) in [
        ("good.csv", cents, "loaded|"),
        ("bad.csv", cents + 1, "failed|incomplete"),
    ] {
        let trailer = format!("TOTAL,{},{}.{:02}\n", records + 1, sum / 100, sum % 100);
        let file = items(records.unsigned_abs(), "x,1.00\n", &trailer);
        world.arrivage.file(&format!("in/{name}"), file)?;
        world.configure(&format!("{TOTALS}rejects.max_rows = 0"))?;
        let (ended, half) = world.load(name).await?;
        ended.expect(3).says("rejects.max_rows is 0");
        let begun = half["checkpoint_records"].as_i64().unwrap_or_default();
        assert!((1..records).contains(&begun), "{half}");
        world.configure(TOTALS)?;
        let id = half["id"].to_string();
        world.arrivage.run(&["replay", &id]).await?.expect(0);
        world.arrivage.run(&["process", "--arrival", &id]).await?;
        let query = format!("SELECT state, error_code FROM arrivage.arrivals WHERE id = {id}");
        assert_eq!(world.to.sql(&query).await?, state, "{name}");
    }
    Ok(())
}
