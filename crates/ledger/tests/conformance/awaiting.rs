use std::time::Duration;

use arrivage_ledger::{Awaited, Replay, Scope};
use arrivage_model::{Location, State};

use super::world::LEASE;
use super::{Database, World};

/// Waits for `a.done`.
pub(crate) fn awaited(within: Duration) -> Awaited {
    Awaited {
        key: "a.done".to_owned(),
        within,
        why: "it waits for a.done".to_owned(),
        over: "a.done did not come".to_owned(),
    }
}

fn sidecar(key: &str) -> Location {
    Location::s3("drop", key)
}

pub(crate) async fn waiting_for_a_sidecar_uses_no_attempt_and_ends_when_it_comes<D: Database>() {
    let world = World::<D>::new().await;
    let id = world.register("a").await;
    for _ in 0..5 {
        let claim = world.claim("owner").await;
        assert_eq!((claim.barren, claim.arrival.attempts), (1, 1));
        let state = world.ledger.hold(&claim.lease, &awaited(LEASE)).await;
        assert_eq!(state.expect("holds"), State::Waiting);
        let arrival = world.arrival(id).await;
        assert_eq!((arrival.state, arrival.attempts), (State::Waiting, 0));
        assert_eq!(arrival.error.as_deref(), Some("it waits for a.done"));
        assert_eq!((arrival.error_code, arrival.lease_until), (None, None));
        assert!(world.try_claim("owner", Scope::Any).await.is_none());

        let others = [
            sidecar("b.done"),
            sidecar("a"),
            Location::folder("drop", "a.done"),
        ];
        assert_eq!(world.ledger.came(&others).await.expect("is answered"), 0);
        assert!(world.try_claim("owner", Scope::Any).await.is_none());
        let came = [sidecar("b.done"), sidecar("a.done")];
        assert_eq!(world.ledger.came(&came).await.expect("is answered"), 1);
        assert_eq!(world.ledger.came(&came).await.expect("is answered"), 0);
    }
    world.claim("owner").await;
}

pub(crate) async fn a_sidecar_that_stays_away_fails_its_arrival_and_an_order_waits_anew<
    D: Database,
>() {
    let world = World::<D>::new().await;
    let id = world.register("a").await;
    let minute = Duration::from_secs(60);
    let look = async || {
        world
            .ledger
            .came(&[sidecar("a.done")])
            .await
            .expect("wakes");
        let claim = world.claim("owner").await;
        let state = world.ledger.hold(&claim.lease, &awaited(minute)).await;
        state.expect("holds")
    };
    assert_eq!(look().await, State::Waiting);
    world
        .set(id, &format!("awaits_since = {}", D::moment(-30)))
        .await;
    assert_eq!(look().await, State::Waiting);
    world
        .set(id, &format!("awaits_since = {}", D::moment(-61)))
        .await;
    assert_eq!(look().await, State::Failed);
    let arrival = world.arrival(id).await;
    assert_eq!(arrival.error_code.as_deref(), Some("incomplete"));
    assert_eq!(arrival.error.as_deref(), Some("a.done did not come"));
    assert!(arrival.finished_at.is_some());
    assert_eq!(
        world
            .ledger
            .came(&[sidecar("a.done")])
            .await
            .expect("wakes"),
        0
    );

    world
        .ledger
        .replay(&[id], Replay::Continue)
        .await
        .expect("replays");
    assert_eq!(look().await, State::Waiting);
}

pub(crate) async fn a_job_whose_arrival_waits_for_its_sidecar_takes_another<D: Database>() {
    let world = World::<D>::new().await;
    world.register("a").await;
    let claim = world.try_claim("job", Scope::Owner).await;
    let claim = claim.expect("something is claimable");
    let last = async || {
        world
            .ledger
            .last_claim_of("job")
            .await
            .expect("is answered")
    };
    assert!(last().await.is_some());
    let held = world.ledger.hold(&claim.lease, &awaited(LEASE)).await;
    held.expect("holds");
    assert!(last().await.is_none());
}
