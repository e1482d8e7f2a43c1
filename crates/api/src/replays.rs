use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use crate::problem::{Problem, json};
use crate::schema::ArrivalRow;
use crate::{CancelOrder, ReplayOrder, Shared, arrivals, body};

/// Queues an arrival again. One that is loaded stays so unless it is to start over.
#[utoipa::path(post, path = "/v1/arrivals/{id}/replay", tag = "orders",
    params(("id" = i64, Path)), request_body = ReplayOrder,
    responses(
        (status = 202, description = "The arrival as it stands now.", body = ArrivalRow),
        (status = 404, description = "There is no such arrival.", body = Problem),
        (status = 409, description = "It is being loaded, and the order is without `force`.", body = Problem),
        (status = 415, description = "Not JSON by its Content-Type.", body = Problem),
        (status = 422, description = "It cannot start over: its rows cannot be told from others.", body = Problem),
        (status = 503, description = "The database is away; it may be said again.", body = Problem)))]
pub(crate) async fn replay(
    State(actions): Shared,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let order: ReplayOrder = body::order(&headers, body).await?;
    let known = arrivals::find(&actions.ledger, &id).await?.id;
    (actions.replay)((known, order)).await?;
    let arrival = arrivals::find(&actions.ledger, &id).await?;
    Ok(json(StatusCode::ACCEPTED, &arrival))
}

/// Stops a load that nobody wants: the arrival is `dismissed`, its processor is fenced,
/// and what was committed stays. A replay goes on from there.
#[utoipa::path(post, path = "/v1/arrivals/{id}/cancel", tag = "orders",
    params(("id" = i64, Path)), request_body = CancelOrder,
    responses(
        (status = 200, description = "The arrival as it rests now; also when it was dismissed before.", body = ArrivalRow),
        (status = 404, description = "There is no such arrival.", body = Problem),
        (status = 409, description = "It neither waits nor is being loaded.", body = Problem),
        (status = 415, description = "Not JSON by its Content-Type.", body = Problem),
        (status = 503, description = "The database is away; it may be said again.", body = Problem)))]
pub(crate) async fn cancel(
    State(actions): Shared,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let CancelOrder {} = body::order(&headers, body).await?;
    let known = arrivals::find(&actions.ledger, &id).await?.id;
    (actions.cancel)(known).await?;
    let arrival = arrivals::find(&actions.ledger, &id).await?;
    Ok(json(StatusCode::OK, &arrival))
}
