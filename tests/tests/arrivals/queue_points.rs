//! At each place between queue and ledger a watcher is killed, stopped until its message has come
//! again, or cut off; and the object is one arrival, and its message gone.

use std::time::Duration;

use anyhow::{Result, ensure};
use arrivage_fault::{Action, Point, VARIABLE};
use arrivage_testkit::{Background, Postgres, eventually};
use arrivage_tests::Arrivage;

use crate::aws::Aws;

const SOON: Duration = Duration::from_secs(60);

const PLACES: [Point; 3] = [
    Point::QueueReceived,
    Point::QueueBeforeDelete,
    Point::QueueDeleted,
];

#[tokio::test]
async fn a_message_is_one_arrival_whatever_happens_to_its_watcher_with_ministack_and_postgres()
-> Result<()> {
    let aws = Box::pin(Aws::new()).await?;
    let at = async |point| {
        let [kill, stop, breaks] = Action::of(point).map(|action| told(&aws, point, action));
        tokio::try_join!(Box::pin(kill), Box::pin(stop), Box::pin(breaks))
    };
    let [received, before, deleted] = PLACES.map(|point| Box::pin(at(point)));
    tokio::try_join!(received, before, deleted)?;
    Ok(())
}

async fn told(aws: &Aws, point: Point, action: Action) -> Result<()> {
    let queue_url = aws.queue().await?;
    let bucket = aws.bucket_with_queue(&queue_url).await?;
    let database = Postgres::database().await?;
    let configuration = format!(
        r#"
        [s3]
        path_style = true

        [[source]]
        kind = "sqs"
        queue_url = "{queue_url}"

        [[pipeline]]
        name = "items"
        match = ["s3://*/*"]
        table = "items"
        "#
    );
    let arrivage = Arrivage::new(database.url(), &configuration)?.env(aws.ministack.environment());
    arrivage.run(&["migrate"]).await?.expect(0);
    // What was announced before the object, as S3 greets its queue, is not waited for.
    aws.drain(&queue_url).await?;
    aws.put(&bucket, "a.csv", b"id\n1\n").await?;
    eventually(SOON, "the announcement", async || {
        (aws.messages(&queue_url).await.ok()? > 0).then_some(())
    })
    .await;

    let mut command = arrivage.command(&["watch"]);
    let fault = format!("{}={action}", point.name());
    command.env(VARIABLE, &fault);
    let mut first = Background::spawn(&fault, command)?;
    let line = format!("fault: {} {action}", point.name());
    eventually(SOON, &line, async || {
        first.output().contains(&line).then_some(())
    })
    .await;
    let goes_on = matches!(action, Action::Error | Action::Lost);
    let _second = (!goes_on).then(|| arrivage.start(&["watch"])).transpose()?;
    eventually(SOON, &format!("{fault}: an empty queue"), async || {
        let registered = database
            .sql("SELECT count(*) FROM arrivage.arrivals")
            .await
            .ok()?;
        (registered == "1" && aws.messages(&queue_url).await.ok()? == 0).then_some(())
    })
    .await;
    if action == Action::Stop {
        // It acknowledges, late, what is gone already.
        first.sigcont()?;
        first.sigterm()?;
        let status = first.wait(SOON).await?;
        ensure!(status.success(), "{status}\n{}", first.output());
    }
    let all = "SELECT count(*) FROM arrivage.arrivals";
    ensure!(database.sql(all).await? == "1", "{fault}");
    Ok(())
}
