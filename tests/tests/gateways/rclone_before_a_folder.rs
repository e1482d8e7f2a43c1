//! A folder source is the directory that the gateway writes to.

use std::fs;

use anyhow::Result;
use arrivage_testkit::eventually;
use arrivage_tests::{Delivery, Destination, on_both};

use crate::gateway::{By, Gateway};
use crate::world::{PATIENCE, World};

on_both!(
    an_upload_in_place_counts_once_it_has_settled,
    names_of_unfinished_uploads_never_count,
    a_cut_upload_in_place_is_loaded_as_far_as_it_came_and_replaced_by_the_whole,
);

/// 600 kB: two seconds and more of the client's bandwidth.
const RECORDS: u64 = 8000;

async fn begin(to: Destination, settle: &str, mode: &str) -> Result<(World, Gateway)> {
    let source = format!(
        "[[source]]\nkind = \"folder\"\nname = \"inbox\"\npath = \"inbox\"\nsettle = \"{settle}\"\n"
    );
    let mut world = World::new(to, &source, "inbox/**", mode)?;
    let inbox = world.arrivage.path("inbox");
    fs::create_dir(&inbox)?;
    world.run().await?;
    let gateway = Gateway::before(&inbox.display().to_string(), &[], &[]).await?;
    Ok((world, gateway))
}

/// The client's pauses are shorter than the settle time: then no part of the file is ever taken for
/// the whole.
async fn an_upload_in_place_counts_once_it_has_settled(to: Destination) -> Result<()> {
    let (world, gateway) = begin(to, "3s", "append").await?;
    let delivery = Delivery::new(1, RECORDS);
    gateway.upload("a.csv", delivery.csv(), By::InPlace).await?;
    let id = world.loaded("a.csv", 1).await;
    assert_eq!(world.arrivals().await?, "a.csv|loaded");
    delivery.check(&world.to, id).await
}

/// Nothing settles here, so that only the names can tell. (`.partial` is what rclone says by itself.)
async fn names_of_unfinished_uploads_never_count(to: Destination) -> Result<()> {
    let (world, gateway) = begin(to, "0s", "append").await?;
    let delivery = Delivery::new(2, RECORDS);
    for (name, by) in [
        ("a.csv", By::Rename(".part")),
        ("b.csv", By::Rename(".partial")),
    ] {
        cut(&world, &gateway, &format!("cut-{name}"), delivery.csv(), by).await?;
        gateway.upload(name, delivery.csv(), by).await?;
        let id = world.loaded(name, 1).await;
        delivery.check(&world.to, id).await?;
    }
    assert_eq!(world.arrivals().await?, "a.csv|loaded\nb.csv|loaded");
    Ok(())
}

/// Nothing in a cut file says that it is one. In `replace` mode the upload of the whole mends it.
async fn a_cut_upload_in_place_is_loaded_as_far_as_it_came_and_replaced_by_the_whole(
    to: Destination,
) -> Result<()> {
    let (world, gateway) = begin(to, "3s", "replace").await?;
    let delivery = Delivery::new(3, RECORDS);
    cut(&world, &gateway, "a.csv", delivery.csv(), By::InPlace).await?;
    let part = world.loaded("a.csv", 1).await;
    let came = world.records(part).await;
    assert!(came > 0 && came < RECORDS, "{came}");

    gateway.upload("a.csv", delivery.csv(), By::InPlace).await?;
    let whole = world.loaded("a.csv", 2).await;
    delivery.check(&world.to, whole).await?;
    assert_eq!(world.rows().await, world.rows_of(whole).await);
    Ok(())
}

/// Kills the client of an upload when some of it has come.
async fn cut(world: &World, gateway: &Gateway, name: &str, csv: &[u8], by: By) -> Result<()> {
    let inbox = world.arrivage.path("inbox");
    let mut client = gateway.begin_upload(name, csv, by)?;
    let size = eventually(PATIENCE, "some of the file to come", async || {
        let entries = fs::read_dir(&inbox).ok()?;
        let ours = entries
            .flatten()
            .find(|entry| entry.file_name().to_string_lossy().starts_with(name))?;
        let size = ours.metadata().ok()?.len();
        (size > 0).then_some(size)
    })
    .await;
    client.kill9()?;
    assert!(size < csv.len() as u64, "it was not cut");
    Ok(())
}
