use arrivage_model::{ArrivalId, ErrorCode};

use super::database::Database;
use super::{classify, history};
use crate::orders::cancelled;
use crate::{Cancelled, Result};

pub(super) async fn cancel(database: &Database, ids: &[ArrivalId]) -> Result<Vec<Cancelled>> {
    let mut writing = database.write().await?;
    let mut answers = Vec::with_capacity(ids.len());
    for &id in ids {
        let found = history::find(writing.connection(), id).await?;
        let answer = found.map_or(Cancelled::Unknown, |arrival| cancelled(arrival.state));
        if answer == Cancelled::Done {
            sqlx::query(
                "-- ledger::cancel
                UPDATE arrivage_arrival SET
                  state = 'dismissed', fence = fence + 1, lease_id = NULL, lease_until = NULL,
                  error_code = ?2, error = 'cancelled by a person',
                  finished_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
                WHERE id = ?1",
            )
            .bind(id.0)
            .bind(ErrorCode::Cancelled.as_str())
            .execute(writing.connection())
            .await
            .map_err(classify::statement)?;
        }
        answers.push(answer);
    }
    writing.commit().await?;
    Ok(answers)
}
