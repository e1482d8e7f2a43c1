//! What the tests of every source stand on: a real ledger, and real stores.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use arrivage_ledger::{
    ConnectOptions, Declared, Filter, Ledger, Pooler, PostgresLedger, SharedLedger,
};
use arrivage_model::{
    Arrival, Format, JsonLines, Limits, Mode, Order, Pattern, Pipeline, RejectBudget, Router,
};
use arrivage_store::{AccessKey, AwsSettings, S3Settings, Stores};
use arrivage_testkit::{Database, Ministack, Postgres};

use crate::intake::Intake;

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A ledger in a database of its own.
pub(crate) struct Books {
    pub(crate) ledger: SharedLedger,
    pub(crate) database: Database,
}

impl Books {
    pub(crate) async fn new() -> Result<Self> {
        Self::within(Postgres::database().await?).await
    }

    pub(crate) async fn within(database: Database) -> Result<Self> {
        let ledger = PostgresLedger::open(&ConnectOptions {
            url: database.url().to_owned(),
            pooler: Pooler::None,
            connections: 2,
        })?;
        ledger.migrate().await?;
        let declared = ["orders", "events"].map(|name| Declared {
            name: name.to_owned(),
            max_attempts: 5,
        });
        ledger.declare(&declared).await?;
        Ok(Self {
            ledger: Arc::new(ledger),
            database,
        })
    }

    /// Every arrival, oldest first.
    pub(crate) async fn arrivals(&self) -> Vec<Arrival> {
        let mut arrivals = self
            .ledger
            .arrivals(&Filter::default(), 10_000)
            .await
            .expect("the ledger answers");
        arrivals.reverse();
        arrivals
    }

    /// The keys of all arrivals, in their order.
    pub(crate) async fn keys(&self) -> Vec<String> {
        let arrivals = self.arrivals().await.into_iter();
        let mut keys: Vec<_> = arrivals.map(|arrival| arrival.key).collect();
        keys.sort();
        keys
    }

    /// The keys of what no pipeline takes, newest first.
    pub(crate) async fn ignored(&self) -> Vec<String> {
        let ignored = self.ledger.ignored(1000).await.expect("the ledger answers");
        ignored
            .into_iter()
            .map(|object| object.location.key)
            .collect()
    }

    /// What SQL prints, a line for each row.
    pub(crate) async fn sql(&self, statement: &str) -> String {
        let answer = self
            .database
            .sql(statement)
            .await
            .expect("the database answers");
        answer.trim_end().to_owned()
    }

    pub(crate) fn intake(&self, source: &str, stores: &Stores, router: &Arc<Router>) -> Intake {
        Intake::new(
            source,
            Arc::clone(&self.ledger),
            stores.clone(),
            Arc::clone(router),
        )
    }
}

pub(crate) fn pipeline(name: &str, mode: Mode, globs: &[&str]) -> Arc<Pipeline> {
    let patterns = globs.iter().map(|glob| Pattern::new(glob).expect(glob));
    Arc::new(Pipeline {
        name: name.to_owned(),
        patterns: patterns.collect(),
        ignored_names: Vec::new(),
        table: name.parse().expect("a table"),
        mode,
        order: Order::Any,
        atomic: false,
        create_table: false,
        max_attempts: 5,
        format: Format::JsonLines(JsonLines {}),
        limits: Limits::default(),
        columns: Vec::new(),
        rejects: RejectBudget {
            max_rows: 1000,
            max_ratio: None,
        },
        sidecar: None,
    })
}

/// The stores of a test: a folder source named `inbox`, and S3 if a server is
/// given.
pub(crate) fn stores(inbox: &Path, ministack: Option<&Ministack>) -> Stores {
    let aws = AwsSettings {
        endpoint: ministack.map(|server| server.endpoint().to_owned()),
        region: Some(Ministack::REGION.to_owned()),
        access_key: Some(access_key()),
        ..AwsSettings::default()
    };
    let s3 = S3Settings {
        aws,
        path_style: true,
        opaque_etags: false,
    };
    Stores::new(s3, BTreeMap::from([("inbox".to_owned(), inbox.to_owned())]))
}

pub(crate) fn access_key() -> AccessKey {
    AccessKey {
        id: Ministack::ACCESS_KEY.to_owned(),
        secret: Ministack::SECRET_KEY.to_owned(),
    }
}

pub(crate) fn router(pipelines: &[Arc<Pipeline>], inbox: &Path) -> Arc<Router> {
    let inbox = inbox.to_str().expect("a readable path").to_owned();
    let folders = BTreeMap::from([("inbox".to_owned(), inbox)]);
    Arc::new(Router::new(pipelines.to_vec(), folders))
}
