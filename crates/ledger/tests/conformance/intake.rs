use arrivage_ledger::{FoundBy, Ignored, Registered, Registration, Unreadable};
use arrivage_model::{ETag, Location, State, VersionId};
use chrono::{DateTime, Utc};

use super::world::{found, object};
use super::{Database, World};

pub(crate) async fn a_new_object_is_a_waiting_arrival<D: Database>() {
    let world = World::<D>::new().await;
    let modified: DateTime<Utc> = "2026-01-31T12:00:00.123456Z".parse().expect("a moment");
    let mut registration = found("a/b c+%.csv");
    registration.object.version_id = VersionId::parse("v1");
    registration.object.last_modified = Some(modified);
    registration.object.sequencer = Some("0055AED6DCD90281E5".to_owned());
    let answer = world.notify(registration.clone()).await;
    assert!(matches!(answer, Registered::New(_)), "{answer:?}");

    let arrival = world.arrival(answer.id()).await;
    assert_eq!(arrival.object(), registration.object);
    assert_eq!(arrival.pipeline, "orders");
    assert_eq!(arrival.url, "s3://drop/a/b c+%.csv");
    assert_eq!(arrival.state, State::Waiting);
    assert_eq!(
        (
            arrival.attempts,
            arrival.fence,
            arrival.duplicate_notifications
        ),
        (0, 0, 0)
    );
    assert_eq!((arrival.checkpoint_records, arrival.records_loaded), (0, 0));
    assert_eq!(
        (arrival.error, arrival.owner, arrival.finished_at),
        (None, None, None)
    );
}

pub(crate) async fn an_identity_stands_once_however_it_is_found<D: Database>() {
    let world = World::<D>::new().await;
    let first = found("a");
    let id = world.notify(first.clone()).await.id();
    let by = |found_by: FoundBy| Registration {
        found_by,
        ..first.clone()
    };
    for again in [
        first.clone(),
        by(FoundBy::Listing),
        by(FoundBy::Person),
        found("a"),
    ] {
        assert_eq!(
            world.notify(again).await,
            Registered::Known(id, State::Waiting)
        );
    }
    let arrival = world.arrival(id).await;
    assert_eq!(
        arrival.duplicate_notifications, 2,
        "the redelivery and the other message"
    );

    let other_content = Registration {
        object: object("a", "e2"),
        ..first.clone()
    };
    let other_pipeline = Registration {
        pipeline: "other".to_owned(),
        ..first.clone()
    };
    let mut other_store = first.clone();
    other_store.object.location = Location::folder("drop", "a");
    for new in [other_content, other_pipeline, other_store] {
        assert!(matches!(world.notify(new).await, Registered::New(_)));
    }
    assert_eq!(world.count("arrival").await, 4);
}

pub(crate) async fn a_batch_may_name_an_object_twice<D: Database>() {
    let world = World::<D>::new().await;
    let listed = Registration {
        found_by: FoundBy::Listing,
        ..found("a")
    };
    let mut versioned = found("a");
    versioned.object.version_id = VersionId::parse("v1");
    let batch = [found("b"), found("a"), found("b"), listed, versioned];
    let answers = world.ledger.register(&batch).await.expect("registers");
    let (b, a) = (answers[0].id(), answers[1].id());
    let known = |id| Registered::Known(id, State::Waiting);
    let expect = [
        Registered::New(b),
        Registered::New(a),
        known(b),
        known(a),
        known(a),
    ];
    assert_eq!(answers, expect);
    assert_eq!(world.arrival(b).await.duplicate_notifications, 1);
    let a = world.arrival(a).await;
    assert_eq!(a.duplicate_notifications, 1, "a listing is no notification");
    assert_eq!(
        a.version_id,
        VersionId::parse("v1"),
        "the last of the batch knew it"
    );
    assert!(
        world
            .ledger
            .register(&[])
            .await
            .expect("registers")
            .is_empty()
    );
}

