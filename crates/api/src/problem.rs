use std::borrow::Cow;

use arrivage_ledger::LedgerError;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::Refusal;

/// What is away may be back by then.
const LATER: HeaderValue = HeaderValue::from_static("5");

pub(crate) const CONTENT: HeaderValue = HeaderValue::from_static("application/problem+json");

/// An error, as RFC 9457 has it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// What kind of error it is, in a few words; the same for every one of its status.
    title: Cow<'static, str>,
    /// The HTTP status.
    status: u16,
    /// What is wrong, for a person.
    detail: String,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            title: status.canonical_reason().unwrap_or("Error").into(),
            status: status.as_u16(),
            detail: detail.into(),
        }
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }

    pub(crate) fn away(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    }

    pub(crate) fn no_arrival(id: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            format!("there is no arrival {id}; GET /v1/arrivals lists them"),
        )
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // Two texts and a number always become JSON.
        let body = serde_json::to_string(&self).unwrap_or_default() + "\n";
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, CONTENT);
        match status {
            StatusCode::SERVICE_UNAVAILABLE => headers.insert(RETRY_AFTER, LATER),
            StatusCode::UNAUTHORIZED => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
            }
            _ => None,
        };
        response
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Invalid(why) => Self::invalid(why),
            Refusal::Unknown(why) => Self::new(StatusCode::NOT_FOUND, why),
            Refusal::Conflict(why) => Self::new(StatusCode::CONFLICT, why),
            Refusal::Away(why) => Self::away(why),
        }
    }
}

/// Nothing that a caller does mends what keeps the ledger from answering.
impl From<LedgerError> for Problem {
    fn from(error: LedgerError) -> Self {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "the ledger did not answer a request"
        );
        Self::away(format!("the ledger did not answer: {error}"))
    }
}

pub(crate) async fn not_found(uri: Uri) -> Problem {
    let detail = format!("there is nothing at {}", uri.path());
    Problem::new(StatusCode::NOT_FOUND, detail)
}

pub(crate) async fn not_allowed(uri: Uri) -> Problem {
    let detail = format!("{} does not take this method", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
}

/// A value as JSON.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_string(body) {
        Ok(text) => {
            let kind = HeaderValue::from_static("application/json");
            (status, [(CONTENT_TYPE, kind)], text + "\n").into_response()
        }
        Err(error) => {
            tracing::error!(%error, "an answer did not become JSON");
            let detail = "the answer cannot be written";
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail).into_response()
        }
    }
}
