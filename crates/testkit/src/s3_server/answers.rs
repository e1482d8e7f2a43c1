//! S3's answers, from what the buckets hold.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use futures::{StreamExt as _, stream};
use hyper::HeaderMap;
use hyper::header::{CONTENT_RANGE, HeaderName, HeaderValue};
use s3s::dto::{
    BucketVersioningStatus, CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopySource,
    CreateBucketInput, CreateBucketOutput, DeleteObjectInput, DeleteObjectOutput, ETag,
    ETagCondition, GetBucketVersioningInput, GetBucketVersioningOutput, GetObjectInput,
    GetObjectOutput, HeadBucketInput, HeadBucketOutput, HeadObjectInput, HeadObjectOutput,
    ListObjectsV2Input, ListObjectsV2Output, Object, PutObjectInput, PutObjectOutput,
    StreamingBlob,
};
use s3s::{S3, S3Error, S3Request, S3Response, S3Result, s3_error};

use super::Shared;
use super::buckets::{Content, Version, Versions};

/// Marks a request whose `Range` shall be ignored. The header itself cannot go: it is signed.
#[derive(Clone, Copy, Debug)]
pub(super) struct IgnoreRange;

pub(super) struct Answers(pub(super) Arc<Shared>);

#[async_trait::async_trait]
impl S3 for Answers {
    async fn create_bucket(
        &self,
        request: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        self.0
            .buckets
            .create(&request.input.bucket, Versions::OnlyTheLatest);
        Ok(S3Response::new(CreateBucketOutput::default()))
    }

    async fn head_bucket(
        &self,
        request: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        self.0.buckets.versions(&request.input.bucket)?;
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn get_bucket_versioning(
        &self,
        request: S3Request<GetBucketVersioningInput>,
    ) -> S3Result<S3Response<GetBucketVersioningOutput>> {
        let status = match self.0.buckets.versions(&request.input.bucket)? {
            Versions::OnlyTheLatest => None,
            Versions::All => Some(BucketVersioningStatus::ENABLED),
        };
        Ok(S3Response::new(GetBucketVersioningOutput {
            status: status.map(BucketVersioningStatus::from_static),
            ..Default::default()
        }))
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = request.input;
        let (version, content) =
            self.find(&input.bucket, &input.key, input.version_id.as_deref())?;
        check_conditions(
            &version,
            input.if_match.as_ref(),
            input.if_none_match.as_ref(),
        )?;
        Ok(S3Response::new(HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: Some(signed(content.length())),
            e_tag: Some(ETag::Strong(version.etag)),
            last_modified: Some(version.last_modified.into()),
            version_id: version.id,
            ..Default::default()
        }))
    }

    async fn get_object(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let ignore_range = request.extensions.get::<IgnoreRange>().is_some();
        let input = request.input;
        let (version, content) =
            self.find(&input.bucket, &input.key, input.version_id.as_deref())?;
        check_conditions(
            &version,
            input.if_match.as_ref(),
            input.if_none_match.as_ref(),
        )?;

        let total = content.length();
        let asked = input.range.filter(|_| !ignore_range);
        let range = match asked {
            None => 0..total,
            Some(range) => range.check(total).map_err(|_| not_satisfiable(total))?,
        };
        Ok(S3Response::new(GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: Some(signed(range.end - range.start)),
            // S3 counts the last byte in. With this the answer is a 206.
            content_range: asked.map(|_| {
                format!(
                    "bytes {}-{}/{total}",
                    range.start,
                    range.end.saturating_sub(1)
                )
            }),
            e_tag: Some(ETag::Strong(version.etag)),
            last_modified: Some(version.last_modified.into()),
            version_id: version.id,
            body: Some(stream_of(content, range.start, range.end)),
            ..Default::default()
        }))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        const MOST: i32 = 1000;

        let input = request.input;
        if input.delimiter.is_some() {
            return Err(s3_error!(NotImplemented, "no delimiters here"));
        }
        let max_keys = input.max_keys.unwrap_or(MOST).clamp(0, MOST);
        let limit = usize::try_from(max_keys).expect("not negative");
        let after = match &input.continuation_token {
            Some(token) => Some(key_of(token)?),
            None => input.start_after.clone(),
        };
        let prefix = input.prefix.as_deref().unwrap_or_default();
        let mut found = self
            .0
            .buckets
            .list(&input.bucket, prefix, after.as_deref(), limit)?;
        let is_truncated = found.len() > limit && limit > 0;
        found.truncate(limit);

