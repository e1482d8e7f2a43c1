//! When an object becomes an arrival, and when the ledger itself is made.

use std::time::Duration;

use anyhow::ensure;
use arrivage_fault::{Action, Point};
use arrivage_tests::{Delivery, Scene};

use crate::strike::{Kind, Strike, Struck, each, on_each};

const KEY: &str = "orders.csv";
const SOON: Duration = Duration::from_secs(60);

pub(crate) const PLACES: [Point; 2] = [Point::RegisterBegun, Point::RegisterCommitted];

pub(crate) const MIGRATION: [Point; 3] = [
    Point::MigratePrepared,
    Point::MigrateApplied,
    Point::MigrateCommitted,
];

on_each! {
    an_object_is_registered_once_whatever_happens_to_who_finds_it,
    the_ledger_is_made_whatever_happens_to_who_makes_it,
}

async fn an_object_is_registered_once_whatever_happens_to_who_finds_it(kind: Kind) {
    each(strikes(kind, &PLACES), move |strike| async move {
        let scene = Scene::new(kind.destination().await?, "", "").await?;
        let delivery = Delivery::new(18, 100);
        scene.put(KEY, delivery.csv());
        let mut watch = Struck::start(&scene.arrivage, &["watch"], strike)?;
        match strike.action {
            Action::Kill => {
                watch.killed().await?;
                scene.register(1).await?;
            }
            Action::Stop => {
                watch.stopped().await?;
                if !strike.point.is_after() {
                    scene.register(1).await?;
                }
                watch.process.sigcont()?;
                watch.process.sigterm()?;
                watch.ended(0).await?;
            }
            Action::Error | Action::Lost => {
                scene.wait(KEY, "registered", |_| true).await;
                watch.process.sigterm()?;
                watch.ended(0).await?;
            }
        }
        let load = scene.arrivage.run(&["process", "--until-empty"]);
        load.await?.expect(0);
        scene.loaded(KEY, &delivery).await?;
        let arrivals = "SELECT count(*) FROM arrivage.arrivals";
        ensure!(scene.destination.count(arrivals).await == 1);
        Ok(())
    })
    .await;
}

async fn the_ledger_is_made_whatever_happens_to_who_makes_it(kind: Kind) {
    each(strikes(kind, &MIGRATION), move |strike| async move {
        let scene = Scene::new(kind.destination().await?, "", "").await?;
        let mut first = Struck::start(&scene.arrivage, &["migrate"], strike)?;
        match strike.action {
            Action::Kill => first.killed().await?,
            Action::Stop => {
                first.stopped().await?;
                let mut second = scene.arrivage.start(&["migrate"])?;
                first.process.sigcont()?;
                first.ended(0).await?;
                let status = second.process.wait(SOON).await?;
                ensure!(status.success(), "{}", second.process.output());
            }
            Action::Error | Action::Lost => first.ended(0).await?,
        }
        let delivery = Delivery::new(19, 100);
        scene.put(KEY, delivery.csv());
        let load = scene.arrivage.run(&["load", "s3://drop/orders.csv"]);
        load.await?.expect(0);
        scene.loaded(KEY, &delivery).await?;
        Ok(())
    })
    .await;
}

/// All of them; on SQLite nobody registers while another stops with the lock held.
fn strikes(kind: Kind, places: &'static [Point]) -> impl Iterator<Item = Strike> {
    let strikes = places.iter().flat_map(|&point| {
        let strike = move |action| Strike {
            point,
            action,
            nth: 1,
        };
        Action::of(point).map(strike)
    });
    strikes.filter(move |strike| {
        kind == Kind::Postgres
            || strike.action != Action::Stop
            || strike.point != Point::RegisterBegun
    })
}
