use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::problem::{Problem, json};
use crate::{Shared, body};

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReconciliationOrder {
    /// A bucket or a prefix, or the name of a folder source; without it every place
    /// that a listing or folder source names.
    #[serde(default)]
    url: Option<String>,
}

/// What is looked through now.
#[derive(Serialize, ToSchema)]
pub(crate) struct Reconciliation {
    places: Vec<String>,
}

/// Begins to look through places for objects that the ledger lacks, and registers
/// them. It goes on after the answer; its counts come to the log.
#[utoipa::path(post, path = "/v1/reconciliations", tag = "orders",
    request_body = ReconciliationOrder,
    responses(
        (status = 202, description = "The places that are looked through.", body = Reconciliation),
        (status = 409, description = "This process looks through places already.", body = Problem),
        (status = 415, description = "Not JSON by its Content-Type.", body = Problem),
        (status = 422, description = "No such place.", body = Problem)))]
pub(crate) async fn reconcile(
    State(actions): Shared,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let order: ReconciliationOrder = body::order(&headers, body).await?;
    let places = (actions.reconcile)(order.url).await?;
    Ok(json(StatusCode::ACCEPTED, &Reconciliation { places }))
}
