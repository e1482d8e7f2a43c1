//! What becomes of an arrival when its load ends early: the one place that
//! decides it.

use std::time::Duration;

use arrivage_ledger::{Awaited, LedgerError};
use arrivage_model::{ErrorCode, Failure};
use arrivage_store::StoreError;

use crate::decode::{DecodeError, PlanError};

/// How a load ends before its last chunk is committed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    /// The bytes did not come.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The bytes came, and no file can be read from them.
    #[error("{}", .0.message)]
    File(Failure),
    /// Pipeline and table do not fit each other.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The database did not take it.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The database forgot a chunk that it had answered: read on from where it is.
    #[error("the database is behind the last chunk that it committed")]
    Behind,
    /// It does not count before its sidecar is there.
    #[error("{}", .0.why)]
    Awaited(Awaited),
    /// Nothing moved for too long.
    #[error("no byte, record or answer came for {0:?}")]
    Stalled(Duration),
    /// This process is told to stop.
    #[error("this process stops")]
    Stopped,
    /// A defect: a thread ended by itself.
    #[error("the load broke off by itself: {0}")]
    Broken(String),
}

impl From<DecodeError> for LoadError {
    fn from(error: DecodeError) -> Self {
        Self::File(error.into())
    }
}

impl LoadError {
    pub(crate) fn file(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::File(Failure {
            code: Some(code),
            message: message.into(),
        })
    }
}

/// What becomes of the arrival.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Another has it: nothing is ours to say.
    Leave,
    /// Waiting again after a while; no attempt is used up.
    GiveBack(Duration),
    /// Waiting again until its sidecar comes; the claim counts as none.
    Hold(Awaited),
    /// Waiting again later, if attempts are left.
    Retry,
    /// Failed; no retry mends it.
    Fail,
    /// Another content stands at its key.
    Supersede,
    /// Waiting, and its pipeline is held until a person has mended it.
    Pause,
}

/// Waits of an arrival that was given back because store or database is away.
const AWAY: Duration = Duration::from_secs(5);
const MISCONFIGURED: Duration = Duration::from_secs(30);

/// Decides.
pub(crate) fn fate(error: &LoadError) -> Fate {
    match error {
        LoadError::Stopped | LoadError::Behind => Fate::GiveBack(Duration::ZERO),
        LoadError::File(_) => Fate::Fail,
        LoadError::Awaited(awaited) => Fate::Hold(awaited.clone()),
        LoadError::Plan(_) => Fate::Pause,
        LoadError::Stalled(_) | LoadError::Broken(_) => Fate::Retry,
        LoadError::Store(error) => match error {
            StoreError::Changed(_) => Fate::Supersede,
            StoreError::Gone(_)
            | StoreError::Archived(_)
            | StoreError::Refused { .. }
            | StoreError::Incomplete { .. } => Fate::Fail,
            StoreError::Denied { .. }
            | StoreError::Corrupted(_)
            | StoreError::Contradiction { .. } => Fate::Retry,
            StoreError::Busy { retry_after, .. } => {
                Fate::GiveBack(retry_after.unwrap_or(AWAY).max(AWAY))
            }
            StoreError::Unavailable(_) => Fate::GiveBack(AWAY),
            StoreError::Misconfigured { .. } => Fate::GiveBack(MISCONFIGURED),
        },
        LoadError::Ledger(error) => match error {
            LedgerError::Fenced => Fate::Leave,
            LedgerError::Overtaken => Fate::Supersede,
            LedgerError::Away(_) | LedgerError::Unknown(_) => Fate::GiveBack(AWAY),
            LedgerError::Target(_) | LedgerError::Refused(_) => Fate::Pause,
            LedgerError::NotMatched
            | LedgerError::Row { .. }
            | LedgerError::Version(_)
            | LedgerError::Unexpected(_) => Fate::Retry,
        },
    }
}

/// What the ledger keeps of it.
pub(crate) fn failure(error: &LoadError) -> Failure {
    if let LoadError::File(failure) = error {
        return failure.clone();
    }
    let code = match error {
        LoadError::Store(error) => error.code(),
        LoadError::Plan(_) | LoadError::Ledger(LedgerError::Target(_)) => Some(ErrorCode::Target),
        _ => None,
    };
    Failure {
        code,
        message: chain(error),
    }
}

/// The error with its causes, each said once.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use arrivage_ledger::TargetRefusal;
    use arrivage_model::Location;

    use super::*;

    #[test]
    fn every_end_has_one_fate() {
        let check = |error: LoadError, expect: Fate| assert_eq!(fate(&error), expect, "{error:?}");
        let location = || Location::s3("b", "k");
        check(LoadError::Stopped, Fate::GiveBack(Duration::ZERO));
        check(LoadError::Behind, Fate::GiveBack(Duration::ZERO));
        check(StoreError::Gone(location()).into(), Fate::Fail);
        check(StoreError::Changed(location()).into(), Fate::Supersede);
        check(
            StoreError::Unavailable("reset".into()).into(),
            Fate::GiveBack(AWAY),
        );
        let busy = |seconds| StoreError::Busy {
            retry_after: Some(Duration::from_secs(seconds)),
            source: "slow down".into(),
        };
        check(busy(1).into(), Fate::GiveBack(AWAY));
        check(busy(60).into(), Fate::GiveBack(Duration::from_secs(60)));
        let cut = StoreError::Incomplete {
            location: location(),
            what: "cut".to_owned(),
        };
        check(cut.into(), Fate::Fail);
        let awaited = Awaited {
            key: "k.done".to_owned(),
            within: Duration::from_secs(60),
            why: "it waits".to_owned(),
            over: "it waited".to_owned(),
        };
        check(LoadError::Awaited(awaited.clone()), Fate::Hold(awaited));
        check(LedgerError::Fenced.into(), Fate::Leave);
        check(LedgerError::Overtaken.into(), Fate::Supersede);
        let missing = TargetRefusal::Missing("orders".parse().expect("a table"));
        check(LedgerError::from(missing).into(), Fate::Pause);
        check(LoadError::file(ErrorCode::Corrupt, "broken"), Fate::Fail);
        check(LoadError::Stalled(Duration::from_secs(600)), Fate::Retry);
    }
}
