//! The configuration as it is meant: what the rest of the program works with.
//! It cannot express nonsense. What may be typed is declared in
//! [`crate::settings`].

mod column;
mod complete;
mod database;
mod format;
mod load;
mod paths;
mod pipeline;
mod rules;
mod sections;
mod source;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrivage_model::{Pipeline, Router};

pub(crate) use self::database::{Database, Pooler};
pub(crate) use self::sections::{Http, Processor, S3, Token};
pub(crate) use self::source::{Source, Unreadable};
use crate::settings::Problem;

/// What the configuration file says, checked.
///
/// A value that comes from the environment may be missing or unusable there
/// without harm until its section is asked for: every section therefore answers
/// with a `Result`, and [`Config::require`] asks for several at once.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    file: PathBuf,
    database: Option<Database>,
    s3: Option<S3>,
    http: Option<Http>,
    processor: Option<Processor>,
    sources: Option<Vec<Source>>,
    folders: Option<BTreeMap<String, String>>,
    webhook_token: Option<Token>,
    pipelines: Option<Vec<Arc<Pipeline>>>,
    /// Problems with values from the environment.
    later: Vec<Problem>,
}

/// A part of the file that commands ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    /// `[database]`
    Database,
    /// `[s3]`
    S3,
    /// `[http]`
    Http,
    /// `[processor]`
    Processor,
    /// `[[source]]`
    Sources,
    /// `[[pipeline]]`
    Pipelines,
}

/// All that is wrong with a configuration, a line each; only a person can mend
/// it. No line holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConfigErrors(Vec<String>);

impl Config {
    /// Where it was read.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// Reports what stands in the way of using these sections, all of it
    /// together. After success the sections' own methods succeed too.
    pub(crate) fn require(&self, sections: &[Section]) -> Result<(), ConfigErrors> {
        let wanted = |problem: &&Problem| sections.iter().any(|s| problem.concerns(s.key()));
        let lines: Vec<_> = self
            .later
            .iter()
            .filter(wanted)
            .map(|problem| problem.line_of(&self.file))
            .collect();
        if lines.is_empty() {
            Ok(())
        } else {
            Err(ConfigErrors(lines))
        }
    }

    /// The database with the ledger and the tables.
    pub(crate) fn database(&self) -> Result<&Database, ConfigErrors> {
        self.part(Section::Database, self.database.as_ref())
    }

    /// How S3 is reached; without the section, as AWS's own tools do.
    pub(crate) fn s3(&self) -> Result<&S3, ConfigErrors> {
        self.part(Section::S3, self.s3.as_ref())
    }

    /// How HTTP is served.
    pub(crate) fn http(&self) -> Result<&Http, ConfigErrors> {
        self.part(Section::Http, self.http.as_ref())
    }

    /// How arrivals are loaded.
    pub(crate) fn processor(&self) -> Result<&Processor, ConfigErrors> {
        self.part(Section::Processor, self.processor.as_ref())
    }

    /// Where notifications come from, in the order of the file.
    pub(crate) fn sources(&self) -> Result<&[Source], ConfigErrors> {
        self.part(Section::Sources, self.sources.as_deref())
    }

    /// What senders have to show to the webhook source; nothing: anybody may bring.
    pub(crate) fn webhook_token(&self) -> Option<&Token> {
        self.webhook_token.as_ref()
    }

    /// The absolute path of each folder source, by its name. Needs nothing of
    /// the other sources.
    pub(crate) fn folders(&self) -> Result<&BTreeMap<String, String>, ConfigErrors> {
        match &self.folders {
            Some(folders) => Ok(folders),
            None => self.part(Section::Sources, None),
        }
    }

    /// What is loaded where, in the order of the file.
    pub(crate) fn pipelines(&self) -> Result<&[Arc<Pipeline>], ConfigErrors> {
        self.part(Section::Pipelines, self.pipelines.as_deref())
    }

    /// Finds the pipeline of an object.
    pub(crate) fn router(&self) -> Result<Router, ConfigErrors> {
        let pipelines = self.pipelines()?.to_vec();
        Ok(Router::new(pipelines, self.folders()?.clone()))
    }

    /// A section without a value has a problem that says why.
    fn part<T>(&self, section: Section, value: Option<T>) -> Result<T, ConfigErrors> {
        self.require(&[section])?;
        value.ok_or_else(|| ConfigErrors(vec![format!("[{}] is unusable", section.key())]))
    }
}

impl Section {
    /// Every section.
    pub(crate) const ALL: [Self; 6] = [
        Self::Database,
        Self::S3,
        Self::Http,
        Self::Processor,
        Self::Sources,
        Self::Pipelines,
    ];

    fn key(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::S3 => "s3",
            Self::Http => "http",
            Self::Processor => "processor",
            Self::Sources => "source",
            Self::Pipelines => "pipeline",
        }
    }
}

impl ConfigErrors {
    pub(crate) fn into_lines(self) -> Vec<String> {
        self.0
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for ConfigErrors {}
