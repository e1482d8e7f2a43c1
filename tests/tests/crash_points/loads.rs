//! In a load that goes well.

use anyhow::{Result, ensure};
use arrivage_fault::{Action, Point};
use arrivage_tests::{Delivery, Scene};

use crate::strike::{Kind, Strike, Struck, each, on_each};

const KEY: &str = "orders.csv";
const LOAD: [&str; 3] = ["load", "s3://drop/orders.csv", "-v"];
const RECORDS: u64 = 7_000;

/// How many chunks these records make.
const LAST: u32 = 5;

/// Each place, and at which time that it is reached.
pub(crate) const PLACES: [(Point, u32); 11] = [
    (Point::ClaimBegun, 1),
    (Point::ClaimCommitted, 1),
    (Point::RenewBegun, 1),
    (Point::RenewCommitted, 1),
    (Point::ChunkBegun, 2),
    (Point::ChunkCopying, 2),
    (Point::ChunkCopied, 2),
    (Point::ChunkBeforeCommit, 2),
    (Point::ChunkCommitted, 2),
    (Point::ChunkBeforeCommit, LAST),
    (Point::ChunkCommitted, LAST),
];

on_each! {
    who_is_killed_costs_no_record,
    who_is_killed_while_several_decode_costs_no_record,
    who_is_cut_off_goes_on_by_itself,
    who_stops_past_its_lease_is_fenced,
}

async fn who_is_killed_costs_no_record(kind: Kind) {
    each(with(Action::Kill), move |strike| async move {
        killed(kind, strike, "").await
    })
    .await;
}

/// Their chunks are others, and there may be more of them.
async fn who_is_killed_while_several_decode_costs_no_record(kind: Kind) {
    let strikes = with(Action::Kill).filter(|strike| strike.nth < LAST);
    each(strikes, move |strike| async move {
        killed(kind, strike, "decoders = 2\nmemory = \"30MiB\"").await
    })
    .await;
}

async fn killed(kind: Kind, strike: Strike, processor: &str) -> Result<()> {
    let (scene, delivery) = scene_with(kind, processor).await?;
    let mut first = Struck::start(&scene.arrivage, &LOAD, strike)?;
    first.killed().await?;
    scene.arrivage.run(&LOAD).await?.expect(0);
    let loaded = scene.loaded(KEY, &delivery).await?;
    let claims = if leaves_it_to_another(strike) { 2 } else { 1 };
    let expect = (claims, claims);
    ensure!((loaded.attempts, loaded.fence) == expect, "{loaded:?}");
    Ok(())
}

/// On SQLite none but who holds no lock; the others are below.
async fn who_stops_past_its_lease_is_fenced(kind: Kind) {
    let strikes = with(Action::Stop);
    let strikes = strikes.filter(move |strike| kind == Kind::Postgres || strike.point.is_after());
    each(strikes, move |strike| stopped(kind, strike)).await;
}

async fn stopped(kind: Kind, strike: Strike) -> Result<()> {
    let (scene, delivery) = scene(kind).await?;
    let mut first = Struck::start(&scene.arrivage, &LOAD, strike)?;
    first.stopped().await?;
    scene.arrivage.run(&LOAD).await?.expect(0);
    let loaded = scene.loaded(KEY, &delivery).await?;
    let taken_over = leaves_it_to_another(strike);
    let claims = if taken_over { 2 } else { 1 };

    first.process.sigcont()?;
    first.ended(0).await?;
    let after = scene.loaded(KEY, &delivery).await?;
    ensure!(
        (after.attempts, after.fence) == (claims, claims),
        "{after:?}"
    );
    ensure!(after.owner == loaded.owner, "{after:?}");
    let output = first.process.output();
    ensure!(first.was_fenced() == taken_over, "{output}");
    ensure!(!first.said("ERROR"), "{output}");
    Ok(())
}

async fn who_is_cut_off_goes_on_by_itself(kind: Kind) {
    let strikes = PLACES.map(|(point, nth)| Strike::breaking(point, nth));
    each(strikes, move |strike| async move {
        cut_off(kind, strike, &strike.text()).await
    })
    .await;
}

async fn cut_off(kind: Kind, strike: Strike, faults: &str) -> Result<()> {
    let (scene, delivery) = scene(kind).await?;
    let mut process = Struck::start_with(&scene.arrivage, &LOAD, strike, faults)?;
    process.ended(0).await?;
    let loaded = scene.loaded(KEY, &delivery).await?;
    // Who does not know of its claim waits for its end as everybody else.
    let claims = if strike.point == Point::ClaimCommitted {
        2
    } else {
        1
    };
    let expect = (claims, claims);
    ensure!((loaded.attempts, loaded.fence) == expect, "{loaded:?}");
    let output = process.process.output();
    let commits = output.matches("a chunk is committed").count();
    ensure!(commits == LAST as usize, "{commits} chunks\n{output}");
    ensure!(process.said(": loaded records="), "{output}");
    ensure!(!process.was_fenced() && !process.said("ERROR"), "{output}");
    Ok(())
}

