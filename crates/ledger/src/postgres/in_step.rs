//! Whether question and answer on a connection still belong together.
//!
//! A future that is dropped in the middle of a statement leaves its connection in a state that sqlx
//! does not always know: of a COPY given up while its end is on the way, the end's answer is never
//! counted, and of a BEGIN given up on its way, nobody knows that it began. On such a connection the
//! next statement takes another's answer for its own, a COMMIT too, or runs in a transaction that
//! began long ago. So a connection comes back to the pool only if it answers what it was asked.

use std::sync::atomic::{AtomicI64, Ordering};

use sqlx::{Executor, PgConnection, Row};

/// Asks for a number that was never asked for before, outside of any transaction.
pub(super) async fn is_in_step(connection: &mut PgConnection) -> sqlx::Result<bool> {
    static ASKED: AtomicI64 = AtomicI64::new(0);
    let number = ASKED.fetch_add(1, Ordering::Relaxed);
    // In a transaction that was begun by another statement, it is later than now().
    let question = format!(
        "-- ledger::in_step
        SELECT {number}::bigint WHERE statement_timestamp() = now()"
    );
    let answer = connection.fetch_all(&*question).await?;
    Ok(match &answer[..] {
        [row] => row
            .try_get::<i64, _>(0)
            .is_ok_and(|answer| answer == number),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::future::ready;

    use arrivage_testkit::{Database, Postgres};
    use sqlx::postgres::{PgConnectOptions, PgPoolCopyExt as _};
    use sqlx::{Connection, PgPool};

    use super::super::pool;

    const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";

    /// One connection, so that a question follows on the same as what was given up.
    async fn connected() -> Result<(Database, PgPool), Box<dyn Error>> {
        let database = Postgres::database().await?;
        let options: PgConnectOptions = database.url().parse()?;
        Ok((database, pool(options, 1)))
    }

    #[tokio::test]
    async fn after_a_copy_that_was_given_up_at_its_end_answers_belong_to_their_questions()
    -> Result<(), Box<dyn Error>> {
        let (_database, pool) = connected().await?;
        let table = "CREATE TABLE numbers (n bigint)";
        sqlx::raw_sql(table).execute(&pool).await?;
        let mut copy = pool.copy_in_raw("COPY numbers FROM STDIN").await?;
        copy.send("1\n".as_bytes()).await?;
        tokio::select! {
            biased;
            done = copy.finish() => { done?; }
            () = ready(()) => {}
        }
        for asked in [7_i64, 8, 9] {
            let mut tx = pool.begin_with(BEGIN).await?;
            let answer: i64 = sqlx::query_scalar("SELECT $1")
                .bind(asked)
                .fetch_one(&mut *tx)
                .await?;
            tx.commit().await?;
            assert_eq!(answer, asked);
        }
        Ok(())
    }

    #[tokio::test]
    async fn after_a_begin_that_was_given_up_a_transaction_begins_anew()
    -> Result<(), Box<dyn Error>> {
        let (database, pool) = connected().await?;
        let mut connection = pool.acquire().await?;
        tokio::select! {
            biased;
            begun = connection.begin_with(BEGIN) => begun?.rollback().await?,
            () = ready(()) => {}
        }
        drop(connection);
        let then = database.sql("SELECT clock_timestamp()").await?;
        let mut tx = pool.begin_with(BEGIN).await?;
        let is_new: bool = sqlx::query_scalar("SELECT now() > $1::text::timestamptz")
            .bind(then.trim())
            .fetch_one(&mut *tx)
            .await?;
        tx.commit().await?;
        assert!(is_new, "it began before {then}");
        Ok(())
    }
}
