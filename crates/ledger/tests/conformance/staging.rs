//! Atomic loads: rows are gathered beside the table, and shown together.

use arrivage_ledger::{Destination, Filter, LedgerError, Registration, Replay};
use arrivage_model::{ArrivalId, Checkpoint, Lease, Mode, State};

use super::world::{LEASE, advance, failure, found, last, numbers_from, object, reject};
use super::{Database, World};

impl<D: Database> World<D> {
    /// A table whose numbers are unique, loaded atomically.
    async fn atomic(&self, mode: Mode) -> Destination {
        self.database
            .sql(
                "CREATE TABLE orders (number bigint UNIQUE CHECK (number < 1000), \
                 _arrival_id bigint, _record bigint)",
            )
            .await;
        Destination {
            atomic: true,
            mode,
            ..self.destination_of("orders").await
        }
    }

    /// Loads the numbers as the arrival's last chunk, and shows all of it.
    async fn show(
        &self,
        lease: &Lease,
        destination: &Destination,
        from: &Checkpoint,
        numbers: &[i64],
    ) -> Result<(), LedgerError> {
        let advance = last(advance(from, numbers.len() as u64, 0));
        let mut chunk = self.ledger.begin(lease, destination).await?;
        let rows = numbers_from(from.records, numbers);
        chunk.load(&rows, 0..numbers.len()).await?;
        chunk.make_way().await?;
        chunk.publish(1..=advance.to.records).await?;
        chunk.commit(&advance).await
    }

    /// Claims what waits, and loads it whole.
    async fn show_whole(&self, destination: &Destination, numbers: &[i64]) -> ArrivalId {
        let claim = self.claim("owner").await;
        let from = Checkpoint::default();
        let shown = self.show(&claim.lease, destination, &from, numbers).await;
        shown.expect("loads");
        claim.arrival.id
    }

    async fn is_staged(&self, id: ArrivalId) -> bool {
        self.ledger.is_staged(id).await.expect("is answered")
    }
}

fn content(etag: &str) -> Registration {
    Registration {
        object: object("a", etag),
        ..found("a")
    }
}

pub(crate) async fn gathered_rows_are_shown_together_by_the_last_chunk<D: Database>() {
    let world = World::<D>::new().await;
    let orders = world.atomic(Mode::Append).await;
    let id = world.register("a").await;
    let claim = world.claim("owner").await;
    let start = Checkpoint::default();
    assert!(!world.is_staged(id).await);
    let at = world.load(&claim.lease, &orders, &start, &[3, 1]).await;
    let at = at.expect("loads");
    assert_eq!(world.numbers("orders").await, Vec::<i64>::new());
    assert!(world.is_staged(id).await);
    let gathered = world.arrival(id).await;
    assert_eq!(
        (gathered.records_loaded, gathered.checkpoint_records),
        (0, 2)
    );
    let listed = world.ledger.arrivals(&Filter::default(), 1).await;
    assert_eq!(listed.expect("lists")[0].records_loaded, 0);

    // Another goes on from there.
    world.expire(id).await;
    let next = world.claim("another").await;
    let zombie = world.show(&claim.lease, &orders, &at, &[9]).await;
    zombie.expect_err("its lease is another's");
    assert_eq!(world.numbers("orders").await, Vec::<i64>::new());
    world
        .show(&next.lease, &orders, &at, &[2])
        .await
        .expect("loads");
    let rows = "SELECT number, _arrival_id, _record FROM orders ORDER BY _record";
    let expect = format!("3|{id}|1\n1|{id}|2\n2|{id}|3");
    assert_eq!(world.database.sql(rows).await.trim(), expect);
    assert!(!world.is_staged(id).await);
    let arrival = world.arrival(id).await;
    assert_eq!((arrival.state, arrival.records_loaded), (State::Loaded, 3));
}

