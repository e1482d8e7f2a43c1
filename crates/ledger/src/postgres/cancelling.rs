use arrivage_model::{ArrivalId, ErrorCode};
use sqlx::PgPool;

use super::{begin, classify, commit, history, query};
use crate::orders::cancelled;
use crate::{Cancelled, Result};

pub(super) async fn cancel(pool: &PgPool, ids: &[ArrivalId]) -> Result<Vec<Cancelled>> {
    let numbers: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let mut tx = begin(pool).await?;
    let states = history::lock(&mut tx, &numbers).await?;
    query(
        "-- ledger::cancel
        UPDATE arrivage.arrival SET
          state = 'dismissed', fence = fence + 1, lease_until = NULL, error_code = $2,
          error = 'cancelled by a person', finished_at = clock_timestamp()
        WHERE id = ANY ($1) AND state IN ('waiting', 'loading')",
    )
    .bind(&numbers)
    .bind(ErrorCode::Cancelled.as_str())
    .execute(&mut *tx)
    .await
    .map_err(classify::statement)?;
    commit(tx).await?;
    let answer = |id: &i64| {
        states
            .get(id)
            .map_or(Cancelled::Unknown, |state| cancelled(*state))
    };
    Ok(numbers.iter().map(answer).collect())
}
