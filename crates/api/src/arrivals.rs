use arrivage_ledger::{Filter, RejectedRecord, SharedLedger, removed_rejects};
use arrivage_model::{Arrival, ArrivalId, Pattern, State as ArrivalState};
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::Serialize;

use crate::Shared;
use crate::problem::{Problem, json};
use crate::query::Query;
use crate::schema::{ArrivalPage, ArrivalRow, RejectPage};

/// Rows looked at in one go while a glob picks among them, and how often at most:
/// then the page ends, whatever it has.
const LOOK: usize = 1000;
const LOOKS: usize = 20;

/// A part of a list.
#[derive(Serialize)]
pub(crate) struct Page<T> {
    items: Vec<T>,
    /// For `after`, to get the part that follows; none at the end.
    next: Option<String>,
}

impl<T> Page<T> {
    pub(crate) fn whole(items: Vec<T>) -> Self {
        Self { items, next: None }
    }
}

/// A part of an arrival's rejects.
#[derive(Serialize)]
struct Rejects {
    #[serde(flatten)]
    page: Page<RejectedRecord>,
    /// What to say of those that are not there any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    removed: Option<String>,
}

/// The load history, newest first.
#[utoipa::path(get, path = "/v1/arrivals", tag = "arrivals",
    params(
        ("state" = Option<String>, Query, description = "waiting, loading, loaded, failed, superseded, dismissed or unloaded"),
        ("pipeline" = Option<String>, Query),
        ("key" = Option<String>, Query, description = "A glob over keys. A page may then have fewer items than `limit`, or none, and still be followed by another."),
        ("after" = Option<String>, Query, description = "The `next` of the page before."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "100 if not said.")),
    responses(
        (status = 200, description = "A page.", body = ArrivalPage),
        (status = 400, description = "A parameter is wrong.", body = Problem)))]
pub(crate) async fn list(State(actions): Shared, uri: Uri) -> Result<Response, Problem> {
    let mut query = Query::of(&uri);
    let filter = Filter {
        state: query.take::<ArrivalState>("state")?,
        pipeline: query.take("pipeline")?,
        before: query.take::<ArrivalId>("after")?,
        ..Filter::default()
    };
    let glob = query.take::<String>("key")?;
    let glob = glob.map(|glob| Pattern::new(&glob)).transpose();
    let glob = glob.map_err(|error| Problem::bad_request(format!("key: {error}")))?;
    let limit = query.take_limit()?;
    query.end()?;
    let page = page(&actions.ledger, filter, glob.as_ref(), limit).await?;
    Ok(json(StatusCode::OK, &page))
}

async fn page(
    ledger: &SharedLedger,
    mut filter: Filter,
    glob: Option<&Pattern>,
    limit: usize,
) -> Result<Page<Arrival>, Problem> {
    let look = glob.map_or(limit + 1, |_| LOOK);
    let mut items = Vec::new();
    for _ in 0..LOOKS {
        let rows = ledger.arrivals(&filter, look).await?;
        let is_last = rows.len() < look;
        for row in rows {
            if items.len() == limit {
                return Ok(Page {
                    items,
                    next: filter.before.map(|id| id.to_string()),
                });
            }
            filter.before = Some(row.id);
            if glob.is_none_or(|glob| glob.is_match(&row.key)) {
                items.push(row);
            }
        }
        if is_last {
            return Ok(Page::whole(items));
        }
    }
    Ok(Page {
        items,
        next: filter.before.map(|id| id.to_string()),
    })
}

/// One arrival. While it is loading, its counts and its checkpoint move with every
/// chunk.
#[utoipa::path(get, path = "/v1/arrivals/{id}", tag = "arrivals",
    params(("id" = i64, Path)),
    responses(
        (status = 200, description = "It.", body = ArrivalRow),
        (status = 404, description = "There is none of this id.", body = Problem)))]
pub(crate) async fn one(
    State(actions): Shared,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let arrival = find(&actions.ledger, &id).await?;
    Ok(json(StatusCode::OK, &arrival))
}

/// The records that were read and not loaded, in the file's order. Those that were removed as
/// `database.retention` says are missing, and the first page says so in `removed`.
#[utoipa::path(get, path = "/v1/arrivals/{id}/rejects", tag = "arrivals",
    params(
        ("id" = i64, Path),
        ("after" = Option<String>, Query, description = "The `next` of the page before."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "100 if not said.")),
    responses(
        (status = 200, description = "A page.", body = RejectPage),
        (status = 400, description = "A parameter is wrong.", body = Problem),
        (status = 404, description = "There is no such arrival.", body = Problem)))]
pub(crate) async fn rejects(
    State(actions): Shared,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    let mut query = Query::of(&uri);
    let after: u64 = query.take("after")?.unwrap_or_default();
    let limit = query.take_limit()?;
    query.end()?;
    let arrival = find(&actions.ledger, &id).await?;
    let mut items = actions.ledger.rejects(arrival.id, after, limit + 1).await?;
    let is_last = items.len() <= limit;
    items.truncate(limit);
    let next = items.last().filter(|_| !is_last);
    let next = next.map(|reject| reject.record.to_string());
    let removed = match after {
        0 => {
            let pruned_at = actions.ledger.pruned_at(arrival.id).await?;
            removed_rejects(&arrival, pruned_at, items.len())
        }
        // The first page has said it.
        _ => None,
    };
    let page = Page { items, next };
    Ok(json(StatusCode::OK, &Rejects { page, removed }))
}

/// The arrival of an id as the path has it.
pub(crate) async fn find(ledger: &SharedLedger, id: &str) -> Result<Arrival, Problem> {
    let known = id.parse::<ArrivalId>().ok();
    let found = match known {
        Some(id) => ledger.arrival(id).await?,
        None => None,
    };
    found.ok_or_else(|| Problem::no_arrival(id))
}
