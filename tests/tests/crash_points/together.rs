//! Where small files share a transaction.

use anyhow::{Result, ensure};
use arrivage_fault::{Action, Point};
use arrivage_tests::{Delivery, Scene};

use crate::strike::{Kind, Strike, Struck, each, on_each};

const PROCESS: [&str; 3] = ["process", "--until-empty", "-v"];
const FOLLOW: [&str; 3] = ["load", "s3://drop/", "--recursive"];

const FILES: i64 = 9;

/// The first arrival is claimed and loaded alone; then one is claimed, and the others along with it.
const PLACES: [(Point, u32); 7] = [
    (Point::ClaimBegun, 3),
    (Point::ClaimCommitted, 3),
    (Point::ChunkBegun, 2),
    (Point::ChunkCopying, 2),
    (Point::ChunkCopied, 2),
    (Point::ChunkBeforeCommit, 2),
    (Point::ChunkCommitted, 2),
];

on_each! {
    who_is_killed_costs_no_record_of_any_file,
    who_is_cut_off_loads_them_all_the_same,
    who_stops_past_its_leases_is_fenced,
}

async fn who_is_killed_costs_no_record_of_any_file(kind: Kind) {
    each(with(Action::Kill), move |strike| async move {
        let (scene, files) = scene(kind).await?;
        let mut first = Struck::start(&scene.arrivage, &PROCESS, strike)?;
        first.killed().await?;
        scene.arrivage.run(&FOLLOW).await?.expect(0);
        loaded(&scene, &files, 2).await
    })
    .await;
}

async fn who_is_cut_off_loads_them_all_the_same(kind: Kind) {
    let strikes = PLACES.map(|(point, nth)| Strike::breaking(point, nth));
    each(strikes, move |strike| async move {
        let (scene, files) = scene(kind).await?;
        let mut process = Struck::start(&scene.arrivage, &PROCESS, strike)?;
        process.ended(0).await?;
        // Who does not know of its claims waits for their end as everybody else.
        if strike.point == Point::ClaimCommitted {
            scene.arrivage.run(&FOLLOW).await?.expect(0);
            return loaded(&scene, &files, 2).await;
        }
        loaded(&scene, &files, 1).await?;
        let output = process.process.output();
        ensure!(!process.was_fenced() && !process.said("ERROR"), "{output}");
        Ok(())
    })
    .await;
}

/// On SQLite none but who holds no lock.
async fn who_stops_past_its_leases_is_fenced(kind: Kind) {
    let strikes = with(Action::Stop);
    let strikes = strikes.filter(move |strike| kind == Kind::Postgres || strike.point.is_after());
    each(strikes, move |strike| async move {
        let (scene, files) = scene(kind).await?;
        let mut first = Struck::start(&scene.arrivage, &PROCESS, strike)?;
        first.stopped().await?;
        scene.arrivage.run(&FOLLOW).await?.expect(0);
        loaded(&scene, &files, 2).await?;
        first.process.sigcont()?;
        // What it holds no more may want another attempt, for all it knows.
        let taken_over = strike.point != Point::ChunkCommitted;
        first.ended(if taken_over { 1 } else { 0 }).await?;
        let output = first.process.output();
        ensure!(first.was_fenced() == taken_over, "{output}");
        ensure!(!first.said("ERROR"), "{output}");
        loaded(&scene, &files, 2).await
    })
    .await;
}

fn with(action: Action) -> impl Iterator<Item = Strike> {
    let places = PLACES.into_iter();
    places.map(move |(point, nth)| Strike { point, action, nth })
}

async fn scene(kind: Kind) -> Result<(Scene, Vec<(String, Delivery)>)> {
    let scene = Scene::new(kind.destination().await?, "", "").await?;
    let mut files = Vec::new();
    for nth in 0..FILES {
        let key = format!("{nth}.csv");
        let delivery = Delivery::new(nth as u64, 30 + nth as u64);
        scene.put(&key, delivery.csv());
        files.push((key, delivery));
    }
    scene.register(FILES).await?;
    Ok((scene, files))
}

/// Each file once, after at most so many claims.
async fn loaded(scene: &Scene, files: &[(String, Delivery)], claims: u64) -> Result<()> {
    for (key, delivery) in files {
        let loaded = scene.loaded(key, delivery).await?;
        ensure!(loaded.attempts <= claims, "{loaded:?}");
    }
    Ok(())
}
