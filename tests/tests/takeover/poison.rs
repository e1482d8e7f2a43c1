//! An arrival that kills whoever loads it.

use std::time::Duration;

use anyhow::Result;
use arrivage_testkit::{Fault, eventually};
use arrivage_tests::{Delivery, Destination, Scene, on_both};

/// The lease of who was killed ends within this.
const PATIENCE: Duration = Duration::from_secs(60);

on_both! {
    a_file_that_kills_its_processor_runs_out_of_attempts_and_others_go_on,
    what_ran_out_of_attempts_is_part_of_the_outcome_of_who_finds_it,
    a_service_says_and_counts_what_ran_out_of_attempts,
}

async fn a_file_that_kills_its_processor_runs_out_of_attempts_and_others_go_on(
    destination: Destination,
) -> Result<()> {
    let scene = Scene::new(destination, "", "max_attempts = 3").await?;
    let good = Delivery::new(5, 300);
    scene.put("a-poison.csv", good.csv());
    scene.on_read("a-poison.csv", || Some(Fault::Hang));
    scene.register(1).await?;
    scene.put("b.csv", good.csv());
    scene.register(2).await?;

    for attempt in 1..=3 {
        let mut job = scene
            .arrivage
            .start(&["process", "--one", "--owner", "job"])?;
        // Counted by the claim: nothing else was written when it dies.
        scene
            .wait("a-poison.csv", "claimed", |arrival| {
                arrival.state == "loading" && arrival.attempts == attempt
            })
            .await;
        job.process.kill9()?;
    }
    let job = scene
        .arrivage
        .run(&["process", "--one", "--owner", "job"])
        .await?;
    job.expect(3);
    let poison = scene
        .arrival("a-poison.csv")
        .await?
        .expect("it is registered");
    let how = (
        poison.state.as_str(),
        poison.error_code.as_str(),
        poison.attempts,
    );
    assert_eq!(how, ("failed", "attempts_used_up", 3), "{poison:?}");

    let others = scene.arrivage.run(&["process", "--until-empty"]).await?;
    others.expect(0);
    let other = scene.loaded("b.csv", &good).await?;
    assert_eq!(other.attempts, 1, "{other:?}");
    Ok(())
}

/// Its one attempt was killed, and said nothing.
async fn killed(destination: Destination) -> Result<Scene> {
    let scene = Scene::new(destination, "", "max_attempts = 1").await?;
    scene.put("poison.csv", Delivery::new(5, 300).csv());
    scene.on_read("poison.csv", || Some(Fault::Hang));
    scene.register(1).await?;
    let mut job = scene
        .arrivage
        .start(&["process", "--one", "--owner", "job"])?;
    scene
        .wait("poison.csv", "claimed", |arrival| {
            arrival.state == "loading"
        })
        .await;
    job.process.kill9()?;
    Ok(scene)
}

async fn what_ran_out_of_attempts_is_part_of_the_outcome_of_who_finds_it(
    destination: Destination,
) -> Result<()> {
    let scene = killed(destination).await?;
    let process = async || scene.arrivage.run(&["process", "--until-empty"]).await;
    let found = eventually(PATIENCE, "its lease to end", async || {
        let ended = process().await.ok()?;
        (ended.code != Some(0)).then_some(ended)
    })
    .await;
    found
        .expect(3)
        .says("s3://drop/poison.csv")
        .says("its last attempt ended without a word: the lease of job ran out");
    process().await?.expect(0);
    Ok(())
}

async fn a_service_says_and_counts_what_ran_out_of_attempts(
    destination: Destination,
) -> Result<()> {
    let scene = killed(destination).await?;
    let mut service = scene.arrivage.start(&["process"])?;
    let failed = "arrivage_claims_total{pipeline=\"orders\",outcome=\"failed\"} 1";
    eventually(PATIENCE, failed, async || {
        let (_, metrics) = service.get("/metrics").await.ok()?;
        metrics.contains(failed).then_some(())
    })
    .await;
    let log = service.process.output();
    let told = log
        .lines()
        .find(|line| line.contains("ended without a word"));
    let told = told.unwrap_or_else(|| panic!("nothing of it is logged:\n{log}"));
    assert!(
        told.contains("ERROR") && told.contains("poison.csv"),
        "{told}"
    );
    Ok(())
}
