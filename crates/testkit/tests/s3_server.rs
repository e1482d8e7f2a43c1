//! What the testkit promises about its S3 server, as S3's own SDK sees it.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use arrivage_testkit::{Content, Fault, S3Server};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, StalledStreamProtectionConfig};
use aws_sdk_s3::error::{DisplayErrorContext, SdkError};
use aws_sdk_s3::operation::get_object::{GetObjectError, GetObjectOutput};
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;

const DIGITS: &str = "0123456789";

fn client_with_secret(server: &S3Server, secret: &str) -> Client {
    let credentials = Credentials::new(S3Server::ACCESS_KEY, secret, None, None, "test");
    let http = aws_smithy_http_client::Builder::new().build_http();
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(credentials)
        .region(Region::new(S3Server::REGION))
        .endpoint_url(server.endpoint())
        .force_path_style(true)
        .http_client(http)
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .build();
    Client::from_conf(config)
}

/// A server with the bucket `drop`, and a client that tries once.
async fn server() -> Result<(S3Server, Client)> {
    let server = S3Server::start().await?;
    server.create_bucket("drop");
    let client = client_with_secret(&server, S3Server::SECRET_KEY);
    Ok((server, client))
}

type Got = Result<GetObjectOutput, SdkError<GetObjectError>>;

async fn get(client: &Client, key: &str, range: Option<&str>) -> Got {
    let request = client.get_object().bucket("drop").key(key);
    request.set_range(range.map(str::to_owned)).send().await
}

/// The bytes that come, and whether the body ended well.
async fn drain(mut got: GetObjectOutput) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    while let Some(block) = got.body.next().await {
        let Ok(block) = block else {
            return (bytes, false);
        };
        bytes.extend_from_slice(&block);
    }
    (bytes, true)
}

fn status<T>(answer: Result<T, SdkError<impl std::error::Error + 'static>>) -> Option<u16> {
    answer
        .err()?
        .raw_response()
        .map(|raw| raw.status().as_u16())
}

#[tokio::test]
async fn a_range_is_answered_as_s3_does() -> Result<()> {
    let (server, client) = server().await?;
    server.put("drop", "digits", DIGITS);
    server.put("drop", "empty", "");

    let check = async |range: Option<&str>, bytes: &str, content_range: Option<&str>| {
        let got = get(&client, "digits", range).await?;
        assert_eq!(got.content_range(), content_range, "{range:?}");
        assert_eq!(
            got.content_length(),
            i64::try_from(bytes.len()).ok(),
            "{range:?}"
        );
        assert_eq!(
            drain(got).await,
            (bytes.as_bytes().to_vec(), true),
            "{range:?}"
        );
        anyhow::Ok(())
    };
    check(None, DIGITS, None).await?;
    check(Some("bytes=0-"), DIGITS, Some("bytes 0-9/10")).await?;
    check(Some("bytes=2-4"), "234", Some("bytes 2-4/10")).await?;
    check(Some("bytes=7-99"), "789", Some("bytes 7-9/10")).await?;
    check(Some("bytes=-2"), "89", Some("bytes 8-9/10")).await?;

    let beyond = get(&client, "digits", Some("bytes=10-")).await;
    let error = beyond.expect_err("nothing is there");
    let raw = error.raw_response().context("an answer")?;
    assert_eq!(raw.status().as_u16(), 416);
    assert_eq!(raw.headers().get("content-range"), Some("bytes */10"));
    assert_eq!(
        status(get(&client, "empty", Some("bytes=0-")).await),
        Some(416)
    );
    assert_eq!(
        drain(get(&client, "empty", None).await?).await,
        (Vec::new(), true)
    );
    Ok(())
}

#[tokio::test]
async fn if_match_is_answered_as_s3_does() -> Result<()> {
    let (server, client) = server().await?;
    let first = server.put("drop", "key", "first");
    // `md5sum` says so.
    assert_eq!(first.etag, "8b04d5e3775d298e78455efc5ca404d5");

    let conditional = |etag: &str| {
        client
            .get_object()
            .bucket("drop")
            .key("key")
            .if_match(etag)
            .send()
    };
    let quoted = format!("\"{}\"", first.etag);
    assert_eq!(conditional(&quoted).await?.e_tag(), Some(&*quoted));
    assert!(conditional("*").await.is_ok());

    let second = server.put("drop", "key", "second");
    assert_ne!(second.etag, first.etag);
    assert_eq!(status(conditional(&quoted).await), Some(412));
    assert_eq!(server.put("drop", "key", "first"), first);
    assert!(conditional(&quoted).await.is_ok());

    let head = client.head_object().bucket("drop").key("key");
    assert_eq!(
        status(head.clone().if_match("\"other\"").send().await),
        Some(412)
    );
    assert_eq!(status(head.if_none_match(&quoted).send().await), Some(304));
    Ok(())
}

