//! The configuration changes while a file is half loaded.

use std::time::Duration;

use anyhow::Result;
use arrivage_tests::{Delivery, Destination, Scene, on_both};

on_both! {
    a_half_loaded_file_is_not_read_on_with_another_format,
    a_half_gathered_file_is_not_read_on_with_another_format,
}

async fn a_half_loaded_file_is_not_read_on_with_another_format(to: Destination) -> Result<()> {
    check(to, "", "records were loaded").await
}

/// Of a file whose rows nobody sees yet, none is said to be loaded.
async fn a_half_gathered_file_is_not_read_on_with_another_format(to: Destination) -> Result<()> {
    check(
        to,
        "atomic = true",
        "records were gathered, and not shown yet",
    )
    .await
}

async fn check(destination: Destination, pipeline: &str, words: &str) -> Result<()> {
    const KEY: &str = "orders.csv";
    let owner = ["process", "--one", "--owner", "job"];
    let scene = Scene::new(destination, "", pipeline).await?;
    let delivery = Delivery::new(7, 20_000);
    scene.put_slow(KEY, delivery.csv(), Duration::from_secs(2));
    scene.register(1).await?;
    let mut job = scene.arrivage.start(&owner)?;
    scene.wait_for_records(KEY, 5_000).await;
    job.process.kill9()?;

    scene.configure("", &format!("{pipeline}\nformat.trim = true"))?;
    scene
        .arrivage
        .run(&owner)
        .await?
        .expect(3)
        .says(words)
        .says("replay --from-start");
    let failed = scene.arrival(KEY).await?.expect("it is registered");
    assert_eq!(
        (failed.state.as_str(), failed.error_code.as_str()),
        ("failed", "config_changed")
    );
    assert!(failed.checkpoint_records >= 5_000, "{failed:?}");

    let id = failed.id.to_string();
    scene
        .arrivage
        .run(&["replay", "--from-start", &id])
        .await?
        .expect(0);
    scene
        .arrivage
        .run(&["process", "--until-empty"])
        .await?
        .expect(0);
    scene.loaded(KEY, &delivery).await?;
    Ok(())
}
