//! From the configuration to the parts, wired.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrivage_ledger::{ConnectOptions, Declared, LedgerError, SharedLedger, connect};
use arrivage_model::Router;
use arrivage_processor::{Processor, Settings};
use arrivage_store::{AwsSettings, Backoff, S3Settings, Stores};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::arguments::Common;
use crate::config::{Config, Pooler};
use crate::exit::Failure;

/// How long a command that shall end by itself waits for the database.
const PATIENCE: Duration = Duration::from_secs(60);

/// What every command works with.
#[derive(Clone)]
pub(crate) struct Wiring {
    pub(crate) config: Config,
    pub(crate) ledger: SharedLedger,
    pub(crate) router: Arc<Router>,
}

/// What becomes of the ledger's tables at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Schema {
    /// Created or upgraded.
    Migrate,
    /// Only looked at.
    Check,
}

/// Reads the configuration.
pub(crate) fn configuration(common: &Common) -> Result<Config, Failure> {
    Ok(Config::load(common.config.as_deref(), &|name| {
        std::env::var(name).ok()
    })?)
}

/// Reads the configuration, where there is one or one is named.
pub(crate) fn configuration_if_any(common: &Common) -> Result<Option<Config>, Failure> {
    let named = common.config.is_some() || std::env::var_os("ARRIVAGE_CONFIG").is_some();
    match named || Config::is_in_its_usual_place() {
        true => configuration(common).map(Some),
        false => Ok(None),
    }
}

impl Wiring {
    /// Connects at the first call, not here.
    pub(crate) fn new(config: Config) -> Result<Self, Failure> {
        let database = config.database()?;
        let pooler = match database.pooler {
            Pooler::None => arrivage_ledger::Pooler::None,
            Pooler::Transaction => arrivage_ledger::Pooler::Transaction,
        };
        let processor = config.processor()?;
        let ledger = connect(&ConnectOptions {
            url: database.url.expose(),
            pooler,
            connections: processor.workers * processor.connections + 2,
        })?;
        let router = Arc::new(config.router()?);
        Ok(Self {
            config,
            ledger,
            router,
        })
    }

    /// Makes the ledger ready, trying again while the database is away: for ever,
    /// or for a minute.
    pub(crate) async fn open(
        &self,
        schema: Schema,
        for_ever: bool,
        stop: &CancellationToken,
    ) -> Result<(), Failure> {
        let started = Instant::now();
        let mut backoff = Backoff::default();
        loop {
            let error = match self.try_open(schema).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let over = stop.is_cancelled() || (!for_ever && started.elapsed() > PATIENCE);
            if !error.is_passing() || over {
                return Err(error.into());
            }
            let delay = backoff.next_delay(None).unwrap_or(PATIENCE);
            tracing::warn!(
                database = %self.config.database()?.url,
                error = &error as &dyn std::error::Error,
                "the database does not answer; trying again"
            );
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    async fn try_open(&self, schema: Schema) -> Result<(), LedgerError> {
        match schema {
            Schema::Migrate => self.ledger.migrate().await?,
            Schema::Check => self.ledger.check_version().await?,
        }
        let declared = |pipeline: &Arc<arrivage_model::Pipeline>| Declared {
            name: pipeline.name.clone(),
            max_attempts: pipeline.max_attempts,
        };
        let pipelines: Vec<Declared> = self.router.pipelines().iter().map(declared).collect();
        self.ledger.declare(&pipelines).await
    }

    /// The stores that the configuration reaches.
    pub(crate) fn stores(&self) -> Result<Stores, Failure> {
        stores(&self.config)
    }

    /// A processor as the configuration wants it.
    pub(crate) fn processor(
        &self,
        stores: Stores,
        wake: Arc<Notify>,
    ) -> Result<Arc<Processor>, Failure> {
        let processor = self.config.processor()?;
        let mut settings = Settings {
            workers: processor.workers as usize,
            connections: processor.connections as usize,
            decoders: processor.decoders.unwrap_or(1) as usize,
            memory: processor.memory,
            lease: processor.lease,
            stall: processor.stall,
            poll: processor.poll,
            retention: self.config.database()?.retention,
            owner: owner(),
        };
        if processor.decoders.is_none() {
            let cores = std::thread::available_parallelism().map_or(1, usize::from);
            settings.decoders = settings.decoders_for(cores);
        }
        let (ledger, router) = (Arc::clone(&self.ledger), Arc::clone(&self.router));
        let processor = Processor::new(ledger, stores, router, settings, wake);
        processor.map(Arc::new).map_err(Failure::person)
    }
}

/// The stores that the configuration reaches.
pub(crate) fn stores(config: &Config) -> Result<Stores, Failure> {
    let s3 = config.s3()?;
    let aws = AwsSettings {
        endpoint: s3.endpoint.clone(),
        region: s3.region.clone(),
        ..AwsSettings::default()
    };
    let folders = config.folders()?.iter();
    let folders = folders.map(|(name, path)| (name.clone(), PathBuf::from(path)));
    let s3 = S3Settings {
        aws,
        path_style: s3.path_style,
        opaque_etags: s3.opaque_etags,
    };
    Ok(Stores::new(s3, folders.collect()))
}

/// The stores that the environment reaches, where there is no configuration.
pub(crate) fn stores_of_environment() -> Stores {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let s3 = S3Settings {
        aws: AwsSettings::default(),
        // What is not AWS seldom has a host for each bucket.
        path_style: is_set("AWS_ENDPOINT_URL") || is_set("AWS_ENDPOINT_URL_S3"),
        opaque_etags: false,
    };
    Stores::new(s3, BTreeMap::new())
}

/// Names this process, and never another one with the same host and number.
fn owner() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let start = uuid::Uuid::new_v4().simple().to_string();
    format!("{}-{}-{}", host.trim(), std::process::id(), &start[..8])
}
