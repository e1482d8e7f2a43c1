//! What messages say, and what becomes of those that say nothing.

use super::*;

#[tokio::test]
async fn of_a_half_readable_message_the_readable_records_are_registered() -> Result<()> {
    let bench = bench().await?;
    let body = include_str!("../../notification/fixtures/aws-mixed.json");
    bench.send(body).await?;
    let working = bench.work();
    bench.until_empty().await;
    assert_eq!(bench.books.keys().await, ["good-1.csv", "good-2.csv"]);
    let kept = bench.unreadable().await;
    assert!(kept.starts_with("drop|{\"Records\":["), "{kept}");
    assert!(
        kept.contains("Records[3]: its key") && kept.contains("; Records[4]:"),
        "{kept}"
    );
    working.end().await
}

#[tokio::test]
async fn poison_is_kept_and_holds_up_nothing() -> Result<()> {
    let bench = bench().await?;
    bench.send("not JSON at all").await?;
    let confirmation = include_str!("../../notification/fixtures/sns-subscription.json");
    bench.send(confirmation).await?;
    bench.send(&event("a.csv", "aaaa")).await?;
    bench.send(&"x".repeat(100_000)).await?;
    let working = bench.work();
    bench.until_empty().await;
    assert_eq!(bench.books.keys().await, ["a.csv"]);
    let kept = bench
        .books
        .sql("SELECT left(body, 8), octet_length(body) FROM arrivage.unreadable ORDER BY id")
        .await;
    let confirmation = confirmation.len();
    assert_eq!(
        kept,
        format!("not JSON|15\n{{\"Type\":|{confirmation}\nxxxxxxxx|65536")
    );
    working.end().await
}

#[tokio::test]
async fn poison_that_is_left_goes_to_the_dead_letter_queue() -> Result<()> {
    let mut bench = bench().await?;
    bench.policy = UnreadablePolicy::Leave;
    bench
        .set(QueueAttributeName::VisibilityTimeout, "0")
        .await?;
    let body = include_str!("../../notification/fixtures/aws-mixed.json");
    bench.send(body).await?;
    bench.send(&event("a.csv", "aaaa")).await?;
    let working = bench.work();
    eventually(
        PATIENCE,
        "the message in the dead-letter queue",
        async || (bench.messages(&bench.place.dead_letter_queue_url).await == (1, 0)).then_some(()),
    )
    .await;
    bench.until_empty().await;
    assert_eq!(
        bench.books.keys().await,
        ["a.csv", "good-1.csv", "good-2.csv"]
    );
    assert_eq!(bench.unreadable().await, "");
    working.end().await
}

#[tokio::test]
async fn notifications_come_through_topics_and_event_buses() -> Result<()> {
    let bench = bench().await?;
    let ministack = &bench.ministack;
    let name = unique_name("way");
    let arn = |service: &str, name: &str| {
        format!(
            "arn:aws:{service}:{}:000000000000:{name}",
            Ministack::REGION
        )
    };
    ministack
        .aws(&["sns", "create-topic", "--name", &name])
        .await?;
    let topic = arn("sns", &name);
    let mut queues = Vec::new();
    for way in ["wrapped", "raw", "bus"] {
        let queue = format!("{name}-{way}");
        let made = bench
            .client
            .create_queue()
            .queue_name(&queue)
            .send()
            .await?;
        queues.push(made.queue_url.context("a URL")?);
        let queue = arn("sqs", &queue);
        let subscribe = [
            "sns",
            "subscribe",
            "--topic-arn",
            &topic,
            "--protocol",
            "sqs",
            "--notification-endpoint",
            &queue,
        ];
        match way {
            "wrapped" => ministack.aws(&subscribe).await?,
            "raw" => {
                let raw = ["--attributes", "RawMessageDelivery=true"];
                ministack.aws(&[&subscribe[..], &raw].concat()).await?
            }
            _ => {
                let pattern = json!({"source": ["aws.s3"], "detail-type": ["Object Created"],
                    "detail": {"bucket": {"name": [bench.place.bucket]}}});
                let rule = ["events", "put-rule", "--name", &name, "--event-pattern"];
                ministack
                    .aws(&[&rule[..], &[&pattern.to_string()]].concat())
                    .await?;
                let target = format!("Id=1,Arn={queue}");
                ministack
                    .aws(&[
                        "events",
                        "put-targets",
                        "--rule",
                        &name,
                        "--targets",
                        &target,
                    ])
                    .await?
            }
        };
    }
    let configuration = json!({
        "TopicConfigurations": [{"TopicArn": topic, "Events": ["s3:ObjectCreated:*"]}],
        "EventBridgeConfiguration": {},
    });
    ministack
        .aws(&[
            "s3api",
            "put-bucket-notification-configuration",
            "--bucket",
            &bench.place.bucket,
            "--notification-configuration",
            &configuration.to_string(),
        ])
        .await?;
    bench.put("in/a b+c é%.csv").await?;

    for (nth, queue_url) in queues.iter().enumerate() {
        let working = bench.work_on(queue_url);
        eventually(PATIENCE, "the way's notification", async || {
            let arrivals = bench.books.arrivals().await;
            let told = arrivals.first()?.duplicate_notifications;
            (told == nth as i64 && bench.messages(queue_url).await == (0, 0)).then_some(())
        })
        .await;
        working.end().await?;
    }
    assert_eq!(bench.books.keys().await, ["in/a b+c é%.csv"]);
    assert_eq!(bench.unreadable().await, "");
    Ok(())
}

#[tokio::test]
async fn a_missing_etag_is_asked_for() -> Result<()> {
    let bench = bench().await?;
    bench.put("in/a.csv").await?;
    bench.purge().await?;

    let without_etag = |key: &str, time: Option<String>| {
        let mut event: Value = serde_json::from_str(&event(key, "")).expect("JSON");
        event["Records"][0]["s3"]["bucket"]["name"] = bench.place.bucket.clone().into();
        event["Records"][0]["eventTime"] = time.into();
        event.to_string()
    };
    let now = Some(chrono::Utc::now().to_rfc3339());
    bench.send(&without_etag("in/a.csv", now.clone())).await?;
    bench.send(&without_etag("in/gone.csv", None)).await?;
    bench.send(&without_etag("in/not-yet.csv", now)).await?;
    let working = bench.work();
    bench.until(0, 1).await;
    let arrivals = bench.books.arrivals().await;
    assert_eq!(arrivals.len(), 1);
    assert_eq!(
        arrivals[0].etag.as_str(),
        "8a80554c91d9fca8acb82f023de02f11"
    );
    working.end().await
}

#[tokio::test]
async fn ten_messages_are_registered_at_once() -> Result<()> {
    let bench = bench().await?;
    let mut receiver = bench.receiver(&bench.place.queue_url);
    let deliveries: Vec<_> = (0..10)
        .map(|nth| Delivery {
            message_id: format!("m{nth}"),
            receipt: format!("r{nth}"),
            body: event(&format!("{}.csv", nth % 5), "aaaa").into(),
        })
        .collect();
    let recorded = receiver.record(&deliveries).await?;
    assert_eq!(recorded, [Verdict::Recorded; 10]);
    let registered_at = bench.books.sql("SELECT count(*), count(DISTINCT registered_at), sum(duplicate_notifications) FROM arrivage.arrivals").await;
    assert_eq!(registered_at, "5|1|5", "one transaction");
    Ok(())
}
