use arrivage_ledger::{Content, FoundBy, Registered, Registration, Unloaded};
use arrivage_model::{ErrorCode, Location, State};

use super::world::{found, object};
use super::{Database, World};

/// Key, ETag and pipeline of everything below a prefix, in pages of two.
async fn walk<D: Database>(world: &World<D>, prefix: &str) -> Vec<String> {
    let place = Location::s3("drop", prefix);
    let mut walked = Vec::new();
    let mut after: Option<Content> = None;
    loop {
        let page = world.ledger.contents(&place, after.as_ref(), 2).await;
        let page = page.expect("is answered");
        let is_last = page.len() < 2;
        walked.extend(
            page.iter()
                .map(|c| format!("{} {} {}", c.key, c.etag, c.pipeline)),
        );
        after = page.into_iter().last().or(after);
        if is_last {
            return walked;
        }
    }
}

pub(crate) async fn contents_come_page_by_page_in_the_order_of_their_bytes<D: Database>() {
    let world = World::<D>::new().await;
    // As S3 orders them: byte by byte, a capital before a small letter, the slash after
    // the dot, and what is beyond ASCII last.
    let keys = [
        "A", "a", "a.b", "a/", "a/b", "a0", "b", "é", "\u{ff5e}", "😀",
    ];
    for key in keys.iter().rev() {
        world.notify(found(key)).await;
    }
    let again = Registration {
        object: object("a", "E0"),
        ..found("a")
    };
    let elsewhere = Registration {
        pipeline: "other".to_owned(),
        ..found("a")
    };
    let mut other_bucket = found("a");
    other_bucket.object.location.bucket = "drops".to_owned();
    for registration in [again, elsewhere, other_bucket] {
        world.notify(registration).await;
    }
    let mut expect: Vec<String> = keys.iter().map(|key| format!("{key} e1 orders")).collect();
    expect.splice(
        1..2,
        ["a E0 orders", "a e1 orders", "a e1 other"].map(str::to_owned),
    );
    assert_eq!(walk(&world, "").await, expect);
    let below: Vec<_> = expect
        .into_iter()
        .filter(|line| line.starts_with("a/"))
        .collect();
    assert_eq!(walk(&world, "a/").await, below);
    assert!(walk(&world, "c").await.is_empty());
}

pub(crate) async fn contents_say_how_their_arrivals_stand<D: Database>() {
    let world = World::<D>::new().await;
    let orders = world.destination().await;
    let id = world.register("a").await;
    let read = async || {
        let place = Location::s3("drop", "");
        let contents = world.ledger.contents(&place, None, 10).await;
        contents.expect("is answered").remove(0)
    };
    let content = read().await;
    assert_eq!((content.id, content.state), (id, State::Waiting));
    assert_eq!(content.finished_at, None);
    world.load_whole(id, &orders, &[1]).await;
    let content = read().await;
    assert_eq!(content.state, State::Loaded);
    assert_eq!(content.finished_at, world.arrival(id).await.finished_at);
}

pub(crate) async fn what_is_adopted_is_never_loaded<D: Database>() {
    let world = World::<D>::new().await;
    let orders = world.destination().await;
    let listed = |key: &str| Registration {
        found_by: FoundBy::Listing,
        ..found(key)
    };
    let known = world.register("known").await;
    let adopted = world
        .ledger
        .adopt(&[listed("new"), listed("known"), listed("other")])
        .await
        .expect("adopts");
    let [
        Registered::New(id),
        Registered::Known(same, State::Waiting),
        Registered::New(_),
    ] = adopted[..]
    else {
        panic!("{adopted:?}");
    };
    assert_eq!(same, known);
    assert_eq!(world.arrival(known).await.state, State::Waiting);

    let arrival = world.arrival(id).await;
    assert_eq!(
        (arrival.key.as_str(), arrival.state),
        ("new", State::Loaded)
    );
    assert_eq!(
        arrival.error_code.as_deref(),
        Some(ErrorCode::Adopted.as_str())
    );
    assert_eq!((arrival.attempts, arrival.records_loaded), (0, 0));
    assert!(arrival.finished_at.is_some());

    // A notification, a listing and a second adoption leave it as it is.
    assert_eq!(
        world.notify(found("new")).await,
        Registered::Known(id, State::Loaded)
    );
    assert_eq!(
        world.notify(listed("new")).await,
        Registered::Known(id, State::Loaded)
    );
    let again = world.ledger.adopt(&[listed("new")]).await;
    assert_eq!(
        again.expect("adopts"),
        [Registered::Known(id, State::Loaded)]
    );
    assert_eq!(world.arrival(id).await.duplicate_notifications, 1);
    assert_eq!(world.claim("owner").await.arrival.id, known);
    assert!(
        world
            .try_claim("owner", arrivage_ledger::Scope::Any)
            .await
            .is_none()
    );
    // Its rows are not ours to take out.
    let unloaded = world.ledger.unload(id, &orders.table).await;
    assert_eq!(unloaded.expect("is answered"), Unloaded::Adopted);
    assert!(world.ledger.adopt(&[]).await.expect("adopts").is_empty());
}