#[tokio::test]
async fn a_versioned_bucket_keeps_every_content() -> Result<()> {
    let (server, client) = server().await?;
    server.create_versioned_bucket("kept");
    let first = server
        .put("kept", "key", "first")
        .version_id
        .context("an id")?;
    let second = server
        .put("kept", "key", "second")
        .version_id
        .context("an id")?;

    let get = |version: Option<&str>| {
        let request = client.get_object().bucket("kept").key("key");
        request.set_version_id(version.map(str::to_owned)).send()
    };
    let latest = get(None).await?;
    assert_eq!(latest.version_id(), Some(&*second));
    assert_eq!(drain(latest).await.0, b"second");
    assert_eq!(drain(get(Some(&first)).await?).await.0, b"first");
    assert_eq!(status(get(Some("unknown")).await), Some(404));

    server.delete("kept", "key");
    assert_eq!(status(get(None).await), Some(404));
    assert_eq!(drain(get(Some(&first)).await?).await.0, b"first");
    server.delete_version("kept", "key", &first);
    assert_eq!(status(get(Some(&first)).await), Some(404));
    Ok(())
}

#[tokio::test]
async fn what_is_missing_is_not_found() -> Result<()> {
    let (server, client) = server().await?;
    server.put("drop", "gone", "soon");
    server.delete("drop", "gone");
    let error = get(&client, "gone", None)
        .await
        .expect_err("it is gone")
        .into_service_error();
    assert!(error.is_no_such_key(), "{}", DisplayErrorContext(&error));
    let head = client.head_object().bucket("drop").key("gone").send().await;
    assert!(
        head.expect_err("it is gone")
            .into_service_error()
            .is_not_found()
    );
    let elsewhere = client
        .get_object()
        .bucket("nowhere")
        .key("key")
        .send()
        .await;
    assert_eq!(status(elsewhere), Some(404));
    Ok(())
}

#[tokio::test]
async fn a_wrong_secret_is_refused() -> Result<()> {
    let (server, _) = server().await?;
    server.put("drop", "key", DIGITS);
    let stranger = client_with_secret(&server, "a guess");
    assert_eq!(status(get(&stranger, "key", None).await), Some(403));
    Ok(())
}

#[tokio::test]
async fn a_listing_comes_in_pages_in_the_order_of_the_keys() -> Result<()> {
    let (server, client) = server().await?;
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    for number in 0..2500 {
        server.put_dated("drop", &format!("in/{number:05} é+%"), "x", long_ago);
    }
    server.put("drop", "other", "x");
    server.put("drop", "in/deleted", "x");
    server.delete("drop", "in/deleted");

    let mut sizes = Vec::new();
    let mut keys = Vec::new();
    let mut token = None;
    loop {
        let request = client.list_objects_v2().bucket("drop").prefix("in/");
        let page = request.set_continuation_token(token).send().await?;
        sizes.push(page.contents().len());
        for object in page.contents() {
            assert_eq!(object.size(), Some(1));
            assert_eq!(
                object.last_modified().context("a time")?.secs(),
                1_000_000_000
            );
            keys.push(object.key().context("a key")?.to_owned());
        }
        token = page.next_continuation_token().map(str::to_owned);
        assert_eq!(page.is_truncated(), Some(token.is_some()));
        if token.is_none() {
            break;
        }
    }
    assert_eq!(sizes, [1000, 1000, 500]);
    assert!(keys.is_sorted());
    assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), 2500);
    assert_eq!(keys[7], "in/00007 é+%");

    let few = client
        .list_objects_v2()
        .bucket("drop")
        .max_keys(3)
        .start_after("in/02498 é+%");
    let few = few.send().await?;
    let keys: Vec<_> = few
        .contents()
        .iter()
        .filter_map(|object| object.key())
        .collect();
    assert_eq!(keys, ["in/02499 é+%", "other"]);
    Ok(())
}