pub(crate) async fn a_gathered_row_that_is_refused_becomes_a_reject<D: Database>() {
    let world = World::<D>::new().await;
    let orders = world.atomic(Mode::Append).await;
    let id = world.register("a").await;
    let claim = world.claim("owner").await;
    let chunk = world.ledger.begin(&claim.lease, &orders).await;
    let mut chunk = chunk.expect("begins");
    let rows = numbers_from(0, &[1, 2, 5000, 1]);
    chunk.load(&rows, 0..4).await.expect("gathers");
    chunk.make_way().await.expect("is answered");
    for (records, sqlstate) in [(1..=4, "23"), (3..=3, "23514")] {
        let refused = chunk.publish(records).await;
        let Err(LedgerError::Row { sqlstate: said, .. }) = refused else {
            panic!("{refused:?}");
        };
        assert!(said.starts_with(sqlstate), "{said}");
    }
    chunk.publish(1..=2).await.expect("goes on");
    let again = chunk.publish(4..=4).await;
    let Err(LedgerError::Row { sqlstate, .. }) = again else {
        panic!("{again:?}");
    };
    assert_eq!(sqlstate, "23505");
    for record in [3, 4] {
        let kept = chunk.reject_staged(record, "the table says no").await;
        kept.expect("keeps it");
    }
    let mut step = last(advance(&Checkpoint::default(), 2, 2));
    step.loaded = 2;
    chunk.commit(&step).await.expect("commits");
    assert_eq!(world.numbers("orders").await, [1, 2]);
    let rejects = world.ledger.rejects(id, 0, 10).await.expect("is answered");
    let places: Vec<(i64, i64, i64)> = rejects
        .iter()
        .map(|reject| (reject.record, reject.line, reject.byte_offset))
        .collect();
    assert_eq!(places, [(3, 3, 20), (4, 4, 30)]);
    assert!(rejects[0].raw.contains("5000"), "{:?}", rejects[0]);
    assert_eq!(rejects[0].reason_code, "constraint");
}

pub(crate) async fn the_last_record_of_a_key_wins_among_gathered_rows<D: Database>() {
    let world = World::<D>::new().await;
    let key = vec!["number".to_owned()];
    let orders = world.atomic(Mode::Upsert { key }).await;
    world.register("a").await;
    let claim = world.claim("owner").await;
    let start = Checkpoint::default();
    let at = world.load(&claim.lease, &orders, &start, &[1, 2, 1]).await;
    let at = at.expect("gathers");
    world
        .show(&claim.lease, &orders, &at, &[2])
        .await
        .expect("shows");
    let rows = "SELECT number, _record FROM orders ORDER BY number";
    assert_eq!(world.database.sql(rows).await.trim(), "1|3\n2|4");
}

pub(crate) async fn what_fails_leaves_nothing_gathered_and_starts_over<D: Database>() {
    let world = World::<D>::new().await;
    let orders = world.atomic(Mode::Append).await;
    let id = world.register("a").await;
    let claim = world.claim("owner").await;
    let chunk = world.ledger.begin(&claim.lease, &orders).await;
    let mut chunk = chunk.expect("begins");
    let rows = numbers_from(0, &[1, 2]);
    chunk.load(&rows, 0..2).await.expect("gathers");
    chunk.reject(&[reject(3)]).await.expect("keeps it");
    let step = advance(&Checkpoint::default(), 2, 1);
    chunk.commit(&step).await.expect("commits");
    let failed = world.ledger.fail(&claim.lease, &failure("broken")).await;
    failed.expect("is answered");
    assert!(!world.is_staged(id).await);
    let arrival = world.arrival(id).await;
    assert_eq!((arrival.state, arrival.records_loaded), (State::Failed, 0));
    // Why it failed can still be looked at.
    assert_eq!(world.count("rejects").await, 1);

    let replayed = world.ledger.replay(&[id], Replay::Continue).await;
    replayed.expect("is answered");
    let claim = world.claim("owner").await;
    assert!(claim.restart);
    let lease = world
        .ledger
        .restart(&claim.lease, &orders.table, LEASE)
        .await;
    let lease = lease.expect("starts over");
    let start = Checkpoint::default();
    world
        .show(&lease, &orders, &start, &[1, 2, 3])
        .await
        .expect("loads");
    assert_eq!(world.numbers("orders").await, [1, 2, 3]);
    assert_eq!(world.count("rejects").await, 0);
}

pub(crate) async fn a_superseded_or_restarted_load_leaves_nothing_gathered<D: Database>() {
    let world = World::<D>::new().await;
    let orders = world.atomic(Mode::Append).await;
    let id = world.register("a").await;
    let start = Checkpoint::default();
    let claim = world.claim("owner").await;
    let gathered = world.load(&claim.lease, &orders, &start, &[1, 2]).await;
    gathered.expect("gathers");
    let lease = world
        .ledger
        .restart(&claim.lease, &orders.table, LEASE)
        .await;
    let lease = lease.expect("starts over");
    assert!(!world.is_staged(id).await);
    let gathered = world.load(&lease, &orders, &start, &[1, 2]).await;
    gathered.expect("gathers again");
    let why = failure("overwritten");
    let superseded = world.ledger.supersede(&lease, Some(&orders.table), &why);
    superseded.await.expect("is answered");
    assert!(!world.is_staged(id).await);
    assert_eq!(world.numbers("orders").await, Vec::<i64>::new());
}

