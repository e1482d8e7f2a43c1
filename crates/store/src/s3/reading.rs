use std::ops::Range;

use arrivage_model::{ETag, Location, Object, VersionId};
use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use futures::Stream;
use futures::stream;

use super::checksum::Stated;
use super::errors::{Failed, chain};
use super::pace::Pace;
use super::{Patience, time, without_etag};
use crate::StoreError;
use crate::digest::Verifier;
use crate::exact::exactly;
use crate::store::Body;

/// Why there is no body.
pub(super) enum ReadError {
    /// The range begins beyond the object's end.
    NoSuchRange,
    Store(StoreError),
}

impl From<StoreError> for ReadError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Asks for a range of one content: of this version where there is one, else
/// on the condition that the ETag still stands. Answers of another content are
/// refused in either case, for not every server keeps to the condition.
pub(super) async fn read(
    client: &Client,
    object: &Object,
    range: Range<u64>,
    patience: Patience,
    opaque_etags: bool,
) -> Result<Body, ReadError> {
    let location = &object.location;
    let whole = range.start == 0 && object.size == Some(range.end);
    if range.is_empty() && !whole {
        return Err(contradiction(location, "an empty range was asked for").into());
    }
    let pin = object.version_id.as_ref();
    let answer = client
        .get_object()
        .bucket(&location.bucket)
        .key(&location.key)
        .set_version_id(pin.map(|version| version.as_str().to_owned()))
        .set_if_match(pin.is_none().then(|| object.etag.quoted()))
        .set_range((!whole).then(|| format!("bytes={}-{}", range.start, range.end - 1)))
        .customize()
        // Said past the SDK, which would compare it in its own way.
        .mutate_request(|request| {
            request
                .headers_mut()
                .insert("x-amz-checksum-mode", "ENABLED");
        })
        .send()
        .await;
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => {
            let failed = Failed::new("GetObject", error);
            if failed.status == Some(416) {
                return Err(ReadError::NoSuchRange);
            }
            return Err(refused(location, pin, failed).into());
        }
    };
    Ok(body(object, range, patience, opaque_etags, answer)?)
}

/// Asks for one byte in order to learn why a HEAD failed: its answer has no
/// body to say so.
pub(super) async fn explain(
    client: &Client,
    location: &Location,
    version: Option<&VersionId>,
    failed: Failed,
) -> StoreError {
    let speechless = failed.code.is_none() || failed.code.as_deref() == Some("NotFound");
    if !speechless || !matches!(failed.status, Some(400..500)) {
        return refused(location, version, failed);
    }
    let answer = client
        .get_object()
        .bucket(&location.bucket)
        .key(&location.key)
        .set_version_id(version.map(|version| version.as_str().to_owned()))
        .range("bytes=0-0")
        .send()
        .await;
    match answer {
        Ok(_) => refused(location, version, failed),
        Err(error) => {
            let reason = Failed::new("GetObject", error);
            let reason = if reason.status == Some(416) {
                failed
            } else {
                reason
            };
            refused(location, version, reason)
        }
    }
}

/// A version that S3 cannot even read is a version that is not there.
fn refused(location: &Location, version: Option<&VersionId>, failed: Failed) -> StoreError {
    let unreadable =
        failed.status == Some(400) && failed.code.as_deref() == Some("InvalidArgument");
    if version.is_some() && unreadable {
        return StoreError::Gone(location.clone());
    }
    failed.into_error(location)
}

fn body(
    object: &Object,
    asked: Range<u64>,
    patience: Patience,
    opaque_etags: bool,
    answer: GetObjectOutput,
) -> Result<Body, StoreError> {
    let location = &object.location;
    match answer.e_tag().and_then(ETag::parse) {
        None => return Err(without_etag(location)),
        Some(etag) if etag != object.etag => return Err(StoreError::Changed(location.clone())),
        Some(_) => {}
    }
    let length = answer
        .content_length()
        .and_then(|length| length.try_into().ok());
    let (range, total) = match answer.content_range() {
        Some(text) => {
            let Some((range, total)) = content_range(text) else {
                return Err(contradiction(
                    location,
                    format!("Content-Range is {text:?}"),
                ));
            };
            if range != asked || length.is_some_and(|length: u64| length != range.end - range.start)
            {
                let what =
                    format!("bytes {asked:?} were asked for, and {text} with {length:?} came");
                return Err(contradiction(location, what));
            }
            (range, total.or(object.size))
        }
        // The whole object, whatever was asked for.
        None => {
            let total = length.or(object.size);
            (asked.start..total.unwrap_or(asked.end), total)
        }
    };
    let Some(total) = total else {
        return Err(contradiction(
            location,
            "its answer does not say how long it is",
        ));
    };
    if object.size.is_some_and(|size| size != total) || range.start > total {
        let what = format!("it has {total} bytes, not {:?}", object.size);
        return Err(contradiction(location, what));
    }

    let skip = if answer.content_range().is_some() {
        0
    } else {
        range.start
    };
    let stated = match answer.content_range() {
        Some(_) => None,
        None => Stated::by_get(&answer).digest(opaque_etags),
    };
    let verifier = stated.map(|digest| Verifier::new(vec![digest]));
    let last_modified = answer.last_modified().and_then(time);
    let excess = {
        let location = location.clone();
        move || contradiction(&location, "its answer has more bytes than it announced")
    };
    let blocks = Blocks {
        location: location.clone(),
        verifier,
        pace: Pace::new(patience),
        body: answer.body,
    };
    Ok(Body {
        chunks: exactly(skip, range.end - range.start, excess, blocks.into_stream()),
        range,
        total,
        last_modified,
    })
}

/// `bytes 0-9/100`, or `/*` where the server does not know the whole.
fn content_range(text: &str) -> Option<(Range<u64>, Option<u64>)> {
    let (range, total) = text.trim().strip_prefix("bytes")?.trim().split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    let total = match total {
        "*" => None,
        total => Some(total.parse().ok()?),
    };
    Some((first..last.checked_add(1)?, total))
}

/// The blocks of a body, watched over.
struct Blocks {
    location: Location,
    body: ByteStream,
    pace: Pace,
    verifier: Option<Verifier>,
}

impl Blocks {
    fn into_stream(self) -> impl Stream<Item = Result<Bytes, StoreError>> + Send {
        stream::unfold(self, async |mut blocks| {
            let block = blocks.next().await?;
            Some((block, blocks))
        })
    }

    async fn next(&mut self) -> Option<Result<Bytes, StoreError>> {
        let body = &mut self.body;
        let next = async {
            let block = body.next().await?;
            Some(block.map_err(|error| StoreError::cut(chain(&error))))
        };
        let Some(block) = self.pace.keep(next).await else {
            // It may have come wrong this time only.
            let verified = self.verifier.take()?.finish(&self.location);
            return verified
                .is_err()
                .then(|| Err(StoreError::Corrupted(self.location.clone())));
        };
        if let (Ok(block), Some(verifier)) = (&block, &mut self.verifier) {
            verifier.update(block);
        }
        Some(block)
    }
}

fn contradiction(location: &Location, what: impl Into<String>) -> StoreError {
    StoreError::Contradiction {
        location: location.clone(),
        what: what.into(),
    }
}
