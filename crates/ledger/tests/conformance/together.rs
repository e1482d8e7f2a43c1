use arrivage_ledger::{Along, Claim, LedgerError, Registration, Scope, Whole};
use arrivage_model::{ArrivalId, Checkpoint, Reject, Rows, State};

use super::world::{LEASE, advance, failure, found, last, numbers_from, object, reject};
use super::{Database, World};

const ALONG: Along = Along {
    most: 10,
    bytes: 100,
};

impl<D: Database> World<D> {
    /// What a claim of `owner` and another one along with it take.
    async fn claim_together(&self, owner: &str, scope: Scope, along: Along) -> Vec<Claim> {
        let first = self.try_claim(owner, scope.clone()).await;
        let first = first.expect("something is claimable");
        let more = self
            .ledger
            .claim_along(&first, &scope, along, owner, LEASE)
            .await
            .expect("is answered");
        [vec![first], more].concat()
    }
}

/// What a file holds: numbers in its first records, and then a reject, or none.
fn file(claim: &Claim, numbers: &[i64], rejects: usize) -> (Claim, Rows, Vec<Reject>) {
    let first = numbers.len() + 1;
    let rejects = (first..first + rejects).map(|record| reject(record as u64));
    (claim.clone(), numbers_from(0, numbers), rejects.collect())
}

fn whole((claim, rows, rejects): &(Claim, Rows, Vec<Reject>)) -> Whole<'_> {
    let (loaded, rejected) = (rows.len() as u64, rejects.len() as u64);
    Whole {
        lease: claim.lease,
        rows,
        rejects,
        advance: last(advance(&Checkpoint::default(), loaded, rejected)),
    }
}

fn ids(claims: &[Claim]) -> Vec<ArrivalId> {
    claims.iter().map(|claim| claim.arrival.id).collect()
}

pub(crate) async fn small_arrivals_are_claimed_along_with_one<D: Database>() {
    let world = World::<D>::new().await;
    let a = world.register("a").await;
    let large = Registration {
        object: arrivage_model::Object {
            size: Some(101),
            ..object("large", "e1")
        },
        ..found("large")
    };
    world.notify(large).await;
    let unknown = Registration {
        object: arrivage_model::Object {
            size: None,
            ..object("unknown", "e1")
        },
        ..found("unknown")
    };
    world.notify(unknown).await;
    let other = Registration {
        pipeline: "other".to_owned(),
        ..found("other")
    };
    world.notify(other).await;
    let b = world.register("b").await;
    let c = world.register("c").await;
    let claims = world.claim_together("owner", Scope::Any, ALONG).await;
    assert_eq!(ids(&claims), [a, b, c]);
    for claim in &claims {
        assert_eq!(claim.lease.id, claims[0].lease.id);
        assert_eq!((claim.arrival.attempts, claim.barren), (1, 1));
        let now = world.arrival(claim.arrival.id).await;
        assert_eq!(
            (now.state, now.fence),
            (State::Loading, claim.lease.fence.0)
        );
        assert_eq!(now.owner.as_deref(), Some("owner"));
        world
            .ledger
            .renew(&claim.lease, LEASE)
            .await
            .expect("holds");
    }
}

pub(crate) async fn no_more_are_claimed_along_than_asked_for<D: Database>() {
    let world = World::<D>::new().await;
    let mut all = Vec::new();
    for key in ["a", "b", "c", "d"] {
        all.push(world.register(key).await);
    }
    let two = Along { most: 1, ..ALONG };
    assert_eq!(
        ids(&world.claim_together("x", Scope::Any, two).await),
        all[..2]
    );
    let among = Scope::Among(vec![all[2]]);
    assert_eq!(
        ids(&world.claim_together("x", among, ALONG).await),
        all[2..3]
    );
    let owners = world.claim_together("x", Scope::Owner, ALONG).await;
    assert_eq!(ids(&owners), all[3..]);
}

pub(crate) async fn only_what_has_a_clean_record_is_claimed_along<D: Database>() {
    let world = World::<D>::new().await;
    let orders = world.destination().await;
    let silent = world.register("silent").await;
    world.claim("gone").await;
    let begun = world.register("begun").await;
    let claim = world.claim("owner").await;
    let from = Checkpoint::default();
    world
        .load(&claim.lease, &orders, &from, &[1])
        .await
        .expect("loads");
    let giving = world
        .ledger
        .give_back(&claim.lease, std::time::Duration::ZERO, None);
    giving.await.expect("is given back");
    let tried = world.register("tried").await;
    let claim = world.claim_of(tried).await;
    let why = failure("x");
    let later = world
        .ledger
        .retry_later(&claim.lease, std::time::Duration::ZERO, &why);
    later.await.expect("waits");
    let not_due = world.register("not due").await;
    world
        .set(not_due, &format!("due_at = {}", D::moment(100)))
        .await;
    let a = world.register("a").await;
    let b = world.register("b").await;
    world.set(a, "due_at = registered_at").await;
    // Its lease runs out: it is claimed, alone, before all that is due.
    world.expire(silent).await;
    let claims = world.claim_together("owner", Scope::Any, ALONG).await;
    assert_eq!(ids(&claims)[0], silent);
    let rest = ids(&claims)[1..].to_vec();
    assert!(!rest.contains(&begun) && !rest.contains(&tried) && !rest.contains(&not_due));
    assert_eq!(rest, [a, b]);
}

