use std::sync::LazyLock;

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

use crate::schema::{ArrivalRow, RejectRow};
use crate::{arrivals, live, loads, notifications, pipelines, probes, reconciliations, replays};

/// What can be asked here, and how it is answered.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Arrivage",
        description = "Files arrive; their rows are in the database, once. Errors are \
            application/problem+json (RFC 9457); 503 means that the same may be said again.",
        license(name = "MIT OR Apache-2.0")
    ),
    paths(
        probes::healthz,
        probes::readyz,
        probes::metrics,
        document,
        notifications::probe,
        notifications::probe_root,
        notifications::take,
        arrivals::list,
        arrivals::one,
        arrivals::rejects,
        replays::replay,
        replays::cancel,
        loads::load,
        reconciliations::reconcile,
        pipelines::list,
        live::live,
    ),
    components(schemas(ArrivalRow, RejectRow)),
    security(("token" = [])),
    modifiers(&Tokens)
)]
pub(crate) struct Document;

struct Tokens;

impl Modify for Tokens {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        for name in ["token", "webhook"] {
            let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
            components.add_security_scheme(name, scheme);
        }
    }
}

static TEXT: LazyLock<String> = LazyLock::new(|| {
    let text = Document::openapi().to_pretty_json();
    text.expect("a document that was declared becomes JSON") + "\n"
});

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "openapi",
    responses((status = 200, description = "OpenAPI 3.1.", body = Object)))]
pub(crate) async fn document() -> Response {
    ([(CONTENT_TYPE, "application/json")], TEXT.as_str()).into_response()
}
