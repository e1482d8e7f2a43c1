//! The configuration of most of these tests: CSV files of a folder into one table.

use anyhow::Result;
use arrivage_tests::{Arrivage, Destination};

/// A file of three records.
pub(crate) const THREE: &str = "id,name\n1,one\n2,two\n3,three\n";

/// Pipeline `items` loads `in/**/*.csv` into the table `items`; `more` goes on in its section.
pub(crate) fn items(to: &Destination, more: &str) -> Result<Arrivage> {
    Arrivage::new(&to.url(), &pipeline(more))
}

/// The section of that pipeline.
pub(crate) fn pipeline(more: &str) -> String {
    format!(
        "[[pipeline]]\nname = \"items\"\nmatch = [\"in/**/*.csv\"]\ntable = \"items\"\n{more}\n"
    )
}

/// Makes the table.
pub(crate) async fn create_items(to: &Destination) -> Result<()> {
    to.sql("CREATE TABLE items (id bigint, name text)").await?;
    Ok(())
}

/// A table whose rows say which arrival they are of.
pub(crate) async fn create_items_with_lineage(to: &Destination) -> Result<()> {
    to.sql("CREATE TABLE items (id bigint, name text, _arrival_id bigint, _record bigint)")
        .await?;
    Ok(())
}

/// Its rows in the order of their ids, a line each.
pub(crate) async fn rows(to: &Destination) -> Result<String> {
    to.sql("SELECT id, name FROM items ORDER BY id, name").await
}

/// State, error code, attempts, loaded and rejected records of each arrival, oldest first.
pub(crate) async fn arrivals(to: &Destination) -> Result<String> {
    to.sql(
        "SELECT state, error_code, attempts, records_loaded, records_rejected
         FROM arrivage.arrivals ORDER BY id",
    )
    .await
}
