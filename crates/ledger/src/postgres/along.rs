//! Small arrivals that are claimed along with one.

use arrivage_fault::{Point, reach};
use sqlx::Row;

use super::claiming::{CLAIMED, Claiming, ahead, among, only, read};
use super::{classify, commit, history, microseconds};
use crate::{Along, Claim, Result, Scope};

impl Claiming<'_> {
    /// Looks at as many as it may take, and takes what is small of them: what it passes by,
    /// and what another holds, is for a claim of its own.
    pub(super) async fn along(
        &self,
        first: &Claim,
        scope: &Scope,
        along: Along,
    ) -> Result<Vec<Claim>> {
        if matches!(scope, Scope::Owner | Scope::One { .. }) {
            return Ok(Vec::new());
        }
        let from = self.walk.begin().filter(|_| *scope == Scope::Any);
        let mut tx = self.begin().await?;
        let sql = statement(scope, from.is_some());
        let rows = self
            .often
            .query(&sql)
            .bind(&first.arrival.pipeline)
            .bind(only(scope))
            .bind(from.map(|(due_at, _)| due_at))
            .bind(from.map(|(_, id)| id.0))
            .bind(i64::try_from(along.most).unwrap_or(i64::MAX))
            .bind(i64::try_from(along.bytes).unwrap_or(i64::MAX))
            .bind(first.lease.id.0)
            .bind(self.owner)
            .bind(microseconds(self.length))
            .fetch_all(&mut *tx)
            .await
            .map_err(classify::statement)?;
        let mut claims = Vec::with_capacity(rows.len());
        for row in &rows {
            claims.push(read(row, history::read(row)?, first.lease.id));
        }
        commit(tx).await?;
        reach(Point::ClaimCommitted).map_err(classify::statement)?;
        if let (Scope::Any, Some(row), Some(last)) = (scope, rows.last(), claims.last()) {
            self.walk
                .came_to((row.get("due_at"), last.arrival.id), None);
        }
        Ok(claims)
    }
}

/// `$1`: the pipeline; `$2`: only these; `$3`, `$4`: those before were walked already; `$5`,
/// `$6`: how many, of how many bytes each; `$7`, `$8`, `$9`: lease, owner and length.
fn statement(scope: &Scope, walked: bool) -> String {
    let (among, ahead) = (among(scope, "$2"), ahead(walked, "$3", "$4"));
    // Locked inside a MATERIALIZED CTE, as in ledger::claim.
    format!(
        "-- ledger::claim_along
        WITH near AS MATERIALIZED (
          SELECT a.id FROM arrivage.arrival a JOIN arrivage.pipeline p ON p.name = a.pipeline
          WHERE a.state = 'waiting' AND p.paused_reason IS NULL AND a.pipeline = $1
            AND p.max_attempts > 1
            AND a.due_at <= statement_timestamp()
            AND {among} AND {ahead}
          ORDER BY a.due_at, a.id LIMIT $5
        ), small AS MATERIALIZED (
          SELECT a.id FROM arrivage.arrival a
          WHERE a.id IN (SELECT id FROM near) AND a.state = 'waiting' AND a.size <= $6
            AND a.barren = 0 AND a.checkpoint_records = 0 AND a.checkpoint_offset = 0
            AND NOT a.restart
          ORDER BY a.id FOR NO KEY UPDATE OF a SKIP LOCKED
        ), taken AS (
          UPDATE arrivage.arrival a SET
            state = 'loading', attempts = attempts + 1, barren = barren + 1, fence = fence + 1,
            lease_id = $7, owner = $8, started_at = clock_timestamp(), finished_at = NULL,
            lease_until = clock_timestamp() + $9 * interval '1 microsecond'
          FROM small WHERE a.id = small.id
          RETURNING a.*
        )
        SELECT {CLAIMED}, arrivage.is_overtaken(a.id) AS overtaken
        FROM taken AS a ORDER BY a.due_at, a.id"
    )
}
