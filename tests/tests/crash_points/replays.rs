//! In a replay from the start: the rows go, then the fence moves, in one transaction.

use anyhow::{Result, ensure};
use arrivage_fault::{Action, Point};
use arrivage_tests::{Delivery, Scene};

use crate::strike::{Kind, Strike, Struck, each, on_each};

const KEY: &str = "orders.csv";
const LOAD: [&str; 2] = ["load", "s3://drop/orders.csv"];

pub(crate) const PLACES: [Point; 3] = [
    Point::RestartRemoved,
    Point::RestartBeforeCommit,
    Point::RestartCommitted,
];

on_each! { a_replay_from_the_start_leaves_no_row_twice }

async fn a_replay_from_the_start_leaves_no_row_twice(kind: Kind) {
    let strikes = PLACES.into_iter().flat_map(|point| {
        let strike = move |action| Strike {
            point,
            action,
            nth: 1,
        };
        Action::of(point).map(strike)
    });
    each(strikes, move |strike| async move {
        let (scene, delivery) = replayed(kind).await?;
        match strike.action {
            Action::Kill => killed(&scene, &delivery, strike).await,
            Action::Stop => stopped(&scene, &delivery, kind, strike).await,
            Action::Error | Action::Lost => cut_off(&scene, &delivery, strike).await,
        }
    })
    .await;
}

/// Another waits for the end of its lease, and no longer.
async fn killed(scene: &Scene, delivery: &Delivery, strike: Strike) -> Result<()> {
    let mut first = Struck::start(&scene.arrivage, &LOAD, strike)?;
    first.killed().await?;
    scene.arrivage.run(&LOAD).await?.expect(0);
    let loaded = scene.loaded(KEY, delivery).await?;
    ensure!(loaded.attempts == 3, "{loaded:?}");
    // One for each claim, one for the order, and one for taking the rows out.
    ensure!(loaded.fence == 5, "{loaded:?}");
    Ok(())
}

/// Past its lease another takes the rows out and loads; but on SQLite, where it holds up everybody
/// with its transaction open, it goes on when it wakes.
async fn stopped(scene: &Scene, delivery: &Delivery, kind: Kind, strike: Strike) -> Result<()> {
    let mut first = Struck::start(&scene.arrivage, &LOAD, strike)?;
    first.stopped().await?;
    let is_over = kind == Kind::Postgres || strike.point.is_after();
    if is_over {
        scene.arrivage.run(&LOAD).await?.expect(0);
        scene.loaded(KEY, delivery).await?;
    }
    first.process.sigcont()?;
    first.ended(0).await?;
    ensure!(first.was_fenced() == is_over, "{}", first.process.output());
    let loaded = scene.loaded(KEY, delivery).await?;
    ensure!(loaded.attempts == if is_over { 3 } else { 2 }, "{loaded:?}");
    Ok(())
}

/// It goes on with what is its own.
async fn cut_off(scene: &Scene, delivery: &Delivery, strike: Strike) -> Result<()> {
    let mut process = Struck::start(&scene.arrivage, &LOAD, strike)?;
    process.ended(0).await?;
    let loaded = scene.loaded(KEY, delivery).await?;
    ensure!((loaded.attempts, loaded.fence) == (2, 4), "{loaded:?}");
    ensure!(!process.was_fenced(), "{}", process.process.output());
    Ok(())
}

/// A loaded arrival that is to be loaded again from its start.
async fn replayed(kind: Kind) -> Result<(Scene, Delivery)> {
    let scene = Scene::new(kind.destination().await?, "", "").await?;
    let delivery = Delivery::new(17, 2_000);
    scene.put(KEY, delivery.csv());
    scene.arrivage.run(&LOAD).await?.expect(0);
    let loaded = scene.loaded(KEY, &delivery).await?;
    let id = loaded.id.to_string();
    let replay = ["replay", "--from-start", &id];
    scene.arrivage.run(&replay).await?.expect(0);
    Ok((scene, delivery))
}
