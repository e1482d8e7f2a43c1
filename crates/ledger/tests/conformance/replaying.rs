use arrivage_ledger::{LedgerError, Replay, Replayed};
use arrivage_model::{ArrivalId, Checkpoint, State};

use super::world::{LEASE, failure};
use super::{Database, World};

pub(crate) async fn an_order_is_answered_by_the_state_of_each_arrival<D: Database>() {
    use Replay::{Continue, ContinueByForce, FromStart, FromStartByForce};
    use Replayed::{AlreadyLoaded, Loading, Queued};
    let world = World::<D>::new().await;
    let table = [
        (State::Waiting, [Queued, Queued, Queued, Queued]),
        (State::Loading, [Loading, Loading, Queued, Queued]),
        (
            State::Loaded,
            [AlreadyLoaded, Queued, AlreadyLoaded, Queued],
        ),
        (State::Failed, [Queued; 4]),
        (State::Superseded, [Queued; 4]),
        (State::Dismissed, [Queued; 4]),
        (State::Unloaded, [Queued; 4]),
    ];
    for (state, answers) in table {
        let orders = [Continue, FromStart, ContinueByForce, FromStartByForce];
        for (how, expect) in orders.into_iter().zip(answers) {
            let id = world.register(&format!("{state} {how:?}")).await;
            world.claim("owner").await;
            world
                .set(id, &format!("state = '{state}', barren = 3, error = 'e'"))
                .await;
            let fence = world.arrival(id).await.fence;

            let answer = world.ledger.replay(&[id], how).await.expect("is answered");
            assert_eq!(answer, [expect], "{state} {how:?}");
            let arrival = world.arrival(id).await;
            if expect != Queued {
                assert_eq!(
                    (arrival.state, arrival.fence),
                    (state, fence),
                    "{state} {how:?}"
                );
                world.set(id, "state = 'loaded'").await;
                continue;
            }
            assert_eq!((arrival.state, arrival.lease_until), (State::Waiting, None));
            assert!(
                arrival.fence > fence || state == State::Waiting,
                "{state} {how:?}"
            );
            assert_eq!(
                (arrival.error, arrival.error_code, arrival.finished_at),
                (None, None, None)
            );
            let claim = world.claim("owner").await;
            assert_eq!((claim.arrival.id, claim.barren), (id, 1), "{state} {how:?}");
            let from_start = matches!(how, FromStart | FromStartByForce);
            assert_eq!(claim.restart, from_start, "{state} {how:?}");
            world
                .ledger
                .fail(&claim.lease, &failure("done"))
                .await
                .expect("fails");
        }
    }
}

pub(crate) async fn a_replay_goes_on_from_the_checkpoint<D: Database>() {
    let world = World::<D>::new().await;
    let orders = world.destination().await;
    let id = world.register("a").await;
    let claim = world.claim("owner").await;
    let to = world
        .load(&claim.lease, &orders, &Checkpoint::default(), &[1, 2])
        .await;
    world
        .ledger
        .fail(&claim.lease, &failure("broken"))
        .await
        .expect("fails");
    world
        .ledger
        .replay(&[id], Replay::Continue)
        .await
        .expect("is answered");
    let claim = world.claim("owner").await;
    assert_eq!(claim.checkpoint, to.expect("loads"));
    assert_eq!(claim.reading.as_deref(), Some("as declared"));
    assert_eq!(claim.arrival.records_loaded, 2);
    world
        .load(&claim.lease, &orders, &claim.checkpoint, &[3])
        .await
        .expect("goes on");
    assert_eq!(world.numbers("orders").await, [1, 2, 3]);
}

pub(crate) async fn a_replay_from_the_start_begins_anew<D: Database>() {
    let world = World::<D>::new().await;
    let orders = world.destination().await;
    let id = world.register("a").await;
    world.load_whole(id, &orders, &[1, 2]).await;
    world
        .ledger
        .replay(&[id], Replay::FromStart)
        .await
        .expect("is answered");
    // An order to go on does not take back the order to start over.
    world
        .ledger
        .replay(&[id], Replay::Continue)
        .await
        .expect("is answered");
    assert_eq!(
        world.numbers("orders").await,
        [1, 2],
        "they stay until it is claimed"
    );
    let claim = world.claim("owner").await;
    assert!(claim.restart);

    // A processor that dies here leaves the order to the next.
    world.expire(id).await;
    let claim = world.claim("owner").await;
    assert!(claim.restart);
    let lease = world
        .ledger
        .restart(&claim.lease, &orders.table, LEASE)
        .await
        .expect("restarts");
    assert!(world.numbers("orders").await.is_empty());
    world
        .load(&lease, &orders, &Checkpoint::default(), &[5])
        .await
        .expect("loads");
    world.expire(id).await;
    let claim = world.claim("owner").await;
    assert!(!claim.restart);
    assert_eq!(world.numbers("orders").await, [5]);
}

pub(crate) async fn force_fences_the_processor_that_loads_it<D: Database>() {
    let world = World::<D>::new().await;
    let orders = world.destination().await;
    let id = world.register("a").await;
    let zombie = world.claim("zombie").await;
    world
        .ledger
        .replay(&[id], Replay::FromStartByForce)
        .await
        .expect("is answered");
    let loaded = world
        .load(&zombie.lease, &orders, &Checkpoint::default(), &[1])
        .await;
    assert!(matches!(loaded, Err(LedgerError::NotMatched)), "{loaded:?}");
    let renewed = world.ledger.renew(&zombie.lease, LEASE).await;
    assert!(matches!(renewed, Err(LedgerError::Fenced)), "{renewed:?}");
    assert!(
        !world
            .ledger
            .standing(&zombie.lease)
            .await
            .expect("is answered")
            .held
    );
    assert!(world.numbers("orders").await.is_empty());
    assert_eq!(world.claim("next").await.arrival.id, id);
}

pub(crate) async fn orders_are_answered_in_their_order<D: Database>() {
    let world = World::<D>::new().await;
    let (a, b) = (world.register("a").await, world.register("b").await);
    world.claim("owner").await;
    let ids = [b, ArrivalId(4711), a, b];
    let answers = world
        .ledger
        .replay(&ids, Replay::Continue)
        .await
        .expect("is answered");
    let expect = [
        Replayed::Queued,
        Replayed::Unknown,
        Replayed::Loading,
        Replayed::Queued,
    ];
    assert_eq!(answers, expect);
    assert!(
        world
            .ledger
            .replay(&[], Replay::Continue)
            .await
            .expect("is answered")
            .is_empty()
    );
}
