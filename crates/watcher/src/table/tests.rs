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
async fn postgres_more_rows_than_are_remembered_are_not_looked_at_all_the_time() -> Result<()> {
    const MANY: usize = 10_150;

    let (database, source) = table(NAMES).await?;
    database
        .sql(&format!(
            "INSERT INTO minio_events SELECT n, to_json(n) FROM generate_series(1, {MANY}) n"
        ))
        .await?;
    let mut queue = TableQueue::new(source);
    let mut seen = 0;
    while seen < MANY {
        let rows = queue.receive(Duration::from_secs(5)).await?;
        assert!(!rows.is_empty(), "only {seen} rows");
        seen += rows.len();
        let stay = rows.into_iter().map(|row| (row.receipt, Verdict::Left));
        queue.settle(stay.collect()).await?;
    }
    // Long enough to come to its end once more.
    let rows = queue.receive(Duration::from_secs(3)).await?;
    assert!(rows.is_empty(), "{} rows once more", rows.len());
    Ok(())
}

#[tokio::test]
async fn postgres_a_row_that_was_left_and_comes_anew_is_looked_at() -> Result<()> {
    let (database, source) = table(NAMES).await?;
    let insert = "INSERT INTO minio_events VALUES ('a', '{\"n\": 1}')";
    database.sql(insert).await?;
    let mut queue = TableQueue::new(source);
    let left = queue.receive(Duration::ZERO).await?;
    let left = left.into_iter().map(|row| (row.receipt, Verdict::Left));
    queue.settle(left.collect()).await?;
    let wait = Duration::from_secs(1);
    assert!(queue.receive(wait).await?.is_empty());
    database.sql("DELETE FROM minio_events").await?;
    assert!(queue.receive(wait).await?.is_empty());
    database.sql(insert).await?;
    assert_eq!(queue.receive(Duration::from_secs(5)).await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn postgres_long_rows_are_read_a_few_at_a_time() -> Result<()> {
    let (database, source) = table(NAMES).await?;
    database
        .sql(
            "INSERT INTO minio_events
             SELECT n, to_jsonb(repeat(n::text, 900 * 1024)) FROM generate_series(0, 9) n;
             UPDATE minio_events SET value = to_jsonb(repeat('é', 5 * 1024 * 1024)) WHERE key = '5'",
        )
        .await?;
    let mut queue = TableQueue::new(source);
    let mut seen = 0;
    while seen < 10 {
        let rows = queue.receive(Duration::from_secs(20)).await?;
        assert!(!rows.is_empty(), "only {seen} rows");
        let bytes: usize = rows.iter().map(|row| row.body.len()).sum();
        assert!(bytes <= 4 << 20, "{bytes} bytes at a time");
        seen += rows.len();
        let recorded = rows.into_iter().map(|row| (row.receipt, Verdict::Recorded));
        queue.settle(recorded.collect()).await?;
    }
    assert_eq!(
        database
            .sql("SELECT count(*) FROM minio_events")
            .await?
            .trim(),
        "0"
    );
    Ok(())
}

#[tokio::test]
async fn postgres_nobody_is_waited_for_without_end() -> Result<()> {
    use sqlx::{Connection, Executor, PgConnection};

    let (database, source) = table(NAMES).await?;
    let mut other = PgConnection::connect(database.url()).await?;
    other.execute("BEGIN; LOCK TABLE minio_events").await?;
    let mut queue = TableQueue::with_patience(source, Duration::from_millis(100));
    let soon = Duration::from_secs(5);
    let waiting = tokio::time::timeout(soon, queue.receive(Duration::ZERO)).await?;
    let away = matches!(waiting, Err(crate::queue::QueueError::Unavailable(_)));
    assert!(away, "{waiting:?}");
    other.execute("ROLLBACK").await?;
    assert!(queue.receive(Duration::ZERO).await?.is_empty());
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