pub(crate) async fn a_new_content_replaces_the_rows_of_its_keys_others<D: Database>() {
    let world = World::<D>::new().await;
    let orders = world.atomic(Mode::Replace).await;
    let first = world.notify(content("e1")).await.id();
    world.show_whole(&orders, &[1, 2]).await;
    world.register("other").await;
    world.show_whole(&orders, &[7]).await;

    // The same numbers once more: the old ones go before the new ones come.
    let second = world.notify(content("e2")).await.id();
    let claim = world.claim("owner").await;
    let start = Checkpoint::default();
    let at = world.load(&claim.lease, &orders, &start, &[2]).await;
    let at = at.expect("gathers");
    assert_eq!(world.numbers("orders").await, [1, 2, 7]);
    world
        .show(&claim.lease, &orders, &at, &[3])
        .await
        .expect("shows");
    assert_eq!(world.numbers("orders").await, [2, 3, 7]);
    let replaced = world.arrival(first).await;
    assert_eq!(
        (replaced.state, replaced.records_loaded),
        (State::Loaded, 0)
    );
    assert_eq!(replaced.error_code.as_deref(), Some("replaced"));
    let why = format!("its 2 rows were replaced by those of arrival {second}");
    assert_eq!(replaced.error.as_deref(), Some(why.as_str()));
}

pub(crate) async fn replacing_takes_out_what_waits_to_start_over_and_keeps_why_others_failed<
    D: Database,
>() {
    let world = World::<D>::new().await;
    let orders = world.atomic(Mode::Replace).await;
    let first = world.notify(content("e1")).await.id();
    world.show_whole(&orders, &[1, 2]).await;
    let broken = world.notify(content("e2")).await.id();
    let claim = world.claim("owner").await;
    let chunk = world.ledger.begin(&claim.lease, &orders).await;
    let mut chunk = chunk.expect("begins");
    chunk.reject(&[reject(1)]).await.expect("keeps it");
    let step = advance(&Checkpoint::default(), 0, 1);
    chunk.commit(&step).await.expect("commits");
    let failed = world.ledger.fail(&claim.lease, &failure("broken")).await;
    failed.expect("is answered");
    let ordered = world.ledger.replay(&[first], Replay::FromStart).await;
    ordered.expect("is answered");
    let due_later = format!("due_at = {}", D::moment(3600));
    world.set(first, &due_later).await;

    world.notify(content("e3")).await;
    world.show_whole(&orders, &[3]).await;
    assert_eq!(world.numbers("orders").await, [3]);
    let rejects = world.ledger.rejects(broken, 0, 10).await;
    assert_eq!(rejects.expect("is answered").len(), 1);
}

/// The table cannot tell its rows, and there are none to tell.
pub(crate) async fn a_superseded_load_counts_nothing_that_it_had_gathered<D: Database>() {
    let world = World::<D>::new().await;
    let sql = "CREATE TABLE untold (number bigint)";
    world.database.sql(sql).await;
    let untold = Destination {
        atomic: true,
        ..world.destination_of("untold").await
    };
    let id = world.register("a").await;
    let claim = world.claim("owner").await;
    let mut chunk = world
        .ledger
        .begin(&claim.lease, &untold)
        .await
        .expect("begins");
    let rows = numbers_from(0, &[1, 2]);
    chunk.load(&rows, 0..2).await.expect("gathers");
    chunk.reject(&[reject(3)]).await.expect("rejects");
    let step = advance(&Checkpoint::default(), 2, 1);
    chunk.commit(&step).await.expect("commits");

    let why = failure("overwritten");
    let superseded = world
        .ledger
        .supersede(&claim.lease, Some(&untold.table), &why);
    superseded.await.expect("is answered");
    let arrival = world.arrival(id).await;
    assert_eq!(arrival.state, State::Superseded);
    assert_eq!((arrival.records_loaded, arrival.records_rejected), (0, 0));
    assert_eq!((arrival.checkpoint_records, arrival.bytes_read), (0, 0));
    assert_eq!(world.count("reject").await, 0);
}