#[tokio::test]
async fn objects_can_be_put_copied_and_deleted_through_it() -> Result<()> {
    let (_server, client) = server().await?;
    let body = ByteStream::from_static(b"a;b\n1;2\n");
    let put = client
        .put_object()
        .bucket("drop")
        .key("a b+c/é.csv")
        .body(body)
        .send()
        .await?;
    let copy = client.copy_object().bucket("drop").key("copy");
    copy.copy_source("drop/a%20b%2Bc/%C3%A9.csv").send().await?;
    let copied = get(&client, "copy", None).await?;
    assert_eq!(copied.e_tag(), put.e_tag());
    assert_eq!(drain(copied).await.0, b"a;b\n1;2\n");
    client
        .delete_object()
        .bucket("drop")
        .key("copy")
        .send()
        .await?;
    assert_eq!(status(get(&client, "copy", None).await), Some(404));
    Ok(())
}

#[tokio::test]
async fn a_generated_object_of_any_size_takes_no_memory() -> Result<()> {
    const TERABYTE: u64 = 1 << 40;
    const READ: u64 = 256 << 20;

    let (server, client) = server().await?;
    // Every block is its own number, so that a wrong offset would show.
    let block = |offset: u64| {
        let number = offset / 65536;
        let bytes = Bytes::from(number.to_be_bytes().repeat(65536 / 8));
        bytes.slice(usize::try_from(offset % 65536).expect("small")..)
    };
    server.put("drop", "huge", Content::generated(TERABYTE, block));

    let end = get(&client, "huge", Some("bytes=-10")).await?;
    assert_eq!(
        end.content_range(),
        Some(&*format!(
            "bytes {}-{}/{TERABYTE}",
            TERABYTE - 10,
            TERABYTE - 1
        ))
    );
    let last = (TERABYTE / 65536 - 1).to_be_bytes();
    assert_eq!(drain(end).await.0, [&last[6..], &last[..]].concat());

    let before = resident_kib()?;
    let mut got = get(&client, "huge", Some(&format!("bytes=5-{}", READ + 4))).await?;
    let mut read: u64 = 0;
    while let Some(bytes) = got.body.next().await {
        let bytes = bytes?;
        let first = usize::try_from((read + 5) % 8).expect("small");
        assert_eq!(bytes[0], ((read + 5) / 65536).to_be_bytes()[first]);
        read += bytes.len() as u64;
    }
    assert_eq!(read, READ);
    let grown = resident_kib()?.saturating_sub(before);
    assert!(grown < 32 << 10, "memory grew by {grown} KiB");
    Ok(())
}

fn resident_kib() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .context("VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

#[tokio::test]
async fn an_error_is_answered_once_with_its_headers() -> Result<()> {
    let (server, client) = server().await?;
    server.put("drop", "digits", DIGITS);
    server.next(Fault::Error {
        status: 503,
        code: "SlowDown",
        headers: vec![("retry-after", "7".to_owned())],
    });
    let error = get(&client, "digits", None).await.expect_err("the fault");
    let raw = error.raw_response().context("an answer")?;
    assert_eq!(raw.status().as_u16(), 503);
    assert_eq!(raw.headers().get("retry-after"), Some("7"));
    assert_eq!(error.into_service_error().meta().code(), Some("SlowDown"));
    assert_eq!(
        drain(get(&client, "digits", None).await?).await.0,
        DIGITS.as_bytes()
    );
    Ok(())
}

#[tokio::test]
async fn a_body_is_cut_where_it_was_ordered() -> Result<()> {
    let (server, client) = server().await?;
    let bytes = DIGITS.repeat(100_000);
    server.put("drop", "digits", bytes.clone());
    for after in [0, 1, 65_536, 999_999] {
        server.next(Fault::CutBody { after });
        let (came, ended_well) = drain(get(&client, "digits", None).await?).await;
        assert!(!ended_well);
        assert_eq!(came.len() as u64, after);
        assert!(bytes.as_bytes().starts_with(&came));
    }
    let (came, ended_well) = drain(get(&client, "digits", None).await?).await;
    assert_eq!((came.len(), ended_well), (bytes.len(), true));
    Ok(())
}

#[tokio::test]
async fn a_connection_is_reset_before_or_within_the_body() -> Result<()> {
    let (server, client) = server().await?;
    server.put("drop", "digits", DIGITS.repeat(100_000));
    server.next(Fault::Reset);
    let error = get(&client, "digits", None).await.expect_err("a reset");
    assert!(error.raw_response().is_none());
    assert_is_reset(&error);

    server.next(Fault::ResetBody { after: 10 });
    let mut got = get(&client, "digits", None).await?;
    let mut came = 0;
    let error = loop {
        match got.body.next().await.context("no good end")? {
            Ok(bytes) => came += bytes.len(),
            Err(error) => break error,
        }
    };
    assert!(came <= 10);
    assert_is_reset(&error);
    Ok(())
}

fn assert_is_reset(error: &(dyn std::error::Error + 'static)) {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    let is_reset = causes.any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset)
    });
    assert!(is_reset, "{}", DisplayErrorContext(error));
}

