//! Bugs that a soak must find, planted on request: a proof that cannot fail is none.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use xtask::postgres::sql;
use xtask::proxy::{Question, Verdict};

/// What is planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plant {
    /// A row is taken away after the run.
    Lost,
    /// A row is there twice after the run.
    Doubled,
    /// During the run the checkpoint moves at the end of a file only, not with every chunk: who
    /// takes a load over begins anew.
    Forgetful,
    /// During the run no chunk compares lease or checkpoint, no renewal comes through, and
    /// nobody is reaped: every load longer than a lease has two owners.
    Unfenced,
}

impl Plant {
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "lost" => Some(Self::Lost),
            "doubled" => Some(Self::Doubled),
            "forgetful" => Some(Self::Forgetful),
            "unfenced" => Some(Self::Unfenced),
            _ => None,
        }
    }

    /// Into a ledger that is there, before any program runs.
    pub(crate) fn before(self, database: &str) -> Result<()> {
        let advance = "SELECT pg_get_functiondef('arrivage.advance'::regproc)";
        match self {
            Self::Lost | Self::Doubled => Ok(()),
            Self::Forgetful => forget(database, &sql(database, advance)?),
            Self::Unfenced => unfence(database, &sql(database, advance)?),
        }
    }

    /// How far away the database is. So far that a load outlasts a lease, where leases are
    /// not renewed: two owners then work on it at the same time.
    pub(crate) fn distance(self) -> Option<Duration> {
        (self == Self::Unfenced).then_some(Duration::from_millis(200))
    }

    /// What becomes of a question during the run, where the plant decides it.
    pub(crate) fn judge(self, question: &Question<'_>) -> Option<Verdict> {
        if self != Self::Unfenced {
            return None;
        }
        if question.says("ledger::renew") {
            return Some(Verdict::FallSilent);
        }
        question.says("ledger::reap").then_some(Verdict::Cut)
    }

    /// Into the tables, after the last program.
    pub(crate) fn after(self, database: &str) -> Result<()> {
        let statement = match self {
            Self::Lost => {
                "DELETE FROM deliveries \
                 WHERE ctid = (SELECT ctid FROM deliveries ORDER BY random() LIMIT 1)"
            }
            Self::Doubled => "INSERT INTO events SELECT * FROM events ORDER BY random() LIMIT 1",
            Self::Forgetful | Self::Unfenced => return Ok(()),
        };
        sql(database, statement)?;
        Ok(())
    }
}

/// Where the chunk begins is the second line: it has to fall with the lease.
const PLACE: &str = "AND checkpoint_records = p_from_records AND checkpoint_offset = p_from_offset";
const LEASE: &str = "AND fence = p_fence AND lease_id = p_lease AND state = 'loading'";

fn unfence(database: &str, function: &str) -> Result<()> {
    for words in [LEASE, PLACE] {
        ensure!(
            function.contains(words),
            "arrivage.advance no longer says {words}"
        );
    }
    sql(database, &function.replace(LEASE, "").replace(PLACE, ""))?;
    Ok(())
}

fn forget(database: &str, function: &str) -> Result<()> {
    let (begin, rest) = function
        .split_once("IF NOT FOUND THEN")
        .context("arrivage.advance no longer says IF NOT FOUND")?;
    let (_raise, end) = rest.split_once("END IF;").context("END IF")?;
    let mut forgetful = format!("{begin}{end}");
    for (column, value) in [
        ("checkpoint_records", "p_records"),
        ("checkpoint_offset", "p_offset"),
        ("checkpoint_state", "p_state"),
    ] {
        let moves = format!("{column} = {value},");
        ensure!(
            forgetful.contains(&moves),
            "arrivage.advance no longer says {moves}"
        );
        let stays = format!("{column} = CASE WHEN p_last THEN {value} ELSE {column} END,");
        forgetful = forgetful.replace(&moves, &stays);
    }
    ensure!(
        forgetful.contains(PLACE),
        "arrivage.advance no longer says {PLACE}"
    );
    sql(database, &forgetful.replace(PLACE, ""))?;
    Ok(())
}
