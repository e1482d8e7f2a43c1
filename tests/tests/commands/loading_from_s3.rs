use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::Result;
use arrivage_testkit::{Fault, Request, S3Server, eventually};
use arrivage_tests::{Arrivage, Destination, on_both};

use crate::items::{THREE, arrivals, create_items, rows};

const SOON: Duration = Duration::from_secs(30);

on_both!(
    objects_are_loaded_by_url,
    attempts_are_used_up,
    a_listing_finds_what_nobody_told_of,
    what_is_being_loaded_is_left_alone_unless_forced,
);

/// Pipeline `items` loads the CSV objects of bucket `drop`; `more` goes on in its section.
async fn world(to: &Destination, more: &str) -> Result<(S3Server, Arrivage)> {
    let server = S3Server::start().await?;
    server.create_bucket("drop");
    create_items(to).await?;
    let configuration = format!(
        r#"
        [s3]
        endpoint = "{}"
        path_style = true

        [[source]]
        kind = "listing"
        url = "s3://drop/listed/"
        every = "1h"
        since = "2026-01-01"

        [[pipeline]]
        name = "items"
        match = ["s3://drop/**/*.csv"]
        table = "items"
        {more}
        "#,
        server.endpoint()
    );
    let arrivage = Arrivage::new(&to.url(), &configuration)?.env([
        ("AWS_ACCESS_KEY_ID", S3Server::ACCESS_KEY),
        ("AWS_SECRET_ACCESS_KEY", S3Server::SECRET_KEY),
        ("AWS_REGION", S3Server::REGION),
    ]);
    Ok((server, arrivage))
}

async fn objects_are_loaded_by_url(to: Destination) -> Result<()> {
    let (server, arrivage) = world(&to, "").await?;
    server.put("drop", "a b+c %41 é.csv", THREE.as_bytes().to_vec());
    server.put("drop", "day/1.csv", b"id,name\n4,four\n".to_vec());
    server.put("drop", "day/2.csv", b"id,name\n5,five\n".to_vec());
    server.put("drop", "day/2.txt", b"nothing for a pipeline".to_vec());
    // A URL says the key as it is.
    let url = "s3://drop/a b+c %41 é.csv";
    arrivage
        .run(&["load", url])
        .await?
        .expect(0)
        .says("3 records loaded");
    arrivage
        .run(&["load", url])
        .await?
        .expect(0)
        .says("already loaded: arrival 1, ");
    arrivage
        .run(&["load", "s3://drop/day/"])
        .await?
        .expect(2)
        .says("--recursive");
    arrivage
        .run(&["load", "--recursive", "s3://drop/day/"])
        .await?
        .expect(0);
    assert_eq!(rows(&to).await?, "1|one\n2|two\n3|three\n4|four\n5|five");
    arrivage
        .run(&["load", "s3://drop/day/2.txt"])
        .await?
        .expect(2)
        .says("no pipeline matches");
    arrivage
        .run(&["load", "s3://drop/none.csv"])
        .await?
        .expect(2)
        .says("s3://drop/none.csv");
    arrivage
        .run(&["load", "s3://other/a.csv"])
        .await?
        .expect(2)
        .says("other");
    arrivage
        .run(&["load", "-r", "s3://drop/none/"])
        .await?
        .expect(2)
        .says("s3://drop/none/");
    assert_eq!(arrivals(&to).await?.lines().count(), 3);
    Ok(())
}

/// It waits five seconds before it tries again; the database makes no difference to that.
#[tokio::test]
async fn a_passing_refusal_is_tried_again() -> Result<()> {
    let to = Destination::sqlite()?;
    let (server, arrivage) = world(&to, "").await?;
    server.put("drop", "a.csv", THREE.as_bytes().to_vec());
    server.on(once(|| Fault::error(403, "AccessDenied")));
    arrivage.run(&["load", "s3://drop/a.csv"]).await?.expect(0);
    assert_eq!(arrivals(&to).await?, "loaded||2|3|0");
    assert_eq!(rows(&to).await?, "1|one\n2|two\n3|three");
    Ok(())
}

