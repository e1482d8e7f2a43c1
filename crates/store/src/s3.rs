mod aws;
mod checksum;
mod errors;
mod listing;
mod pace;
mod reading;

use std::ops::Range;

use arrivage_model::{ETag, Location, Object, VersionId};
use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::ResponseChecksumValidation;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::types::ChecksumMode;
use chrono::{DateTime, Utc};
use tokio::sync::OnceCell;

pub use self::aws::{AccessKey, AwsSettings, Patience, aws_config};
use self::checksum::Stated;
use self::errors::Failed;
use crate::store::{Body, Page, Store};
use crate::{Digest, StoreError};

/// How to reach S3.
#[derive(Clone, Debug, Default)]
pub struct S3Settings {
    /// Endpoint, region, credentials and timeouts.
    pub aws: AwsSettings,
    /// Whether the bucket stands in the path of a URL rather than in its host.
    pub path_style: bool,
    /// ETags are no MD5s of their contents, even where they look like it. Those of
    /// directory buckets never are.
    pub opaque_etags: bool,
}

/// S3, and whatever speaks its protocol.
#[derive(Debug)]
pub struct S3Store {
    settings: S3Settings,
    client: OnceCell<Client>,
}

impl S3Store {
    /// Looks for no credentials before the first call.
    #[must_use]
    pub fn new(settings: S3Settings) -> Self {
        Self {
            settings,
            client: OnceCell::new(),
        }
    }

    async fn client(&self) -> &Client {
        let connect = async || {
            let config = aws_config(&self.settings.aws).await;
            // Compared by us.
            let config = aws_sdk_s3::config::Builder::from(&config)
                .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
                .force_path_style(self.settings.path_style)
                .build();
            Client::from_conf(config)
        };
        self.client.get_or_init(connect).await
    }
}

#[async_trait]
impl Store for S3Store {
    async fn head(
        &self,
        location: &Location,
        version: Option<&VersionId>,
    ) -> Result<Object, StoreError> {
        let client = self.client().await;
        let answer = client
            .head_object()
            .bucket(&location.bucket)
            .key(&location.key)
            .set_version_id(version.map(|version| version.as_str().to_owned()))
            .send()
            .await;
        match answer {
            Ok(answer) => object(location, &answer),
            Err(error) => {
                let failed = Failed::new("HeadObject", error);
                Err(reading::explain(client, location, version, failed).await)
            }
        }
    }

    async fn digests(&self, object: &Object) -> Result<Vec<Digest>, StoreError> {
        let client = self.client().await;
        let location = &object.location;
        let version = object.version_id.as_ref();
        let answer = client
            .head_object()
            .bucket(&location.bucket)
            .key(&location.key)
            .set_version_id(version.map(|version| version.as_str().to_owned()))
            .checksum_mode(ChecksumMode::Enabled)
            .send()
            .await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                let failed = Failed::new("HeadObject", error);
                return Err(reading::explain(client, location, version, failed).await);
            }
        };
        if answer.e_tag().and_then(ETag::parse).as_ref() != Some(&object.etag) {
            return Err(StoreError::Changed(location.clone()));
        }
        let opaque = self.has_opaque_etags(&location.bucket);
        Ok(Stated::by_head(&answer)
            .digest(opaque)
            .into_iter()
            .collect())
    }

    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
    ) -> Result<Page, StoreError> {
        listing::list(self.client().await, bucket, prefix, after).await
    }

    async fn read(&self, object: &Object, range: Range<u64>) -> Result<Body, StoreError> {
        match reading::read(
            self.client().await,
            object,
            range,
            self.settings.aws.patience,
            self.has_opaque_etags(&object.location.bucket),
        )
        .await
        {
            Err(reading::ReadError::NoSuchRange) => Err(self.past_the_end(object).await),
            Err(reading::ReadError::Store(error)) => Err(error),
            Ok(body) => Ok(body),
        }
    }
}

impl S3Store {
    /// A directory bucket's name says that it is one.
    fn has_opaque_etags(&self, bucket: &str) -> bool {
        self.settings.opaque_etags || bucket.ends_with("--x-s3")
    }

    /// Some servers look at the range before they look at the ETag.
    async fn past_the_end(&self, object: &Object) -> StoreError {
        let location = &object.location;
        match self.head(location, object.version_id.as_ref()).await {
            Ok(now) if now.etag != object.etag => StoreError::Changed(location.clone()),
            Ok(now) => StoreError::Contradiction {
                location: location.clone(),
                what: format!(
                    "it has {:?} bytes, and none at a place before {:?}",
                    now.size, object.size
                ),
            },
            Err(error) => error,
        }
    }
}

fn object(location: &Location, answer: &HeadObjectOutput) -> Result<Object, StoreError> {
    let Some(etag) = answer.e_tag().and_then(ETag::parse) else {
        return Err(without_etag(location));
    };
    Ok(Object {
        location: location.clone(),
        etag,
        version_id: answer.version_id().and_then(VersionId::parse),
        size: answer
            .content_length()
            .and_then(|size| size.try_into().ok()),
        last_modified: answer.last_modified().and_then(time),
        sequencer: None,
    })
}

fn without_etag(location: &Location) -> StoreError {
    StoreError::Contradiction {
        location: location.clone(),
        what: "its answer names no ETag, so that no content can be told from another".to_owned(),
    }
}

fn time(time: &aws_sdk_s3::primitives::DateTime) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(time.secs(), time.subsec_nanos())
}
