//! The HTTP surface: probes, metrics, the webhook, and the API of schedulers and
//! dashboards, described by OpenAPI.
//!
//! It reads the ledger. All that it sets going (recording a notification,
//! registering objects, a replay, a reconciliation) are [`Actions`] that are handed
//! to it: it knows neither sources nor processors.

mod actions;
mod arrivals;
mod body;
mod door;
mod live;
mod loads;
mod notifications;
mod openapi;
mod pipelines;
mod probes;
mod problem;
mod query;
mod reconciliations;
mod replays;
mod schema;
mod server;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, head, post};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use actions::{
    Action, Actions, CancelOrder, Check, LoadOrder, Recorded, Refusal, ReplayOrder, Token, Webhook,
};
use door::Door;
use server::Limits;

/// Serves until `stop`, then ends the requests that are under way.
pub async fn serve(
    listener: TcpListener,
    actions: Actions,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let actions = Arc::new(actions);
    let router = router(actions, stop.clone());
    server::serve(listener, router, Limits::default(), stop).await
}

/// What handlers work with.
type Shared = axum::extract::State<Arc<Actions>>;

fn router(actions: Arc<Actions>, stop: CancellationToken) -> Router {
    let door = Door::new(actions.token.clone());
    let mut router = Router::new();
    for (path, methods) in routes(stop) {
        router = router.route(path, methods);
    }
    router
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::not_allowed)
        .layer(from_fn_with_state(Arc::new(door), door::pass))
        .with_state(actions)
}

/// Every route. A test holds the OpenAPI document to it.
fn routes(stop: CancellationToken) -> Vec<(&'static str, MethodRouter<Arc<Actions>>)> {
    let seats = live::Seats::new(stop);
    vec![
        ("/", head(notifications::probe_root)),
        ("/healthz", get(probes::healthz)),
        ("/readyz", get(probes::readyz)),
        ("/metrics", get(probes::metrics)),
        ("/openapi.json", get(openapi::document)),
        (
            "/notifications",
            head(notifications::probe).post(notifications::take),
        ),
        ("/v1/arrivals", get(arrivals::list)),
        ("/v1/arrivals/{id}", get(arrivals::one)),
        ("/v1/arrivals/{id}/rejects", get(arrivals::rejects)),
        ("/v1/arrivals/{id}/replay", post(replays::replay)),
        ("/v1/arrivals/{id}/cancel", post(replays::cancel)),
        ("/v1/loads", post(loads::load)),
        ("/v1/reconciliations", post(reconciliations::reconcile)),
        ("/v1/pipelines", get(pipelines::list)),
        (
            "/v1/live",
            get(move |state: Shared| live::live(state, seats.clone())),
        ),
    ]
}

#[cfg(test)]
mod tests;
