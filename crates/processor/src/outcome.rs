//! What claims come to, as those are told who ordered them.

use std::time::Duration;

use arrivage_ledger::Claim;
use arrivage_model::{Arrival, ArrivalId};

use crate::board::Loading;

/// How one claim ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The arrival.
    pub id: ArrivalId,
    /// The object.
    pub url: String,
    /// What became of it.
    pub outcome: Outcome,
}

/// What one claim came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Arrivals whose last attempt ended without a word: the claim found none left,
    /// and they failed.
    pub used_up: Vec<Ended>,
    /// What it claimed: one arrival, or small ones that were loaded together.
    pub ended: Vec<Ended>,
}

impl Turn {
    /// Nothing was there to claim.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.used_up.is_empty() && self.ended.is_empty()
    }
}

impl Ended {
    pub(crate) fn of(arrival: Arrival, outcome: Outcome) -> Self {
        Self {
            id: arrival.id,
            url: arrival.url,
            outcome,
        }
    }

    /// Of an arrival whose own claim could not say that it failed: it is said here.
    pub(crate) fn without_a_word(arrival: Arrival) -> Self {
        let why = arrival.error.clone().unwrap_or_default();
        tracing::error!(
            arrival.id = arrival.id.0,
            object.url = ?arrival.url,
            pipeline = arrival.pipeline,
            lease.fence = arrival.fence,
            records = arrival.checkpoint_records,
            error = why,
            "failed"
        );
        count(&arrival.pipeline, "failed");
        Self::of(arrival, Outcome::Failed(why))
    }
}

/// What became of a claimed arrival.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All its records are rows or rejects.
    Loaded,
    /// It failed for good.
    Failed(String),
    /// It waits for another attempt.
    Waiting(String),
    /// Store or database was away; no attempt was used up.
    Away(String),
    /// It does not count yet: it waits for its sidecar, and no attempt was used up.
    Held(String),
    /// Only a person can mend it; it waits until then.
    Blocked(String),
    /// Another content of its key takes its place; why.
    Superseded(String),
    /// Another process has it now.
    Fenced,
    /// This process stops, and let it go.
    Stopped,
}

/// Logs and counts it.
pub(crate) fn report(claim: &Claim, outcome: &Outcome, loading: &Loading, elapsed: Duration) {
    let word = match outcome {
        Outcome::Loaded => "loaded",
        Outcome::Failed(_) => "failed",
        Outcome::Waiting(_) => "waiting",
        Outcome::Away(_) => "away",
        Outcome::Held(_) => "held",
        Outcome::Blocked(_) => "blocked",
        Outcome::Superseded(_) => "superseded",
        Outcome::Fenced => "fenced",
        Outcome::Stopped => "stopped",
    };
    count(&claim.arrival.pipeline, word);
    let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    let records = loading.records();
    match outcome {
        Outcome::Loaded => tracing::info!(records, elapsed_ms, "loaded"),
        Outcome::Superseded(why) => tracing::info!(why, "superseded"),
        Outcome::Held(why) => tracing::info!(why, "waits for its sidecar"),
        Outcome::Fenced => tracing::info!("another process has it now"),
        Outcome::Stopped => tracing::info!(records, "let go: this process stops"),
        Outcome::Failed(why) => tracing::error!(records, elapsed_ms, error = why, "failed"),
        Outcome::Blocked(why) => tracing::error!(error = why, "waits for a person"),
        Outcome::Waiting(why) => tracing::warn!(records, error = why, "waits for another attempt"),
        Outcome::Away(why) => tracing::warn!(records, error = why, "waits for store or database"),
    }
}

/// Claims by how they ended.
fn count(pipeline: &str, outcome: &'static str) {
    let pipeline = pipeline.to_owned();
    metrics::counter!("arrivage_claims_total", "pipeline" => pipeline, "outcome" => outcome)
        .increment(1);
}
