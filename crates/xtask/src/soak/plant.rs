//! Bugs that a soak must find, planted on request: a proof that cannot fail is none.

use anyhow::{Context, Result, ensure};
use xtask::postgres::sql;

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
}

impl Plant {
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "lost" => Some(Self::Lost),
            "doubled" => Some(Self::Doubled),
            "forgetful" => Some(Self::Forgetful),
            _ => None,
        }
    }

    /// Into a ledger that is there, before any program runs.
    pub(crate) fn before(self, database: &str) -> Result<()> {
        if self != Self::Forgetful {
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
        let place = "AND checkpoint_records = p_from_records AND checkpoint_offset = p_from_offset";
        ensure!(
            forgetful.contains(place),
            "arrivage.advance no longer says {place}"
        );
        sql(database, &forgetful.replace(place, ""))?;
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
            Self::Forgetful => return Ok(()),
        };
        sql(database, statement)?;
        Ok(())
    }
}
