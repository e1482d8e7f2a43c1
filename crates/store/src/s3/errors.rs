use std::error::Error;
use std::time::Duration;

use arrivage_model::Location;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use chrono::{DateTime, Utc};

use crate::{Source, StoreError};

/// A call that S3 did not answer as hoped, without the request and the raw
/// answer: neither can reach a log from here.
pub(super) struct Failed {
    /// The answer's status, if there was an answer.
    pub(super) status: Option<u16>,
    /// S3's word for it; the answer to a HEAD has none.
    pub(super) code: Option<String>,
    retry_after: Option<Duration>,
    region: Option<String>,
    deleted: bool,
    credentials: Option<bool>,
    said: String,
}

impl Failed {
    pub(super) fn new<E>(operation: &str, error: SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let header = |name| {
            let headers = error.raw_response()?.headers();
            headers.get(name).map(str::to_owned)
        };
        let code = error.code().map(str::to_owned);
        let answered = matches!(error, SdkError::ServiceError(_));
        let said = match (&code, error.raw_response()) {
            (Some(code), Some(answer)) if answered => format!(
                "{operation}: {} {code}: {}",
                answer.status().as_u16(),
                error.message().unwrap_or("no reason given"),
            ),
            (None, Some(answer)) if answered => {
                format!(
                    "{operation}: {}, {}",
                    answer.status().as_u16(),
                    chain(&error)
                )
            }
            _ => format!("{operation}: {}", chain(&error)),
        };
        Self {
            status: error
                .raw_response()
                .filter(|_| answered)
                .map(|answer| answer.status().as_u16()),
            code,
            retry_after: header("retry-after").and_then(|text| seconds(&text)),
            region: header("x-amz-bucket-region"),
            deleted: header("x-amz-delete-marker").is_some_and(|text| text == "true"),
            credentials: credentials(&error),
            said,
        }
    }

    /// What the caller has to do about it. `location` is what was asked for;
    /// of a listing, the prefix.
    pub(super) fn into_error(self, location: &Location) -> StoreError {
        if let Some(lasting) = self.credentials {
            return self.without_credentials(lasting);
        }
        let Some(status) = self.status else {
            return StoreError::Unavailable(self.source());
        };
        if let Some(error) = self.by_code(location) {
            return error;
        }
        match status {
            // An answer that is none of an object store's.
            ..=299 => StoreError::Unavailable(self.source()),
            300..=308 => self.elsewhere(location),
            404 => StoreError::Gone(location.clone()),
            405 if self.deleted => StoreError::Gone(location.clone()),
            409 | 429 => self.busy(),
            412 => StoreError::Changed(location.clone()),
            501 => self.misconfigured(
                "the object store does not know how to do what is asked of it".to_owned(),
            ),
            500..=599 => self.busy(),
            _ => StoreError::Denied {
                location: location.clone(),
                source: self.source(),
            },
        }
    }

    /// The codes that say more than their status.
    fn by_code(&self, location: &Location) -> Option<StoreError> {
        let bucket = &location.bucket;
        let what = match self.code.as_deref()? {
            "NoSuchKey" | "NoSuchVersion" => return Some(StoreError::Gone(location.clone())),
            "InvalidObjectState" => return Some(StoreError::Archived(location.clone())),
            "SlowDown"
            | "RequestTimeout"
            | "Throttling"
            | "ThrottlingException"
            | "RequestLimitExceeded"
            | "TooManyRequests" => return Some(self.busy()),
            "NoSuchBucket" => format!("there is no bucket {bucket:?}"),
            "InvalidBucketName" => format!("{bucket:?} can be no bucket's name"),
            "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException" => {
                return Some(self.elsewhere(location));
            }
            "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "InvalidToken"
            | "ExpiredToken"
            | "InvalidSecurity"
            | "NotSignedUp"
            | "AccountProblem" => "the object store does not accept the credentials".to_owned(),
            "RequestTimeTooSkewed" => {
                "this machine's clock is too far from the object store's".to_owned()
            }
            _ => return None,
        };
        Some(self.misconfigured(what))
    }

    fn without_credentials(&self, lasting: bool) -> StoreError {
        if lasting {
            self.misconfigured("there are no credentials for the object store".to_owned())
        } else {
            StoreError::Unavailable(self.source())
        }
    }

    fn elsewhere(&self, location: &Location) -> StoreError {
        let bucket = &location.bucket;
        self.misconfigured(match &self.region {
            Some(region) => format!("the bucket {bucket:?} is in the region {region}"),
            None => format!("the bucket {bucket:?} is in another region, or at another endpoint"),
        })
    }

    fn busy(&self) -> StoreError {
        StoreError::Busy {
            retry_after: self.retry_after,
            source: self.source(),
        }
    }

    fn misconfigured(&self, what: String) -> StoreError {
        StoreError::Misconfigured {
            what,
            source: Some(self.source()),
        }
    }

    fn source(&self) -> Source {
        self.said.clone().into()
    }
}

/// Whether the credentials are what is missing, and if so, whether for good.
fn credentials(error: &(dyn Error + 'static)) -> Option<bool> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<CredentialsError>() {
            return Some(matches!(
                error,
                CredentialsError::CredentialsNotLoaded(_)
                    | CredentialsError::InvalidConfiguration(_)
            ));
        }
        next = error.source();
    }
    None
}

/// Retry-After says seconds, or a date.
fn seconds(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = DateTime::parse_from_rfc2822(text.trim()).ok()?;
    Some((date.to_utc() - Utc::now()).to_std().unwrap_or_default())
}

/// The messages of an error and of all that lies beneath, without `Debug`.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text.push_str(": ");
        text.push_str(&error.to_string());
        next = error.source();
    }
    text
}
