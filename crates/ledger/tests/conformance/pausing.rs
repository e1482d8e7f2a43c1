use arrivage_ledger::{LedgerError, Paused, Registration, Scope};
use arrivage_model::{Checkpoint, State};

use super::scoping::one;
use super::world::{LEASE, found};
use super::{Database, World};

pub(crate) async fn only_a_person_ends_the_pause_of_a_person<D: Database>() {
    let world = World::<D>::new().await;
    let ledger = &world.ledger;
    world.register("a").await;
    let orders = ["orders".to_owned()];
    let maintenance = Paused {
        pipeline: "orders".to_owned(),
        reason: "maintenance".to_owned(),
        by_person: true,
    };
    // Also where a processor has paused it before, or does so later.
    ledger.pause("orders", "missing").await.expect("pauses");
    let taken = ledger.pause_by_person("orders", "maintenance").await;
    assert!(taken.expect("pauses").is_empty());
    ledger.pause("orders", "missing").await.expect("pauses");
    ledger.resume("orders").await.expect("is answered");
    let paused = ledger.paused(&orders).await.expect("lists");
    assert_eq!(paused.first(), Some(&maintenance));
    assert!(world.try_claim("owner", Scope::Any).await.is_none());

    let ended = ledger.resume_by_person("orders").await;
    assert_eq!(ended.expect("resumes"), Some(maintenance));
    let again = ledger.resume_by_person("orders").await;
    assert_eq!(again.expect("is answered"), None);
    world.claim("owner").await;

    // A person ends any other pause too, and it is no person's then.
    ledger.pause("orders", "missing").await.expect("pauses");
    let ended = ledger.resume_by_person("orders").await.expect("resumes");
    assert!(ended.is_some_and(|paused| !paused.by_person));
    ledger.pause("orders", "missing").await.expect("pauses");
    ledger.resume("orders").await.expect("resumes");
    assert!(ledger.paused(&orders).await.expect("lists").is_empty());
}

pub(crate) async fn a_persons_pause_takes_back_what_is_being_loaded<D: Database>() {
    let world = World::<D>::new().await;
    let orders = world.destination().await;
    let id = world.register("a").await;
    let elsewhere = Registration {
        pipeline: "other".to_owned(),
        ..found("b")
    };
    let elsewhere = world.notify(elsewhere).await.id();
    let both = ["orders".to_owned(), "other".to_owned()];
    let claim = world.claim("owner").await;
    let at = world
        .load(&claim.lease, &orders, &Checkpoint::default(), &[1])
        .await
        .expect("loads");
    let other = world.ledger.claim(&both, &Scope::Any, "owner", LEASE).await;
    let other = other.expect("is answered").claim.expect("claimable");
    assert_eq!(other.arrival.id, elsewhere);

    let taken = world.ledger.pause_by_person("orders", "maintenance").await;
    assert_eq!(taken.expect("pauses"), [id]);
    let late = world.load(&claim.lease, &orders, &at, &[2]).await;
    assert!(matches!(late, Err(LedgerError::NotMatched)), "{late:?}");
    let renewed = world.ledger.renew(&claim.lease, LEASE).await;
    assert!(matches!(renewed, Err(LedgerError::Fenced)), "{renewed:?}");
    world
        .ledger
        .renew(&other.lease, LEASE)
        .await
        .expect("the other pipeline goes on");
    let arrival = world.arrival(id).await;
    assert_eq!((arrival.state, arrival.lease_until), (State::Waiting, None));
    assert!(arrival.fence > claim.arrival.fence);
    assert!(world.try_claim("owner", one(id)).await.is_none());

    world
        .ledger
        .resume_by_person("orders")
        .await
        .expect("resumes");
    let claim = world.claim("owner").await;
    assert_eq!(claim.checkpoint, at, "it goes on where it was");
    assert_eq!(claim.barren, 1, "no attempt was used up");
    assert_eq!(world.numbers("orders").await, [1]);
}

pub(crate) async fn what_had_expired_before_a_pause_has_used_up_its_attempt<D: Database>() {
    let world = World::<D>::new().await;
    let id = world.register("a").await;
    world.claim("owner").await;
    world.expire(id).await;
    let taken = world.ledger.pause_by_person("orders", "maintenance").await;
    assert_eq!(taken.expect("pauses"), [id]);
    world
        .ledger
        .resume_by_person("orders")
        .await
        .expect("resumes");
    assert_eq!(world.claim("owner").await.barren, 2);
}
