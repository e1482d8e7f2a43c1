use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Result;
use arrivage_model::Object;
use arrivage_store::{Patience, Persistence, Policy, S3Store, Source, Store, StoreError};
use arrivage_testkit::{Fault, S3Server};

use crate::places::{BUCKET, Place, Server, content, drain, read_all, settings};

const SIZE: usize = 100;
const PART: u64 = 40;

fn quick() -> Persistence {
    Persistence {
        part: PART,
        ahead: true,
        policy: Policy {
            first: Duration::from_millis(1),
            cap: Duration::from_millis(1),
            tries: Some(3),
        },
        appears_within: Duration::from_millis(10),
    }
}

/// A fiftieth of the usual, so that a test need not wait.
fn impatient() -> Patience {
    let usual = Patience::default();
    Patience {
        answer: usual.answer / 50,
        stall: usual.stall / 50,
        ..usual
    }
}

async fn place() -> Result<(Server, Object)> {
    let server = S3Server::start().await?;
    server.create_bucket(BUCKET);
    let place = Server::over(server, impatient());
    place.put("a", &content(SIZE)).await?;
    let object = place.store.head(&place.location("a"), None).await?;
    Ok((place, object))
}

/// The faults hit one request after another, and the bytes come all the same.
async fn survives(faults: &[Fault]) -> Result<()> {
    let (place, object) = place().await?;
    for fault in faults {
        place.server.next(fault.clone());
    }
    let (bytes, error) = read_all(place.store(), object, quick()).await;
    assert!(error.is_none(), "{faults:?}: {error:?}");
    assert!(bytes == content(SIZE), "{faults:?}");
    Ok(())
}

/// The fault hits every request for bytes, and this is what becomes of it.
async fn ends(fault: Fault, expect: &str) -> Result<()> {
    let (place, object) = place().await?;
    let shown = format!("{fault:?}");
    place
        .server
        .on(move |request| request.is_get_object().then(|| fault.clone()));
    let (bytes, error) = read_all(place.store(), object, quick()).await;
    let error = error.expect(&shown);
    assert_eq!(name(&error), expect, "{shown}: {error:?}");
    assert!(content(SIZE).starts_with(&bytes), "{shown}");
    assert_no_secret(&error);
    Ok(())
}

fn name(error: &StoreError) -> &'static str {
    match error {
        StoreError::Gone(_) => "gone",
        StoreError::Changed(_) => "changed",
        StoreError::Denied { .. } => "denied",
        StoreError::Archived(_) => "archived",
        StoreError::Refused { .. } => "refused",
        StoreError::Corrupted(_) => "corrupted",
        StoreError::Busy { .. } => "busy",
        StoreError::Unavailable(_) => "unavailable",
        StoreError::Misconfigured { .. } => "misconfigured",
        StoreError::Contradiction { .. } => "contradiction",
        StoreError::Incomplete { .. } => "incomplete",
    }
}

