//! How statements are sent. A named one stays on the server's side of a pooler in
//! transaction mode, where the next client's first one has its name; so they are unnamed,
//! but for those that every load runs, where no such pooler stands between.

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::{Query, QueryScalar};
use sqlx::{FromRow, Postgres};

use crate::Pooler;

/// How a statement that every load runs is sent: to be parsed and planned once for each
/// connection, or each time.
///
/// What is kept outlives a migration by another process: so such a statement names the
/// columns that it gives back, and none of them is ever given another type. It has no
/// condition that only some values of a parameter switch off: a plan for all values could
/// not use an index for it.
#[derive(Clone, Copy)]
pub(super) struct Often {
    kept: bool,
}

impl Often {
    pub(super) fn through(pooler: Pooler) -> Self {
        Self {
            kept: pooler == Pooler::None,
        }
    }

    pub(super) fn query<'a>(self, sql: &'a str) -> Query<'a, Postgres, PgArguments> {
        sqlx::query(sql).persistent(self.kept)
    }
}

pub(super) fn query<'a>(sql: &'a str) -> Query<'a, Postgres, PgArguments> {
    sqlx::query(sql).persistent(false)
}

pub(super) fn query_scalar<'a, T>(sql: &'a str) -> QueryScalar<'a, Postgres, T, PgArguments>
where
    (T,): for<'r> FromRow<'r, PgRow>,
{
    sqlx::query_scalar(sql).persistent(false)
}
