//! What every request passes first: who may come in, how many at once, for how
//! long. A path that nobody thought of needs the token too.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;

use crate::Token;
use crate::problem::{self, Problem};

/// Requests answered at the same time; the rest wait for their turn. Some senders of
/// notifications never say again what was refused.
pub(crate) const AT_ONCE: usize = 64;

/// The longest that a request may take, with its waiting.
const PATIENCE: Duration = Duration::from_secs(30);

/// Answered whoever asks, and however much is going on.
const PROBES: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// Has a token of its own. RustFS looks for life at the root.
const NOTIFICATIONS: &str = "/notifications";
const ROOT: &str = "/";

pub(crate) struct Door {
    token: Option<Token>,
    places: Semaphore,
}

impl Door {
    pub(crate) fn new(token: Option<Token>) -> Self {
        Self {
            token,
            places: Semaphore::new(AT_ONCE),
        }
    }
}

/// Lets a request through, and an answer out.
pub(crate) async fn pass(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if PROBES.contains(&path) {
        return worded(next.run(request).await);
    }
    let is_open = path == NOTIFICATIONS || (path == ROOT && request.method() == Method::HEAD);
    let shown = door
        .token
        .as_ref()
        .is_none_or(|token| token.is_shown_by(request.headers()));
    if !is_open && !shown {
        let detail = "send the token of http.token as Authorization: Bearer …";
        return Problem::new(StatusCode::UNAUTHORIZED, detail).into_response();
    }
    let answer = async {
        let _place = door.places.acquire().await;
        next.run(request).await
    };
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(response) => worded(response),
        Err(_) => {
            let detail = format!("it took longer than {PATIENCE:?}; it may be said again");
            Problem::away(detail).into_response()
        }
    }
}

/// Whatever refuses a request, says so as a problem.
fn worded(response: Response) -> Response {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    let is_json = response
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|kind| *kind == problem::CONTENT || *kind == "application/json");
    if !is_error || is_json {
        return response;
    }
    Problem::new(status, "the request cannot be understood").into_response()
}
