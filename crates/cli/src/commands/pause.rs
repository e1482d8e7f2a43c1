//! `pause` and `resume`: a person holds a table under maintenance.

use std::collections::BTreeSet;
use std::time::Duration;

use arrivage_model::ArrivalId;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::arguments::{Pause, Resume};
use crate::exit::{self, Failure};
use crate::names::nearest;
use crate::output;
use crate::wiring::{Schema, Wiring};

/// A claim that was under way when the pause was said is over after this.
const CLAIM: Duration = Duration::from_millis(200);

#[derive(Serialize)]
struct Row<'a> {
    pipeline: &'a str,
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Arrivals that were being loaded, and wait now.
    #[serde(skip_serializing_if = "Option::is_none")]
    taken_back: Option<Vec<ArrivalId>>,
}

/// `pause PIPELINE`: when it ends, nothing of the pipeline is being loaded, and no
/// row of it will commit before somebody resumes it.
pub(super) async fn pause(wiring: &Wiring, options: &Pause) -> Result<u8, Failure> {
    let name = known(wiring, &options.pipeline).await?;
    let before = wiring.ledger.paused(std::slice::from_ref(&name)).await?;
    let before = before.into_iter().next().filter(|paused| paused.by_person);
    let reason = match (&options.reason, before) {
        (Some(reason), _) => reason.clone(),
        (None, Some(paused)) => paused.reason,
        (None, None) => "by a person".to_owned(),
    };
    let mut taken_back = BTreeSet::from_iter(wiring.ledger.pause_by_person(&name, &reason).await?);
    loop {
        // What the fenced ones left open in the database would hold the table's locks.
        wiring.ledger.reap().await?;
        tokio::time::sleep(CLAIM).await;
        let more = wiring.ledger.pause_by_person(&name, &reason).await?;
        if more.is_empty() {
            break;
        }
        taken_back.extend(more);
    }
    let count = taken_back.len();
    if options.json.json {
        output::json_lines(&[Row {
            pipeline: &name,
            result: "paused",
            reason: Some(reason),
            taken_back: Some(taken_back.into_iter().collect()),
        }]);
        return Ok(exit::DONE);
    }
    output::say(&format!("pipeline {name} is paused: {reason}"));
    if count > 0 {
        output::say(&format!(
            "{count} being loaded taken back; they go on from their checkpoints"
        ));
    }
    output::say(&format!(
        "nothing of it is loaded until `arrivage resume {name}`"
    ));
    Ok(exit::DONE)
}

/// `resume PIPELINE`: ends a pause, whoever began it.
pub(super) async fn resume(wiring: &Wiring, options: &Resume) -> Result<u8, Failure> {
    let name = known(wiring, &options.pipeline).await?;
    let paused = wiring.ledger.resume_by_person(&name).await?;
    let words = match &paused {
        Some(paused) => format!("pipeline {name} goes on; it was paused: {}", paused.reason),
        None => format!("pipeline {name} is not paused"),
    };
    if options.json.json {
        output::json_lines(&[Row {
            pipeline: &name,
            result: if paused.is_some() {
                "resumed"
            } else {
                "not paused"
            },
            reason: paused.map(|paused| paused.reason),
            taken_back: None,
        }]);
    } else {
        output::say(&words);
    }
    Ok(exit::DONE)
}

/// A pipeline of the configuration, or one that the ledger still knows.
async fn known(wiring: &Wiring, typed: &str) -> Result<String, Failure> {
    // Declares those of the configuration: one may be paused before its first start.
    wiring
        .open(Schema::Check, false, &CancellationToken::new())
        .await?;
    let backlog = wiring.ledger.backlog().await?;
    let names: Vec<&str> = backlog.iter().map(|row| row.pipeline.as_str()).collect();
    if names.contains(&typed) {
        return Ok(typed.to_owned());
    }
    Err(Failure::usage(
        match nearest(typed, names.iter().copied()) {
            Some(near) => format!("there is no pipeline {typed}, did you mean {near}?"),
            None => format!(
                "there is no pipeline {typed}; there are: {}",
                names.join(", ")
            ),
        },
    ))
}
