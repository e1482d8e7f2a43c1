use std::os::unix::process::ExitStatusExt;

use anyhow::{Result, ensure};
use arrivage_fault::{Action, Point, VARIABLE};
use arrivage_testkit::Background;
use arrivage_tests::{Destination, on_both};
use serde_json::Value;

use crate::world::{HOOK, SOON, TOKEN, World, event};

on_both!(
    what_a_sender_brings_is_loaded_once,
    a_watch_that_dies_before_it_answers_is_told_again,
    what_is_left_is_told_to_the_sender,
);

async fn what_a_sender_brings_is_loaded_once(to: Destination) -> Result<()> {
    let world = World::new(to).await?;
    let etag = world.put("items/a b.csv", "id,name\n1,one\n2,two\n");
    let mut client = world.start("run").await?;
    assert_eq!(client.ask("HEAD /notifications", "").await?.0, 200);

    let body = event("drop", "items%2Fa+b.csv", &etag);
    let (status, problem) = client.ask("POST /notifications", &body).await?;
    ensure!(status == 401, "{problem}");
    let wrong = format!("POST /notifications\nAuthorization: Bearer {TOKEN}");
    assert_eq!(client.ask(&wrong, &body).await?.0, 401);
    assert_eq!(
        world
            .to
            .count("SELECT count(*) FROM arrivage.arrivals")
            .await,
        0
    );

    let (status, tally) = client.notify(&body).await?;
    // Before it was answered, it was in the ledger.
    let known = world
        .to
        .sql("SELECT key, etag FROM arrivage.arrivals")
        .await?;
    assert_eq!(
        (status, known),
        (200, format!("items/a b.csv|{etag}")),
        "{tally}"
    );
    let bare = format!("POST /notifications\nAuthorization: {HOOK}");
    assert_eq!(client.ask(&bare, &body).await?.0, 200);
    let loaded = "SELECT state, attempts, records_loaded, duplicate_notifications
        FROM arrivage.arrivals";
    world.until(loaded, "loaded|1|2|1").await;

    // Of no pipeline, from a bucket that is not ours, and not to be understood.
    for (body, result) in [
        (event("drop", "nobodys.csv", "aa"), "ignored"),
        (event("169.254.169.254", "items/a.csv", "aa"), "ignored"),
        ("http://169.254.169.254/latest".to_owned(), "unreadable"),
        (
            "{\"Records\": [{\"eventName\": 7}]}".to_owned(),
            "unreadable",
        ),
    ] {
        let (status, tally) = client.notify(&body).await?;
        assert_eq!(status, 200, "{tally}");
        let tally: Value = serde_json::from_str(&tally)?;
        assert_eq!(tally[result], 1, "{tally}");
    }
    let large = format!("POST /notifications\nAuthorization: {HOOK}");
    let (status, _) = client
        .ask(&large, &" ".repeat(1 << 21))
        .await
        .unwrap_or((413, String::new()));
    assert_eq!(status, 413);
    let kept = "SELECT count(*) FROM arrivage.unreadable WHERE source = 'webhook'";
    assert_eq!(world.to.count(kept).await, 2);
    let ignored = "SELECT bucket, key FROM arrivage.ignored ORDER BY id";
    let ignored = world.to.sql(ignored).await?;
    assert_eq!(ignored, "drop|nobodys.csv\n169.254.169.254|items/a.csv");
    let (_, metrics) = client.running.get("/metrics").await?;
    for (result, count) in [
        ("new", 1),
        ("duplicate", 1),
        ("ignored", 2),
        ("unreadable", 2),
    ] {
        let line = format!(
            "arrivage_notifications_total{{source=\"webhook\",result=\"{result}\"}} {count}"
        );
        ensure!(metrics.contains(&line), "{line}\n{metrics}");
    }
    // The store was asked for what a pipeline takes, and for nothing else.
    let asked = world.s3.requests();
    let ours = |key: &str| key == "items/a b.csv";
    ensure!(asked.iter().all(|request| ours(&request.key)), "{asked:?}");

    client.running.process.sigterm()?;
    client.running.process.wait(SOON).await?;
    let said = client.running.process.output();
    for secret in [TOKEN, HOOK] {
        let line = said.lines().find(|line| line.contains(secret));
        ensure!(line.is_none(), "{line:?}");
    }
    Ok(())
}

/// Killed with the arrival committed and unsaid, or not even committed: no 2xx, and when the
/// sender says it again, it is loaded once.
async fn a_watch_that_dies_before_it_answers_is_told_again(to: Destination) -> Result<()> {
    let world = World::new(to).await?;
    world.arrivage.run(&["migrate"]).await?.expect(0);
    let etag = world.put("items/a.csv", "id,name\n1,one\n");
    let body = event("drop", "items%2Fa.csv", &etag);
    for (point, known) in [(Point::RegisterBegun, 0), (Point::RegisterCommitted, 1)] {
        let mut command = world.arrivage.command(&["watch"]);
        let fault = format!("{}={}@1", point.name(), Action::Kill);
        command.env(VARIABLE, &fault);
        let process = Background::spawn(&fault, command)?;
        let mut client = world.attach(process).await?;
        let answer = client.notify(&body).await;
        ensure!(answer.is_err(), "{fault}: {answer:?}");
        let status = client.running.process.wait(SOON).await?;
        ensure!(status.signal() == Some(9), "{fault}: {status}");
        let arrivals = world
            .to
            .count("SELECT count(*) FROM arrivage.arrivals")
            .await;
        ensure!(arrivals == known, "{fault}: {arrivals}");
    }
    let client = world.start("run").await?;
    let (status, tally) = client.notify(&body).await?;
    ensure!(
        status == 200 && tally.contains("\"duplicate\":1"),
        "{status} {tally}"
    );
    let loaded = "SELECT state, records_loaded FROM arrivage.arrivals";
    world.until(loaded, "loaded|1").await;
    assert_eq!(world.to.sql("SELECT id, name FROM items").await?, "1|one");
    Ok(())
}

async fn what_is_left_is_told_to_the_sender(to: Destination) -> Result<()> {
    let world = World::leaving(to).await?;
    let client = world.start("watch").await?;
    let (status, problem) = client.notify("no JSON").await?;
    assert_eq!(status, 422, "{problem}");
    let kept = "SELECT count(*) FROM arrivage.unreadable";
    assert_eq!(world.to.sql(kept).await?, "0");
    Ok(())
}
