use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use arrivage_fault::{Point, reach};
use arrivage_model::{Arrival, ArrivalId, Checkpoint, Fence, Lease, LeaseId};
use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};

use super::statements::Often;
use super::{PgTransaction, begin, begin_with, classify, commit, history, microseconds, query};
use crate::{Claim, Claimed, Result, Scope};

/// How long the last claim of a named owner is remembered.
const OWNERS_KEPT: &str = "30 days";

/// Where this process's claims have come to in the order of `due_at` and id. While an
/// old transaction keeps the vacuum away, every claimed arrival leaves an index entry
/// behind that a walk from the oldest one has to pass.
#[derive(Default)]
pub(super) struct Walk {
    begun: Mutex<Option<Begun>>,
    /// When a connection was last told to make its plans anew.
    planned: Mutex<Option<Instant>>,
}

struct Begun {
    /// When the last walk began with the oldest.
    at: Instant,
    from: Mark,
}

pub(super) type Mark = (DateTime<Utc>, ArrivalId);

impl Walk {
    /// A walk begins with the oldest this often: an arrival may have been passed by,
    /// because another held it, or its pipeline was paused.
    const ANEW: Duration = Duration::from_secs(1);

    pub(super) fn begin(&self) -> Option<Mark> {
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = begun.as_ref()?;
        (begun.at.elapsed() < Self::ANEW).then_some(begun.from)
    }

    /// `anew`: when the walk began, if it began with the oldest.
    pub(super) fn came_to(&self, mark: Mark, anew: Option<Instant>) {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        match (anew, begun.as_mut()) {
            (Some(at), _) => *begun = Some(Begun { at, from: mark }),
            (None, Some(begun)) => begun.from = begun.from.max(mark),
            (None, None) => {}
        }
    }

    /// Whether the next connection is to plan anew, as one does as often as a walk begins anew.
    fn plans_anew(&self) -> bool {
        let mut planned = self.planned.lock().unwrap_or_else(PoisonError::into_inner);
        let old = planned.is_none_or(|planned| planned.elapsed() >= Self::ANEW);
        if old {
            *planned = Some(Instant::now());
        }
        old
    }
}

/// Plans that are kept were perhaps made when the ledger was empty, and any way through it
/// was as good as another. So they are not kept for long.
const PLANS_ANEW: &str = "DISCARD PLANS";

/// Who claims, and for how long.
pub(super) struct Claiming<'a> {
    pub(super) pool: &'a PgPool,
    pub(super) often: Often,
    pub(super) walk: &'a Walk,
    pub(super) owner: &'a str,
    pub(super) length: Duration,
}

impl Claiming<'_> {
    /// What a walk that did not begin with the oldest has missed, the next one finds.
    pub(super) async fn claim(&self, pipelines: &[String], scope: &Scope) -> Result<Claimed> {
        let mut used_up = Vec::new();
        if let Some(from) = self.walk.begin().filter(|_| *scope == Scope::Any) {
            let claimed = self.claim_from(Some(from), pipelines, scope).await?;
            if claimed.claim.is_some() {
                return Ok(claimed);
            }
            used_up = claimed.used_up;
        }
        let mut claimed = self.claim_from(None, pipelines, scope).await?;
        claimed.used_up.splice(0..0, used_up);
        Ok(claimed)
    }

    /// Begins the transaction of a claim.
    pub(super) async fn begin(&self) -> Result<PgTransaction> {
        let next: &[_] = match self.walk.plans_anew() {
            true => &[PLANS_ANEW],
            false => &[],
        };
        let tx = begin_with(self.pool, None, "on", next).await?;
        reach(Point::ClaimBegun).map_err(classify::statement)?;
        Ok(tx)
    }

    async fn claim_from(
        &self,
        from: Option<Mark>,
        pipelines: &[String],
        scope: &Scope,
    ) -> Result<Claimed> {
        let lease_id = LeaseId::draw();
        let began = Instant::now();
        let mut tx = self.begin().await?;
        let sql = statement(scope, from.is_some());
        let rows = self
            .often
            .query(&sql)
            .bind(pipelines)
            .bind(self.owner)
            .bind(lease_id.0)
            .bind(microseconds(self.length))
            .bind(only(scope))
            .bind(from.map(|(due_at, _)| due_at))
            .bind(from.map(|(_, id)| id.0))
            .fetch_all(&mut *tx)
            .await
            .map_err(classify::statement)?;
        let (taken, failed): (Vec<PgRow>, Vec<PgRow>) =
            rows.into_iter().partition(|row| row.get("taken"));
        let used_up = failed.iter().map(history::read).collect::<Result<_>>()?;
        let Some(row) = taken.first() else {
            commit(tx).await?;
            return Ok(Claimed {
                claim: None,
                used_up,
            });
        };
        let arrival = history::read(row)?;
        if *scope == Scope::Owner || is_taking_over(scope) {
            remember(&mut tx, self.owner, arrival.id).await?;
        }
        commit(tx).await?;
        reach(Point::ClaimCommitted).map_err(classify::statement)?;
        if *scope == Scope::Any && row.get("due") {
            let mark = (row.get("due_at"), arrival.id);
            self.walk.came_to(mark, from.is_none().then_some(began));
        }
        Ok(Claimed {
            claim: Some(read(row, arrival, lease_id)),
            used_up,
        })
    }
}

