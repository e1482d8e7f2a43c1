//! What is away, crashes or ends.

use super::*;

#[tokio::test]
async fn a_crash_before_the_ledger_or_before_the_delete_costs_nothing() -> Result<()> {
    let bench = bench().await?;
    bench
        .set(QueueAttributeName::VisibilityTimeout, "1")
        .await?;
    bench.send(&event("a.csv", "aaaa")).await?;
    let mut receiver = bench.receiver(&bench.place.queue_url);
    let mut queue = bench.queue(&bench.place.queue_url);
    let mut receive = async || {
        eventually(PATIENCE, "the message", async || {
            let deliveries = queue
                .receive(Duration::ZERO)
                .await
                .expect("the queue answers");
            // S3's test event comes first.
            deliveries
                .into_iter()
                .find(|delivery| String::from_utf8_lossy(&delivery.body).contains("a.csv"))
        })
        .await
    };

    // Received and not recorded; it comes again.
    let first = receive().await;
    // Recorded and not deleted; it comes again.
    let second = receive().await;
    assert_eq!(second.message_id, first.message_id);
    assert_ne!(second.receipt, first.receipt);
    let verdicts = receiver.record(&[second]).await?;
    assert_eq!(verdicts, [Verdict::Recorded]);

    let working = bench.work();
    // Until the message is visible again, the queue looks empty.
    eventually(PATIENCE, "the redelivery to be counted", async || {
        let arrivals = bench.books.arrivals().await;
        (arrivals[0].duplicate_notifications > 0).then_some(())
    })
    .await;
    bench.until_empty().await;
    let arrivals = bench.books.arrivals().await;
    assert_eq!(arrivals.len(), 1);
    assert_eq!(arrivals[0].duplicate_notifications, 1);
    working.end().await
}

#[tokio::test]
async fn while_the_ledger_is_away_nothing_is_received() -> Result<()> {
    let cluster = Postgres::cluster().await?;
    let mut bench = bench().await?;
    bench.books = Books::within(cluster.database().await?).await?;
    bench
        .set(QueueAttributeName::VisibilityTimeout, "3600")
        .await?;
    bench.purge().await?;
    cluster.stop().await?;

    bench.send(&event("a.csv", "aaaa")).await?;
    let working = bench.work();
    eventually(PATIENCE, "the complaint about the ledger", async || {
        working
            .monitor
            .health()
            .problem
            .filter(|problem| problem.contains("database"))
    })
    .await;
    assert_eq!(bench.messages(&bench.place.queue_url).await, (1, 0));

    cluster.start().await?;
    bench.until_empty().await;
    assert_eq!(bench.books.keys().await, ["a.csv"]);
    assert_eq!(working.monitor.health().problem, None);
    working.end().await
}

#[tokio::test]
async fn a_batch_that_the_ledger_refuses_is_held_and_nothing_more_is_received() -> Result<()> {
    let bench = bench().await?;
    bench.purge().await?;
    bench.send(&event("a.csv", "aaaa")).await?;
    let refuse = "ADD CONSTRAINT not_now CHECK (false) NOT VALID";
    bench
        .books
        .sql(&format!("ALTER TABLE arrivage.arrival {refuse}"))
        .await;

    let mut receiver = bench.receiver(&bench.place.queue_url);
    let stop = CancellationToken::new();
    let mut turn = async || receiver.turn(Duration::ZERO, &stop).await;
    for _ in 0..3 {
        let error = turn().await.expect_err("the database refuses");
        assert!(chain(&error).contains("not_now"), "{}", chain(&error));
        bench.send(&event("b.csv", "bbbb")).await?;
    }
    assert_eq!(bench.messages(&bench.place.queue_url).await, (3, 1));

    bench
        .books
        .sql("ALTER TABLE arrivage.arrival DROP CONSTRAINT not_now")
        .await;
    turn().await?;
    assert_eq!(bench.books.keys().await, ["a.csv"]);
    assert_eq!(bench.messages(&bench.place.queue_url).await, (3, 0));
    while bench.messages(&bench.place.queue_url).await != (0, 0) {
        turn().await?;
    }
    assert_eq!(bench.books.keys().await, ["a.csv", "b.csv"]);
    Ok(())
}

#[tokio::test]
async fn a_long_poll_ends_with_the_watcher() -> Result<()> {
    let bench = bench().await?;
    let working = bench.work();
    bench.until_empty().await;
    let monitor = &working.monitor;
    eventually(PATIENCE, "the first answer", async || {
        monitor.health().problem.is_none().then_some(())
    })
    .await;
    let ended = tokio::time::timeout(LONG_POLL / 4, working.end()).await;
    ended.context("it waits for the long poll")?
}

#[tokio::test]
async fn a_queue_that_is_not_there_is_told_of_and_waited_for() -> Result<()> {
    let bench = bench().await?;
    let name = unique_name("later");
    let queue_url = bench.place.queue_url.replace(&bench.place.bucket, &name);
    let working = bench.work_on(&queue_url);
    let problem = eventually(PATIENCE, "the complaint", async || {
        working
            .monitor
            .health()
            .problem
            .filter(|problem| problem.contains("there is no queue"))
    })
    .await;
    assert!(problem.contains("correct queue_url"), "{problem}");
    bench.client.create_queue().queue_name(&name).send().await?;
    eventually(PATIENCE, "the queue's answer", async || {
        working.monitor.health().problem.is_none().then_some(())
    })
    .await;
    working.end().await
}
