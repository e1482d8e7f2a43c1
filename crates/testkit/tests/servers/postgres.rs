//! What the testkit promises about PostgreSQL.

use anyhow::Result;
use arrivage_testkit::Postgres;

const TABLES: &str = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'";

#[tokio::test]
async fn every_database_is_new_and_empty() -> Result<()> {
    let first = Postgres::database().await?;
    let second = Postgres::database().await?;
    assert_ne!(first.name(), second.name());
    first.sql("CREATE TABLE orders (id bigint)").await?;
    assert_eq!(first.sql(TABLES).await?, "1");
    assert_eq!(second.sql(TABLES).await?, "0");
    Ok(())
}

#[tokio::test]
async fn a_database_is_gone_after_its_handle_even_when_in_use() -> Result<()> {
    let watching = Postgres::database().await?;
    let dropped = Postgres::database().await?;
    let name = dropped.name().to_owned();
    let count = format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'");
    assert_eq!(watching.sql(&count).await?, "1");

    let url = dropped.url().to_owned();
    let session =
        tokio::task::spawn_blocking(move || xtask::postgres::sql(&url, "SELECT pg_sleep(600)"));
    let busy =
        format!("SELECT 1 FROM pg_stat_activity WHERE datname = '{name}' AND state = 'active'");
    arrivage_testkit::eventually(
        std::time::Duration::from_secs(20),
        "the session",
        async || (watching.sql(&busy).await.ok()? == "1").then_some(()),
    )
    .await;

    drop(dropped);
    assert_eq!(watching.sql(&count).await?, "0");
    assert!(session.await?.is_err());
    Ok(())
}

#[tokio::test]
async fn the_server_speaks_utf8_and_listens_on_loopback_only() -> Result<()> {
    let database = Postgres::database().await?;
    assert_eq!(database.sql("SHOW server_encoding").await?, "UTF8");
    assert_eq!(database.sql("SHOW listen_addresses").await?, "127.0.0.1");
    assert_eq!(database.sql("SHOW unix_socket_directories").await?, "");
    assert_eq!(database.sql("SHOW max_connections").await?, "200");
    Ok(())
}

#[tokio::test]
async fn what_psql_refuses_is_an_error() -> Result<()> {
    let database = Postgres::database().await?;
    let error = database
        .sql("SELECT 1; SELECT 1/0")
        .await
        .expect_err("division by zero");
    assert!(format!("{error:#}").contains("division by zero"));
    Ok(())
}

#[tokio::test]
async fn a_cluster_forgets_at_a_crash_only_what_was_not_committed() -> Result<()> {
    let cluster = Postgres::cluster().await?;
    let database = cluster.database().await?;
    database
        .sql("CREATE TABLE t (n int); INSERT INTO t VALUES (1)")
        .await?;
    let before = database.sql("SELECT pg_postmaster_start_time()").await?;

    cluster.restart_immediate().await?;
    assert_eq!(database.sql("SELECT n FROM t").await?, "1");
    assert_ne!(
        database.sql("SELECT pg_postmaster_start_time()").await?,
        before
    );
    Ok(())
}

#[tokio::test]
async fn a_stopped_cluster_takes_no_connection_until_started() -> Result<()> {
    let cluster = Postgres::cluster().await?;
    let database = cluster.database().await?;
    cluster.stop().await?;
    assert!(database.sql("SELECT 1").await.is_err());
    assert!(cluster.stop().await.is_err());
    cluster.start().await?;
    assert_eq!(database.sql("SELECT 1").await?, "1");
    Ok(())
}
