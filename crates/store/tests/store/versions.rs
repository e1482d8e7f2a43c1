use std::time::Duration;

use anyhow::Result;
use arrivage_model::{ETag, Object, VersionId};
use arrivage_store::{Persistence, Policy, Store, StoreError};
use arrivage_testkit::{Fault, Stored};

use crate::places::{BUCKET, Place, Server, drain, read_all};

/// What a notification would say.
fn object(place: &Server, stored: &Stored, size: u64) -> Object {
    Object {
        location: place.location("a"),
        etag: ETag::parse(&stored.etag).expect("an ETag"),
        version_id: stored.version_id.as_deref().and_then(VersionId::parse),
        size: Some(size),
        last_modified: None,
        sequencer: None,
    }
}

fn brief() -> Persistence {
    Persistence {
        part: 2,
        ahead: true,
        policy: Policy {
            first: Duration::from_millis(1),
            cap: Duration::from_millis(1),
            tries: Some(3),
        },
        appears_within: Duration::from_millis(10),
    }
}

#[tokio::test]
async fn exactly_the_announced_version_is_read() -> Result<()> {
    let place = Server::versioned().await?;
    let old = place.server.put(BUCKET, "a", "old");
    let new = place.server.put(BUCKET, "a", "new");
    for (stored, expect) in [(&old, "old"), (&new, "new")] {
        let object = object(&place, stored, 3);
        let head = place
            .store
            .head(&object.location, object.version_id.as_ref())
            .await?;
        assert_eq!(
            (&head.etag, &head.version_id),
            (&object.etag, &object.version_id)
        );
        assert_eq!(
            drain(place.store.read(&object, 0..3).await?).await?,
            expect.as_bytes()
        );
        let (bytes, error) = read_all(place.store(), object, brief()).await;
        assert!(error.is_none(), "{error:?}");
        assert_eq!(bytes, expect.as_bytes());
    }
    let head = place.store.head(&place.location("a"), None).await?;
    assert_eq!(
        head.version_id.as_ref().map(VersionId::as_str),
        new.version_id.as_deref()
    );
    Ok(())
}

#[tokio::test]
async fn a_version_is_read_although_its_key_is_deleted() -> Result<()> {
    let place = Server::versioned().await?;
    let object = object(&place, &place.server.put(BUCKET, "a", "old"), 3);
    place.server.delete(BUCKET, "a");
    let (bytes, _) = read_all(place.store(), object.clone(), brief()).await;
    assert_eq!(bytes, b"old");

    let unpinned = Object {
        version_id: None,
        ..object
    };
    let (_, error) = read_all(place.store(), unpinned, brief()).await;
    assert!(matches!(error, Some(StoreError::Gone(_))), "{error:?}");
    Ok(())
}

#[tokio::test]
async fn a_deleted_version_is_replaced_by_the_same_content_only() -> Result<()> {
    let place = Server::versioned().await?;
    let old = place.server.put(BUCKET, "a", "old");
    let object = object(&place, &old, 3);
    let version = old.version_id.as_deref().expect("a version");
    place.server.delete_version(BUCKET, "a", version);
    let (_, error) = read_all(place.store(), object.clone(), brief()).await;
    assert!(matches!(error, Some(StoreError::Gone(_))), "{error:?}");

    place.server.put(BUCKET, "a", "old");
    let (bytes, error) = read_all(place.store(), object.clone(), brief()).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(bytes, b"old");

    place.server.put(BUCKET, "a", "new");
    let (bytes, error) = read_all(place.store(), object, brief()).await;
    assert!(matches!(error, Some(StoreError::Changed(_))), "{error:?}");
    assert_eq!(bytes, b"");
    Ok(())
}

#[tokio::test]
async fn a_delete_marker_is_gone() -> Result<()> {
    let place = Server::versioned().await?;
    let object = object(&place, &place.server.put(BUCKET, "a", "old"), 3);
    place.server.delete(BUCKET, "a");
    // The marker is a version, too, and the server numbers them.
    let marker = VersionId::parse("version.00000002");
    let outcome = place.store.head(&object.location, marker.as_ref()).await;
    assert!(matches!(outcome, Err(StoreError::Gone(_))), "{outcome:?}");
    let pinned = Object {
        version_id: marker,
        ..object
    };
    let outcome = place.store.read(&pinned, 0..3).await;
    assert!(matches!(outcome, Err(StoreError::Gone(_))), "{outcome:?}");
    Ok(())
}

#[tokio::test]
async fn a_version_that_the_store_cannot_read_is_gone() -> Result<()> {
    let place = Server::versioned().await?;
    let object = object(&place, &place.server.put(BUCKET, "a", "old"), 3);
    place
        .server
        .on(|_| Some(Fault::error(400, "InvalidArgument")));
    let version = object.version_id.as_ref();
    let outcome = place.store.head(&object.location, version).await;
    assert!(matches!(outcome, Err(StoreError::Gone(_))), "{outcome:?}");
    let outcome = place.store.read(&object, 0..3).await;
    assert!(matches!(outcome, Err(StoreError::Gone(_))), "{outcome:?}");
    let outcome = place.store.head(&object.location, None).await;
    assert!(
        matches!(outcome, Err(StoreError::Denied { .. })),
        "{outcome:?}"
    );
    Ok(())
}
