//! `reconcile`: what stands in the stores, held against the ledger.

use std::path::Path;
use std::time::{Duration, Instant};

use arrivage_model::{ArrivalId, Location, State};
use arrivage_store::{Backoff, Stores};
use arrivage_watcher::{
    Counts, Finding, Intake, Item, Place, ReconcileError, Reconciliation, Source, Then,
};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::arguments::Reconcile;
use crate::exit::{self, Failure};
use crate::names::nearest;
use crate::output;
use crate::wiring::{Schema, Wiring};

/// How long store and database may be away.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a file must have been left alone, where no source says it.
const SETTLE: Duration = Duration::from_secs(2);

/// Who found them, in the ledger.
const SOURCE: &str = "reconcile";

#[derive(Serialize)]
pub(super) struct ItemRow {
    place: String,
    result: Finding,
    url: String,
    pipeline: String,
    arrival: Option<ArrivalId>,
    state: Option<State>,
}

#[derive(Serialize)]
struct Summary {
    place: String,
    result: &'static str,
    #[serde(flatten)]
    counts: Counts,
}

pub(super) async fn reconcile(
    wiring: &Wiring,
    options: &Reconcile,
    verbose: bool,
) -> Result<u8, Failure> {
    let places = places(wiring, options.url.as_deref())?;
    let stores = wiring.stores()?;
    wiring
        .open(Schema::Check, false, &CancellationToken::new())
        .await?;
    let then = match (options.dry_run, options.adopt) {
        (true, _) => Then::Look,
        (false, true) => Then::Adopt,
        (false, false) => Then::Register,
    };
    let mut summaries = Vec::new();
    for place in places {
        let name = place.location.to_string();
        let pass = Reconciliation::new(place, then, intake(wiring, &stores));
        let counts = finish(pass, |item| {
            let ItemRow { result, url, .. } = &item;
            if options.json.json {
                output::json_lines(&[item]);
            } else if verbose {
                let word = format!("{result:?}").to_lowercase();
                output::data(&format!("{word:<8}  {}", output::cell(url, 2000)));
            }
        })
        .await?;
        summaries.push(Summary {
            place: name,
            result: "summary",
            counts,
        });
    }
    if options.json.json {
        output::json_lines(&summaries);
    } else {
        print(&summaries);
        advise(&summaries, then);
    }
    Ok(exit::DONE)
}

pub(super) fn intake(wiring: &Wiring, stores: &Stores) -> Intake {
    let (ledger, router) = (wiring.ledger.clone(), wiring.router.clone());
    Intake::new(SOURCE, ledger, stores.clone(), router)
}

/// Goes through to the end, trying again while a server is away.
pub(super) async fn finish(
    mut pass: Reconciliation,
    mut show: impl FnMut(ItemRow),
) -> Result<Counts, Failure> {
    let place = pass.place().location.to_string();
    let mut backoff = Backoff::default();
    let mut answered = Instant::now();
    loop {
        let error = match pass.advance().await {
            Ok(None) => break,
            Ok(Some(items)) => {
                backoff.reset();
                answered = Instant::now();
                items
                    .into_iter()
                    .map(|item| row(&place, item))
                    .for_each(&mut show);
                continue;
            }
            Err(error) => error,
        };
        if !error.is_passing() || answered.elapsed() > PATIENCE {
            return Err(match error {
                ReconcileError::Ledger(error) => error.into(),
                ReconcileError::Store(error) => error.into(),
                error @ ReconcileError::Unsorted(_) => Failure::person(error),
            });
        }
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "no answer; trying again"
        );
        tokio::time::sleep(backoff.next_delay(None).unwrap_or(PATIENCE)).await;
    }
    if pass.is_unsorted() {
        output::say(&format!(
            "{place} is not listed in the order of its keys, so what vanished is not told"
        ));
    }
    Ok(pass.counts())
}

fn row(place: &str, item: Item) -> ItemRow {
    ItemRow {
        place: place.to_owned(),
        result: item.finding,
        url: item.location.to_string(),
        pipeline: item.pipeline,
        arrival: item.arrival.map(|(id, _)| id),
        state: item.arrival.map(|(_, state)| state),
    }
}

