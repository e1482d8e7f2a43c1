//! An arrival that kills whoever loads it.

use anyhow::Result;
use arrivage_testkit::Fault;
use arrivage_tests::{Delivery, Destination, Scene, on_both};

on_both! { a_file_that_kills_its_processor_runs_out_of_attempts_and_others_go_on }

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
