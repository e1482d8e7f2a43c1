use std::time::Duration;

use anyhow::Result;
use arrivage_testkit::eventually;
use arrivage_tests::{Arrivage, Delivery, Destination, Running};

/// Long for a machine that does a lot else.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A program that loads what comes through a gateway.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) to: Destination,
    pub(crate) arrivage: Arrivage,
    _running: Option<Running>,
}

impl World {
    /// Configured with this source, and not yet running.
    pub(crate) fn new(to: Destination, source: &str, pattern: &str, mode: &str) -> Result<Self> {
        let configuration = format!(
            r#"{source}
[processor]
poll = "100ms"

[[pipeline]]
name = "orders"
match = ["{pattern}"]
table = "orders"
create_table = true
mode = "{mode}"
{columns}"#,
            columns = Delivery::COLUMNS,
        );
        let arrivage = Arrivage::new(&to.url(), &configuration)?;
        Ok(Self {
            to,
            arrivage,
            _running: None,
        })
    }

    /// Adds to the program's environment.
    pub(crate) fn env<'a>(
        mut self,
        variables: impl IntoIterator<Item = (&'a str, String)>,
    ) -> Self {
        self.arrivage = self.arrivage.env(variables);
        self
    }

    /// Starts `arrivage run`.
    pub(crate) async fn run(&mut self) -> Result<()> {
        let mut running = self.arrivage.start(&["run"])?;
        running.address().await?;
        self._running = Some(running);
        Ok(())
    }

    /// Waits until so many arrivals of this key are loaded; returns the id of the latest.
    pub(crate) async fn loaded(&self, key: &str, arrivals: i64) -> i64 {
        let of_it = format!("FROM arrivage.arrivals WHERE state = 'loaded' AND key = '{key}'");
        let count = format!("SELECT count(*) {of_it}");
        eventually(PATIENCE, "the arrivals to be loaded", async || {
            (self.to.count(&count).await >= arrivals).then_some(())
        })
        .await;
        self.to.count(&format!("SELECT max(id) {of_it}")).await
    }

    /// Keys and states of all arrivals.
    pub(crate) async fn arrivals(&self) -> Result<String> {
        let query = "SELECT key, state FROM arrivage.arrivals ORDER BY key, id";
        self.to.sql(query).await
    }

    /// How many records came of an arrival, good and bad.
    pub(crate) async fn records(&self, arrival: i64) -> u64 {
        let query = format!(
            "SELECT records_loaded + records_rejected FROM arrivage.arrivals WHERE id = {arrival}"
        );
        u64::try_from(self.to.count(&query).await).expect("not negative")
    }

    /// How many rows the table has, of whatever arrival.
    pub(crate) async fn rows(&self) -> i64 {
        self.to.count("SELECT count(*) FROM orders").await
    }

    /// How many rows an arrival has.
    pub(crate) async fn rows_of(&self, arrival: i64) -> i64 {
        let query = format!("SELECT count(*) FROM orders WHERE _arrival_id = {arrival}");
        self.to.count(&query).await
    }
}
