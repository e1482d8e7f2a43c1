use arrivage_ledger::Scope;
use arrivage_model::{ArrivalId, State};

use super::world::LEASE;
use super::{Database, World};

pub(super) fn one(id: ArrivalId) -> Scope {
    Scope::One {
        id,
        taking_over: false,
    }
}

fn taking_over(id: ArrivalId) -> Scope {
    Scope::One {
        id,
        taking_over: true,
    }
}

pub(crate) async fn only_named_arrivals_are_claimed_among_some<D: Database>() {
    let world = World::<D>::new().await;
    let ids = [
        world.register("a").await,
        world.register("b").await,
        world.register("c").await,
    ];
    let among = |ids: &[ArrivalId]| Scope::Among(ids.to_vec());
    assert!(world.try_claim("owner", among(&[])).await.is_none());
    assert!(
        world
            .try_claim("owner", among(&[ArrivalId(4711)]))
            .await
            .is_none()
    );
    let first = world
        .try_claim("owner", among(&[ids[2], ids[1]]))
        .await
        .expect("claimable");
    assert_eq!(first.arrival.id, ids[1], "the oldest of them");
    world.expire(ids[1]).await;
    let second = world
        .try_claim("owner", among(&[ids[1], ids[2]]))
        .await
        .expect("claimable");
    assert_eq!(second.arrival.id, ids[1], "an expired one comes first");
    let third = world
        .try_claim("owner", among(&ids[1..]))
        .await
        .expect("claimable");
    assert_eq!(third.arrival.id, ids[2]);
    assert!(world.try_claim("owner", among(&ids[1..])).await.is_none());
}

pub(crate) async fn a_named_arrival_is_claimed_before_it_is_due<D: Database>() {
    let world = World::<D>::new().await;
    world.register("older").await;
    let id = world.register("a").await;
    let claim = world.try_claim("owner", one(id)).await.expect("claimable");
    world
        .ledger
        .give_back(&claim.lease, LEASE, None)
        .await
        .expect("gives back");
    let claim = world
        .try_claim("owner", one(id))
        .await
        .expect("claimable before it is due");
    assert_eq!(claim.arrival.id, id);
    assert!(
        world.try_claim("owner", one(id)).await.is_none(),
        "its lease stands"
    );
    assert!(
        world
            .try_claim("owner", one(ArrivalId(4711)))
            .await
            .is_none()
    );
}

pub(crate) async fn an_owner_takes_back_its_own_lease_only_where_it_says_so<D: Database>() {
    let world = World::<D>::new().await;
    let id = world.register("a").await;
    let claim = world.claim("job-1").await;
    assert!(world.try_claim("job-1", one(id)).await.is_none());
    assert!(world.try_claim("job-2", taking_over(id)).await.is_none());
    let again = world
        .try_claim("job-1", taking_over(id))
        .await
        .expect("its own");
    assert_eq!(again.arrival.id, id);
    assert!(again.lease.fence > claim.lease.fence);
    assert_ne!(again.lease.id, claim.lease.id);
}

pub(crate) async fn an_owner_finds_its_last_claim_again<D: Database>() {
    let world = World::<D>::new().await;
    let last = async |owner: &str| {
        let arrival = world
            .ledger
            .last_claim_of(owner)
            .await
            .expect("is answered");
        arrival.map(|arrival| arrival.id)
    };
    assert_eq!(last("job-1").await, None);
    let (a, b) = (world.register("a").await, world.register("b").await);
    world
        .try_claim("job-1", Scope::Owner)
        .await
        .expect("claimable");
    assert_eq!(last("job-1").await, Some(a));
    assert_eq!(last("job-2").await, None);
    world
        .try_claim("job-1", Scope::Owner)
        .await
        .expect("claimable");
    assert_eq!(last("job-1").await, Some(b));
    assert!(world.try_claim("job-1", Scope::Owner).await.is_none());
    assert_eq!(
        last("job-1").await,
        Some(b),
        "an empty answer changes nothing"
    );
    world.register("c").await;
    world
        .try_claim("job-1", Scope::Any)
        .await
        .expect("claimable");
    assert_eq!(last("job-1").await, Some(b), "only Scope::Owner is kept");
}

pub(crate) async fn an_owner_that_dies_at_every_start_uses_up_the_attempts<D: Database>() {
    let world = World::<D>::new().await;
    let poison = world.register("poison").await;
    for _ in 0..3 {
        world
            .try_claim("job-1", taking_over(poison))
            .await
            .expect("attempts are left");
    }
    assert!(
        world
            .try_claim("job-1", taking_over(poison))
            .await
            .is_none()
    );
    assert_eq!(world.arrival(poison).await.state, State::Failed);
}
