//! A PostgreSQL that is a standby, refuses connections, is locked, or has other defaults.

mod postgres {
    use std::time::Duration;

    use anyhow::Result;
    use arrivage_testkit::{Postgres, eventually};
    use arrivage_tests::{Delivery, Destination, Scene};
    use sqlx::{Connection, PgConnection};

    const KEY: &str = "orders.csv";
    const RECORDS: u64 = 30_000;
    const SOON: Duration = Duration::from_secs(30);

    /// Failing once without progress would be the end.
    async fn scene(destination: Destination, delivery: &Delivery) -> Result<Scene> {
        let scene = Scene::new(destination, "", "max_attempts = 1").await?;
        scene.put_slow(KEY, delivery.csv(), Duration::from_secs(2));
        scene.register(1).await?;
        Ok(scene)
    }

    /// Fault 28: the server comes back as a standby, which refuses all writing, and is promoted.
    #[tokio::test]
    async fn a_standby_is_waited_for_until_it_is_promoted() -> Result<()> {
        let cluster = Postgres::cluster().await?;
        let delivery = Delivery::new(28, RECORDS);
        let scene = scene(Destination::Postgres(cluster.database().await?), &delivery).await?;
        let to = &scene.destination;
        let mut process = scene.arrivage.start(&["run"])?;
        scene.wait_for_records(KEY, RECORDS / 3).await;
        let data = to.sql("SHOW data_directory").await?;
        to.sql(&format!("COPY (SELECT) TO '{data}/standby.signal'"))
            .await?;
        cluster.stop().await?;
        cluster.start().await?;
        assert_eq!(to.sql("SELECT pg_is_in_recovery()::int").await?, "1");
        let away = async || (process.get("/readyz").await.ok()?.0 == 503).then_some(());
        eventually(SOON, "a service that is not ready", away).await;
        // Long enough for a chunk, a claim and a listing to meet it.
        let refused = async || {
            let log = process.process.output();
            (log.matches("during recovery").count() > 3).then_some(())
        };
        eventually(SOON, "refusals by the standby", refused).await;

        to.sql("SELECT pg_promote()").await?;
        let loaded = scene.loaded(KEY, &delivery).await?;
        assert!(loaded.attempts <= 2, "{loaded:?}");
        let paused = "SELECT count(*) FROM arrivage.pipeline WHERE paused_reason IS NOT NULL";
        assert_eq!(to.count(paused).await, 0);
        assert!(!process.process.output().contains("is paused"));
        Ok(())
    }

    /// Fault 30.
    #[tokio::test]
    async fn a_server_without_a_free_connection_is_waited_for() -> Result<()> {
        let delivery = Delivery::new(30, RECORDS);
        let scene = scene(Destination::postgres().await?, &delivery).await?;
        let to = &scene.destination;
        let role = format!("{}_role", to.sql("SELECT current_database()").await?);
        to.sql(&format!("CREATE ROLE {role} LOGIN SUPERUSER"))
            .await?;
        let url = to.url().replace("postgres@", &format!("{role}@"));
        scene.configure_with(&url, "", "max_attempts = 1")?;
        // A limit of connections holds for no superuser; that of a database for the others.
        to.sql(&format!("ALTER ROLE {role} NOSUPERUSER; GRANT ALL ON ALL TABLES IN SCHEMA arrivage TO {role}; GRANT ALL ON SCHEMA arrivage, public TO {role}; GRANT pg_signal_backend TO {role}"))
            .await?;
        let mut process = scene.arrivage.start(&["process"])?;
        scene.wait_for_records(KEY, RECORDS / 3).await;
        to.sql(&format!(
            "ALTER ROLE {role} CONNECTION LIMIT 0;
             SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'"
        ))
        .await?;
        let not_ready = async || (process.get("/readyz").await.ok()?.0 == 503).then_some(());
        eventually(SOON, "a process that is not ready", not_ready).await;
        to.sql(&format!("ALTER ROLE {role} CONNECTION LIMIT 4"))
            .await?;
        let loaded = scene.loaded(KEY, &delivery).await?;
        // The lease may have run out meanwhile; that is no attempt lost.
        assert!(loaded.attempts <= 2, "{loaded:?}");
        let log = process.process.output();
        let blamed = ["waits for another attempt", "nobody expected"];
        assert!(!blamed.iter().any(|words| log.contains(words)), "{log}");
        drop(process);
        to.sql(&format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}"))
            .await?;
        Ok(())
    }

    /// Fault 32, with a real lock, held for longer than a statement waits for one.
    #[tokio::test]
    async fn a_locked_table_is_waited_for() -> Result<()> {
        let delivery = Delivery::new(32, RECORDS);
        let scene = scene(Destination::postgres().await?, &delivery).await?;
        let process = scene.arrivage.start(&["process"])?;
        scene.wait_for_records(KEY, RECORDS / 3).await;
        let mut other = PgConnection::connect(&scene.destination.url()).await?;
        sqlx::raw_sql("BEGIN; LOCK TABLE orders IN SHARE MODE")
            .execute(&mut other)
            .await?;
        let given_up = async || {
            let log = process.process.output();
            log.contains("lock timeout").then_some(())
        };
        eventually(SOON, "a statement that gave up", given_up).await;
        other.close().await?;
        let loaded = scene.loaded(KEY, &delivery).await?;
        assert_eq!(loaded.attempts, 1, "{loaded:?}");
        Ok(())
    }

    /// What an administrator may have set for a database or role is no matter here.
    #[tokio::test]
    async fn other_defaults_of_the_database_change_nothing() -> Result<()> {
        let table = [
            "default_transaction_isolation = 'serializable'",
            "default_transaction_isolation = 'repeatable read'",
            "default_transaction_isolation = 'read uncommitted'",
            "default_transaction_read_only = on",
            "default_transaction_deferrable = on",
            "synchronous_commit = off",
            "synchronous_commit = remote_apply",
            "DateStyle = 'SQL, DMY'",
            "IntervalStyle = 'sql_standard'",
            "TimeZone = 'Pacific/Chatham'",
            "client_encoding = 'LATIN1'",
            "standard_conforming_strings = off",
            "bytea_output = 'escape'",
            "lock_timeout = '1ms'",
            "idle_in_transaction_session_timeout = '20s'",
            "session_replication_role = 'origin'",
            "row_security = off",
            "enable_indexscan = off",
            "application_name = 'somebody'",
            "lc_messages = 'C'",
        ];
        let delivery = Delivery::new(36, 2_000);
        for setting in table {
            let scene = Scene::new(Destination::postgres().await?, "", "max_attempts = 1").await?;
            let name = scene.destination.sql("SELECT current_database()").await?;
            let set = format!(
                "SET default_transaction_read_only = off; ALTER DATABASE {name} SET {setting}"
            );
            scene.destination.sql(&set).await?;
            scene.put(KEY, delivery.csv());
            let load = ["load", "s3://drop/orders.csv"];
            let ended = scene.arrivage.run(&load).await?;
            assert_eq!(ended.code, Some(0), "{setting}: {ended}");
            let reset = format!("BEGIN READ WRITE; ALTER DATABASE {name} RESET ALL; COMMIT");
            scene.destination.sql(&reset).await?;
            let loaded = scene.loaded(KEY, &delivery).await?;
            assert_eq!(loaded.attempts, 1, "{setting}: {loaded:?}");
        }
        Ok(())
    }
}
