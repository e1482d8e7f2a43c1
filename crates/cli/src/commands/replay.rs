use arrivage_ledger::{Filter, Replay as How, Replayed};
use arrivage_model::{Arrival, ArrivalId, ErrorCode, Mode, State};
use serde::Serialize;

use crate::arguments::{Replay, once};
use crate::exit::{self, Failure};
use crate::names::nearest;
use crate::output;
use crate::wiring::Wiring;

/// Arrivals are looked for so many at a time.
const PAGE: usize = 1000;

#[derive(Serialize)]
struct Row {
    id: ArrivalId,
    url: String,
    state: State,
    result: &'static str,
}

/// `replay`: queues arrivals again.
pub(super) async fn replay(wiring: &Wiring, options: &Replay) -> Result<u8, Failure> {
    let (arrivals, at_rest) = select(wiring, options).await?;
    if options.from_start {
        refuse_untold(wiring, &arrivals).await?;
    }
    let ids: Vec<ArrivalId> = arrivals.iter().map(|arrival| arrival.id).collect();
    let results = if options.dry_run {
        arrivals
            .iter()
            .map(|arrival| foresee(arrival, options))
            .collect()
    } else {
        wiring.ledger.replay(&ids, how(options)).await?
    };
    let rows: Vec<Row> = arrivals
        .iter()
        .zip(&results)
        .map(|(arrival, result)| Row {
            id: arrival.id,
            url: arrival.url.clone(),
            state: arrival.state,
            result: word(*result),
        })
        .collect();
    if options.json.json {
        output::json_lines(&rows);
    } else {
        let row = |row: &Row| {
            let url = output::cell(&row.url, 80);
            [
                row.id.to_string(),
                row.state.to_string(),
                url,
                row.result.to_owned(),
            ]
        };
        let rows: Vec<_> = rows.iter().map(row).collect();
        output::table(["ID", "WAS", "URL", "RESULT"], &rows);
    }
    summarize(&results, options);
    if at_rest > 0 {
        output::say(&format!(
            "{at_rest} dismissed or unloaded and skipped; --state or their ids queue them"
        ));
    }
    let refused = results
        .iter()
        .any(|r| matches!(r, Replayed::Loading | Replayed::Unknown));
    Ok(if refused { exit::PERSON } else { exit::DONE })
}

fn how(options: &Replay) -> How {
    match (options.from_start, options.force) {
        (false, false) => How::Continue,
        (false, true) => How::ContinueByForce,
        (true, false) => How::FromStart,
        (true, true) => How::FromStartByForce,
    }
}

fn word(result: Replayed) -> &'static str {
    match result {
        Replayed::Queued => "queued",
        Replayed::AlreadyLoaded => "already loaded",
        Replayed::Loading => "being loaded",
        Replayed::Unknown => "unknown",
    }
}

/// What the ledger would answer.
fn foresee(arrival: &Arrival, options: &Replay) -> Replayed {
    match arrival.state {
        State::Loading if !options.force => Replayed::Loading,
        State::Loaded if !options.from_start => Replayed::AlreadyLoaded,
        _ => Replayed::Queued,
    }
}

fn summarize(results: &[Replayed], options: &Replay) {
    let count = |wanted: Replayed| results.iter().filter(|result| **result == wanted).count();
    let verb = if options.dry_run {
        "would be queued"
    } else {
        "queued"
    };
    output::say(&format!("{} {verb}", count(Replayed::Queued)));
    let loaded = count(Replayed::AlreadyLoaded);
    if loaded > 0 {
        output::say(&format!(
            "{loaded} already loaded and skipped; --from-start loads them again"
        ));
    }
    let loading = count(Replayed::Loading);
    if loading > 0 {
        output::say(&format!(
            "{loading} being loaded now and left alone; --force fences them"
        ));
    }
}

