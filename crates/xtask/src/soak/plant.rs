//! Bugs that a soak must find, planted on request: a proof that cannot fail is none.

use anyhow::{Context, Result};
use xtask::postgres::sql;

/// What is planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plant {
    /// A row is taken away after the run.
    Lost,
    /// A row is there twice after the run.
    Doubled,
    /// During the run a chunk commits although its lease does not stand: the protocol without its
    /// fence.
    Unfenced,
}

impl Plant {
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "lost" => Some(Self::Lost),
            "doubled" => Some(Self::Doubled),
            "unfenced" => Some(Self::Unfenced),
            _ => None,
        }
    }

    /// Into a ledger that is there, before any program runs.
    pub(crate) fn before(self, database: &str) -> Result<()> {
        if self != Self::Unfenced {
            return Ok(());
        }
        let function = sql(
            database,
            "SELECT pg_get_functiondef('arrivage.advance'::regproc)",
        )?;
        let (begin, rest) = function
            .split_once("IF NOT FOUND THEN")
            .context("arrivage.advance no longer says IF NOT FOUND")?;
        let (_raise, end) = rest.split_once("END IF;").context("END IF")?;
        sql(database, &format!("{begin}{end}"))?;
        Ok(())
    }

    /// Into the tables, after the last program.
    pub(crate) fn after(self, database: &str) -> Result<()> {
        let statement = match self {
            Self::Lost => {
                "DELETE FROM deliveries \
                 WHERE ctid = (SELECT ctid FROM deliveries ORDER BY random() LIMIT 1)"
            }
            Self::Doubled => "INSERT INTO events SELECT * FROM events ORDER BY random() LIMIT 1",
            Self::Unfenced => return Ok(()),
        };
        sql(database, statement)?;
        Ok(())
    }
}
