use arrivage_ledger::Request;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Serialize;

use crate::problem::{Problem, json};
use crate::schema::Loads;
use crate::{Actions, LoadOrder, Shared, body};

#[derive(Serialize)]
struct Arrivals {
    arrivals: Vec<arrivage_model::Arrival>,
}

/// Registers the objects that stand at a URL now, or those of a pipeline whose
/// patterns capture what `parameters` say, to be loaded. The same content is
/// the same arrival, however often it is ordered; under an `Idempotency-Key` the
/// answer stays the same even when the objects change.
#[utoipa::path(post, path = "/v1/loads", tag = "orders", request_body = LoadOrder,
    params(("Idempotency-Key" = Option<String>, Header,
        description = "Up to 255 visible characters, chosen by the caller; the last 10,000 are remembered.")),
    responses(
        (status = 202, description = "The arrivals, to be followed by their ids.", body = Loads),
        (status = 400, description = "Not JSON, or an unusable key.", body = Problem),
        (status = 415, description = "Not JSON by its Content-Type.", body = Problem),
        (status = 422, description = "No such pipeline, bucket or object; or another order came under the same key.", body = Problem),
        (status = 503, description = "Database or store are away; it may be said again.", body = Problem)))]
pub(crate) async fn load(
    State(actions): Shared,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let key = idempotency_key(&headers)?;
    let order: LoadOrder = body::order(&headers, body).await?;
    if let Some(problem) = order.problem() {
        return Err(Problem::invalid(problem));
    }
    let ids = match key {
        None => (actions.load)(order).await?,
        Some(key) => once(&actions, key, order).await?,
    };
    let arrivals = actions.ledger.arrivals_among(&ids).await?;
    Ok(json(StatusCode::ACCEPTED, &Arrivals { arrivals }))
}

/// Registering twice is harmless; so the answer may be kept afterwards, and whoever
/// dies in between has only to say it again.
async fn once(
    actions: &Actions,
    key: String,
    order: LoadOrder,
) -> Result<Vec<arrivage_model::ArrivalId>, Problem> {
    let fingerprint =
        serde_json::to_string(&order).map_err(|error| Problem::bad_request(error.to_string()))?;
    let kept = match actions.ledger.request(&key).await? {
        Some(kept) => kept,
        None => {
            let request = Request {
                key,
                fingerprint: fingerprint.clone(),
                arrivals: (actions.load)(order).await?,
            };
            actions.ledger.keep_request(&request).await?
        }
    };
    if kept.fingerprint != fingerprint {
        return Err(Problem::invalid(format!(
            "another order came under this Idempotency-Key: {}",
            kept.fingerprint
        )));
    }
    Ok(kept.arrivals)
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(key) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    match key.to_str() {
        Ok(key) if (1..=Request::MAX_KEY).contains(&key.len()) => Ok(Some(key.to_owned())),
        _ => {
            let detail = "Idempotency-Key: from 1 to 255 visible ASCII characters";
            Err(Problem::bad_request(detail))
        }
    }
}