async fn attempts_are_used_up(to: Destination) -> Result<()> {
    let (server, arrivage) = world(&to, "max_attempts = 1").await?;
    server.put("drop", "a.csv", THREE.as_bytes().to_vec());
    server.on(|request| {
        request
            .is_get_object()
            .then(|| Fault::error(403, "AccessDenied"))
    });
    arrivage.run(&["load", "s3://drop/a.csv"]).await?.expect(3);
    assert_eq!(arrivals(&to).await?, "failed|access_denied|1|0|0");
    let why = to.sql("SELECT error FROM arrivage.arrivals").await?;
    assert!(why.contains("AccessDenied"), "{why}");
    server.heal();
    arrivage.run(&["load", "s3://drop/a.csv"]).await?.expect(3);
    arrivage.run(&["replay", "1"]).await?.expect(0);
    arrivage.run(&["load", "s3://drop/a.csv"]).await?.expect(0);
    assert_eq!(arrivals(&to).await?, "loaded||2|3|0");
    Ok(())
}

async fn a_listing_finds_what_nobody_told_of(to: Destination) -> Result<()> {
    let (server, arrivage) = world(&to, "").await?;
    server.put("drop", "listed/a.csv", THREE.as_bytes().to_vec());
    server.put("drop", "elsewhere/b.csv", THREE.as_bytes().to_vec());
    let long_ago = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    server.put_dated(
        "drop",
        "listed/old.csv",
        THREE.as_bytes().to_vec(),
        long_ago,
    );
    let watching = arrivage.start(&["watch"])?;
    eventually(SOON, "an arrival", async || {
        (arrivals(&to).await.ok()? == "waiting||0|0|0").then_some(())
    })
    .await;
    drop(watching);

    // Who cannot read it leaves it to another attempt: 1.
    server.on(once(|| Fault::error(403, "AccessDenied")));
    arrivage.run(&["process", "--until-empty"]).await?.expect(1);
    assert_eq!(arrivals(&to).await?, "waiting|access_denied|1|0|0");
    arrivage
        .run(&["process", "--arrival", "1"])
        .await?
        .expect(0);
    assert_eq!(arrivals(&to).await?, "loaded||2|3|0");
    Ok(())
}

async fn what_is_being_loaded_is_left_alone_unless_forced(to: Destination) -> Result<()> {
    let (server, arrivage) = world(&to, "").await?;
    server.put("drop", "a.csv", THREE.as_bytes().to_vec());
    // The first who reads it gets no further than the header.
    server.on(once(|| Fault::StallBody { after: 8 }));
    let stalled = arrivage.start(&["load", "s3://drop/a.csv"])?;
    eventually(SOON, "a stalled load", async || {
        let reads = server
            .requests()
            .iter()
            .any(|request| request.is_get_object());
        (reads && arrivals(&to).await.ok()? == "loading||1|0|0").then_some(())
    })
    .await;
    arrivage
        .run(&["process", "--arrival", "1"])
        .await?
        .expect(1)
        .says("being loaded by another");
    arrivage.run(&["process", "--until-empty"]).await?.expect(0);
    arrivage
        .run(&["replay", "1"])
        .await?
        .expect(2)
        .says("--force");
    arrivage
        .run(&["replay", "--from-start", "1"])
        .await?
        .expect(2)
        .says("--force");
    assert_eq!(arrivals(&to).await?, "loading||1|0|0");

    arrivage
        .run(&["replay", "--force", "1"])
        .await?
        .expect(0)
        .says("1 queued");
    arrivage
        .run(&["process", "--arrival", "1"])
        .await?
        .expect(0);
    assert_eq!(arrivals(&to).await?, "loaded||2|3|0");
    drop(stalled);
    assert_eq!(rows(&to).await?, "1|one\n2|two\n3|three");
    Ok(())
}

/// A fault for the first request for an object's bytes.
fn once(
    fault: impl Fn() -> Fault + Send + Sync + 'static,
) -> impl Fn(&Request) -> Option<Fault> + Send + Sync + 'static {
    let met = AtomicBool::new(false);
    move |request| {
        let first = request.is_get_object() && !met.swap(true, Ordering::SeqCst);
        first.then(&fault)
    }
}