/// The arrivals that it is about, if not all.
pub(super) fn only(scope: &Scope) -> Option<Vec<i64>> {
    match scope {
        Scope::Any | Scope::Owner => None,
        Scope::Among(ids) => Some(ids.iter().map(|id| id.0).collect()),
        Scope::One { id, .. } => Some(vec![id.0]),
    }
}

fn is_taking_over(scope: &Scope) -> bool {
    matches!(
        scope,
        Scope::One {
            taking_over: true,
            ..
        }
    )
}

/// The condition that an arrival `a` is among those of the parameter. What does not
/// restrict the claim has its parameter all the same.
pub(super) fn among(scope: &Scope, parameter: &str) -> String {
    match only(scope) {
        Some(_) => format!("a.id = ANY ({parameter}::bigint[])"),
        None => format!("{parameter}::bigint[] IS NULL"),
    }
}

/// The condition that an arrival `a` was not walked past yet.
pub(super) fn ahead(walked: bool, due_at: &str, id: &str) -> String {
    match walked {
        true => format!("(a.due_at, a.id) >= ({due_at}::timestamptz, {id}::bigint)"),
        false => format!("{due_at}::timestamptz IS NULL AND {id}::bigint IS NULL"),
    }
}

/// What is given back of a claimed arrival `a`.
pub(super) const CLAIMED: &str = "
    a.id, a.pipeline, arrivage.url(a.store, a.bucket, a.key) AS url, a.store, a.bucket, a.key,
    a.etag, a.version_id, a.size, a.last_modified, a.sequencer, a.state, a.attempts, a.fence,
    a.owner, a.lease_until, a.due_at, a.bytes_read, a.records_loaded, a.records_rejected,
    a.checkpoint_records, a.checkpoint_offset, a.duplicate_notifications, a.error_code, a.error,
    a.registered_at, a.started_at, a.finished_at, a.checkpoint_state, a.reading, a.restart,
    a.barren";

