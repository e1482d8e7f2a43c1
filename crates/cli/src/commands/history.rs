use std::collections::BTreeSet;

use arrivage_ledger::{Filter, Paused, removed_rejects};
use arrivage_model::Arrival;
use arrivage_processor::decode::GivenBack;
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::arguments::{Arrivals, Rejects, Show};
use crate::exit::{self, Failure};
use crate::output;
use crate::wiring::Wiring;

/// Rejects are fetched so many at a time.
const PAGE: usize = 1000;

/// `arrivals`: the load history.
pub(super) async fn arrivals(wiring: &Wiring, options: &Arrivals) -> Result<u8, Failure> {
    let limit = options.limit as usize;
    if options.ignored {
        return ignored(wiring, options, limit).await;
    }
    let filter = Filter {
        state: options.state,
        pipeline: options.pipeline.clone(),
        key: options.key.clone(),
        ..Filter::default()
    };
    let arrivals = wiring.ledger.arrivals(&filter, limit).await?;
    if options.json.json {
        output::json_lines(&arrivals);
        return Ok(exit::DONE);
    }
    let pauses = pauses(wiring, &arrivals).await?;
    let header = [
        "ID",
        "STATE",
        "PIPELINE",
        "URL",
        "LOADED",
        "REJECTED",
        "ATTEMPTS",
        "REGISTERED",
        "ERROR",
    ];
    let row = |arrival: &Arrival| {
        [
            arrival.id.to_string(),
            arrival.state.to_string(),
            arrival.pipeline.clone(),
            output::cell(&arrival.url, 60),
            arrival.records_loaded.to_string(),
            arrival.records_rejected.to_string(),
            arrival.attempts.to_string(),
            moment(arrival.registered_at),
            output::cell(&problem(arrival, pause(&pauses, arrival)), 60),
        ]
    };
    let rows: Vec<_> = arrivals.iter().map(row).collect();
    output::table(header, &rows);
    if arrivals.len() == limit {
        output::say(&format!("the newest {limit}; see more with --limit"));
    }
    Ok(exit::DONE)
}

fn moment(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// The pauses of pipelines of which something waits here.
async fn pauses(wiring: &Wiring, arrivals: &[Arrival]) -> Result<Vec<Paused>, Failure> {
    let waiting = arrivals.iter().filter(|arrival| !arrival.rests());
    let names: BTreeSet<&str> = waiting.map(|arrival| arrival.pipeline.as_str()).collect();
    let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
    Ok(wiring.ledger.paused(&names).await?)
}

/// What an arrival waits for that a person has to end.
fn pause<'a>(pauses: &'a [Paused], arrival: &Arrival) -> Option<&'a Paused> {
    pauses
        .iter()
        .find(|paused| !arrival.rests() && paused.pipeline == arrival.pipeline)
}

fn problem(arrival: &Arrival, pause: Option<&Paused>) -> String {
    if let Some(pause) = pause {
        return format!("paused: {}", pause.reason);
    }
    match (&arrival.error_code, &arrival.error) {
        (Some(code), Some(error)) => format!("{code}: {error}"),
        (Some(code), None) => code.clone(),
        (None, error) => error.clone().unwrap_or_default(),
    }
}

#[derive(Serialize)]
struct IgnoredRow {
    url: String,
    bucket: String,
    key: String,
    size: Option<u64>,
    source: String,
    seen_at: Option<DateTime<Utc>>,
}

async fn ignored(wiring: &Wiring, options: &Arrivals, limit: usize) -> Result<u8, Failure> {
    let objects = wiring.ledger.ignored(limit).await?;
    let matches = |key: &str| options.key.as_ref().is_none_or(|glob| glob.is_match(key));
    let objects = objects
        .into_iter()
        .filter(|object| matches(&object.location.key));
    let rows: Vec<IgnoredRow> = objects
        .map(|object| IgnoredRow {
            url: object.location.to_string(),
            bucket: object.location.bucket,
            key: object.location.key,
            size: object.size,
            source: object.source,
            seen_at: object.seen_at,
        })
        .collect();
    if options.json.json {
        output::json_lines(&rows);
        return Ok(exit::DONE);
    }
    let row = |row: &IgnoredRow| {
        [
            output::cell(&row.url, 80),
            row.size.map(|size| size.to_string()).unwrap_or_default(),
            row.source.clone(),
            row.seen_at.map(moment).unwrap_or_default(),
        ]
    };
    let rows: Vec<_> = rows.iter().map(row).collect();
    output::table(["URL", "SIZE", "SOURCE", "SEEN"], &rows);
    Ok(exit::DONE)
}

