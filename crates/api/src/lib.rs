//! The HTTP surface. It knows neither ledger nor sources: what it answers with
//! is handed to it.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::future::BoxFuture;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// What the server can do, handed in by whoever wires the program.
pub struct Actions {
    /// What a request must show, but for probes and metrics; nothing: anybody may.
    pub token: Option<String>,
    /// Looks at everything that must work before traffic may come.
    pub readiness: Box<dyn Fn() -> BoxFuture<'static, Vec<Check>> + Send + Sync>,
    /// The metrics in Prometheus' text format.
    pub metrics: Box<dyn Fn() -> BoxFuture<'static, String> + Send + Sync>,
}

/// One thing that must work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What it is: `database`, or a source's name.
    pub name: String,
    /// Whether it works.
    pub ok: bool,
    /// What does not, and since when, for a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

#[derive(Serialize)]
struct Readiness {
    ready: bool,
    checks: Vec<Check>,
}

/// Serves until `stop`, then ends the requests that are under way.
pub async fn serve(
    listener: TcpListener,
    actions: Actions,
    stop: CancellationToken,
) -> std::io::Result<()> {
    axum::serve(listener, router(actions))
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
}

fn router(actions: Actions) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .fallback(not_found)
        .method_not_allowed_fallback(not_allowed)
        .with_state(Arc::new(actions))
}

async fn readyz(State(actions): State<Arc<Actions>>) -> Response {
    let checks = (actions.readiness)().await;
    let ready = checks.iter().all(|check| check.ok);
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    json(status, "application/json", &Readiness { ready, checks })
}

async fn metrics(State(actions): State<Arc<Actions>>) -> Response {
    let text = (actions.metrics)().await;
    (
        [(
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        )],
        text,
    )
        .into_response()
}

/// An error as RFC 9457 has it.
#[derive(Serialize)]
struct Problem {
    title: &'static str,
    status: u16,
    detail: String,
}

async fn not_found(State(actions): State<Arc<Actions>>, headers: HeaderMap, uri: Uri) -> Response {
    if !may(actions.token.as_deref(), &headers) {
        let detail = "send the token of http.token as Authorization: Bearer …".to_owned();
        return problem(StatusCode::UNAUTHORIZED, "Unauthorized", detail);
    }
    problem(
        StatusCode::NOT_FOUND,
        "Not found",
        format!("there is nothing at {}", uri.path()),
    )
}

/// Whether the request shows the token. Takes as long for a nearly right one as
/// for any other of its length.
fn may(token: Option<&str>, headers: &HeaderMap) -> bool {
    let Some(token) = token else {
        return true;
    };
    let shown = headers
        .get(header::AUTHORIZATION)
        .map(HeaderValue::as_bytes)
        .unwrap_or_default();
    let Some(shown) = shown.strip_prefix(b"Bearer ") else {
        return false;
    };
    let differing = shown
        .iter()
        .zip(token.as_bytes())
        .fold(0, |all, (a, b)| all | (a ^ b));
    shown.len() == token.len() && std::hint::black_box(differing) == 0
}

async fn not_allowed(uri: Uri) -> Response {
    let detail = format!("{} does not take this method", uri.path());
    problem(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed", detail)
}

fn problem(status: StatusCode, title: &'static str, detail: String) -> Response {
    let problem = Problem {
        title,
        status: status.as_u16(),
        detail,
    };
    json(status, "application/problem+json", &problem)
}

fn json(status: StatusCode, content_type: &'static str, body: &impl Serialize) -> Response {
    match serde_json::to_string(body) {
        Ok(text) => (status, [(header::CONTENT_TYPE, content_type)], text + "\n").into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[cfg(test)]
mod tests;
