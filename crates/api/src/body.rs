use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// The longest body that is read, in bytes.
const LIMIT: usize = 1024 * 1024;

/// How long a client may take to send it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Reads a body. One that says that it is too long is not even begun.
pub(crate) async fn read(headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    read_within(PATIENCE, headers, body).await
}

async fn read_within(
    patience: Duration,
    headers: &HeaderMap,
    body: Body,
) -> Result<Bytes, Problem> {
    let too_long = || {
        let detail = format!("bodies have at most {LIMIT} bytes");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
    };
    let stated = headers.get(CONTENT_LENGTH).and_then(|n| n.to_str().ok());
    if stated.is_some_and(|n| n.parse().is_ok_and(|n: u64| n > LIMIT as u64)) {
        return Err(too_long());
    }
    // Unpacked, a short one might be of any length.
    if let Some(encoding) = headers.get(CONTENT_ENCODING)
        && encoding != "identity"
    {
        let detail = "bodies are taken as they are, without a Content-Encoding";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    match tokio::time::timeout(patience, to_bytes(body, LIMIT)).await {
        Ok(Ok(body)) => Ok(body),
        // That it is too long, or that it broke off: then nobody hears this.
        Ok(Err(_)) => Err(too_long()),
        Err(_) => {
            let detail = format!("the body did not come within {patience:?}");
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, detail))
        }
    }
}

/// Reads an order. Only as JSON: a page of another origin, which may post forms
/// and texts from a person's browser, may not post this.
pub(crate) async fn order<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Body,
) -> Result<T, Problem> {
    if media_type(headers).as_deref() != Some("application/json") {
        let detail = "send JSON, with Content-Type: application/json";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    let body = read(headers, body).await?;
    serde_json::from_slice(&body).map_err(|error| {
        if error.is_data() {
            Problem::invalid(error.to_string())
        } else {
            Problem::bad_request(format!("the body is not JSON: {error}"))
        }
    })
}

/// `type/subtype` in lower case, without parameters.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<String> {
    let whole = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let kind = whole.split(';').next().unwrap_or_default();
    Some(kind.trim().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;

    use super::*;

    #[tokio::test]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let body = Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>());
        let (patience, headers) = (Duration::from_millis(20), HeaderMap::new());
        let reading = read_within(patience, &headers, body);
        let read = tokio::time::timeout(PATIENCE, reading).await;
        let problem = read.expect("it is given up").expect_err("nothing came");
        let status = problem.into_response().status();
        assert_eq!(status, StatusCode::REQUEST_TIMEOUT);
    }
}