/// `show ID`: every column of the view, a line each.
pub(super) async fn show(wiring: &Wiring, options: &Show) -> Result<u8, Failure> {
    let Some(arrival) = wiring.ledger.arrival(options.id).await? else {
        return Err(no_arrival(options.id));
    };
    if options.json.json {
        output::json_lines(&[arrival]);
        return Ok(exit::DONE);
    }
    let columns = serde_json::to_value(&arrival).map_err(Failure::person)?;
    for (name, value) in columns.as_object().into_iter().flatten() {
        let text = match value {
            serde_json::Value::Null => continue,
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        output::data(&format!("{name:<24} {}", output::cell(&text, 2000)));
    }
    let pauses = pauses(wiring, std::slice::from_ref(&arrival)).await?;
    if let Some(paused) = pause(&pauses, &arrival) {
        output::say(&paused.to_string());
    }
    if arrival.records_rejected == 0 {
        return Ok(exit::DONE);
    }
    if say_removed(wiring, &arrival).await? != Left::Nothing {
        output::say(&format!(
            "see its rejects with `arrivage rejects {}`",
            arrival.id
        ));
    }
    Ok(exit::DONE)
}

/// What a retention has left of an arrival's rejects.
#[derive(PartialEq, Eq)]
enum Left {
    /// All, or those that came later.
    Some,
    /// Nothing.
    Nothing,
}

/// Says what was removed of an arrival's rejects.
async fn say_removed(wiring: &Wiring, arrival: &Arrival) -> Result<Left, Failure> {
    let pruned_at = wiring.ledger.pruned_at(arrival.id).await?;
    let listed = wiring.ledger.rejects(arrival.id, 0, 1).await?.len();
    let Some(removed) = removed_rejects(arrival, pruned_at, listed) else {
        return Ok(Left::Some);
    };
    output::say(&removed);
    Ok(match listed {
        0 => Left::Nothing,
        _ => Left::Some,
    })
}

/// `rejects ID`: the records that were not loaded, in the file's order.
pub(super) async fn rejects(wiring: &Wiring, options: &Rejects) -> Result<u8, Failure> {
    let Some(arrival) = wiring.ledger.arrival(options.id).await? else {
        return Err(no_arrival(options.id));
    };
    if say_removed(wiring, &arrival).await? == Left::Nothing {
        return Ok(exit::DONE);
    }
    if options.raw {
        return given_back(wiring, &arrival).await;
    }
    let mut after = 0;
    let mut first = true;
    loop {
        let page = wiring.ledger.rejects(options.id, after, PAGE).await?;
        if options.json.json {
            output::json_lines(&page);
        } else if first || !page.is_empty() {
            let row = |reject: &arrivage_ledger::RejectedRecord| {
                [
                    reject.record.to_string(),
                    reject.line.to_string(),
                    reject.column_name.clone().unwrap_or_default(),
                    reject.reason_code.clone(),
                    output::cell(&reject.reason, 70),
                    output::cell(&reject.raw, 60),
                ]
            };
            let rows: Vec<_> = page.iter().map(row).collect();
            output::table(["RECORD", "LINE", "COLUMN", "REASON", "WHY", "RAW"], &rows);
        }
        first = false;
        match page.last() {
            Some(last) if page.len() == PAGE => after = last.record.unsigned_abs(),
            _ => return Ok(exit::DONE),
        }
    }
}

/// `rejects ID --raw`: what cannot be given back is named on stderr.
async fn given_back(wiring: &Wiring, arrival: &Arrival) -> Result<u8, Failure> {
    let Some(pipeline) = wiring.router.pipeline(&arrival.pipeline) else {
        let name = &arrival.pipeline;
        return Err(Failure::usage(format!(
            "the configuration has no pipeline {name}"
        )));
    };
    let state = wiring.ledger.checkpoint_state(arrival.id).await?;
    let file = GivenBack::new(pipeline, state.as_deref()).map_err(Failure::person)?;
    output::bytes(&file.head().map_err(Failure::person)?);
    let (mut after, mut given) = (0, 0);
    loop {
        let page = wiring.ledger.rejects(arrival.id, after, PAGE).await?;
        for reject in &page {
            match file.record(&reject.raw) {
                Ok(bytes) => {
                    output::bytes(&bytes);
                    given += 1;
                }
                Err(why) => output::say(&format!(
                    "record {} (line {}) is left out: {why}",
                    reject.record, reject.line
                )),
            }
        }
        match page.last() {
            Some(last) if page.len() == PAGE => after = last.record.unsigned_abs(),
            _ => break,
        }
    }
    let (tail, has_sums) = file.tail(given).map_err(Failure::person)?;
    output::bytes(&tail);
    if has_sums {
        output::say("fill in the sums of its trailer");
    }
    Ok(exit::DONE)
}

fn no_arrival(id: arrivage_model::ArrivalId) -> Failure {
    Failure::usage(format!("there is no arrival {id}; see `arrivage arrivals`"))
}
