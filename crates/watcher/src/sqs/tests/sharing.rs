//! Several watchers, several queues, and receipts that expired.

use super::*;

const OBJECTS: usize = 60;

/// Sends events about all objects in a wild order, one of three of them twice. Returns how many.
async fn announce(bench: &Bench, queue_url: &str) -> Result<usize> {
    let mut sent = 0;
    for nth in 0..OBJECTS {
        let key = format!("{:02}.csv", (nth * 37) % OBJECTS);
        for _ in 0..1 + usize::from(nth % 3 == 0) {
            let message = bench.client.send_message().queue_url(queue_url);
            message.message_body(event(&key, "aaaa")).send().await?;
            sent += 1;
        }
    }
    Ok(sent)
}

#[tokio::test]
async fn two_watchers_on_one_queue_and_one_on_another_register_each_object_once() -> Result<()> {
    let bench = bench().await?;
    let other = bench
        .client
        .create_queue()
        .queue_name(unique_name("other"))
        .send()
        .await?;
    let other = other.queue_url.context("a URL")?;
    let first = &bench.place.queue_url;
    bench.purge().await?;
    let sent = announce(&bench, first).await? + announce(&bench, &other).await?;

    let working = [bench.work(), bench.work(), bench.work_on(&other)];
    eventually(PATIENCE, "two empty queues", async || {
        let left = (bench.messages(first).await, bench.messages(&other).await);
        (left == ((0, 0), (0, 0))).then_some(())
    })
    .await;
    let counted = bench
        .books
        .sql("SELECT count(*), count(DISTINCT key), sum(duplicate_notifications) FROM arrivage.arrivals")
        .await;
    assert_eq!(counted, format!("{OBJECTS}|{OBJECTS}|{}", sent - OBJECTS));
    for one in working {
        one.end().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_receipt_that_expired_costs_no_message_and_no_arrival() -> Result<()> {
    let bench = bench().await?;
    bench.purge().await?;
    bench
        .set(QueueAttributeName::VisibilityTimeout, "1")
        .await?;
    bench.send(&event("a.csv", "aaaa")).await?;
    let mut receiver = bench.receiver(&bench.place.queue_url);
    let mut queue = bench.queue(&bench.place.queue_url);
    let received = queue.receive(LONG_POLL).await?;
    assert_eq!(receiver.record(&received).await?.len(), 1);
    // Its time is over, and another watcher has it.
    let again = eventually(PATIENCE, "the redelivery", async || {
        queue.receive(Duration::ZERO).await.ok()?.pop()
    })
    .await;
    assert_eq!(again.message_id, received[0].message_id);
    let unknown = "no receipt of any message".to_owned();
    let refused = queue.settle(vec![(unknown, Verdict::Recorded)]).await?;
    assert_eq!(refused.len(), 1, "{refused:?}");
    // One message, recorded by both: the later receipt takes it off the queue.
    let verdicts = receiver.record(std::slice::from_ref(&again)).await?;
    let settled = vec![(again.receipt, verdicts[0])];
    assert_eq!(queue.settle(settled).await?, Vec::<String>::new());
    bench.until_empty().await;
    let arrivals = bench.books.arrivals().await;
    assert_eq!(
        (arrivals.len(), arrivals[0].duplicate_notifications),
        (1, 1)
    );
    assert_eq!(arrivals[0].state.to_string(), "waiting");
    Ok(())
}
