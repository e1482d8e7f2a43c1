use arrivage_ledger::{
    Cancelled, Destination, Dismissed, Registered, Replay, Replayed, Scope, Unloaded,
};
use arrivage_model::{ArrivalId, Checkpoint, State};

use super::scoping::one;
use super::world::{advance, failure, found, last, numbers_from, reject};
use super::{Database, World};

/// Loads two rows and a reject, in two chunks.
async fn load_with_a_reject<D: Database>(
    world: &World<D>,
    key: &str,
    orders: &Destination,
) -> ArrivalId {
    let id = world.register(key).await;
    let claim = world.claim("owner").await;
    assert_eq!(claim.arrival.id, id);
    let at = world
        .load(&claim.lease, orders, &Checkpoint::default(), &[1])
        .await
        .expect("loads");
    let mut chunk = world
        .ledger
        .begin(&claim.lease, orders)
        .await
        .expect("begins");
    let rows = numbers_from(at.records, &[2]);
    chunk.load(&rows, 0..1).await.expect("loads");
    chunk.reject(&[reject(3)]).await.expect("rejects");
    chunk
        .commit(&last(advance(&at, 1, 1)))
        .await
        .expect("commits");
    id
}

pub(crate) async fn what_is_unloaded_leaves_neither_rows_nor_rejects<D: Database>() {
    let world = World::<D>::new().await;
    let orders = world.destination().await;
    let id = load_with_a_reject(&world, "wrong", &orders).await;
    let other = load_with_a_reject(&world, "right", &orders).await;
    let before = world.arrival(id).await;

    let unload = async || {
        world
            .ledger
            .unload(id, &orders.table)
            .await
            .expect("is answered")
    };
    let done = Unloaded::Done {
        rows: 2,
        of: 2,
        rejects: 1,
    };
    assert_eq!(unload().await, done);
    let left = "SELECT _arrival_id, number FROM orders ORDER BY number";
    let left = world.database.sql(left).await;
    assert_eq!(left.trim_end(), format!("{other}|1\n{other}|2"));
    assert_eq!(world.count("reject").await, 1);
    let after = world.arrival(id).await;
    assert_eq!(after.state, State::Unloaded);
    assert!(after.fence > before.fence);
    assert_eq!((after.records_loaded, after.records_rejected), (0, 0));
    assert_eq!((after.checkpoint_records, after.bytes_read), (0, 0));

    assert_eq!(unload().await, Unloaded::Already);
    assert_eq!(world.arrival(id).await.fence, after.fence);

    // A new message brings it back, from its first record.
    assert_eq!(world.notify(found("wrong")).await, Registered::Requeued(id));
    let claim = world.claim("owner").await;
    assert!(claim.is_fresh());
    assert_eq!(claim.reading, None);
}

pub(crate) async fn only_what_rests_in_the_table_is_unloaded<D: Database>() {
    let world = World::<D>::new().await;
    let orders = world.destination().await;
    let done = |rows| Unloaded::Done {
        rows,
        of: rows,
        rejects: 0,
    };
    let table = [
        (State::Waiting, Unloaded::Refused(State::Waiting)),
        (State::Loading, Unloaded::Refused(State::Loading)),
        (State::Loaded, done(1)),
        (State::Failed, done(1)),
        (State::Dismissed, done(1)),
        (State::Superseded, Unloaded::Untold { rows: 1 }),
        (State::Unloaded, Unloaded::Already),
    ];
    for (state, expect) in table {
        let id = world.register(state.as_str()).await;
        world.load_whole(id, &orders, &[1]).await;
        // As if it had been loaded in part.
        let lease = format!(
            "lease_id = '00000000-0000-0000-0000-000000000000', lease_until = {}",
            D::moment(3600)
        );
        world.set(id, &format!("state = '{state}', {lease}")).await;
        let fence = world.arrival(id).await.fence;
        let answer = world.ledger.unload(id, &orders.table).await;
        assert_eq!(answer.expect("is answered"), expect, "{state}");
        let arrival = world.arrival(id).await;
        let rows = format!("SELECT count(*) FROM orders WHERE _arrival_id = {id}");
        let rows = world.database.sql(&rows).await;
        if expect == done(1) {
            assert_eq!((arrival.state, rows.trim()), (State::Unloaded, "0"));
            assert!(arrival.fence > fence, "{state}");
        } else {
            assert_eq!((arrival.state, rows.trim()), (state, "1"));
            assert_eq!(arrival.fence, fence, "{state}");
        }
        world.set(id, "state = 'loaded'").await;
    }
    // What was superseded left nothing, usually.
    let id = world.register("gone").await;
    world.set(id, "state = 'superseded'").await;
    let answer = world.ledger.unload(id, &orders.table).await;
    assert_eq!(
        answer.expect("is answered"),
        Unloaded::Refused(State::Superseded)
    );
    let answer = world.ledger.unload(ArrivalId(4711), &orders.table).await;
    assert_eq!(answer.expect("is answered"), Unloaded::Unknown);
}

