//! In the first moments of a process.

use anyhow::Result;
use arrivage_fault::{Action, Point};
use arrivage_tests::{Delivery, Destination, Scene};

use crate::strike::{Strike, Struck, each};

pub(crate) const PLACES: [Point; 1] = [Point::SignalsCaught];

const LOAD: &[&str] = &["load", "s3://drop/orders.csv"];

/// It has read nothing yet, and ends with a code of its own.
#[tokio::test]
async fn sigterm_counts_from_the_first_moment() {
    let commands: [(&[&str], i32); 4] = [
        (&["run"], 0),
        (&["watch"], 0),
        (&["process"], 0),
        (LOAD, 143),
    ];
    each(commands, |(command, code)| async move {
        let scene = scene().await?;
        let mut process = Struck::start(&scene.arrivage, command, stop())?;
        process.stopped().await?;
        process.process.sigterm()?;
        process.process.sigcont()?;
        process.ended(code).await
    })
    .await;
}

/// A test must not wait for what nobody does.
#[tokio::test]
async fn a_fault_that_does_not_exist_is_refused() -> Result<()> {
    let scene = scene().await?;
    let faults = [(arrivage_fault::VARIABLE, "chunk.comitted=kill")];
    let arrivage = scene.arrivage.env(faults);
    arrivage.run(LOAD).await?.expect(2).says("no such point");
    Ok(())
}

fn stop() -> Strike {
    Strike {
        point: Point::SignalsCaught,
        action: Action::Stop,
        nth: 1,
    }
}

/// With an object to load.
async fn scene() -> Result<Scene> {
    let scene = Scene::new(Destination::sqlite()?, "", "").await?;
    scene.put("orders.csv", Delivery::new(22, 100).csv());
    Ok(scene)
}