#[tokio::test]
async fn a_stalled_body_waits_until_the_server_ends() -> Result<()> {
    let (server, client) = server().await?;
    server.put("drop", "digits", DIGITS.repeat(100_000));
    server.next(Fault::StallBody { after: 3 });
    let mut got = get(&client, "digits", None).await?;
    assert_eq!(got.body.next().await.context("a block")??, "012");
    let more = tokio::time::timeout(Duration::from_millis(300), got.body.next()).await;
    assert!(
        more.is_err(),
        "a stalled body says nothing, not even that it ended"
    );
    drop(server);
    assert!(got.body.next().await.context("no good end")?.is_err());
    Ok(())
}

#[tokio::test]
async fn a_hanging_request_waits_until_the_server_ends() -> Result<()> {
    let (server, client) = server().await?;
    server.put("drop", "digits", DIGITS);
    server.next(Fault::Hang);
    let mut asked = std::pin::pin!(get(&client, "digits", None));
    assert!(
        tokio::time::timeout(Duration::from_millis(300), &mut asked)
            .await
            .is_err()
    );
    drop(server);
    assert!(asked.await.is_err());
    Ok(())
}

#[tokio::test]
async fn a_slow_body_comes_whole() -> Result<()> {
    let (server, client) = server().await?;
    let bytes = DIGITS.repeat(20_000);
    server.put("drop", "digits", bytes.clone());
    let pause = Duration::from_millis(20);
    server.next(Fault::SlowBody { pause });
    let begin = std::time::Instant::now();
    let (came, ended_well) = drain(get(&client, "digits", None).await?).await;
    assert_eq!((came.len(), ended_well), (bytes.len(), true));
    assert!(begin.elapsed() >= 4 * pause);
    Ok(())
}

#[tokio::test]
async fn ranges_and_headers_are_falsified() -> Result<()> {
    let (server, client) = server().await?;
    server.put("drop", "digits", DIGITS);

    server.next(Fault::IgnoreRange);
    let got = get(&client, "digits", Some("bytes=2-4")).await?;
    assert_eq!(got.content_range(), None);
    assert_eq!(drain(got).await.0, DIGITS.as_bytes());

    server.next(Fault::ContentRange("bytes 3-5/10".to_owned()));
    let got = get(&client, "digits", Some("bytes=2-4")).await?;
    assert_eq!(got.content_range(), Some("bytes 3-5/10"));
    assert_eq!(drain(got).await.0, b"234");

    server.next(Fault::ETag("\"other\"".to_owned()));
    assert_eq!(
        get(&client, "digits", None).await?.e_tag(),
        Some("\"other\"")
    );
    Ok(())
}

#[tokio::test]
async fn a_rule_sees_every_request_and_may_change_what_is_stored() -> Result<()> {
    let (server, client) = server().await?;
    server.put("drop", "a b", DIGITS);
    let handle = server.clone();
    server.on(move |request| {
        if request.is_head_object() {
            return Some(Fault::error(403, "AccessDenied"));
        }
        if request.is_get_object() {
            handle.put(&request.bucket, &request.key, "overwritten");
        }
        None
    });
    let head = client.head_object().bucket("drop").key("a b").send().await;
    assert_eq!(status(head), Some(403));
    let got = get(&client, "a b", Some("bytes=0-3")).await?;
    assert_eq!(drain(got).await.0, b"over");

    let requests = server.requests();
    let seen: Vec<_> = requests
        .iter()
        .map(|seen| (&*seen.method, &*seen.key))
        .collect();
    assert_eq!(seen, [("HEAD", "a b"), ("GET", "a b")]);
    assert_eq!(requests[1].header("Range"), Some("bytes=0-3"));

    server.heal();
    assert!(
        client
            .head_object()
            .bucket("drop")
            .key("a b")
            .send()
            .await
            .is_ok()
    );
    Ok(())
}
