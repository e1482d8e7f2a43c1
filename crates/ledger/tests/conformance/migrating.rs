use arrivage_ledger::{LedgerError, Scope};

use super::world::{LEASE, found};
use super::{Database, World};

pub(crate) async fn two_ledgers_may_migrate_at_once<D: Database>() {
    let database = D::create().await;
    let (one, other, third) = (database.ledger(), database.ledger(), database.ledger());
    let (first, second, last) = tokio::join!(one.migrate(), other.migrate(), third.migrate());
    first.expect("the first migrates");
    second.expect("the second migrates");
    last.expect("the third migrates");
    one.check_version().await.expect("the ledger is there");
    one.ping().await.expect("it takes reads and writes");
    let answers = other.register(&[found("a")]).await.expect("registers");
    let seen = third.arrival(answers[0].id()).await.expect("is answered");
    assert_eq!(seen.expect("it is there").key, "a");
}

pub(crate) async fn a_ledger_that_is_not_there_says_to_migrate<D: Database>() {
    let database = D::create().await;
    let ledger = database.ledger();
    let pipelines = ["orders".to_owned()];
    let claim = ledger.claim(&pipelines, &Scope::Any, "owner", LEASE);
    for error in [
        ledger.check_version().await.expect_err("no ledger"),
        ledger.register(&[found("a")]).await.expect_err("no ledger"),
        claim.await.expect_err("no ledger"),
    ] {
        let message = error.to_string();
        assert!(matches!(error, LedgerError::Version(_)), "{error:?}");
        assert!(message.contains("arrivage migrate"), "{message}");
    }
}

pub(crate) async fn migrating_again_keeps_what_is_there<D: Database>() {
    let world = World::<D>::new().await;
    let id = world.register("a").await;
    world.ledger.migrate().await.expect("migrates again");
    assert_eq!(world.arrival(id).await.key, "a");
    world.ledger.close().await;
    let again = world.database.ledger();
    again
        .migrate()
        .await
        .expect("migrates from another process");
    assert!(again.arrival(id).await.expect("is answered").is_some());
}

pub(crate) async fn the_views_have_the_columns_of_the_contract<D: Database>() {
    let world = World::<D>::new().await;
    let check = async |view: &str, columns: &str| {
        let expect: Vec<&str> = columns.split_whitespace().collect();
        assert_eq!(world.database.columns(view).await, expect, "{view}");
    };
    check(
        "arrivals",
        "id pipeline url store bucket key etag version_id size last_modified sequencer state \
         attempts fence owner lease_until due_at bytes_read records_loaded records_rejected \
         checkpoint_records checkpoint_offset duplicate_notifications error_code error \
         registered_at started_at finished_at",
    )
    .await;
    check(
        "rejects",
        "arrival_id record line byte_offset column_name reason_code reason raw rejected_at",
    )
    .await;
    check("backlog", "pipeline waiting loading outstanding").await;
    check("pruned", "arrival_id pruned_at").await;
    check("unreadable", "id source body reason received_at").await;
    check("ignored", "id url bucket key size source seen_at").await;
}
