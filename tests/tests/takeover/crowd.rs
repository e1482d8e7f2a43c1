//! Many processes, many files.

use anyhow::Result;
use arrivage_tests::{Delivery, Destination, Scene, on_both};

const PROCESSES: usize = 6;
const FILES: u64 = 60;

on_both! { six_processes_load_each_of_sixty_files_once }

async fn six_processes_load_each_of_sixty_files_once(destination: Destination) -> Result<()> {
    let scene = Scene::new(destination, "", "").await?;
    let deliveries: Vec<_> = (0..FILES)
        .map(|seed| Delivery::new(100 + seed, 40))
        .collect();
    for (delivery, n) in deliveries.iter().zip(1..) {
        scene.put(&format!("{n}.csv"), delivery.csv());
    }
    scene.register(i64::try_from(FILES)?).await?;

    let mut crowd = Vec::new();
    for _ in 0..PROCESSES {
        crowd.push(scene.arrivage.start(&["process", "--until-empty"])?);
    }
    for one in &mut crowd {
        let status = one.process.wait(std::time::Duration::from_secs(60)).await?;
        assert!(status.success(), "{status}\n{}", one.process.output());
    }
    for (delivery, n) in deliveries.iter().zip(1..) {
        let loaded = scene.loaded(&format!("{n}.csv"), delivery).await?;
        assert_eq!((loaded.attempts, loaded.fence), (1, 1), "{loaded:?}");
    }
    Ok(())
}
