//! Contents of one key that replace each other, at the same time.

use std::time::Duration;

use arrivage_ledger::{Destination, Registration};
use arrivage_model::{Checkpoint, Mode};
use arrivage_testkit::eventually;

use super::PostgresDatabase;
use super::conformance::world::{advance, found, last, numbers_from, object};
use super::conformance::{Database, World};

/// Of two contents of one key the later one sees what the earlier one committed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_contents_of_a_key_that_replace_it_at_once_take_turns() {
    let world = World::<PostgresDatabase>::new().await;
    let orders = Destination {
        mode: Mode::Replace,
        atomic: true,
        ..world.destination().await
    };
    let mut chunks = Vec::new();
    for (etag, number) in [("e1", 1), ("e2", 2)] {
        let found = Registration {
            object: object("a", etag),
            ..found("a")
        };
        world.notify(found).await;
        let claim = world.claim("owner").await;
        let chunk = world.ledger.begin(&claim.lease, &orders).await;
        let mut chunk = chunk.expect("begins");
        let rows = numbers_from(0, &[number]);
        chunk.load(&rows, 0..1).await.expect("gathers");
        chunks.push(chunk);
    }
    let last = last(advance(&Checkpoint::default(), 1, 0));
    let (mut second, mut first) = (chunks.pop().expect("two"), chunks.pop().expect("two"));
    first.make_way().await.expect("its turn");
    first.publish(1..=1).await.expect("shows");
    let step = last.clone();
    let waiting = tokio::spawn(async move {
        second.make_way().await.expect("its turn, later");
        second.publish(1..=1).await.expect("shows");
        second.commit(&step).await.expect("commits");
    });
    eventually(Duration::from_secs(30), "the second waits", async || {
        let waits = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event = 'advisory'";
        (world.database.sql(waits).await.trim() == "1").then_some(())
    })
    .await;
    first.commit(&last).await.expect("commits");
    waiting.await.expect("ends");
    assert_eq!(world.numbers("orders").await, [2]);
}
