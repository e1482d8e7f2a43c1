use arrivage_ledger::{FoundBy, Registered, Registration};
use arrivage_model::State;

use super::world::{failure, found, object};
use super::{Database, World};

pub(crate) async fn a_new_message_queues_again_what_rests<D: Database>() {
    let world = World::<D>::new().await;
    for state in [
        State::Failed,
        State::Superseded,
        State::Dismissed,
        State::Unloaded,
    ] {
        let key = state.as_str();
        let id = world.register(key).await;
        let claim = world.claim("owner").await;
        world
            .ledger
            .fail(&claim.lease, &failure("broken"))
            .await
            .expect("fails");
        world.set(id, &format!("state = '{state}'")).await;

        assert_eq!(
            world.notify(found(key)).await,
            Registered::Requeued(id),
            "{state}"
        );
        let arrival = world.arrival(id).await;
        assert_eq!(arrival.state, State::Waiting, "{state}");
        assert_eq!(arrival.duplicate_notifications, 1, "{state}");
        assert!(arrival.fence > claim.arrival.fence, "{state}");
        assert_eq!(
            (arrival.error_code, arrival.error, arrival.finished_at),
            (None, None, None)
        );
        let claim = world.claim("owner").await;
        assert_eq!(
            (claim.arrival.id, claim.barren),
            (id, 1),
            "{state} is due, its attempts new"
        );
        world
            .ledger
            .fail(&claim.lease, &failure("broken"))
            .await
            .expect("fails");
    }
}

pub(crate) async fn a_webhook_queues_again_what_has_rested_for_a_minute<D: Database>() {
    let world = World::<D>::new().await;
    let told = |key: &str| Registration {
        found_by: FoundBy::Webhook,
        ..found(key)
    };
    for state in [
        State::Failed,
        State::Superseded,
        State::Dismissed,
        State::Unloaded,
    ] {
        let key = state.as_str();
        let id = world.notify(told(key)).await.id();
        let claim = world.claim("owner").await;
        let known = |state| Registered::Known(id, state);
        assert_eq!(world.notify(told(key)).await, known(State::Loading));
        world
            .ledger
            .fail(&claim.lease, &failure("broken"))
            .await
            .expect("fails");
        world.set(id, &format!("state = '{state}'")).await;
        // Said again for our answer got lost.
        assert_eq!(world.notify(told(key)).await, known(state));
        let rested = format!("finished_at = {}", D::moment(-58));
        world.set(id, &rested).await;
        assert_eq!(world.notify(told(key)).await, known(state));
        let rested = format!("finished_at = {}", D::moment(-61));
        world.set(id, &rested).await;
        assert_eq!(world.notify(told(key)).await, Registered::Requeued(id));
        // It waits, and then is loaded.
        assert_eq!(world.notify(told(key)).await, known(State::Waiting));
        let arrival = world.arrival(id).await;
        assert_eq!(arrival.duplicate_notifications, 5, "{state}");
        assert!(arrival.fence > claim.arrival.fence, "{state}");
        world.set(id, "state = 'loaded'").await;
        assert_eq!(world.notify(told(key)).await, known(State::Loaded));
    }
}

pub(crate) async fn a_redelivery_a_listing_and_a_person_queue_nothing_again<D: Database>() {
    let world = World::<D>::new().await;
    let first = found("a");
    let id = world.notify(first.clone()).await.id();
    let claim = world.claim("owner").await;
    world
        .ledger
        .fail(&claim.lease, &failure("broken"))
        .await
        .expect("fails");
    for found_by in [first.found_by.clone(), FoundBy::Listing, FoundBy::Person] {
        let again = Registration {
            found_by,
            ..first.clone()
        };
        assert_eq!(
            world.notify(again).await,
            Registered::Known(id, State::Failed)
        );
    }
    let arrival = world.arrival(id).await;
    assert_eq!(
        (arrival.state, arrival.duplicate_notifications),
        (State::Failed, 1)
    );

    // The last message is remembered whatever it did: neither the one that queued it again
    // nor one that came while it waited does so at its redelivery.
    let (second, third) = (found("a"), found("a"));
    assert_eq!(world.notify(second.clone()).await, Registered::Requeued(id));
    for message in [second, third] {
        world.notify(message.clone()).await;
        let claim = world.claim("owner").await;
        world
            .ledger
            .fail(&claim.lease, &failure("broken"))
            .await
            .expect("fails");
        assert_eq!(
            world.notify(message).await,
            Registered::Known(id, State::Failed)
        );
        world.set(id, "state = 'waiting'").await;
    }
    world
        .set(id, "state = 'failed', duplicate_notifications = 1")
        .await;

    // Two new messages at once: the first queues it, the second is a duplicate of that.
    let answers = world
        .ledger
        .register(&[found("a"), found("a")])
        .await
        .expect("registers");
    assert_eq!(answers[0], Registered::Requeued(id));
    assert_eq!(answers[1].id(), id);
    let arrival = world.arrival(id).await;
    assert_eq!(
        (arrival.state, arrival.duplicate_notifications),
        (State::Waiting, 3)
    );
}

pub(crate) async fn a_loaded_arrival_stays_loaded<D: Database>() {
    let world = World::<D>::new().await;
    let orders = world.destination().await;
    let id = world.register("a").await;
    world.load_whole(id, &orders, &[1]).await;
    assert_eq!(
        world.notify(found("a")).await,
        Registered::Known(id, State::Loaded)
    );
    assert_eq!(world.arrival(id).await.duplicate_notifications, 1);
}

pub(crate) async fn a_loaded_content_that_was_followed_by_another_is_told_apart<D: Database>() {
    let world = World::<D>::new().await;
    let orders = world.destination().await;
    let a = world.register("a").await;
    world.load_whole(a, &orders, &[1]).await;
    let second = |key: &str| Registration {
        object: object(key, "e2"),
        ..found(key)
    };
    let b = world.notify(second("a")).await.id();
    assert_eq!(
        world.notify(found("a")).await,
        Registered::Known(a, State::Loaded)
    );
    world.load_whole(b, &orders, &[2]).await;
    assert_eq!(world.notify(found("a")).await, Registered::LoadedBefore(a));
    assert_eq!(
        world.notify(second("a")).await,
        Registered::Known(b, State::Loaded)
    );
    let listed = Registration {
        found_by: FoundBy::Listing,
        ..found("a")
    };
    assert_eq!(world.notify(listed).await, Registered::LoadedBefore(a));
}

pub(crate) async fn what_stands_at_its_key_once_more_is_loaded_anew<D: Database>() {
    let world = World::<D>::new().await;
    let orders = world.destination().await;
    let id = world.register("a").await;
    world
        .ledger
        .load_anew(id, &object("a", "e1"))
        .await
        .expect("is answered");
    assert!(!world.claim("owner").await.restart, "it was not loaded");
    world.expire(id).await;
    world.load_whole(id, &orders, &[1]).await;
    let loaded = world.arrival(id).await;

    world
        .ledger
        .load_anew(id, &object("a", "e1"))
        .await
        .expect("is answered");
    let arrival = world.arrival(id).await;
    assert_eq!((arrival.state, arrival.finished_at), (State::Waiting, None));
    assert!(arrival.fence > loaded.fence);
    let claim = world.claim("owner").await;
    assert!(claim.restart, "its rows go before the first is read again");
    assert_eq!(claim.barren, 1);
}