impl<D: Database> World<D> {
    async fn claim_of(&self, id: ArrivalId) -> Claim {
        let scope = Scope::One {
            id,
            taking_over: false,
        };
        self.try_claim("owner", scope).await.expect("claimable")
    }
}

pub(crate) async fn files_of_one_transaction_are_loaded_together<D: Database>() {
    let world = World::<D>::new().await;
    let orders = world.destination().await;
    for key in ["a", "b", "c"] {
        world.register(key).await;
    }
    let claims = world.claim_together("owner", Scope::Any, ALONG).await;
    // The order of the files is not that of their ids.
    let files = [
        file(&claims[2], &[5], 1),
        file(&claims[0], &[1, 2], 0),
        file(&claims[1], &[], 2),
    ];
    let wholes: Vec<Whole<'_>> = files.iter().map(whole).collect();
    world
        .ledger
        .load_together(&orders, &wholes)
        .await
        .expect("loads");
    let rows = "SELECT _arrival_id, _record, number FROM orders ORDER BY 1, 2";
    let [a, b, c] = [0, 1, 2].map(|nth| claims[nth].arrival.id);
    let expect = format!("{a}|1|1\n{a}|2|2\n{c}|1|5");
    assert_eq!(world.database.sql(rows).await.trim(), expect);
    for (id, loaded, rejected) in [(a, 2, 0), (b, 0, 2), (c, 1, 1)] {
        let now = world.arrival(id).await;
        assert_eq!(now.state, State::Loaded);
        assert_eq!(
            (now.records_loaded, now.records_rejected),
            (loaded, rejected)
        );
        assert_eq!(now.checkpoint_records, loaded + rejected);
        assert_eq!((now.lease_until, now.finished_at.is_some()), (None, true));
        let rejects = world.ledger.rejects(id, 0, 10).await.expect("is answered");
        assert_eq!(rejects.len() as i64, rejected);
        assert!(rejects.iter().all(|one| one.arrival_id == id));
    }
}

pub(crate) async fn if_one_file_cannot_be_loaded_none_is<D: Database>() {
    let world = World::<D>::new().await;
    let orders = world.destination().await;
    for key in ["a", "b", "c"] {
        world.register(key).await;
    }
    let mut claims = world.claim_together("owner", Scope::Any, ALONG).await;
    // Another has taken the second one meanwhile.
    world.expire(claims[1].arrival.id).await;
    let other = world.claim("other").await;
    assert_eq!(other.arrival.id, claims[1].arrival.id);
    let files: Vec<_> = claims.iter().map(|claim| file(claim, &[7], 1)).collect();
    let wholes: Vec<Whole<'_>> = files.iter().map(whole).collect();
    let refused = world.ledger.load_together(&orders, &wholes).await;
    assert!(
        matches!(refused, Err(LedgerError::NotMatched)),
        "{refused:?}"
    );
    assert!(world.numbers("orders").await.is_empty());
    assert_eq!(world.count("reject").await, 0);
    for claim in &claims {
        assert_eq!(world.arrival(claim.arrival.id).await.state, State::Loading);
    }
    // Without it, the others are.
    claims.remove(1);
    let files: Vec<_> = claims.iter().map(|claim| file(claim, &[7], 0)).collect();
    let wholes: Vec<Whole<'_>> = files.iter().map(whole).collect();
    world
        .ledger
        .load_together(&orders, &wholes)
        .await
        .expect("loads");
    assert_eq!(world.numbers("orders").await, [7, 7]);
    // What is loaded is not loaded again.
    let again = world.ledger.load_together(&orders, &wholes).await;
    assert!(matches!(again, Err(LedgerError::NotMatched)), "{again:?}");
    assert_eq!(world.numbers("orders").await, [7, 7]);
}

pub(crate) async fn a_refused_row_undoes_all_files_of_its_transaction<D: Database>() {
    let world = World::<D>::new().await;
    let unique =
        "CREATE TABLE orders (number bigint PRIMARY KEY, _arrival_id bigint, _record bigint)";
    world.database.sql(unique).await;
    let orders = world.destination_of("orders").await;
    for key in ["a", "b"] {
        world.register(key).await;
    }
    let claims = world.claim_together("owner", Scope::Any, ALONG).await;
    let files = [file(&claims[0], &[1], 0), file(&claims[1], &[1], 0)];
    let wholes: Vec<Whole<'_>> = files.iter().map(whole).collect();
    let refused = world.ledger.load_together(&orders, &wholes).await;
    assert!(
        matches!(refused, Err(LedgerError::Row { .. })),
        "{refused:?}"
    );
    assert!(world.numbers("orders").await.is_empty());
    world
        .ledger
        .load_together(&orders, &wholes[..1])
        .await
        .expect("loads alone");
    assert_eq!(world.numbers("orders").await, [1]);
}
