//! How the program ends: its exit codes, in one place.

use std::fmt;

use arrivage_ledger::LedgerError;
use arrivage_store::StoreError;

use crate::config::ConfigErrors;
use crate::output;

/// Done, or nothing to do.
pub(crate) const DONE: u8 = 0;
/// Another attempt may mend it.
pub(crate) const AGAIN: u8 = 1;
/// Only a person can mend it.
pub(crate) const PERSON: u8 = 2;
/// A load failed for good.
pub(crate) const FAILED: u8 = 3;
/// SIGTERM came, and something was left undone.
pub(crate) const TERMINATED: u8 = 143;

/// Why a command ends early, and with which code.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    error: anyhow::Error,
}

impl Failure {
    /// Another attempt may mend it.
    pub(crate) fn again(error: impl Into<anyhow::Error>) -> Self {
        Self {
            code: AGAIN,
            error: error.into(),
        }
    }

    /// Only a person can mend it.
    pub(crate) fn person(error: impl Into<anyhow::Error>) -> Self {
        Self {
            code: PERSON,
            error: error.into(),
        }
    }

    /// Names the database, where it is the one that did not answer.
    pub(crate) fn naming(self, database: &str) -> Self {
        let away = self
            .error
            .downcast_ref::<LedgerError>()
            .is_some_and(LedgerError::is_passing);
        if !away {
            return self;
        }
        let words = format!("{database} did not answer; check that it runs, and database.url");
        Self {
            error: self.error.context(words),
            ..self
        }
    }

    /// Whether another attempt may mend it, and all there is to say.
    pub(crate) fn into_words(self) -> (bool, String) {
        (self.code == AGAIN, format!("{:#}", self.error))
    }

    /// The same, in words of our own.
    pub(crate) fn usage(words: impl fmt::Display) -> Self {
        Self::person(anyhow::anyhow!("{words}"))
    }
}

impl From<ConfigErrors> for Failure {
    fn from(errors: ConfigErrors) -> Self {
        Self::person(errors)
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        let passing = error.is_passing() || matches!(error, LedgerError::Unexpected(_));
        if passing {
            Self::again(error)
        } else {
            Self::person(error)
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let passing = error.is_away() && !error.is_misconfigured();
        if passing {
            Self::again(error)
        } else {
            Self::person(error)
        }
    }
}

/// Says what went wrong; returns the code.
pub(crate) fn report(failure: &Failure) -> u8 {
    let mut text = failure.error.to_string();
    for cause in failure.error.chain().skip(1) {
        let words = cause.to_string();
        if !text.contains(&words) {
            text.push_str("\n  because: ");
            text.push_str(&words);
        }
    }
    output::say(&format!("error: {text}"));
    failure.code
}
