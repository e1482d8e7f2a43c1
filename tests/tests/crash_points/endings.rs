//! When a claim ends otherwise than with the last chunk: given back, to be tried again, failed,
//! superseded.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, ensure};
use arrivage_fault::{Action, Point};
use arrivage_testkit::Fault;
use arrivage_tests::{Delivery, Destination, Scene};
use async_compression::tokio::write::GzipEncoder;
use tokio::io::AsyncWriteExt;

use crate::strike::{Kind, Strike, Struck, each, on_each};

const KEY: &str = "orders.csv";
const LOAD: [&str; 2] = ["load", "s3://drop/orders.csv"];
const JOB: [&str; 4] = ["process", "--one", "--owner", "job"];
const RECORDS: u64 = 4_000;

pub(crate) const PLACES: [Point; 8] = [
    Point::GiveBackBeforeCommit,
    Point::GiveBackCommitted,
    Point::RetryLaterBeforeCommit,
    Point::RetryLaterCommitted,
    Point::FailBeforeCommit,
    Point::FailCommitted,
    Point::SupersedeBeforeCommit,
    Point::SupersedeCommitted,
];

on_each! { an_ending_is_kept_once_whatever_happens_to_who_writes_it }

async fn an_ending_is_kept_once_whatever_happens_to_who_writes_it(kind: Kind) {
    let strikes = PLACES.into_iter().flat_map(|point| {
        let strike = move |action| Strike {
            point,
            action,
            nth: 1,
        };
        Action::of(point).map(strike)
    });
    // On SQLite a process that stops with the lock held is waited for (`loads::locked`); and
    // rows are taken out under a lease of ten minutes, which no test outwaits.
    let strikes = strikes.filter(move |strike| {
        let long = strike.point == Point::SupersedeBeforeCommit;
        strike.action != Action::Stop
            || strike.point.is_after()
            || (kind == Kind::Postgres && !long)
    });
    each(strikes, move |strike| async move {
        match strike.point {
            Point::GiveBackBeforeCommit | Point::GiveBackCommitted => {
                given_back(kind, strike).await
            }
            Point::RetryLaterBeforeCommit | Point::RetryLaterCommitted => {
                tried_again(kind, strike).await
            }
            Point::FailBeforeCommit | Point::FailCommitted => failed(kind, strike).await,
            _ => superseded(kind, strike).await,
        }
    })
    .await;
}

/// SIGTERM while nothing comes from the store: no attempt is used up.
async fn given_back(kind: Kind, strike: Strike) -> Result<()> {
    let scene = Scene::new(kind.destination().await?, "", "").await?;
    let delivery = Delivery::new(12, RECORDS);
    scene.put(KEY, delivery.csv());
    scene.register(1).await?;
    scene.on_read(KEY, || Some(Fault::Hang));
    let mut first = Struck::start(&scene.arrivage, &["process"], strike)?;
    scene
        .wait(KEY, "claimed", |arrival| arrival.state == "loading")
        .await;
    first.process.sigterm()?;
    match strike.action {
        Action::Kill => first.killed().await?,
        Action::Stop => first.stopped().await?,
        Action::Error | Action::Lost => first.ended(0).await?,
    }
    let is_free = strike.point.is_after() || strike.action == Action::Error;
    let left = scene.arrival(KEY).await?.context("it is registered")?;
    ensure!(left.leased != is_free && left.error.is_empty(), "{left:?}");
    ensure!(barren(&scene).await == i64::from(!is_free), "{left:?}");

    scene.server.heal();
    scene.arrivage.run(&LOAD).await?.expect(0);
    if strike.action == Action::Stop {
        first.process.sigcont()?;
        first.ended(0).await?;
    }
    let loaded = scene.loaded(KEY, &delivery).await?;
    ensure!((loaded.attempts, loaded.fence) == (2, 2), "{loaded:?}");
    Ok(())
}

/// The store refuses once: that attempt counts, once.
async fn tried_again(kind: Kind, strike: Strike) -> Result<()> {
    let scene = Scene::new(kind.destination().await?, "", "max_attempts = 2").await?;
    let delivery = Delivery::new(13, RECORDS);
    scene.put(KEY, delivery.csv());
    let refused = AtomicBool::new(false);
    scene.on_read(KEY, move || {
        let again = refused.swap(true, Ordering::SeqCst);
        (!again).then(|| Fault::error(403, "AccessDenied"))
    });
    let mut first = Struck::start(&scene.arrivage, &LOAD, strike)?;
    match strike.action {
        Action::Kill => {
            first.killed().await?;
            scene.arrivage.run(&LOAD).await?.expect(0);
        }
        Action::Stop => {
            first.stopped().await?;
            scene.arrivage.run(&LOAD).await?.expect(0);
            first.process.sigcont()?;
            first.ended(0).await?;
        }
        Action::Error | Action::Lost => first.ended(0).await?,
    }
    let loaded = scene.loaded(KEY, &delivery).await?;
    ensure!((loaded.attempts, loaded.fence) == (2, 2), "{loaded:?}");
    Ok(())
}

