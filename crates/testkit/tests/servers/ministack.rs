//! What the testkit promises about S3 and SQS, and what `localstack/init.sh` does.

use std::time::Duration;

use anyhow::{Context, Result};
use arrivage_testkit::{Ministack, Place, eventually};
use serde_json::Value;

async fn receive(ministack: &Ministack, place: &Place) -> Result<Option<Value>> {
    let output = ministack
        .aws(&["sqs", "receive-message", "--queue-url", &place.queue_url])
        .await?;
    if output.trim().is_empty() {
        return Ok(None);
    }
    let answer: Value = serde_json::from_str(&output)?;
    let Some(body) = answer["Messages"][0]["Body"].as_str() else {
        return Ok(None);
    };
    Ok(Some(serde_json::from_str(body)?))
}

#[tokio::test]
async fn an_uploaded_object_is_announced_in_the_queue() -> Result<()> {
    let ministack = Ministack::shared().await?;
    let place = ministack.place().await?;
    let file = std::env::temp_dir().join(&place.bucket);
    std::fs::write(&file, "id;name\n1;one\n")?;
    let path = file.to_str().context("a readable path")?;
    let put = [
        "s3api",
        "put-object",
        "--bucket",
        &place.bucket,
        "--key",
        "in/a b+c.csv",
        "--body",
    ];
    let uploaded = ministack.aws(&[&put[..], &[path]].concat()).await;
    std::fs::remove_file(&file)?;
    uploaded?;

    let body = eventually(Duration::from_secs(30), "the notification", async || {
        let message = receive(&ministack, &place)
            .await
            .expect("the queue answers")?;
        message.get("Records").is_some().then_some(message)
    })
    .await;
    let record = &body["Records"][0];
    assert_eq!(record["s3"]["bucket"]["name"], place.bucket);
    assert_eq!(record["s3"]["object"]["key"], "in/a+b%2Bc.csv");
    assert_eq!(record["s3"]["object"]["size"], 14);
    Ok(())
}

#[tokio::test]
async fn the_init_script_may_run_again_and_sets_up_the_dead_letter_queue() -> Result<()> {
    let ministack = Ministack::shared().await?;
    let place = ministack.place().await?;
    let again = ministack.place_named(&place.bucket).await?;
    assert_eq!(again.queue_url, place.queue_url);

    let queue = [
        "sqs",
        "get-queue-attributes",
        "--queue-url",
        &place.queue_url,
    ];
    let output = ministack
        .aws(&[&queue[..], &["--attribute-names", "All"]].concat())
        .await?;
    let attributes: Value = serde_json::from_str(&output)?;
    let redrive = attributes["Attributes"]["RedrivePolicy"]
        .as_str()
        .context("a redrive policy")?;
    let redrive: Value = serde_json::from_str(redrive)?;
    let dead_arn = redrive["deadLetterTargetArn"].as_str().context("an ARN")?;
    let dead_name = place.dead_letter_queue_url.rsplit('/').next();
    assert_eq!(dead_arn.rsplit(':').next(), dead_name);
    assert_eq!(
        redrive["maxReceiveCount"].to_string().trim_matches('"'),
        "5"
    );
    Ok(())
}