pub(crate) async fn rows_that_the_table_cannot_tell_are_not_unloaded<D: Database>() {
    let world = World::<D>::new().await;
    world
        .database
        .sql("CREATE TABLE plain (number bigint)")
        .await;
    let plain = world.destination_of("plain").await;
    let id = world.register("a").await;
    world.load_whole(id, &plain, &[1, 2]).await;
    let answer = world.ledger.unload(id, &plain.table).await;
    assert_eq!(answer.expect("is answered"), Unloaded::Untold { rows: 2 });
    assert_eq!(world.arrival(id).await.state, State::Loaded);
    assert_eq!(world.numbers("plain").await, [1, 2]);

    // Without rows there is nothing to tell.
    let id = world.register("b").await;
    world.load_whole(id, &plain, &[]).await;
    let answer = world.ledger.unload(id, &plain.table).await;
    let nothing = Unloaded::Done {
        rows: 0,
        of: 0,
        rejects: 0,
    };
    assert_eq!(answer.expect("is answered"), nothing);
}

pub(crate) async fn only_a_failed_arrival_is_dismissed<D: Database>() {
    let world = World::<D>::new().await;
    let mut ids = Vec::new();
    for state in State::ALL {
        let id = world.register(state.as_str()).await;
        world.try_claim("owner", one(id)).await.expect("claimable");
        world.set(id, &format!("state = '{state}'")).await;
        ids.push(id);
    }
    ids.push(ArrivalId(4711));
    let answers = world.ledger.dismiss(&ids).await.expect("is answered");
    let expect: Vec<Dismissed> = State::ALL
        .into_iter()
        .map(|state| match state {
            State::Failed => Dismissed::Done,
            State::Dismissed => Dismissed::Already,
            other => Dismissed::Refused(other),
        })
        .chain([Dismissed::Unknown])
        .collect();
    assert_eq!(answers, expect);
    for (id, state) in ids.iter().zip(State::ALL) {
        let expect = if state == State::Failed {
            State::Dismissed
        } else {
            state
        };
        assert_eq!(world.arrival(*id).await.state, expect);
    }
    let none = world.ledger.dismiss(&[]).await.expect("is answered");
    assert!(none.is_empty());
}

pub(crate) async fn what_failed_and_was_dismissed_keeps_its_rows_and_its_reason<D: Database>() {
    let world = World::<D>::new().await;
    let orders = world.destination().await;
    let id = world.register("a").await;
    let claim = world.claim("owner").await;
    world
        .load(&claim.lease, &orders, &Checkpoint::default(), &[1])
        .await
        .expect("loads");
    world
        .ledger
        .fail(&claim.lease, &failure("broken"))
        .await
        .expect("fails");
    world.ledger.dismiss(&[id]).await.expect("is answered");
    let arrival = world.arrival(id).await;
    assert_eq!(arrival.error.as_deref(), Some("broken"));
    assert_eq!(arrival.records_loaded, 1);
    assert_eq!(world.numbers("orders").await, [1]);
}

pub(crate) async fn what_waits_or_is_being_loaded_can_be_cancelled<D: Database>() {
    let world = World::<D>::new().await;
    let mut ids = Vec::new();
    for state in State::ALL {
        let id = world.register(state.as_str()).await;
        world.try_claim("owner", one(id)).await.expect("claimable");
        world.set(id, &format!("state = '{state}'")).await;
        ids.push(id);
    }
    ids.push(ArrivalId(4711));
    let answers = world.ledger.cancel(&ids).await.expect("is answered");
    let expect: Vec<Cancelled> = State::ALL
        .into_iter()
        .map(|state| match state {
            State::Waiting | State::Loading => Cancelled::Done,
            State::Dismissed => Cancelled::Already,
            other => Cancelled::Refused(other),
        })
        .chain([Cancelled::Unknown])
        .collect();
    assert_eq!(answers, expect);
    for (id, state) in ids.iter().zip(State::ALL) {
        let arrival = world.arrival(*id).await;
        let (expect, code) = match state {
            State::Waiting | State::Loading => (State::Dismissed, Some("cancelled")),
            other => (other, None),
        };
        assert_eq!(
            (arrival.state, arrival.error_code.as_deref()),
            (expect, code)
        );
    }
    assert!(world.try_claim("other", Scope::Any).await.is_none());
}

pub(crate) async fn a_cancelled_load_commits_nothing_more_and_goes_on_by_replay<D: Database>() {
    let world = World::<D>::new().await;
    let orders = world.destination().await;
    let id = world.register("a").await;
    let claim = world.claim("owner").await;
    let begin = Checkpoint::default();
    let reached = world.load(&claim.lease, &orders, &begin, &[1]).await;
    let reached = reached.expect("loads");
    let before = world.arrival(id).await.fence;
    world.ledger.cancel(&[id]).await.expect("is answered");
    assert_eq!(world.arrival(id).await.fence, before + 1);
    let late = world.load(&claim.lease, &orders, &reached, &[2]).await;
    assert!(late.is_err(), "its fence is higher");
    assert_eq!(world.numbers("orders").await, [1]);

    let queued = world.ledger.replay(&[id], Replay::Continue).await;
    assert_eq!(queued.expect("is answered"), [Replayed::Queued]);
    let again = world.claim("other").await;
    assert_eq!(again.checkpoint, reached);
    assert!(!again.restart);
}
