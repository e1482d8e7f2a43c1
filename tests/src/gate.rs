use std::time::Duration;

use anyhow::Result;
use arrivage_testkit::eventually;
use sqlx::{Connection, PgConnection};

use crate::Destination;

/// While it is shut, the last statement of every chunk waits, with its arrival's row locked. On
/// PostgreSQL; it opens for good.
#[derive(Debug)]
pub struct Gate(PgConnection);

/// Not a lock, which a `lock_timeout` would end.
const SHUT: &str = "
    SELECT pg_advisory_lock(1);
    CREATE FUNCTION wait_at_the_gate() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      WHILE NOT pg_try_advisory_xact_lock_shared(1) LOOP
        PERFORM pg_sleep(0.01);
      END LOOP;
      RETURN NULL;
    END $$;
    CREATE TRIGGER gate AFTER UPDATE OF checkpoint_records ON arrivage.arrival
    FOR EACH ROW EXECUTE FUNCTION wait_at_the_gate()";

impl Gate {
    /// Shuts it; what is under way still goes through.
    pub async fn shut(destination: &Destination) -> Result<Self> {
        let mut connection = PgConnection::connect(&destination.url()).await?;
        sqlx::raw_sql(SHUT).execute(&mut connection).await?;
        Ok(Self(connection))
    }

    /// Waits until a chunk has come to it; returns the process id of that chunk's backend.
    pub async fn reached(&self, destination: &Destination) -> i64 {
        let query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() \
            AND query LIKE '%ledger::advance%' AND wait_event = 'PgSleep'";
        eventually(
            Duration::from_secs(30),
            "a chunk to come to the gate",
            async || Some(destination.count(query).await).filter(|pid| *pid > 0),
        )
        .await
    }

    /// Lets everybody through.
    pub async fn open(self) -> Result<()> {
        Ok(self.0.close().await?)
    }
}
