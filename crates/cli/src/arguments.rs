use std::collections::BTreeSet;
use std::path::PathBuf;

use arrivage_model::{ArrivalId, Pattern, State};
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use clap::{Args, Parser, Subcommand, ValueEnum};

/// Loads files into the database as they arrive, exactly once.
#[derive(Debug, Parser)]
#[command(name = "arrivage", version, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Args)]
pub(crate) struct Common {
    /// The configuration file [default: $ARRIVAGE_CONFIG, else ./arrivage.toml]
    #[arg(long, short, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// How log lines are written
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
    /// Log more: -v chunks, -vv everything
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Watch the sources and load what arrives
    Run(Start),
    /// Watch the sources only: notifications into the ledger
    Watch(Start),
    /// Load what the ledger has waiting
    Process(Process),
    /// Load these objects now, and wait for them
    Load(Load),
    /// Show how an object is written, and what to paste to load it; writes nothing
    Preview(Preview),
    /// Create or upgrade the ledger
    Migrate,
    /// List arrivals, newest first
    Arrivals(Arrivals),
    /// Show all that is known of one arrival
    Show(Show),
    /// List the records of an arrival that were not loaded
    Rejects(Rejects),
    /// Queue arrivals again
    Replay(Replay),
    /// Hold a bucket or folder against the ledger, and register what it lacks
    Reconcile(Reconcile),
    /// Take the rows and rejects of arrivals out again
    Unload(Orders),
    /// Take failed arrivals out of the alerts
    Dismiss(Orders),
    /// Stop loads that nobody wants; a replay goes on from there
    Cancel(Orders),
    /// Load nothing of a pipeline until it is resumed
    Pause(Pause),
    /// Go on with a paused pipeline
    Resume(Resume),
    /// Check configuration, database and sources, and say what to do
    Check(Check),
}

#[derive(Debug, Args)]
pub(crate) struct Start {
    /// Leave the ledger as it is; fail if it is too old
    #[arg(long)]
    pub(crate) no_migrate: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Process {
    #[command(flatten)]
    pub(crate) start: Start,
    /// End when nothing is left to claim
    #[arg(long, conflicts_with_all = ["arrival", "one"])]
    pub(crate) until_empty: bool,
    /// Load this arrival only
    #[arg(long, value_name = "ID", conflicts_with = "one")]
    pub(crate) arrival: Option<ArrivalId>,
    /// Load one arrival: a Kubernetes Job. A retry by the same owner takes up
    /// the same arrival
    #[arg(long, requires = "owner")]
    pub(crate) one: bool,
    /// Who loads it: the Job's name
    #[arg(long, value_name = "NAME", requires = "one", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) owner: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Load {
    #[command(flatten)]
    pub(crate) start: Start,
    /// s3://bucket/key, or a path; with --recursive a prefix or a folder
    #[arg(required = true, value_name = "URL")]
    pub(crate) urls: Vec<String>,
    /// Everything below the URL
    #[arg(long, short)]
    pub(crate) recursive: bool,
    /// Load it by this pipeline, whichever matches
    #[arg(long, value_name = "NAME")]
    pub(crate) pipeline: Option<String>,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Debug, Args)]
pub(crate) struct Preview {
    /// s3://bucket/key, or a path
    #[arg(value_name = "URL")]
    pub(crate) url: String,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Json {
    /// One JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Arrivals {
    /// Only in this state
    #[arg(long)]
    pub(crate) state: Option<State>,
    /// Only of this pipeline
    #[arg(long, value_name = "NAME")]
    pub(crate) pipeline: Option<String>,
    /// Only keys that this glob matches
    #[arg(long, value_name = "GLOB", value_parser = Pattern::new)]
    pub(crate) key: Option<Pattern>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
    /// Objects that no pipeline took, instead
    #[arg(long, conflicts_with_all = ["state", "pipeline"])]
    pub(crate) ignored: bool,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The arrival
    pub(crate) id: ArrivalId,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Debug, Args)]
pub(crate) struct Rejects {
    /// The arrival
    pub(crate) id: ArrivalId,
    /// The records as they stood, as a file in the format of theirs, with its header: to
    /// be mended and dropped again
    #[arg(long, conflicts_with = "json")]
    pub(crate) raw: bool,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// Arrivals
    #[arg(value_name = "ID")]
    pub(crate) ids: Vec<ArrivalId>,
    /// All of this pipeline
    #[arg(long, value_name = "NAME")]
    pub(crate) pipeline: Option<String>,
    /// All with keys that this glob matches
    #[arg(long, value_name = "GLOB", value_parser = Pattern::new)]
    pub(crate) key: Option<Pattern>,
    /// All in this state
    #[arg(long)]
    pub(crate) state: Option<State>,
    /// All registered at or after: 2026-11-22, or 2026-11-22T06:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) since: Option<DateTime<Utc>>,
    /// All registered before
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) until: Option<DateTime<Utc>>,
    /// Take out its rows and rejects, and load it from its first record
    #[arg(long)]
    pub(crate) from_start: bool,
    /// Also one that is being loaded: its processor is fenced
    #[arg(long)]
    pub(crate) force: bool,
    /// Only say what would be queued
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Debug, Args)]
pub(crate) struct Reconcile {
    /// s3://bucket/prefix, the name of a folder source, or a path [default: all that
    /// listing and folder sources name]
    #[arg(value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Only say what is missing, changed or vanished
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Register as loaded: another tool has loaded it
    #[arg(long)]
    pub(crate) adopt: bool,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Debug, Args)]
pub(crate) struct Orders {
    /// Arrivals
    #[arg(required = true, value_name = "ID")]
    pub(crate) ids: Vec<ArrivalId>,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Debug, Args)]
pub(crate) struct Pause {
    /// The pipeline
    pub(crate) pipeline: String,
    /// Why, for those who wonder
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) reason: Option<String>,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Debug, Args)]
pub(crate) struct Resume {
    /// The pipeline
    pub(crate) pipeline: String,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) json: Json,
}

/// Each of these ids once, in the order in which they were typed first.
pub(crate) fn once(ids: &[ArrivalId]) -> Vec<ArrivalId> {
    let mut seen = BTreeSet::new();
    ids.iter().copied().filter(|id| seen.insert(*id)).collect()
}

/// A day (from its start, UTC) or a moment.
fn time(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(day) = text.parse::<NaiveDate>() {
        return Ok(day.and_time(NaiveTime::MIN).and_utc());
    }
    DateTime::parse_from_rfc3339(text)
        .map(|moment| moment.to_utc())
        .map_err(|_| "write a day, 2026-11-22, or a moment, 2026-11-22T06:00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn times_are_days_or_moments() {
        let check = |text: &str, expect: &str| {
            assert_eq!(time(text).expect(text).to_rfc3339(), expect);
        };
        check("2026-11-22", "2026-11-22T00:00:00+00:00");
        check("2026-11-22T06:00:00+01:00", "2026-11-22T05:00:00+00:00");
        assert!(time("yesterday").is_err());
    }
}