fn assert_no_secret(error: &StoreError) {
    let text = format!("{error} {error:?}");
    for secret in [
        S3Server::SECRET_KEY,
        "Credential=",
        "Signature=",
        "authorization",
    ] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[tokio::test]
async fn a_body_cut_at_any_byte_is_read_on_from_there() -> Result<()> {
    let (place, object) = place().await?;
    for after in 0..=PART {
        place.server.next(Fault::CutBody { after });
        let (bytes, error) = read_all(place.store(), object.clone(), quick()).await;
        assert!(error.is_none(), "{after}: {error:?}");
        assert!(bytes == content(SIZE), "{after}");
    }
    let asked: Vec<_> = place.server.requests();
    let resumed = asked.iter().filter_map(|request| request.header("range"));
    assert!(
        resumed.into_iter().any(|range| range == "bytes=17-56"),
        "at the very byte"
    );
    let pinned = |request: &&arrivage_testkit::Request| {
        request.header("if-match") == Some(&object.etag.quoted())
    };
    let gets = asked.iter().filter(|request| request.is_get_object());
    assert!(gets.clone().count() > 80 && gets.clone().all(|get| pinned(&get)));
    Ok(())
}

#[tokio::test]
async fn what_passes_by_is_survived() -> Result<()> {
    let cut = |after| Fault::CutBody { after };
    survives(&[cut(0), cut(1), cut(0), cut(39), cut(3)]).await?;
    survives(&[
        Fault::ResetBody { after: 7 },
        Fault::Reset,
        Fault::ResetBody { after: 0 },
    ])
    .await?;
    survives(&[Fault::StallBody { after: 7 }]).await?;
    survives(&[Fault::Hang]).await?;
    survives(&[Fault::IgnoreRange]).await?;
    survives(&[cut(9), Fault::IgnoreRange, cut(9)]).await?;
    for (status, code) in [
        (503, "SlowDown"),
        (500, "InternalError"),
        (429, "TooManyRequests"),
    ] {
        survives(&[
            Fault::error(status, code),
            cut(5),
            Fault::error(status, code),
        ])
        .await?;
    }
    survives(&[Fault::ContentRange("bytes 1-40/100".to_owned())]).await?;
    survives(&[Fault::error(404, "NoSuchKey")]).await
}

#[tokio::test]
async fn a_store_that_ignores_ranges_is_not_asked_for_the_beginning_again() -> Result<()> {
    let (place, object) = place().await?;
    place
        .server
        .on(|request| request.is_get_object().then_some(Fault::IgnoreRange));
    let before = place.server.requests().len();
    let (bytes, error) = read_all(place.store(), object, quick()).await;
    assert!(error.is_none(), "{error:?}");
    assert!(bytes == content(SIZE));
    assert_eq!(place.server.requests().len() - before, 1);
    Ok(())
}

#[tokio::test]
async fn what_lasts_has_a_name() -> Result<()> {
    let table = [
        (Fault::error(404, "NoSuchKey"), "gone"),
        (Fault::error(404, "NoSuchBucket"), "misconfigured"),
        (Fault::error(412, "PreconditionFailed"), "changed"),
        (Fault::error(403, "AccessDenied"), "denied"),
        (Fault::error(400, "InvalidRequest"), "denied"),
        (Fault::error(403, "InvalidObjectState"), "archived"),
        (Fault::error(403, "SignatureDoesNotMatch"), "misconfigured"),
        (Fault::error(403, "InvalidAccessKeyId"), "misconfigured"),
        (Fault::error(400, "ExpiredToken"), "misconfigured"),
        (Fault::error(403, "RequestTimeTooSkewed"), "misconfigured"),
        (Fault::error(301, "PermanentRedirect"), "misconfigured"),
        (Fault::error(307, "TemporaryRedirect"), "misconfigured"),
        (
            Fault::error(400, "AuthorizationHeaderMalformed"),
            "misconfigured",
        ),
        (Fault::error(501, "NotImplemented"), "misconfigured"),
        (Fault::error(503, "SlowDown"), "busy"),
        (Fault::error(503, "ServiceUnavailable"), "busy"),
        (Fault::error(500, "InternalError"), "busy"),
        (Fault::error(400, "RequestTimeout"), "busy"),
        (Fault::error(429, "TooManyRequests"), "busy"),
        (Fault::error(416, "InvalidRange"), "contradiction"),
        (Fault::Reset, "unavailable"),
        (Fault::Hang, "unavailable"),
        (Fault::CutBody { after: 0 }, "unavailable"),
        (Fault::StallBody { after: 0 }, "unavailable"),
        (Fault::ETag("\"other\"".to_owned()), "changed"),
        (Fault::ETag("\"\"".to_owned()), "contradiction"),
        (
            Fault::ContentRange("bytes 1-40/100".to_owned()),
            "contradiction",
        ),
        (
            Fault::ContentRange("bytes 0-40/100".to_owned()),
            "contradiction",
        ),
        (
            Fault::ContentRange("bytes 0-39/101".to_owned()),
            "contradiction",
        ),
        (
            Fault::ContentRange("bytes */100".to_owned()),
            "contradiction",
        ),
        (Fault::ContentRange("nonsense".to_owned()), "contradiction"),
    ];
    for (fault, expect) in table {
        ends(fault, expect).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_body_that_says_it_is_another_one_is_not_begun() -> Result<()> {
    let (place, object) = place().await?;
    for wrong in [
        "bytes 1-40/100",
        "bytes 0-38/100",
        "bytes 0-39/101",
        "bytes 0-39/39",
        "bytes 0-39",
    ] {
        place.server.next(Fault::ContentRange(wrong.to_owned()));
        let outcome = place.store.read(&object, 0..PART).await;
        let contradiction = matches!(outcome, Err(StoreError::Contradiction { .. }));
        assert!(contradiction, "{wrong}: {outcome:?}");
    }
    for fine in ["bytes 0-39/100", "bytes 0-39/*"] {
        place.server.next(Fault::ContentRange(fine.to_owned()));
        let body = place.store.read(&object, 0..PART).await?;
        assert_eq!((body.range, body.total), (0..PART, 100), "{fine}");
    }
    Ok(())
}

#[tokio::test]
async fn a_head_without_a_reason_is_explained_by_a_get() -> Result<()> {
    let table = [
        (404, "NoSuchKey", "gone"),
        (404, "NoSuchBucket", "misconfigured"),
        (403, "AccessDenied", "denied"),
        (403, "SignatureDoesNotMatch", "misconfigured"),
        (400, "ExpiredToken", "misconfigured"),
        (503, "SlowDown", "busy"),
        (301, "PermanentRedirect", "misconfigured"),
    ];
    for (status, code, expect) in table {
        let (place, object) = place().await?;
        place.server.on(move |_| Some(Fault::error(status, code)));
        let error = place
            .store
            .head(&object.location, None)
            .await
            .expect_err(code);
        assert_eq!(name(&error), expect, "{error:?}");
        assert_no_secret(&error);
    }
    Ok(())
}

#[tokio::test]
async fn a_range_beyond_the_end_of_another_content_is_a_change() -> Result<()> {
    let (place, object) = place().await?;
    place.put("a", b"shorter").await?;
    // As of a server that looks at the range before it looks at the ETag.
    place.server.next(Fault::error(416, "InvalidRange"));
    let outcome = place.store.read(&object, 50..60).await;
    assert!(
        matches!(outcome, Err(StoreError::Changed(_))),
        "{outcome:?}"
    );
    Ok(())
}

#[tokio::test]
async fn an_object_that_changes_between_two_parts_is_never_mixed() -> Result<()> {
    let (place, object) = place().await?;
    let gets = AtomicUsize::new(0);
    let server = place.server.clone();
    place.server.on(move |request| {
        if request.is_get_object() && gets.fetch_add(1, Ordering::Relaxed) == 1 {
            server.put(BUCKET, "a", vec![0; SIZE]);
        }
        None
    });
    let (bytes, error) = read_all(place.store(), object, quick()).await;
    assert!(matches!(error, Some(StoreError::Changed(_))), "{error:?}");
    assert_eq!(bytes, content(SIZE)[..PART as usize]);
    Ok(())
}

#[tokio::test]
async fn the_wait_that_a_busy_store_asks_for_is_told() -> Result<()> {
    let (place, object) = place().await?;
    let ask = async |value: String| {
        place.server.next(Fault::Error {
            status: 503,
            code: "SlowDown",
            headers: vec![("retry-after", value)],
        });
        let error = place.store.read(&object, 0..1).await.expect_err("busy");
        assert!(error.is_away());
        error.retry_after()
    };
    assert_eq!(ask("7".to_owned()).await, Some(Duration::from_secs(7)));
    let soon = chrono::Utc::now() + chrono::TimeDelta::seconds(60);
    let told = ask(soon.format("%a, %d %b %Y %H:%M:%S GMT").to_string()).await;
    assert!(
        told.is_some_and(|wait| wait.as_secs().abs_diff(60) < 30),
        "{told:?}"
    );
    assert_eq!(ask("soon".to_owned()).await, None);
    Ok(())
}

#[tokio::test]
async fn a_body_that_trickles_is_given_up_and_read_on() -> Result<()> {
    let server = S3Server::start().await?;
    server.create_bucket(BUCKET);
    let place = Server::over(
        server,
        Patience {
            stall: Duration::from_millis(100),
            floor: 1 << 20,
            ..Patience::default()
        },
    );
    let bytes = content(400_000);
    place.put("a", &bytes).await?;
    let object = place.store.head(&place.location("a"), None).await?;
    // Each block comes in time, and all of them together do not.
    let pause = Duration::from_millis(70);
    place.server.next(Fault::SlowBody { pause });
    let error = drain(place.store.read(&object, 0..400_000).await?).await;
    assert!(
        matches!(error, Err(StoreError::Unavailable(_))),
        "{error:?}"
    );

    place.server.next(Fault::SlowBody { pause });
    let (came, error) = read_all(place.store(), object, Persistence::default()).await;
    assert!(error.is_none(), "{error:?}");
    assert!(came == bytes);
    Ok(())
}

#[tokio::test]
async fn wrong_credentials_are_a_wrong_setting() -> Result<()> {
    let (place, object) = place().await?;
    let endpoint = place.server.endpoint();
    for (id, secret) in [
        (S3Server::ACCESS_KEY, "wrong-canary"),
        ("canary-nobody", S3Server::SECRET_KEY),
    ] {
        let store = S3Store::new(settings(endpoint, id, secret, Patience::default()));
        let errors = [
            store
                .head(&object.location, None)
                .await
                .expect_err("a head"),
            store.read(&object, 0..1).await.expect_err("a body"),
            store.list(BUCKET, "", None).await.expect_err("a page"),
        ];
        for error in errors {
            assert!(error.is_misconfigured(), "{error:?}");
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
            assert_no_secret(&error);
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_store_that_is_not_there_is_away() -> Result<()> {
    let (place, object) = place().await?;
    let endpoint = place.server.endpoint().to_owned();
    drop(place);
    let settings = settings(&endpoint, "id", "secret", Patience::default());
    let store: Arc<dyn Store> = Arc::new(S3Store::new(settings));
    let (_, error) = read_all(store, object, quick()).await;
    let Some(StoreError::Unavailable(source)) = error else {
        panic!("{error:?}");
    };
    assert_refused(&source);
    Ok(())
}

fn assert_refused(source: &Source) {
    let text = source.to_string();
    assert!(
        text.contains("GetObject") && text.contains("refused"),
        "{text}"
    );
}
