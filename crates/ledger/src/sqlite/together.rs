//! Small files that share a transaction.

use arrivage_fault::{Point, reach};
use arrivage_model::Order;

use super::chunk::{REJECTS, insert_rejects, move_checkpoint};
use super::database::{Database, Writing};
use super::insert::Insert;
use super::{classify, order, target};
use crate::{Destination, LedgerError, Result, Whole};

/// Loads whole files, each with its rejects, and says `loaded` of each.
pub(super) async fn load_together(
    database: &Database,
    destination: &Destination,
    files: &[Whole<'_>],
) -> Result<()> {
    let mut writing = database.write().await?;
    reach(Point::ChunkBegun).map_err(classify::statement)?;
    if let Err(error) = add(&mut writing, destination, files).await {
        writing.roll_back().await;
        return Err(error);
    }
    reach(Point::ChunkBeforeCommit).map_err(classify::statement)?;
    writing.commit().await?;
    reach(Point::ChunkCommitted).map_err(classify::committing)
}

async fn add(writing: &mut Writing, destination: &Destination, files: &[Whole<'_>]) -> Result<()> {
    let connection = writing.connection();
    let table = &destination.table.name;
    let late = target::checks_references_late(connection, table).await?;
    let broken = match late {
        true => target::broken_references(connection, table).await?,
        false => 0,
    };
    for file in files {
        let insert = Insert::new(file.lease.arrival, destination);
        insert
            .run(connection, file.rows, 0..file.rows.len())
            .await
            .map_err(|error| classify::loading(error, destination))?;
        for some in file.rejects.chunks(REJECTS) {
            insert_rejects(connection, file.lease.arrival, some).await?;
        }
    }
    reach(Point::ChunkCopying).map_err(classify::statement)?;
    if late && target::broken_references(connection, table).await? > broken {
        return Err(target::broken_reference());
    }
    reach(Point::ChunkCopied).map_err(classify::statement)?;
    for file in files {
        if destination.order == Order::Newest
            && order::is_overtaken(connection, file.lease.arrival).await?
        {
            return Err(LedgerError::Overtaken);
        }
        if !move_checkpoint(connection, &file.lease, &file.advance).await? {
            return Err(LedgerError::NotMatched);
        }
    }
    Ok(())
}
