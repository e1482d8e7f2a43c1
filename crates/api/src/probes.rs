use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::problem::json;
use crate::{Check, Shared};

#[derive(Serialize, ToSchema)]
pub(crate) struct Readiness {
    /// Whether everything works.
    ready: bool,
    /// The database, and every source.
    checks: Vec<Check>,
}

/// The process is alive.
#[utoipa::path(get, path = "/healthz", tag = "probes", security(()),
    responses((status = 200, description = "It is.", body = String, content_type = "text/plain")))]
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// Database and sources work.
#[utoipa::path(get, path = "/readyz", tag = "probes", security(()), responses(
    (status = 200, description = "They do.", body = Readiness),
    (status = 503, description = "Not all of them.", body = Readiness)))]
pub(crate) async fn readyz(State(actions): Shared) -> Response {
    let checks = (actions.readiness)(()).await;
    let ready = checks.iter().all(|check| check.ok);
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    json(status, &Readiness { ready, checks })
}

/// Metrics for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "probes", security(()),
    responses((status = 200, description = "In the text format.", body = String,
        content_type = "text/plain; version=0.0.4")))]
pub(crate) async fn metrics(State(actions): Shared) -> Response {
    let text = (actions.metrics)(()).await;
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(CONTENT_TYPE, kind)], text).into_response()
}
