//! `unload`, `dismiss` and `cancel`: what a person does with an arrival that is not wanted.

use arrivage_ledger::{Cancelled, Dismissed, Unloaded};
use arrivage_model::{Arrival, ArrivalId, State};
use serde::Serialize;

use crate::arguments::{Orders, once};
use crate::exit::{self, Failure};
use crate::output;
use crate::wiring::Wiring;

#[derive(Serialize)]
struct Row {
    id: ArrivalId,
    url: String,
    /// Before.
    state: State,
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rejects: Option<u64>,
}

impl Row {
    fn new(arrival: &Arrival, result: &'static str) -> Self {
        Self {
            id: arrival.id,
            url: arrival.url.clone(),
            state: arrival.state,
            result,
            rows: None,
            rejects: None,
        }
    }
}

/// `unload ID…`: takes rows and rejects out again, an arrival at a time.
pub(super) async fn unload(wiring: &Wiring, options: &Orders) -> Result<u8, Failure> {
    let arrivals = arrivals(wiring, &once(&options.ids)).await?;
    let mut rows = Vec::new();
    let mut code = exit::DONE;
    for arrival in &arrivals {
        let Some(pipeline) = wiring.router.pipeline(&arrival.pipeline) else {
            return Err(Failure::usage(format!(
                "the configuration has no pipeline {}, so nobody knows the table of arrival {}; \
                 put the pipeline back to unload it",
                arrival.pipeline, arrival.id
            )));
        };
        let table = wiring.ledger.table(&pipeline.table).await?;
        let unloaded = wiring.ledger.unload(arrival.id, &table).await?;
        if let Some(words) = why_not_unloaded(arrival, unloaded, &pipeline.table.to_string()) {
            output::say(&words);
            code = exit::PERSON;
        }
        rows.push(unloaded_row(arrival, unloaded));
    }
    print(&rows, options);
    Ok(code)
}

fn unloaded_row(arrival: &Arrival, unloaded: Unloaded) -> Row {
    match unloaded {
        Unloaded::Done { rows, of, rejects } => {
            if rows < of {
                output::say(&format!(
                    "arrival {}: {of} rows were loaded, and {rows} were left to take out; later \
                     arrivals or other hands have changed the rest",
                    arrival.id
                ));
            }
            Row {
                rows: Some(rows),
                rejects: Some(rejects),
                ..Row::new(arrival, "unloaded")
            }
        }
        Unloaded::Already => Row::new(arrival, "already unloaded"),
        Unloaded::Untold { .. } | Unloaded::Adopted | Unloaded::Refused(_) | Unloaded::Unknown => {
            Row::new(arrival, "refused")
        }
    }
}

/// What hinders it, and what to do about it.
fn why_not_unloaded(arrival: &Arrival, unloaded: Unloaded, table: &str) -> Option<String> {
    let id = arrival.id;
    let words = match unloaded {
        Unloaded::Done { .. } | Unloaded::Already => return None,
        Unloaded::Untold { rows } => format!(
            "the {rows} rows of arrival {id} cannot be told from others in table {table}; take \
             them out by hand, and give the table a column _arrival_id bigint for the next ones"
        ),
        Unloaded::Adopted => format!(
            "arrival {id} was adopted: another tool loaded it, so its rows in table {table} are \
             not known here; take them out by hand"
        ),
        Unloaded::Refused(State::Waiting) => {
            format!("arrival {id} waits to be loaded; unload it when it is loaded or failed")
        }
        Unloaded::Refused(State::Loading) => {
            format!("arrival {id} is being loaded; unload it when it is loaded or failed")
        }
        Unloaded::Refused(state) => {
            format!("arrival {id} is {state}, and nothing of it is in table {table}")
        }
        Unloaded::Unknown => format!("there is no arrival {id} any more"),
    };
    Some(words)
}

/// `dismiss ID…`: takes failed arrivals out of the alerts.
pub(super) async fn dismiss(wiring: &Wiring, options: &Orders) -> Result<u8, Failure> {
    let ids = once(&options.ids);
    let arrivals = arrivals(wiring, &ids).await?;
    let answers = wiring.ledger.dismiss(&ids).await?;
    let mut code = exit::DONE;
    let mut rows = Vec::new();
    for (arrival, answer) in arrivals.iter().zip(answers) {
        rows.push(match answer {
            Dismissed::Done => Row::new(arrival, "dismissed"),
            Dismissed::Already => Row::new(arrival, "already dismissed"),
            Dismissed::Refused(state) => {
                output::say(&format!(
                    "arrival {} is {state}; only a failed one is dismissed",
                    arrival.id
                ));
                code = exit::PERSON;
                Row::new(arrival, "refused")
            }
            Dismissed::Unknown => {
                code = exit::PERSON;
                Row::new(arrival, "unknown")
            }
        });
    }
    print(&rows, options);
    Ok(code)
}

/// `cancel ID…`: lets arrivals rest that wait or are being loaded.
pub(super) async fn cancel(wiring: &Wiring, options: &Orders) -> Result<u8, Failure> {
    let ids = once(&options.ids);
    let arrivals = arrivals(wiring, &ids).await?;
    let answers = wiring.ledger.cancel(&ids).await?;
    let mut code = exit::DONE;
    let mut rows = Vec::new();
    for (arrival, answer) in arrivals.iter().zip(answers) {
        rows.push(match answer {
            Cancelled::Done => Row::new(arrival, "cancelled"),
            Cancelled::Already => Row::new(arrival, "already dismissed"),
            Cancelled::Refused(state) => {
                output::say(&format!(
                    "arrival {} is {state}; there is no load to cancel",
                    arrival.id
                ));
                code = exit::PERSON;
                Row::new(arrival, "refused")
            }
            Cancelled::Unknown => {
                code = exit::PERSON;
                Row::new(arrival, "unknown")
            }
        });
    }
    print(&rows, options);
    Ok(code)
}

/// All of them, or nothing is done.
async fn arrivals(wiring: &Wiring, ids: &[ArrivalId]) -> Result<Vec<Arrival>, Failure> {
    let mut arrivals = Vec::with_capacity(ids.len());
    for id in ids {
        let arrival = wiring.ledger.arrival(*id).await?;
        arrivals.push(arrival.ok_or_else(|| {
            Failure::usage(format!("there is no arrival {id}; see `arrivage arrivals`"))
        })?);
    }
    Ok(arrivals)
}

fn print(rows: &[Row], options: &Orders) {
    if options.json.json {
        output::json_lines(rows);
        return;
    }
    let count = |count: Option<u64>| count.map(|count| count.to_string()).unwrap_or_default();
    let cells = |row: &Row| {
        [
            row.id.to_string(),
            row.state.to_string(),
            output::cell(&row.url, 80),
            row.result.to_owned(),
            count(row.rows),
            count(row.rejects),
        ]
    };
    let rows: Vec<_> = rows.iter().map(cells).collect();
    output::table(["ID", "WAS", "URL", "RESULT", "ROWS", "REJECTS"], &rows);
}