fn print(summaries: &[Summary]) {
    let cells = |summary: &Summary| {
        let Counts {
            listed,
            known,
            missing,
            changed,
            vanished,
            ignored,
            older,
            left,
        } = summary.counts;
        let counts = [
            listed, known, missing, changed, vanished, ignored, older, left,
        ];
        let [a, b, c, d, e, f, g, h] = counts.map(|count| count.to_string());
        [output::cell(&summary.place, 80), a, b, c, d, e, f, g, h]
    };
    let rows: Vec<_> = summaries.iter().map(cells).collect();
    let header = [
        "PLACE", "LISTED", "KNOWN", "MISSING", "CHANGED", "VANISHED", "IGNORED", "OLDER", "LEFT",
    ];
    output::table(header, &rows);
}

fn advise(summaries: &[Summary], then: Then) {
    let sum = |of: fn(&Counts) -> u64| summaries.iter().map(|summary| of(&summary.counts)).sum();
    let lacked: u64 = sum(|counts| counts.missing + counts.changed);
    let vanished: u64 = sum(|counts| counts.vanished);
    if lacked > 0 {
        output::say(&match then {
            Then::Look => format!("{lacked} would be registered; leave out --dry-run to do it"),
            Then::Register => format!("{lacked} registered, to be loaded"),
            Then::Adopt => format!("{lacked} adopted as loaded"),
        });
    }
    if vanished > 0 {
        output::say(&format!(
            "{vanished} vanished from the store; -v names them"
        ));
    }
}

/// What a person named, or else all that the sources name.
pub(super) fn places(wiring: &Wiring, url: Option<&str>) -> Result<Vec<Place>, Failure> {
    let sources = wiring.config.sources()?;
    let settle = |bucket: &str| {
        let mut folders = sources.iter().filter_map(|source| match source {
            Source::Folder(folder) if folder.name == bucket => Some(folder.settle),
            _ => None,
        });
        folders.next().unwrap_or(SETTLE)
    };
    if let Some(url) = url {
        let location = locate(wiring, url)?;
        return Ok(vec![Place {
            settle: settle(&location.bucket),
            location,
            since: None,
        }]);
    }
    let place = |source: &Source| match source {
        Source::Folder(folder) => Some(Place {
            location: Location::folder(&folder.name, ""),
            since: None,
            settle: folder.settle,
        }),
        Source::Listing(listing) => Some(Place {
            location: listing.location.clone(),
            since: listing.since,
            settle: SETTLE,
        }),
        Source::Sqs(_)
        | Source::Webhook(_)
        | Source::Nats(_)
        | Source::Amqp(_)
        | Source::Table(_) => None,
    };
    let places: Vec<Place> = sources.iter().filter_map(place).collect();
    if places.is_empty() {
        return Err(Failure::usage(
            "no source of kind listing or folder names a place; name one: \
             `arrivage reconcile s3://bucket/prefix`",
        ));
    }
    Ok(places)
}

/// A URL, the name of a folder source, or a path.
fn locate(wiring: &Wiring, text: &str) -> Result<Location, Failure> {
    let folders = wiring.config.folders()?;
    if let Some(rest) = text.strip_prefix("folder://") {
        let name = rest.split('/').next().unwrap_or_default();
        if !folders.contains_key(name) {
            return Err(unknown(name, folders.keys().map(String::as_str)));
        }
    }
    if text.contains("://") {
        return text.parse().map_err(Failure::person);
    }
    if folders.contains_key(text) {
        return Ok(Location::folder(text, ""));
    }
    let Ok(path) = Path::new(text).canonicalize() else {
        return Err(unknown(text, folders.keys().map(String::as_str)));
    };
    let end = if path.is_dir() { "/" } else { "" };
    let path = path
        .to_str()
        .ok_or_else(|| Failure::usage(format!("the path of {text} is not UTF-8")))?;
    Ok(wiring
        .router
        .locate(&format!("{}{end}", path.trim_end_matches('/'))))
}

fn unknown<'a>(typed: &str, folders: impl Iterator<Item = &'a str>) -> Failure {
    Failure::usage(match nearest(typed, folders) {
        Some(near) => format!("there is no place {typed}, did you mean the folder source {near}?"),
        None => format!(
            "there is no place {typed}; write s3://bucket/prefix, the name of a folder source, or \
             a path"
        ),
    })
}
