//! The configuration changes while a file is half loaded.

use std::time::Duration;

use anyhow::Result;
use arrivage_tests::{Delivery, Destination, Scene, on_both};

on_both! { a_half_loaded_file_is_not_read_on_with_another_format }

async fn a_half_loaded_file_is_not_read_on_with_another_format(
    destination: Destination,
) -> Result<()> {
    const KEY: &str = "orders.csv";
    let owner = ["process", "--one", "--owner", "job"];
    let scene = Scene::new(destination, "", "").await?;
    let delivery = Delivery::new(7, 20_000);
    scene.put_slow(KEY, delivery.csv(), Duration::from_secs(2));
    scene.register(1).await?;
    let mut job = scene.arrivage.start(&owner)?;
    scene.wait_for_records(KEY, 5_000).await;
    job.process.kill9()?;

    scene.configure("", "format.trim = true")?;
    scene
        .arrivage
        .run(&owner)
        .await?
        .expect(3)
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