        let next = found
            .last()
            .filter(|_| is_truncated)
            .map(|(key, _)| token_of(key));
        let contents: Vec<Object> = found.into_iter().map(listed).collect();
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: input.prefix,
            max_keys: Some(max_keys),
            key_count: i32::try_from(contents.len()).ok(),
            continuation_token: input.continuation_token,
            start_after: input.start_after,
            is_truncated: Some(is_truncated),
            next_continuation_token: next,
            contents: Some(contents),
            ..Default::default()
        }))
    }

    async fn put_object(
        &self,
        request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        let input = request.input;
        let mut bytes = BytesMut::new();
        if let Some(mut body) = input.body {
            while let Some(block) = body.next().await {
                bytes.extend_from_slice(&block.map_err(|_| s3_error!(IncompleteBody))?);
            }
        }
        let content = Content::from(bytes.freeze());
        let stored = self
            .0
            .buckets
            .put(&input.bucket, &input.key, content, SystemTime::now())?;
        Ok(S3Response::new(PutObjectOutput {
            e_tag: Some(ETag::Strong(stored.etag)),
            version_id: stored.version_id,
            ..Default::default()
        }))
    }

    async fn copy_object(
        &self,
        request: S3Request<CopyObjectInput>,
    ) -> S3Result<S3Response<CopyObjectOutput>> {
        let input = request.input;
        let CopySource::Bucket {
            bucket,
            key,
            version_id,
        } = &input.copy_source
        else {
            return Err(s3_error!(NotImplemented, "no access points here"));
        };
        let (_, content) = self.find(bucket, key, version_id.as_deref())?;
        let now = SystemTime::now();
        let stored = self
            .0
            .buckets
            .put(&input.bucket, &input.key, content, now)?;
        Ok(S3Response::new(CopyObjectOutput {
            copy_object_result: Some(CopyObjectResult {
                e_tag: Some(ETag::Strong(stored.etag)),
                last_modified: Some(now.into()),
                ..Default::default()
            }),
            version_id: stored.version_id,
            ..Default::default()
        }))
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let input = request.input;
        let marker =
            self.0
                .buckets
                .delete(&input.bucket, &input.key, input.version_id.as_deref())?;
        Ok(S3Response::new(DeleteObjectOutput {
            delete_marker: marker.is_some().then_some(true),
            version_id: marker.or(input.version_id),
            ..Default::default()
        }))
    }
}

impl Answers {
    fn find(
        &self,
        bucket: &str,
        key: &str,
        version_id: Option<&str>,
    ) -> S3Result<(Version, Content)> {
        let version = self.0.buckets.find(bucket, key, version_id)?;
        if let Some(content) = version.content.clone() {
            return Ok((version, content));
        }
        // The latest version is a delete marker, or it was asked for by its own id.
        let mut error = match version_id {
            None => s3_error!(NoSuchKey),
            Some(_) => s3_error!(MethodNotAllowed),
        };
        let name = HeaderName::from_static("x-amz-delete-marker");
        error.set_headers(HeaderMap::from_iter([(
            name,
            HeaderValue::from_static("true"),
        )]));
        Err(error)
    }
}

fn check_conditions(
    version: &Version,
    if_match: Option<&ETagCondition>,
    if_none_match: Option<&ETagCondition>,
) -> S3Result<()> {
    let is = |condition: &ETagCondition| match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(etag) => etag.value() == version.etag,
    };
    if if_match.is_some_and(|condition| !is(condition)) {
        return Err(s3_error!(PreconditionFailed));
    }
    if if_none_match.is_some_and(is) {
        return Err(s3_error!(NotModified));
    }
    Ok(())
}

fn not_satisfiable(total: u64) -> S3Error {
    let mut error = s3_error!(InvalidRange);
    let value = HeaderValue::try_from(format!("bytes */{total}")).expect("ASCII");
    error.set_headers(HeaderMap::from_iter([(CONTENT_RANGE, value)]));
    error
}

/// Makes a block when the one before has left: memory does not grow with the object.
fn stream_of(content: Content, begin: u64, end: u64) -> StreamingBlob {
    StreamingBlob::wrap(stream::unfold(
        (content, begin),
        move |(content, at)| async move {
            if at >= end {
                return None;
            }
            let bytes: Bytes = content.some(at, end);
            let next = at + bytes.len() as u64;
            Some((Ok::<_, std::io::Error>(bytes), (content, next)))
        },
    ))
}

fn listed((key, version): (String, Version)) -> Object {
    Object {
        key: Some(key),
        size: version
            .content
            .as_ref()
            .map(|content| signed(content.length())),
        e_tag: Some(ETag::Strong(version.etag)),
        last_modified: Some(version.last_modified.into()),
        ..Default::default()
    }
}

/// The last key of a page, unreadable, as S3's tokens are.
fn token_of(key: &str) -> String {
    key.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn key_of(token: &str) -> S3Result<String> {
    let wrong = || s3_error!(InvalidArgument, "the continuation token is not one of ours");
    let byte = |index: usize| u8::from_str_radix(token.get(index..index + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..token.len()).step_by(2).map(byte).collect();
    String::from_utf8(bytes.ok_or_else(wrong)?).map_err(|_| wrong())
}

fn signed(length: u64) -> i64 {
    i64::try_from(length).expect("an object is shorter than 8 EiB")
}
