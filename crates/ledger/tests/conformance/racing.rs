use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use arrivage_ledger::{Registered, Scope, SharedLedger};
use arrivage_model::ArrivalId;
use tokio::task::JoinSet;

use super::world::{LEASE, found};
use super::{Database, World};

/// Fifty claimers over five processes' worth of connections.
async fn claimers<D: Database>(world: &World<D>, claims_each: usize) -> Vec<ArrivalId> {
    let ledgers: Vec<SharedLedger> = (0..5).map(|_| world.database.ledger()).collect();
    let start = Arc::new(tokio::sync::Barrier::new(50));
    let mut claimers = JoinSet::new();
    for nth in 0..50 {
        let (ledger, start) = (Arc::clone(&ledgers[nth % 5]), Arc::clone(&start));
        claimers.spawn(async move {
            start.wait().await;
            let pipelines = ["orders".to_owned()];
            let owner = format!("claimer-{nth}");
            let mut claimed = Vec::new();
            for _ in 0..claims_each {
                let claim = ledger.claim(&pipelines, &Scope::Any, &owner, LEASE).await;
                claimed.extend(
                    claim
                        .expect("is answered")
                        .claim
                        .map(|claim| claim.arrival.id),
                );
            }
            claimed
        });
    }
    claimers.join_all().await.into_iter().flatten().collect()
}

pub(crate) async fn fifty_claimers_of_one_arrival_have_one_winner<D: Database>() {
    let world = World::<D>::new().await;
    let id = world.register("a").await;
    assert_eq!(claimers(&world, 1).await, [id]);
    let arrival = world.arrival(id).await;
    assert_eq!((arrival.attempts, arrival.fence), (1, 1));
}

pub(crate) async fn fifty_claimers_take_no_arrival_twice<D: Database>() {
    let world = World::<D>::new().await;
    let batch: Vec<_> = (0..100).map(|nth| found(&format!("key-{nth}"))).collect();
    let answers = world.ledger.register(&batch).await.expect("registers");
    let claimed = claimers(&world, 3).await;
    let distinct: BTreeSet<ArrivalId> = claimed.iter().copied().collect();
    assert_eq!(claimed.len(), 100);
    assert_eq!(distinct, answers.into_iter().map(Registered::id).collect());
}

pub(crate) async fn two_watchers_register_the_same_objects_once<D: Database>() {
    let world = World::<D>::new().await;
    let batch = |keys: Vec<usize>| -> Vec<_> {
        keys.into_iter()
            .map(|nth| found(&format!("key-{nth}")))
            .collect()
    };
    let mut watchers = JoinSet::new();
    for nth in 0..6 {
        let ledger = world.database.ledger();
        let keys: Vec<usize> = (0..200).collect();
        let found = batch(if nth % 2 == 0 {
            keys
        } else {
            keys.into_iter().rev().collect()
        });
        watchers.spawn(async move { ledger.register(&found).await.expect("registers") });
    }
    let answers = watchers.join_all().await;
    let new = answers
        .iter()
        .flatten()
        .filter(|answer| matches!(answer, Registered::New(_)));
    assert_eq!(new.count(), 200);
    assert_eq!(world.count("arrival").await, 200);
    let arrivals = world
        .ledger
        .arrivals(&Default::default(), 1000)
        .await
        .expect("lists");
    assert!(
        arrivals
            .iter()
            .all(|arrival| arrival.duplicate_notifications == 5)
    );
}

pub(crate) async fn two_arrivals_load_side_by_side<D: Database>() {
    let world = Arc::new(World::<D>::new().await);
    let orders = world.destination().await;
    for key in ["a", "b"] {
        world.register(key).await;
    }
    let mut processors = JoinSet::new();
    for nth in 0..2 {
        let (world, orders) = (Arc::clone(&world), orders.clone());
        processors.spawn(async move {
            let claim = world.claim(&format!("processor-{nth}")).await;
            let mut checkpoint = claim.checkpoint;
            for chunk in 0..5 {
                let first = nth * 1000 + chunk * 100;
                let numbers: Vec<i64> = (first..first + 100).collect();
                let next = world
                    .load(&claim.lease, &orders, &checkpoint, &numbers)
                    .await;
                checkpoint = next.expect("loads");
            }
        });
    }
    processors.join_all().await;
    let expect: Vec<i64> = (0..500).chain(1000..1500).collect();
    assert_eq!(world.numbers("orders").await, expect);
}

pub(crate) async fn a_lease_is_renewed_while_others_load<D: Database>() {
    let world = Arc::new(World::<D>::new().await);
    let orders = world.destination().await;
    for key in ["a", "b"] {
        world.register(key).await;
    }
    let keeper = world.database.ledger();
    let (kept, loading) = (world.claim("keeper").await, world.claim("loader").await);
    let load = {
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            let mut checkpoint = loading.checkpoint;
            for chunk in 0..20 {
                let numbers: Vec<i64> = (0..1000).map(|n| chunk * 1000 + n).collect();
                let next = world
                    .load(&loading.lease, &orders, &checkpoint, &numbers)
                    .await;
                checkpoint = next.expect("loads");
            }
        })
    };
    let mut renewals = 0;
    while !load.is_finished() {
        let renewed =
            tokio::time::timeout(Duration::from_secs(10), keeper.renew(&kept.lease, LEASE));
        renewed
            .await
            .expect("well within the shortest lease")
            .expect("renews");
        renewals += 1;
    }
    load.await.expect("loads");
    assert!(renewals > 0);
}