pub(crate) async fn a_later_notification_fills_in_the_version<D: Database>() {
    let world = World::<D>::new().await;
    let id = world.register("a").await;
    let versioned = |version: &str, found_by: FoundBy| {
        let mut registration = found("a");
        registration.object.version_id = VersionId::parse(version);
        Registration {
            found_by,
            ..registration
        }
    };
    world.notify(versioned("v1", FoundBy::Listing)).await;
    let arrival = world.arrival(id).await;
    assert_eq!(arrival.version_id, VersionId::parse("v1"));
    assert_eq!(
        arrival.duplicate_notifications, 0,
        "a listing is no notification"
    );
    let message = FoundBy::Message("with another version".to_owned());
    world.notify(versioned("v2", message)).await;
    world.notify(found("a")).await;
    let arrival = world.arrival(id).await;
    assert_eq!(arrival.version_id, VersionId::parse("v1"), "the pin stays");
    assert_eq!(arrival.duplicate_notifications, 2);
}

pub(crate) async fn keys_are_kept_byte_for_byte<D: Database>() {
    let world = World::<D>::new().await;
    let long = "é".repeat(Location::MAX_KEY / 2);
    let keys = [
        "'; DROP TABLE orders; --",
        "\"quoted\"",
        "back\\slash",
        "line\nbreak",
        "//",
        "..",
        " ",
        "%",
        "e\u{301}",
        "é",
        "É",
        "\u{1F4E6}",
        "{\"json\": 1}",
        "$1 ?1 :a",
        long.as_str(),
    ];
    for key in keys {
        let mut registration = found(key);
        registration.object.etag = ETag::parse("it's \\ an etag-2").expect("a tag");
        let answer = world.notify(registration.clone()).await;
        assert!(matches!(answer, Registered::New(_)), "{key:?} is new");
        assert_eq!(
            world.notify(registration).await.id(),
            answer.id(),
            "{key:?} is known"
        );
        assert_eq!(world.arrival(answer.id()).await.key, key);
    }
    for location in [
        Location::folder("inbox", "a.csv"),
        Location::folder("local", "srv/a.csv"),
    ] {
        let mut registration = found("any");
        registration.object.location = location.clone();
        let id = world.notify(registration).await.id();
        let arrival = world.arrival(id).await;
        assert_eq!(
            (arrival.url, arrival.store),
            (location.to_string(), location.store)
        );
    }
}

pub(crate) async fn of_unreadable_notifications_and_ignored_objects_the_newest_are_kept<
    D: Database,
>() {
    let world = World::<D>::new().await;
    let unreadable = |nth: usize| Unreadable {
        source: "queue".to_owned(),
        body: format!(
            "é{}",
            "x".repeat(if nth == 1 { Unreadable::MAX_BODY } else { 0 })
        ),
        reason: format!("not JSON, nor anything else: {nth}"),
    };
    world
        .ledger
        .keep_unreadable(&[unreadable(1), unreadable(2)])
        .await
        .expect("keeps");
    let lengths = format!(
        "SELECT length(body) FROM {} ORDER BY id",
        world.table("unreadable")
    );
    let lengths = world.database.sql(&lengths).await;
    assert_eq!(
        lengths.trim(),
        format!("{}\n1", Unreadable::MAX_BODY - 1),
        "64 KiB are kept"
    );

    let many: Vec<Unreadable> = (0..10_050).map(unreadable).collect();
    for some in many.chunks(5000) {
        world.ledger.keep_unreadable(some).await.expect("keeps");
    }
    assert!(world.count("unreadable").await <= 10_000);

    let ignored: Vec<Ignored> = (0..1010)
        .map(|nth| Ignored {
            location: Location::s3("drop", format!("x{nth}")),
            size: Some(nth),
            source: "queue".to_owned(),
            seen_at: None,
        })
        .collect();
    world
        .ledger
        .keep_ignored(&ignored[..600])
        .await
        .expect("keeps");
    world
        .ledger
        .keep_ignored(&ignored[600..])
        .await
        .expect("keeps");
    let kept = world.ledger.ignored(2000).await.expect("lists");
    assert_eq!(kept.len(), 1000);
    assert_eq!(kept[999].location.key, "x10");
}
