//! Every statement of the ledger is unnamed. A named one stays on the server's side
//! of a pooler in transaction mode, where the next client's first one has its name.

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::{Query, QueryScalar};
use sqlx::{FromRow, Postgres};

pub(super) fn query<'a>(sql: &'a str) -> Query<'a, Postgres, PgArguments> {
    sqlx::query(sql).persistent(false)
}

pub(super) fn query_scalar<'a, T>(sql: &'a str) -> QueryScalar<'a, Postgres, T, PgArguments>
where
    (T,): for<'r> FromRow<'r, PgRow>,
{
    sqlx::query_scalar(sql).persistent(false)
}
