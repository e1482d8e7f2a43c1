//! The database, read through psql.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Lines};
use std::iter::Peekable;
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, Result};

use crate::manifest::Id;
use crate::source::has_lineage;

/// A database, by its URL.
pub(crate) struct Database(String);

/// What the ledger says of one arrival.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    pub(crate) state: String,
    pub(crate) loaded: u64,
    pub(crate) rejected: u64,
    pub(crate) error_code: String,
}

/// What a folder's ETag is, is the program's own affair.
const ID: &str = "a.pipeline, a.key, CASE a.store WHEN 'folder' THEN '-' ELSE a.etag END";

impl Database {
    pub(crate) fn at(url: &str) -> Self {
        Self(url.to_owned())
    }

    pub(crate) fn arrivals(&self) -> Result<HashMap<Id, Vec<Arrival>>> {
        let query = format!(
            "SELECT {ID}, a.state, a.records_loaded, a.records_rejected, coalesce(a.error_code, '') \
             FROM arrivage.arrivals a"
        );
        let mut arrivals: HashMap<Id, Vec<Arrival>> = HashMap::new();
        for line in self.copy(&query)? {
            let line = line?;
            let mut cells = line.split('\t');
            let mut next = || cells.next().context("an arrival has seven columns");
            let id = (next()?.to_owned(), next()?.to_owned(), next()?.to_owned());
            arrivals.entry(id).or_default().push(Arrival {
                state: next()?.to_owned(),
                loaded: next()?.parse()?,
                rejected: next()?.parse()?,
                error_code: next()?.to_owned(),
            });
        }
        Ok(arrivals)
    }

    /// Record and text of each, as COPY prints them.
    pub(crate) fn rejects(&self) -> Result<HashMap<Id, Vec<String>>> {
        let query = format!(
            "SELECT {ID}, r.record, r.raw FROM arrivage.rejects r \
             LEFT JOIN arrivage.arrivals a ON a.id = r.arrival_id"
        );
        let mut rejects: HashMap<Id, Vec<String>> = HashMap::new();
        for line in self.copy(&query)? {
            let line = line?;
            let mut cells = line.splitn(4, '\t');
            let mut next = || cells.next().context("a reject has five columns");
            let id = (next()?.to_owned(), next()?.to_owned(), next()?.to_owned());
            rejects.entry(id).or_default().push(next()?.to_owned());
        }
        Ok(rejects)
    }

    /// All rows of a table, sorted by content, byte by byte.
    pub(crate) fn rows(&self, table: &str) -> Result<Rows> {
        let (lineage, join) = match has_lineage(table) {
            true => (
                ", t._record, a.key, a.etag",
                "LEFT JOIN arrivage.arrivals a ON a.id = t._arrival_id",
            ),
            false => ("", ""),
        };
        let query = format!(
            "SELECT t.content, t.n, t.amount, t.day, t.note{lineage} FROM {table} t {join} \
             ORDER BY t.content COLLATE \"C\""
        );
        Ok(Rows(self.copy(&query)?.peekable()))
    }

    fn copy(&self, query: &str) -> Result<Printed> {
        let mut psql = Command::new("psql")
            .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", &self.0])
            .args(["-c", &format!("COPY ({query}) TO STDOUT")])
            .env("PGCLIENTENCODING", "UTF8")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("psql cannot be run")?;
        let stdout = psql.stdout.take().context("its stdout is a pipe")?;
        Ok(Printed {
            lines: BufReader::with_capacity(1 << 20, stdout).lines(),
            psql,
        })
    }
}

/// The lines of a COPY; the last one is an error if psql failed.
struct Printed {
    lines: Lines<BufReader<ChildStdout>>,
    psql: Child,
}

impl Iterator for Printed {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(line) = self.lines.next() {
            return Some(line.map_err(Into::into));
        }
        match self.psql.wait() {
            Ok(status) if status.success() => None,
            Ok(status) => Some(Err(anyhow::anyhow!("psql: {status}"))),
            Err(error) => Some(Err(error.into())),
        }
    }
}

/// Rows of a table that is read once.
pub(crate) struct Rows(Peekable<Printed>);

impl Rows {
    /// The next ones, as long as they belong to contents before this one.
    pub(crate) fn before(&mut self, content: &str) -> Result<Vec<String>> {
        self.take_while(|name| name < content)
    }

    /// The next ones, as long as they belong to this content.
    pub(crate) fn of(&mut self, content: &str) -> Result<Vec<String>> {
        self.take_while(|name| name == content)
    }

    /// Those that are left.
    pub(crate) fn rest(&mut self) -> Result<Vec<String>> {
        self.take_while(|_| true)
    }

    fn take_while(&mut self, wanted: impl Fn(&str) -> bool) -> Result<Vec<String>> {
        let is_next = |row: &Result<String>| match row {
            Ok(row) => wanted(row.split('\t').next().unwrap_or_default()),
            Err(_) => true,
        };
        let mut rows = Vec::new();
        while let Some(row) = self.0.next_if(is_next) {
            rows.push(row?);
        }
        Ok(rows)
    }
}