/// The arrivals that the options name, oldest first; and how many a person has put
/// to rest, who are meant only where their ids or their state are named.
async fn select(wiring: &Wiring, options: &Replay) -> Result<(Vec<Arrival>, usize), Failure> {
    let Replay {
        ids,
        pipeline,
        key,
        state,
        since,
        until,
        ..
    } = options;
    let filtered = pipeline.is_some()
        || key.is_some()
        || state.is_some()
        || since.is_some()
        || until.is_some();
    if ids.is_empty() != filtered {
        return Err(Failure::usage(
            "say which: ids, or a filter (--state failed, --pipeline, --key, --since, --until)",
        ));
    }
    let mut arrivals = Vec::new();
    for id in once(ids) {
        let arrival = wiring.ledger.arrival(id).await?;
        arrivals.push(arrival.ok_or_else(|| {
            Failure::usage(format!("there is no arrival {id}; see `arrivage arrivals`"))
        })?);
    }
    if filtered {
        let mut filter = Filter {
            state: *state,
            pipeline: pipeline.clone(),
            key: key.clone(),
            since: *since,
            until: *until,
            before: None,
        };
        loop {
            let page = wiring.ledger.arrivals(&filter, PAGE).await?;
            let full = page.len() == PAGE;
            filter.before = page.last().map(|arrival| arrival.id);
            arrivals.extend(page);
            if !full {
                break;
            }
        }
        arrivals.reverse();
    }
    if let (Some(name), true) = (&options.pipeline, arrivals.is_empty()) {
        known(wiring, name)?;
    }
    let found = arrivals.len();
    if filtered && state.is_none() {
        arrivals.retain(|arrival| !matches!(arrival.state, State::Dismissed | State::Unloaded));
    }
    let at_rest = found - arrivals.len();
    Ok((arrivals, at_rest))
}

/// A name that nobody knows finds nothing, and is a mistake.
fn known(wiring: &Wiring, name: &str) -> Result<(), Failure> {
    let pipelines = wiring.router.pipelines();
    let names = || pipelines.iter().map(|pipeline| pipeline.name.as_str());
    if names().any(|known| known == name) {
        return Ok(());
    }
    Err(Failure::usage(match nearest(name, names()) {
        Some(near) => format!("there is no pipeline {name}, did you mean {near}?"),
        None => format!("there is no pipeline {name}, and no arrival of it"),
    }))
}

fn is_adopted(arrival: &Arrival) -> bool {
    arrival.error_code.as_deref() == Some(ErrorCode::Adopted.as_str())
}

/// Rows that cannot be told from others cannot be taken out.
pub(super) async fn refuse_untold(wiring: &Wiring, arrivals: &[Arrival]) -> Result<(), Failure> {
    let mut told = std::collections::BTreeMap::new();
    if let Some(adopted) = arrivals.iter().find(|arrival| is_adopted(arrival)) {
        return Err(Failure::usage(format!(
            "arrival {} was adopted: another tool loaded its rows, and they cannot be told from \
             others; leave it out",
            adopted.id
        )));
    }
    for arrival in arrivals.iter().filter(|arrival| arrival.records_loaded > 0) {
        let name = arrival.pipeline.as_str();
        if !told.contains_key(name) {
            let Some(pipeline) = wiring.router.pipeline(name) else {
                return Err(Failure::usage(format!(
                    "the configuration has no pipeline {name}"
                )));
            };
            let upserts = matches!(pipeline.mode, Mode::Upsert { .. });
            let table = wiring.ledger.table(&pipeline.table).await?;
            told.insert(name, (upserts || table.has_arrival_id, table.name));
        }
        // What an atomic load has gathered is not in the table yet.
        let is_atomic = |name| wiring.router.pipeline(name).is_some_and(|p| p.atomic);
        if arrival.state != State::Loaded && is_atomic(name) {
            continue;
        }
        if let Some((false, table)) = told.get(name) {
            return Err(Failure::usage(format!(
                "the {} rows of arrival {} cannot be told from others in table {table}, so it cannot \
                 start over; a table with a column _arrival_id bigint can tell them",
                arrival.records_loaded, arrival.id
            )));
        }
    }
    Ok(())
}
