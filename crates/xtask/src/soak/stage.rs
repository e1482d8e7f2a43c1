//! Where a soak takes place: a PostgreSQL, a bucket, two queues, a drop folder and a configuration.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use xtask::announced;
use xtask::ministack::Ministack;
use xtask::place::{target, unique_name};
use xtask::postgres::{create_database, sql};
use xtask::venv::Venv;

use super::courier::Queue;
use super::http;

/// Who owns everything in ministack.
const ACCOUNT: &str = "000000000000";

const TABLES: &str = "
CREATE TABLE orders (content text, n bigint NOT NULL, amount numeric(12,2), day date, note text,
  _arrival_id bigint, _record bigint);
CREATE TABLE events (content text, n bigint NOT NULL, amount numeric(12,2), day date, note text);
CREATE TABLE deliveries (content text, n bigint NOT NULL, amount numeric(12,2), day date, note text);
CREATE TABLE accounts (content text, n bigint NOT NULL, amount numeric(12,2), day date, note text,
  PRIMARY KEY (content, n));";

/// Everything but the programs. The server ends when this is dropped.
pub(crate) struct Stage {
    /// Sources, logs, drop folder, configuration and manifest of this soak, kept until the next.
    pub(crate) folder: PathBuf,
    pub(crate) endpoint: String,
    pub(crate) bucket: String,
    /// Where the bucket's notifications come out.
    pub(crate) bell: Queue,
    /// Where the program hears them.
    pub(crate) doorbell: Queue,
    /// The database itself, without a proxy before it.
    pub(crate) database: String,
    _ministack: Option<Ministack>,
}

impl Stage {
    pub(crate) fn set(cluster: &str) -> Result<Self> {
        let folder = target().join("soak");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        for name in ["sources", "inbox", "logs"] {
            fs::create_dir_all(folder.join(name))?;
        }
        let database = create_database(cluster, "soak")?;
        sql(&database, TABLES)?;

        let (endpoint, ministack) = match env::var(announced::MINISTACK) {
            Ok(endpoint) => (endpoint, None),
            Err(_) => {
                let ministack = Ministack::start(&Venv::prepare()?)?;
                (ministack.endpoint(), Some(ministack))
            }
        };
        let bucket = unique_name("soak");
        http::put(&endpoint, &format!("/{bucket}"), b"")?;
        let bell = Queue::make(&endpoint, &format!("{bucket}-bell"))?;
        let doorbell = Queue::make(&endpoint, &format!("{bucket}-doorbell"))?;
        let notifications = format!(
            "<NotificationConfiguration><QueueConfiguration><Id>soak</Id>\
             <Queue>arn:aws:sqs:us-east-1:{ACCOUNT}:{bucket}-bell</Queue>\
             <Event>s3:ObjectCreated:*</Event></QueueConfiguration></NotificationConfiguration>"
        );
        let path = format!("/{bucket}?notification");
        http::put(&endpoint, &path, notifications.as_bytes())?;
        Ok(Self {
            folder,
            endpoint,
            bucket,
            bell,
            doorbell,
            database,
            _ministack: ministack,
        })
    }

    /// The configuration of all programs, which reach the database by this URL. Chunks, lease and
    /// drain are as small as they can be, so that much happens in a short time; attempts cannot be
    /// used up, for here everything dies again and again.
    pub(crate) fn configure(&self, database_url: &str) -> Result<PathBuf> {
        let Self {
            endpoint, bucket, ..
        } = self;
        let queue = self.doorbell.url();
        let pipelines: Vec<String> = [
            ("orders", format!("s3://{bucket}/orders/**"), ""),
            (
                "events",
                format!("s3://{bucket}/events/**"),
                "\n[pipeline.format]\nkind = \"json-lines\"",
            ),
            (
                "accounts",
                format!("s3://{bucket}/accounts/**"),
                "mode = \"upsert\"\nkey = [\"content\", \"n\"]",
            ),
            ("deliveries", "inbox/**".to_owned(), ""),
        ]
        .map(|(name, pattern, more)| {
            format!(
                "[[pipeline]]\nname = \"{name}\"\nmatch = [\"{pattern}\"]\ntable = \"{name}\"\n\
                 {more}\n[pipeline.rejects]\nmax_rows = 1000000\n"
            )
        })
        .into();
        let configuration = format!(
            r#"[database]
url = "{database_url}"

[s3]
endpoint = "{endpoint}"
path_style = true
region = "us-east-1"

[http]
listen = "127.0.0.1:0"

[processor]
workers = 2
connections = 2
decoders = 2
memory = "32MiB"
lease = "3s"
poll = "200ms"
drain = "3s"
max_attempts = 1000000

[[source]]
kind = "sqs"
queue_url = "{queue}"

[[source]]
kind = "folder"
name = "inbox"
path = "inbox"
settle = "500ms"

{}"#,
            pipelines.join("\n")
        );
        let path = self.folder.join("arrivage.toml");
        fs::write(&path, configuration).context("the configuration cannot be written")?;
        Ok(path)
    }

    pub(crate) fn inbox(&self) -> PathBuf {
        self.folder.join("inbox")
    }

    pub(crate) fn sources(&self) -> PathBuf {
        self.folder.join("sources")
    }

    pub(crate) fn manifest(&self) -> PathBuf {
        self.folder.join("manifest.tsv")
    }

    /// The arrivals that are not finished, and what the database does meanwhile.
    pub(crate) fn unfinished(&self) -> Result<String> {
        let arrivals =
            "SELECT *, now() FROM arrivage.arrivals WHERE state IN ('waiting', 'loading')";
        let sessions = "SELECT pid, client_port, application_name, state, wait_event_type, wait_event, \
             xact_start, state_change, query FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()";
        let arrivals = sql(&self.database, arrivals)?;
        let sessions = sql(&self.database, sessions)?;
        Ok(format!("{arrivals}\n{sessions}"))
    }

    /// The one number that a query finds.
    pub(crate) fn count(&self, query: &str) -> Result<u64> {
        Ok(sql(&self.database, query)?.trim().parse()?)
    }
}

/// The program of the dev profile, built now: a soak is about being right, not about being fast.
pub(crate) fn program() -> PathBuf {
    target().join("debug/arrivage")
}

/// Where the auditor is built.
pub(crate) fn auditor() -> PathBuf {
    target().join("debug/arrivage-auditor")
}

/// A path from the root of a folder, for the manifest.
pub(crate) fn shown(path: &Path) -> String {
    path.display().to_string()
}
