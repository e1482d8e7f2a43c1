mod queue;

use std::time::Duration;

use arrivage_model::TableName;

pub(crate) use self::queue::TableQueue;
use crate::health::chain;
use crate::receiver::UnreadablePolicy;
use crate::server_url::ServerUrl;

/// A table of PostgreSQL that MinIO writes its events to, in either of its formats.
/// Its rows are messages: each is removed once the ledger has what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSource {
    /// Its name in logs, metrics and the ledger.
    pub name: String,
    /// The database.
    pub url: ServerUrl,
    /// The table.
    pub table: TableName,
    /// Between two looks at an empty table.
    pub poll: Duration,
    /// What becomes of a row that cannot be read.
    pub unreadable: UnreadablePolicy,
}

/// Whether the table is there, is one of MinIO's, and may be read and emptied; else
/// what to do about it, in a person's words.
pub async fn check_table(source: &TableSource) -> Result<(), String> {
    let mut queue = TableQueue::new(source.clone());
    let look = queue.look().await;
    look.map_err(|error| chain(&error))
}

#[cfg(test)]
mod tests;