fn with(action: Action) -> impl Iterator<Item = Strike> {
    let places = PLACES.into_iter();
    places.map(move |(point, nth)| Strike { point, action, nth })
}

/// Whether it is claimed and not loaded when the process goes away.
fn leaves_it_to_another(strike: Strike) -> bool {
    let Strike { point, nth, .. } = strike;
    point != Point::ClaimBegun && (point, nth) != (Point::ChunkCommitted, LAST)
}

/// A scene with one object.
async fn scene(kind: Kind) -> Result<(Scene, Delivery)> {
    scene_with(kind, "").await
}

/// The same, with these settings of the processor.
async fn scene_with(kind: Kind, processor: &str) -> Result<(Scene, Delivery)> {
    let scene = Scene::new(kind.destination().await?, processor, "").await?;
    let delivery = Delivery::new(11, RECORDS);
    scene.put(KEY, delivery.csv());
    Ok((scene, delivery))
}

/// The question what became of a chunk may get lost too, or its asker.
mod doubt {
    use super::*;

    on_each! {
        an_unanswered_question_is_asked_again,
        who_is_killed_while_it_asks_costs_no_record,
    }

    /// With the last chunk, and one before.
    fn losses() -> [Strike; 2] {
        [2, LAST].map(|nth| Strike::breaking(Point::ChunkCommitted, nth))
    }

    async fn an_unanswered_question_is_asked_again(kind: Kind) {
        each(losses(), move |loss| async move {
            let asks = Strike::breaking(Point::StandingBegun, 1);
            cut_off(kind, asks, &format!("{},{}", loss.text(), asks.text())).await
        })
        .await;
    }

    async fn who_is_killed_while_it_asks_costs_no_record(kind: Kind) {
        each(losses(), move |loss| async move {
            let (scene, delivery) = scene(kind).await?;
            let asks = Strike {
                action: Action::Kill,
                ..Strike::breaking(Point::StandingBegun, 1)
            };
            let faults = format!("{},{}", loss.text(), asks.text());
            let mut first = Struck::start_with(&scene.arrivage, &LOAD, asks, &faults)?;
            first.killed().await?;
            scene.arrivage.run(&LOAD).await?.expect(0);
            scene.loaded(KEY, &delivery).await?;
            Ok(())
        })
        .await;
    }
}

/// A process that stops in a transaction holds up everybody until it goes on.
mod locked {
    use super::*;

    #[tokio::test]
    async fn who_stops_with_sqlite_locked_is_waited_for() {
        let strikes = with(Action::Stop).filter(|strike| !strike.point.is_after());
        each(strikes, move |strike| async move {
            let (scene, delivery) = scene(Kind::Sqlite).await?;
            let mut first = Struck::start(&scene.arrivage, &LOAD, strike)?;
            first.stopped().await?;
            let lock = "PRAGMA busy_timeout = 0; BEGIN IMMEDIATE; ROLLBACK";
            ensure!(scene.destination.sql(lock).await.is_err());
            first.process.sigcont()?;
            first.ended(0).await?;
            let loaded = scene.loaded(KEY, &delivery).await?;
            ensure!((loaded.attempts, loaded.fence) == (1, 1), "{loaded:?}");
            Ok(())
        })
        .await;
    }
}

/// What the others take for granted of the file.
mod borders {

    use super::*;

    #[tokio::test]
    async fn a_note_of_several_lines_stands_at_a_chunks_border() -> Result<()> {
        let (scene, delivery) = scene(Kind::Sqlite).await?;
        let ended = scene.arrivage.run(&LOAD).await?.expect(0);
        scene.loaded(KEY, &delivery).await?;
        let ends: Vec<u64> = ended
            .stderr
            .lines()
            .filter(|line| line.contains("a chunk is committed"))
            .filter_map(|line| {
                line.split_once("checkpoint.records=")?
                    .1
                    .split(' ')
                    .next()?
                    .parse()
                    .ok()
            })
            .collect();
        assert_eq!(ends.len(), LAST as usize, "{ended}");
        let mut at_borders = 0;
        for end in &ends[..ends.len() - 1] {
            let beside = format!(
                "SELECT count(*) FROM orders WHERE _record IN ({end}, {}) AND note LIKE '%' || char(10) || '%'",
                end + 1
            );
            at_borders += scene.destination.count(&beside).await;
        }
        assert!(at_borders > 0, "{ends:?}");
        Ok(())
    }
}
