use std::time::Duration;

use anyhow::Result;
use arrivage_testkit::{Database, Ministack, Postgres, eventually, unique_name};
use arrivage_tests::{Arrivage, Destination, Running, on_both};

const SOON: Duration = Duration::from_secs(30);

const CONFIGURATION: &str = r#"
    [[source]]
    kind = "folder"
    name = "in"
    path = "in"
    settle = "0s"

    [[pipeline]]
    name = "items"
    match = ["in/*.csv"]
    table = "items"
    create_table = true
    column = [{ name = "id", type = "bigint" }]
"#;

on_both!(a_service_is_alive_and_ready_and_counts);

async fn a_service_is_alive_and_ready_and_counts(to: Destination) -> Result<()> {
    let arrivage = Arrivage::new(&to.url(), CONFIGURATION)?;
    arrivage.file("in/a.csv", "id\n1\ntwo\n")?;
    let mut running = arrivage.start(&["run"])?;
    until(&mut running, "/readyz", 200).await;
    assert_eq!(running.get("/healthz").await?.0, 200);
    assert_eq!(running.get("/nowhere").await?.0, 404);
    eventually(SOON, "a loaded arrival", async || {
        let loaded = "SELECT count(*) FROM arrivage.arrivals WHERE state = 'loaded'";
        (to.count(loaded).await == 1).then_some(())
    })
    .await;
    let (status, metrics) = running.get("/metrics").await?;
    assert_eq!(status, 200);
    let expected = [
        "arrivage_database_up 1",
        "arrivage_backlog{pipeline=\"items\",state=\"waiting\"} 0",
        "arrivage_claims_total{pipeline=\"items\",outcome=\"loaded\"} 1",
    ];
    for line in expected {
        assert!(
            metrics.lines().any(|found| found == line),
            "{line}\n{metrics}"
        );
    }
    assert!(
        !metrics.contains("a.csv"),
        "a metric for every key would never end:\n{metrics}"
    );
    Ok(())
}

#[tokio::test]
async fn a_service_outlives_its_database_on_postgres() -> Result<()> {
    let cluster = Postgres::cluster().await?;
    let database = cluster.database().await?;
    let arrivage = Arrivage::new(database.url(), CONFIGURATION)?;
    cluster.stop().await?;
    // Started while it is away, a service waits.
    let mut running = arrivage.start(&["run"])?;
    until(&mut running, "/healthz", 200).await;
    let (status, body) = running.get("/readyz").await?;
    assert!(
        status == 503 && body.contains("database"),
        "{status} {body}"
    );
    cluster.start().await?;
    arrivage.file("in/a.csv", "id\n1\n")?;
    until_loaded(&database, 1).await;
    until(&mut running, "/readyz", 200).await;

    cluster.stop().await?;
    until(&mut running, "/readyz", 503).await;
    assert_eq!(
        running.get("/healthz").await?.0,
        200,
        "a restart would mend nothing"
    );
    let (status, metrics) = running.get("/metrics").await?;
    assert_eq!(status, 200);
    assert!(
        metrics.lines().any(|line| line == "arrivage_database_up 0"),
        "{metrics}"
    );
    arrivage.file("in/b.csv", "id\n2\n")?;
    cluster.start().await?;
    until_loaded(&database, 2).await;
    until(&mut running, "/readyz", 200).await;
    assert_eq!(
        database.sql("SELECT id FROM items ORDER BY id").await?,
        "1\n2"
    );
    assert_eq!(
        database
            .sql("SELECT sum(attempts) FROM arrivage.arrivals")
            .await?,
        "2"
    );
    Ok(())
}

#[tokio::test]
async fn a_missing_queue_is_waited_for_with_ministack() -> Result<()> {
    let to = Destination::sqlite()?;
    let ministack = Ministack::shared().await?;
    let queue = format!(
        "{}/000000000000/{}",
        ministack.endpoint(),
        unique_name("missing")
    );
    let source = format!("[[source]]\nkind = \"sqs\"\nqueue_url = \"{queue}\"\n");
    let configuration = source + CONFIGURATION;
    let arrivage = Arrivage::new(&to.url(), &configuration)?.env(ministack.environment());
    arrivage.file("in/a.csv", "id\n1\n")?;
    let mut running = arrivage.start(&["run"])?;
    // What can be loaded is loaded, whatever becomes of the queue.
    eventually(SOON, "a loaded arrival", async || {
        (to.count("SELECT count(*) FROM items").await == 1).then_some(())
    })
    .await;
    eventually(SOON, "the missing queue in /readyz", async || {
        let (status, body) = running.get("/readyz").await.ok()?;
        let named = body.contains("there is no queue") && body.contains(&queue);
        (status == 503 && named).then_some(())
    })
    .await;
    assert_eq!(running.get("/healthz").await?.0, 200);
    Ok(())
}

async fn until(running: &mut Running, path: &str, expect: u16) {
    eventually(SOON, &format!("{expect} from {path}"), async || {
        let (status, _) = running.get(path).await.ok()?;
        (status == expect).then_some(())
    })
    .await;
}

async fn until_loaded(database: &Database, count: usize) {
    eventually(SOON, &format!("{count} loaded arrivals"), async || {
        let loaded = "SELECT count(*) FROM arrivage.arrivals WHERE state = 'loaded'";
        (database.sql(loaded).await.ok()? == count.to_string()).then_some(())
    })
    .await;
}
