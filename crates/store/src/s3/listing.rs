use arrivage_model::{ETag, Location, Object};
use aws_sdk_s3::Client;
use aws_sdk_s3::types::{EncodingType, Object as Listed};
use percent_encoding::percent_decode_str;

use super::errors::Failed;
use super::time;
use crate::StoreError;
use crate::store::Page;

/// S3 gives no more at a time.
const PAGE: i32 = 1000;

/// Keys are asked for in URL encoding, since XML cannot carry every character.
pub(super) async fn list(
    client: &Client,
    bucket: &str,
    prefix: &str,
    after: Option<&str>,
) -> Result<Page, StoreError> {
    let answer = client
        .list_objects_v2()
        .bucket(bucket)
        .prefix(prefix)
        .max_keys(PAGE)
        .encoding_type(EncodingType::Url)
        .set_continuation_token(after.map(str::to_owned))
        .send()
        .await
        .map_err(|error| {
            Failed::new("ListObjectsV2", error).into_error(&Location::s3(bucket, prefix))
        })?;
    let next = match answer.is_truncated() {
        Some(true) => answer.next_continuation_token().map(str::to_owned),
        _ => None,
    };
    if answer.is_truncated() == Some(true) && (next.is_none() || next.as_deref() == after) {
        return Err(StoreError::Contradiction {
            location: Location::s3(bucket, prefix),
            what: "it says that more keys follow, and not how to ask for them".to_owned(),
        });
    }
    let encoded = answer.encoding_type() == Some(&EncodingType::Url);
    let read = if encoded { decoded } else { verbatim };
    let objects = answer.contents().iter();
    Ok(Page {
        objects: objects
            .filter_map(|listed| object(bucket, listed, read))
            .collect(),
        next,
    })
}

fn object(bucket: &str, listed: &Listed, read: fn(&str) -> Option<String>) -> Option<Object> {
    let name = listed.key().unwrap_or_default();
    let key = read(name);
    let etag = listed.e_tag().and_then(ETag::parse);
    let (Some(key), Some(etag)) = (key, etag) else {
        tracing::warn!(
            object.bucket = bucket,
            object.key = name,
            "skipped an object whose key is not UTF-8, or that has no ETag"
        );
        return None;
    };
    Some(Object {
        location: Location::s3(bucket, key),
        etag,
        version_id: None,
        size: listed.size().and_then(|size| size.try_into().ok()),
        last_modified: listed.last_modified().and_then(time),
        sequencer: None,
    })
}

/// As forms encode: a plus is a space.
fn decoded(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    let key = percent_decode_str(&spaced).decode_utf8().ok()?;
    Some(key.into_owned())
}

#[expect(clippy::unnecessary_wraps, reason = "stands in the place of decoded")]
fn verbatim(text: &str) -> Option<String> {
    Some(text.to_owned())
}
