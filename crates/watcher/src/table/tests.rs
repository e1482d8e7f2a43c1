//! What the suite of all sources does not know of.

use anyhow::Result;
use arrivage_testkit::{Database, Postgres};

use super::*;
use crate::queue::{Queue as _, Verdict};

async fn table(create: &str) -> Result<(Database, TableSource)> {
    let database = Postgres::database().await?;
    database.sql(create).await?;
    let source = TableSource {
        name: "minio".to_owned(),
        url: ServerUrl::parse(database.url(), &["postgres"]).expect("a URL"),
        table: "public.minio_events".parse().expect("a table"),
        poll: Duration::from_millis(50),
        unreadable: UnreadablePolicy::Record,
    };
    Ok((database, source))
}

const NAMES: &str = "CREATE TABLE minio_events (key VARCHAR PRIMARY KEY, value JSONB)";

#[tokio::test]
async fn postgres_a_row_that_was_written_over_meanwhile_is_another_message() -> Result<()> {
    let (database, source) = table(NAMES).await?;
    database
        .sql("INSERT INTO minio_events VALUES ('a', '{\"n\": 1}'), ('b', '{\"n\": 1}')")
        .await?;
    let mut queue = TableQueue::new(source);
    let first = queue.receive(Duration::ZERO).await?;
    assert_eq!(first.len(), 2);
    // MinIO waits for nobody: no row is locked.
    database
        .sql("UPDATE minio_events SET value = '{\"n\": 2}' WHERE key = 'a'")
        .await?;
    let recorded = first
        .into_iter()
        .map(|row| (row.receipt, Verdict::Recorded));
    queue.settle(recorded.collect()).await?;
    let left = database.sql("SELECT key, value FROM minio_events").await?;
    assert_eq!(left.trim(), "a|{\"n\": 2}");
    assert_eq!(queue.receive(Duration::from_secs(5)).await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn postgres_another_row_in_the_same_place_is_another_message() -> Result<()> {
    let (database, source) = table(NAMES).await?;
    let insert = async |key: &str| {
        let insert = format!("INSERT INTO minio_events VALUES ('{key}', '{{\"key\": \"{key}\"}}')");
        database.sql(&insert).await?;
        let place = "SELECT ctid FROM minio_events";
        database.sql(place).await
    };
    let place = insert("a").await?;
    let mut queue = TableQueue::new(source);
    let first = queue.receive(Duration::ZERO).await?;
    // Another watcher was faster, and MinIO writes where that row was.
    database.sql("DELETE FROM minio_events").await?;
    database.sql("VACUUM minio_events").await?;
    assert_eq!(insert("b").await?, place);
    let recorded = first
        .into_iter()
        .map(|row| (row.receipt, Verdict::Recorded));
    queue.settle(recorded.collect()).await?;
    let left = database.sql("SELECT key FROM minio_events").await?;
    assert_eq!(left.trim(), "b");
    Ok(())
}

#[tokio::test]
async fn postgres_rows_that_stay_do_not_hide_those_behind_them() -> Result<()> {
    let (database, source) = table(NAMES).await?;
    database
        .sql("INSERT INTO minio_events SELECT n, to_json(n) FROM generate_series(1, 250) n")
        .await?;
    let mut queue = TableQueue::new(source);
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < 250 {
        let rows = queue.receive(Duration::from_secs(5)).await?;
        assert!(!rows.is_empty(), "only {} rows", seen.len());
        seen.extend(rows.iter().map(|row| row.body.clone()));
        let stay = rows.into_iter().map(|row| (row.receipt, Verdict::Left));
        queue.settle(stay.collect()).await?;
    }
    // They are not looked at all the time.
    assert!(queue.receive(Duration::from_millis(200)).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn postgres_what_a_person_has_to_mend_is_said() -> Result<()> {
    let (database, source) = table("CREATE TABLE minio_events (n int)").await?;
    let check = async |expect: &str| {
        let problem = check_table(&source).await.expect_err(expect);
        assert!(problem.contains(expect), "{problem}");
    };
    check("none of MinIO's").await;
    database.sql("DROP TABLE minio_events").await?;
    check("there is no table public.minio_events").await;
    database.sql(NAMES).await?;
    assert_eq!(check_table(&source).await, Ok(()));

    let role = database.name().to_owned();
    database
        .sql(&format!(
            "CREATE ROLE {role} LOGIN; GRANT SELECT ON minio_events TO {role}"
        ))
        .await?;
    let url = database.url().replace("postgres@", &format!("{role}@"));
    let reader = TableSource {
        url: ServerUrl::parse(&url, &["postgres"]).expect("a URL"),
        ..source.clone()
    };
    let problem = check_table(&reader).await.expect_err("it may only read");
    database
        .sql(&format!("DROP OWNED BY {role}; DROP ROLE {role}"))
        .await?;
    assert!(problem.contains("GRANT SELECT, DELETE"), "{problem}");
    Ok(())
}