/// `$1`: pipelines; `$2`, `$3`, `$4`: owner, lease and its length; `$5`: only these;
/// `$6`, `$7`: those before were walked already.
fn statement(scope: &Scope, walked: bool) -> String {
    let (among, ahead) = (among(scope, "$5"), ahead(walked, "$6", "$7"));
    let is_due = match scope {
        Scope::One { .. } => "true",
        Scope::Any | Scope::Owner | Scope::Among(_) => "a.due_at <= statement_timestamp()",
    };
    let is_expired = match is_taking_over(scope) {
        true => "(a.lease_until <= statement_timestamp() OR a.owner = $2)",
        false => "a.lease_until <= statement_timestamp()",
    };
    // The rows are locked inside MATERIALIZED CTEs: a subquery with LIMIT in the
    // UPDATE's WHERE may run once per row of a nested loop and claim many. NO KEY
    // UPDATE, because a plain FOR UPDATE skips rows that a foreign key's lock holds.
    format!(
        "-- ledger::claim
        WITH exhausted AS MATERIALIZED (
          SELECT a.id FROM arrivage.arrival a JOIN arrivage.pipeline p ON p.name = a.pipeline
          WHERE a.state = 'loading' AND a.barren >= p.max_attempts AND p.paused_reason IS NULL
            AND {is_expired} AND a.pipeline = ANY ($1) AND {among}
          ORDER BY a.id LIMIT 100 FOR NO KEY UPDATE OF a SKIP LOCKED
        ), failed AS (
          UPDATE arrivage.arrival a SET
            state = 'failed', error_code = 'attempts_used_up', lease_until = NULL,
            finished_at = clock_timestamp(),
            error = CASE WHEN a.barren = 1 THEN 'its last attempt ended without a word'
                ELSE 'its last ' || a.barren || ' attempts ended without progress, the last one without a word'
              END || ': the lease of ' || a.owner || ' ran out'
              || coalesce('; before that: ' || a.error, '')
          FROM exhausted WHERE a.id = exhausted.id
          RETURNING a.*, false AS due
        ), expired AS MATERIALIZED (
          SELECT a.id FROM arrivage.arrival a JOIN arrivage.pipeline p ON p.name = a.pipeline
          WHERE a.state = 'loading' AND a.barren < p.max_attempts AND p.paused_reason IS NULL
            AND {is_expired} AND a.pipeline = ANY ($1) AND {among}
          ORDER BY a.lease_until, a.id LIMIT 1 FOR NO KEY UPDATE OF a SKIP LOCKED
        ), due AS MATERIALIZED (
          SELECT a.id FROM arrivage.arrival a JOIN arrivage.pipeline p ON p.name = a.pipeline
          WHERE a.state = 'waiting' AND p.paused_reason IS NULL
            AND {is_due} AND {ahead} AND a.pipeline = ANY ($1) AND {among}
            AND NOT EXISTS (SELECT FROM expired)
          ORDER BY a.due_at, a.id LIMIT 1 FOR NO KEY UPDATE OF a SKIP LOCKED
        ), taken AS (
          UPDATE arrivage.arrival a SET
            state = 'loading', attempts = attempts + 1, barren = barren + 1, fence = fence + 1,
            lease_id = $3, owner = $2, started_at = clock_timestamp(), finished_at = NULL,
            lease_until = clock_timestamp() + $4 * interval '1 microsecond'
          FROM (SELECT id, false AS due FROM expired UNION ALL SELECT id, true FROM due) AS chosen
          WHERE a.id = chosen.id
          RETURNING a.*, chosen.due
        )
        SELECT {CLAIMED}, a.due, a.taken, a.taken AND arrivage.is_overtaken(a.id) AS overtaken
        FROM (SELECT true AS taken, taken.* FROM taken UNION ALL SELECT false, failed.* FROM failed) AS a"
    )
}

/// A claim, from the row that it took.
pub(super) fn read(row: &PgRow, arrival: Arrival, lease: LeaseId) -> Claim {
    let unsigned = |column: &str| u64::try_from(row.get::<i64, _>(column)).unwrap_or_default();
    Claim {
        lease: Lease {
            arrival: arrival.id,
            fence: Fence(arrival.fence),
            id: lease,
        },
        checkpoint: Checkpoint {
            records: unsigned("checkpoint_records"),
            offset: unsigned("checkpoint_offset"),
            bytes_read: unsigned("bytes_read"),
            state: row.get("checkpoint_state"),
        },
        reading: row.get("reading"),
        restart: row.get("restart"),
        overtaken: row.get("overtaken"),
        barren: u32::try_from(row.get::<i32, _>("barren")).unwrap_or_default(),
        arrival,
    }
}

async fn remember(tx: &mut PgTransaction, owner: &str, id: ArrivalId) -> Result<()> {
    query(
        "-- ledger::remember
        WITH old AS (
          DELETE FROM arrivage.owner WHERE claimed_at < now() - $3::text::interval AND name <> $1
        )
        INSERT INTO arrivage.owner (name, arrival_id) VALUES ($1, $2)
        ON CONFLICT (name) DO UPDATE SET arrival_id = EXCLUDED.arrival_id, claimed_at = now()",
    )
    .bind(owner)
    .bind(id.0)
    .bind(OWNERS_KEPT)
    .execute(&mut **tx)
    .await
    .map_err(classify::statement)?;
    Ok(())
}

pub(super) async fn last_claim_of(pool: &PgPool, owner: &str) -> Result<Option<Arrival>> {
    let mut tx = begin(pool).await?;
    let row = query(
        "-- ledger::last_claim_of
        SELECT a.* FROM arrivage.owner o JOIN arrivage.arrivals a ON a.id = o.arrival_id
        WHERE o.name = $1",
    )
    .bind(owner)
    .fetch_optional(&mut *tx)
    .await
    .map_err(classify::statement)?;
    commit(tx).await?;
    row.as_ref().map(history::read).transpose()
}
