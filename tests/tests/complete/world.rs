use std::process::Command;

use anyhow::{Result, ensure};
use arrivage_tests::{Arrivage, Destination, Ended};
use serde_json::Value;

/// Pipeline `items` loads `in/*` into the table `items`, in small chunks.
pub(crate) struct World {
    pub(crate) to: Destination,
    pub(crate) arrivage: Arrivage,
}

impl World {
    /// `pipeline`: further keys of it, a line each.
    pub(crate) async fn new(to: Destination, pipeline: &str) -> Result<Self> {
        to.sql("CREATE TABLE items (id bigint, amount numeric(12,2), _arrival_id bigint)")
            .await?;
        let arrivage = Arrivage::new(&to.url(), &configuration(pipeline))?;
        Ok(Self { to, arrivage })
    }

    /// Changes the pipeline's further keys.
    pub(crate) fn configure(&self, pipeline: &str) -> Result<()> {
        self.arrivage
            .configure(&self.to.url(), &configuration(pipeline))
    }

    /// Writes the checksum of a file beside it, with the tool that everybody uses.
    pub(crate) fn sum(&self, tool: &str, name: &str, sidecar: &str) -> Result<()> {
        let folder = self.arrivage.path("in");
        let summed = Command::new(tool).arg(name).current_dir(folder).output()?;
        ensure!(summed.status.success(), "{tool}: {summed:?}");
        self.arrivage
            .file(&format!("in/{sidecar}"), summed.stdout)?;
        Ok(())
    }

    /// `load` of one file: how it ended, and its arrival.
    pub(crate) async fn load(&self, name: &str) -> Result<(Ended, Value)> {
        let url = format!("in/{name}");
        let ended = self.arrivage.run(&["load", "--json", &url]).await?;
        let arrival = ended.json().pop().unwrap_or_default();
        Ok((ended, arrival))
    }

    /// How many rows the table has.
    pub(crate) async fn rows(&self) -> i64 {
        self.to.count("SELECT count(*) FROM items").await
    }

    /// State, attempts, error code and error of the one arrival that there is.
    pub(crate) async fn arrival(&self) -> String {
        let query = "SELECT key, state, attempts, error_code, error FROM arrivage.arrivals";
        self.to.sql(query).await.unwrap_or_default()
    }
}

fn configuration(pipeline: &str) -> String {
    format!(
        r#"
[processor]
poll = "50ms"
memory = "26MiB"
workers = 1

[[source]]
kind = "folder"
name = "inbox"
path = "in"
settle = "100ms"

[[pipeline]]
name = "items"
match = ["in/*"]
table = "items"
{pipeline}
"#
    )
}

/// So many records, the first of them broken if `broken` says so, and then lines as `end`
/// has them.
pub(crate) fn items(records: u64, broken: &str, end: &str) -> String {
    let mut text = format!("id,amount\n{broken}");
    for id in 1..=records {
        text.push_str(&format!("{id},{}.{:02}\n", id % 1000, id % 100));
    }
    text + end
}
