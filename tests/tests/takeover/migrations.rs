//! Several processes meet an empty database.

use anyhow::Result;
use arrivage_tests::{Delivery, Destination, Scene, on_both};

on_both! { processes_that_start_at_once_on_an_empty_database_agree }

/// Two `migrate` and two `run`.
async fn processes_that_start_at_once_on_an_empty_database_agree(
    destination: Destination,
) -> Result<()> {
    let scene = Scene::new(destination, "", "").await?;
    let delivery = Delivery::new(6, 300);
    scene.put("a.csv", delivery.csv());
    let mut runs = [
        scene.arrivage.start(&["run"])?,
        scene.arrivage.start(&["run"])?,
    ];
    let (one, other) = tokio::join!(
        scene.arrivage.run(&["migrate"]),
        scene.arrivage.run(&["migrate"])
    );
    one?.expect(0);
    other?.expect(0);
    let loaded = scene.loaded("a.csv", &delivery).await?;
    assert_eq!(loaded.attempts, 1, "{loaded:?}");
    for run in &mut runs {
        assert_eq!(run.process.ended()?, None, "{}", run.process.output());
    }
    Ok(())
}