/// The file breaks off after some chunks: their rows stay, up to the checkpoint.
async fn failed(kind: Kind, strike: Strike) -> Result<()> {
    let scene = Scene::new(kind.destination().await?, "", "").await?;
    let delivery = Delivery::new(14, RECORDS);
    scene.put(KEY, &cut_short(delivery.csv()).await?);
    let mut first = Struck::start(&scene.arrivage, &LOAD, strike)?;
    match strike.action {
        Action::Kill => {
            first.killed().await?;
            scene.arrivage.run(&LOAD).await?.expect(3);
        }
        Action::Stop => {
            first.stopped().await?;
            scene.arrivage.run(&LOAD).await?.expect(3);
            first.process.sigcont()?;
            first.ended(3).await?;
        }
        Action::Error | Action::Lost => first.ended(3).await?,
    }
    let failed = scene.arrival(KEY).await?.context("it is registered")?;
    let how = (failed.state.as_str(), failed.error_code.as_str());
    ensure!(
        how == ("failed", "truncated") && !failed.leased,
        "{failed:?}"
    );
    let went_away = matches!(strike.action, Action::Kill | Action::Stop);
    let attempts = if went_away && !strike.point.is_after() {
        2
    } else {
        1
    };
    ensure!(failed.attempts == attempts, "{failed:?}");
    ensure!(failed.checkpoint_records > 0 && failed.records == failed.checkpoint_records);
    let beyond = format!(
        "SELECT count(*) FROM orders WHERE _record > {}",
        failed.checkpoint_records
    );
    ensure!(scene.destination.count(&beyond).await == 0);
    ensure!(
        stand(&scene.destination).await == i64::try_from(failed.records)?,
        "{failed:?}"
    );
    Ok(())
}

/// Another content stands at its key when some of its chunks are committed: they go.
async fn superseded(kind: Kind, strike: Strike) -> Result<()> {
    let scene = Scene::new(kind.destination().await?, "", "").await?;
    scene.put(KEY, Delivery::new(15, RECORDS).csv());
    scene.register(1).await?;
    let mut halfway = Struck::start(
        &scene.arrivage,
        &JOB,
        Strike {
            point: Point::ChunkCommitted,
            action: Action::Kill,
            nth: 2,
        },
    )?;
    halfway.killed().await?;
    ensure!(stand(&scene.destination).await > 0);
    let delivery = Delivery::new(16, 300);
    scene.put(KEY, delivery.csv());

    let mut first = Struck::start(&scene.arrivage, &JOB, strike)?;
    match strike.action {
        Action::Kill => {
            first.killed().await?;
            scene.arrivage.run(&JOB).await?.expect(0);
        }
        Action::Stop => {
            first.stopped().await?;
            scene.arrivage.run(&JOB).await?.expect(0);
            first.process.sigcont()?;
            first.ended(0).await?;
        }
        Action::Error | Action::Lost => first.ended(0).await?,
    }
    let old = scene.arrival(KEY).await?.context("it is registered")?;
    ensure!(old.state == "superseded" && !old.leased, "{old:?}");
    ensure!(
        (old.records, stand(&scene.destination).await) == (0, 0),
        "{old:?}"
    );

    // It loads what stands there now.
    scene.arrivage.run(&LOAD).await?.expect(0);
    delivery.check(&scene.destination, old.id + 1).await
}

/// A compressed file that lacks its end.
async fn cut_short(csv: &[u8]) -> Result<Vec<u8>> {
    let mut gzip = GzipEncoder::new(Vec::new());
    gzip.write_all(csv).await?;
    gzip.shutdown().await?;
    let mut gzip = gzip.into_inner();
    gzip.truncate(gzip.len() - 20);
    Ok(gzip)
}

/// How many records stand in the database, as rows or as rejects.
async fn stand(destination: &Destination) -> i64 {
    let rows = destination.count("SELECT count(*) FROM orders").await;
    rows + destination
        .count("SELECT count(*) FROM arrivage.rejects")
        .await
}

/// How many claims in a row came to nothing.
async fn barren(scene: &Scene) -> i64 {
    let query = "SELECT barren FROM arrivage.arrival";
    scene.destination.count(query).await
}
