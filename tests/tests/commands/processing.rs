use std::fs;
use std::time::Duration;

use anyhow::Result;
use arrivage_testkit::eventually;
use arrivage_tests::{Arrivage, Destination, on_both};

use crate::items::{THREE, arrivals, create_items, pipeline};

const SOON: Duration = Duration::from_secs(30);

on_both!(
    until_empty_ends_when_nothing_is_left,
    one_takes_one_and_the_same_again,
    an_arrival_is_loaded_alone,
    a_service_ends_when_told_to,
    services_share_the_work,
);

/// A folder source `in`, and `count` files of three records of which the ledger has been told.
async fn waiting(to: &Destination, count: usize) -> Result<Arrivage> {
    let folder = "[[source]]\nkind = \"folder\"\nname = \"in\"\npath = \"in\"\nsettle = \"0s\"\n";
    let configuration = folder.to_owned() + &pipeline("rejects.max_rows = 0");
    let arrivage = Arrivage::new(&to.url(), &configuration)?;
    create_items(to).await?;
    for number in 0..count {
        arrivage.file(
            &format!("in/{number}.csv"),
            format!("id,name\n{number},one\n"),
        )?;
    }
    let watching = arrivage.start(&["watch"])?;
    eventually(SOON, &format!("{count} arrivals"), async || {
        let found = to.count("SELECT count(*) FROM arrivage.arrivals").await;
        (usize::try_from(found) == Ok(count)).then_some(())
    })
    .await;
    drop(watching);
    Ok(arrivage)
}

async fn until_empty_ends_when_nothing_is_left(to: Destination) -> Result<()> {
    let arrivage = waiting(&to, 3).await?;
    assert_eq!(
        to.sql("SELECT * FROM arrivage.backlog").await?,
        "items|3|0|3"
    );
    arrivage.run(&["process", "--until-empty"]).await?.expect(0);
    assert_eq!(
        arrivals(&to).await?,
        "loaded||1|1|0\nloaded||1|1|0\nloaded||1|1|0"
    );
    assert_eq!(
        to.sql("SELECT * FROM arrivage.backlog").await?,
        "items|0|0|0"
    );
    arrivage.run(&["process", "--until-empty"]).await?.expect(0);

    // 3 of any that fails, whatever becomes of the others.
    arrivage.file("bad.csv", "id,name\nx,y\n")?;
    arrivage
        .run(&["load", "--pipeline", "items", "bad.csv"])
        .await?
        .expect(3);
    arrivage.run(&["replay", "4"]).await?.expect(0);
    arrivage.run(&["process", "--until-empty"]).await?.expect(3);
    arrivage.run(&["process", "--until-empty"]).await?.expect(0);
    Ok(())
}

async fn one_takes_one_and_the_same_again(to: Destination) -> Result<()> {
    let arrivage = waiting(&to, 2).await?;
    let one = async |owner: &str| arrivage.run(&["process", "--one", "--owner", owner]).await;
    one("job-a").await?.expect(0);
    let states = "SELECT state FROM arrivage.arrivals ORDER BY id";
    assert_eq!(to.sql(states).await?, "loaded\nwaiting");
    // A retry of the same Job takes nothing else.
    one("job-a").await?.expect(0);
    assert_eq!(to.sql(states).await?, "loaded\nwaiting");
    one("job-b").await?.expect(0);
    assert_eq!(to.sql(states).await?, "loaded\nloaded");
    one("job-c").await?.expect(0).says("nothing is waiting");

    arrivage.file("bad.csv", "id,name\nx,y\n")?;
    arrivage
        .run(&["load", "--pipeline", "items", "bad.csv"])
        .await?
        .expect(3);
    arrivage.run(&["replay", "3"]).await?.expect(0);
    one("job-d").await?.expect(3);
    one("job-d").await?.expect(3);
    assert_eq!(
        to.sql("SELECT attempts FROM arrivage.arrivals WHERE id = 3")
            .await?,
        "2"
    );
    arrivage.run(&["process", "--one"]).await?.expect(2);
    arrivage
        .run(&["process", "--owner", "job-e"])
        .await?
        .expect(2);
    Ok(())
}

async fn an_arrival_is_loaded_alone(to: Destination) -> Result<()> {
    let arrivage = waiting(&to, 2).await?;
    arrivage
        .run(&["process", "--arrival", "2"])
        .await?
        .expect(0);
    assert_eq!(
        to.sql("SELECT state FROM arrivage.arrivals ORDER BY id")
            .await?,
        "waiting\nloaded"
    );
    arrivage
        .run(&["process", "--arrival", "2"])
        .await?
        .expect(0)
        .says("arrival 2 is loaded");
    arrivage
        .run(&["process", "--arrival", "9"])
        .await?
        .expect(2)
        .says("there is no arrival 9");
    arrivage
        .run(&["process", "--arrival", "2", "--until-empty"])
        .await?
        .expect(2);
    Ok(())
}

async fn a_service_ends_when_told_to(to: Destination) -> Result<()> {
    let arrivage = waiting(&to, 1).await?;
    for command in ["run", "watch", "process"] {
        let mut running = arrivage.start(&[command])?;
        running.get("/healthz").await?;
        running.process.sigterm()?;
        let status = running.process.wait(SOON).await?;
        assert_eq!(
            status.code(),
            Some(0),
            "{command}: {}",
            running.process.output()
        );
    }
    Ok(())
}

async fn services_share_the_work(to: Destination) -> Result<()> {
    const FILES: usize = 40;

    // Both watch the folder, and both load what is in it.
    let arrivage = waiting(&to, 0).await?;
    let running = [arrivage.start(&["run"])?, arrivage.start(&["run"])?];
    for number in 0..FILES {
        let partial = arrivage.file(
            &format!("in/{number}.part"),
            format!("id,name\n{number},x\n"),
        )?;
        fs::rename(partial, arrivage.path(format!("in/{number}.csv")))?;
    }
    let loaded = "SELECT count(*) FROM arrivage.arrivals WHERE state = 'loaded'";
    eventually(SOON, "all arrivals loaded", async || {
        (usize::try_from(to.count(loaded).await) == Ok(FILES)).then_some(())
    })
    .await;
    drop(running);
    let rows = to
        .sql("SELECT count(*), count(DISTINCT id) FROM items")
        .await?;
    assert_eq!(rows, format!("{FILES}|{FILES}"));
    let once = "SELECT count(*), sum(attempts), sum(records_loaded) FROM arrivage.arrivals";
    assert_eq!(to.sql(once).await?, format!("{FILES}|{FILES}|{FILES}"));
    Ok(())
}

#[tokio::test]
async fn two_cannot_listen_in_one_place() -> Result<()> {
    let to = Destination::sqlite()?;
    let arrivage = Arrivage::new(&to.url(), &pipeline(""))?;
    let mut first = arrivage.start(&["process"])?;
    let address = first.address().await?;
    let second = fs::read_to_string(arrivage.path("arrivage.toml"))?;
    arrivage.file("second.toml", second.replace("127.0.0.1:0", &address))?;
    let refused = arrivage
        .run(&["process", "--config", "second.toml"])
        .await?
        .expect(2);
    refused.says("http.listen").says(&address);
    arrivage.file("in/a.csv", THREE)?;
    Ok(())
}
