use anyhow::Result;
use arrivage_tests::{Destination, on_both};

use crate::items::{THREE, create_items, items};

on_both!(several_at_once_are_safe, without_a_ledger_is_said);

async fn several_at_once_are_safe(to: Destination) -> Result<()> {
    let arrivage = items(&to, "")?;
    let migrate = || arrivage.run(&["migrate"]);
    let (a, b, c, d) = tokio::try_join!(migrate(), migrate(), migrate(), migrate())?;
    for ended in [a, b, c, d] {
        ended.expect(0);
    }
    arrivage
        .run(&["migrate"])
        .await?
        .expect(0)
        .says("the ledger is up to date");
    assert_eq!(
        to.sql("SELECT * FROM arrivage.backlog").await?,
        "items|0|0|0"
    );
    Ok(())
}

async fn without_a_ledger_is_said(to: Destination) -> Result<()> {
    let arrivage = items(&to, "")?;
    create_items(&to).await?;
    arrivage.file("in/a.csv", THREE)?;
    let commands: [&[&str]; 5] = [
        &["arrivals"],
        &["show", "1"],
        &["replay", "1"],
        &["load", "--no-migrate", "in/a.csv"],
        &["process", "--no-migrate", "--until-empty"],
    ];
    for command in commands {
        arrivage
            .run(command)
            .await?
            .expect(2)
            .says("arrivage migrate");
    }
    Ok(())
}
