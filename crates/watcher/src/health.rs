use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use crate::counts;

/// How a source is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SourceHealth {
    /// Its name.
    pub name: String,
    /// Its kind, in the configuration's word.
    pub kind: &'static str,
    /// What keeps it from working; none while it works. A source that has not
    /// answered yet does not work.
    pub problem: Option<String>,
}

/// How every source of a watcher is doing, to be asked from anywhere.
#[derive(Clone, Debug)]
pub struct Health(Vec<Monitor>);

impl Health {
    pub(crate) fn of(monitors: Vec<Monitor>) -> Self {
        Self(monitors)
    }

    /// All sources, in the order of the configuration.
    #[must_use]
    pub fn sources(&self) -> Vec<SourceHealth> {
        self.0.iter().map(Monitor::health).collect()
    }

    /// Whether every source works.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.0
            .iter()
            .all(|monitor| monitor.health().problem.is_none())
    }
}

/// Where one source says how it is doing.
#[derive(Clone, Debug)]
pub(crate) struct Monitor(Arc<Mutex<SourceHealth>>);

impl Monitor {
    pub(crate) fn new(name: &str, kind: &'static str) -> Self {
        Self(Arc::new(Mutex::new(SourceHealth {
            name: name.to_owned(),
            kind,
            problem: Some("it has not answered yet".to_owned()),
        })))
    }

    pub(crate) fn health(&self) -> SourceHealth {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// It works.
    pub(crate) fn well(&self) {
        self.set(None);
    }

    /// It does not work, because of this; counts as an error of the source.
    pub(crate) fn failing(&self, problem: String) {
        counts::errors(&self.health().name, 1);
        self.set(Some(problem));
    }

    fn set(&self, problem: Option<String>) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .problem = problem;
    }
}

/// An error and what lies beneath it, in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
