use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use crate::problem::{Problem, json};
use crate::{Recorded, Shared, Webhook, body};

/// MinIO looks whether somebody is there before it sends.
#[utoipa::path(head, path = "/notifications", tag = "notifications", security(()), responses(
    (status = 200, description = "Somebody is."),
    (status = 404, description = "The configuration has no webhook source.")))]
pub(crate) async fn probe(State(actions): Shared) -> StatusCode {
    match actions.webhook {
        Some(_) => StatusCode::OK,
        None => StatusCode::NOT_FOUND,
    }
}

/// RustFS looks here whether somebody is there before it sends.
#[utoipa::path(head, path = "/", tag = "notifications", security(()), responses(
    (status = 200, description = "Somebody is."),
    (status = 404, description = "The configuration has no webhook source.")))]
pub(crate) async fn probe_root(state: Shared) -> StatusCode {
    probe(state).await
}

/// Takes in a notification: events of S3 as MinIO, RustFS and Ceph send them,
/// EventBridge's, or CloudEvents (structured, batched or binary). 2xx says that all
/// of it is durable.
#[utoipa::path(post, path = "/notifications", tag = "notifications", security(("webhook" = [])),
    request_body(content = Object, content_type = "application/json"),
    responses(
        (status = 200, description = "How many of what became of its records.", body = Object),
        (status = 401, description = "Without the token.", body = Problem),
        (status = 404, description = "The configuration has no webhook source.", body = Problem),
        (status = 413, description = "More than 1 MiB.", body = Problem),
        (status = 415, description = "Not JSON, or compressed.", body = Problem),
        (status = 422, description = "It cannot be read (`unreadable = \"leave\"`).", body = Problem),
        (status = 503, description = "To be said again.", body = Problem)))]
pub(crate) async fn take(
    State(actions): Shared,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let Some(Webhook { token, take }) = &actions.webhook else {
        let detail = "the configuration has no source of kind webhook";
        return Err(Problem::new(StatusCode::NOT_FOUND, detail));
    };
    let shown = |token: &crate::Token| token.is_shown_in_any_way_by(&headers);
    if !token.as_ref().is_none_or(shown) {
        let detail = "send the token of the webhook source as Authorization";
        return Err(Problem::new(StatusCode::UNAUTHORIZED, detail));
    }
    if !is_readable(&headers) {
        let detail = "notifications are JSON";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    let body = body::read(&headers, body).await?;
    match take(body).await {
        Recorded::Durable(tally) => Ok(json(StatusCode::OK, &tally)),
        Recorded::Unreadable(why) => Err(Problem::invalid(why)),
        Recorded::NotYet(why) => Err(Problem::away(why)),
    }
}

/// JSON by whatever name: SNS calls it a text, and some senders call it nothing. In
/// a binary CloudEvent this is the type of its data.
fn is_readable(headers: &HeaderMap) -> bool {
    body::media_type(headers).is_none_or(|kind| {
        kind == "text/plain" || kind.ends_with("/json") || kind.ends_with("+json")
    })
}
