use std::time::Duration;

use anyhow::{Context, Result};
use arrivage_testkit::{Content, Fault, S3Server, eventually};

use crate::{Arrivage, Delivery, Destination};

/// A bucket `drop` of an S3 server in this process, a destination, and a configuration that loads
/// whatever lies in the bucket into the table `orders`, in many small chunks.
#[derive(Debug)]
pub struct Scene {
    /// Where the rows go.
    pub destination: Destination,
    /// Where the objects are.
    pub server: S3Server,
    /// The program.
    pub arrivage: Arrivage,
}

/// An arrival as the view `arrivage.arrivals` has it.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// `id`.
    pub id: i64,
    /// `state`.
    pub state: String,
    /// `attempts`.
    pub attempts: u64,
    /// `fence`.
    pub fence: u64,
    /// `owner`; empty before the first claim.
    pub owner: String,
    /// `checkpoint_records`.
    pub checkpoint_records: u64,
    /// `checkpoint_offset`.
    pub checkpoint_offset: u64,
    /// `records_loaded` and `records_rejected`, together.
    pub records: u64,
    /// `error_code`; empty without one.
    pub error_code: String,
    /// Whether `lease_until` is set.
    pub leased: bool,
    /// `error`; empty without one.
    pub error: String,
}

/// What [`Scene::wait`] waits for: long for a machine that does a lot else.
const PATIENCE: Duration = Duration::from_secs(60);

/// Into how many pieces a paced object is cut.
const PIECES: u64 = 400;

impl Scene {
    /// With the shortest lease there is. `processor` and `pipeline` are further keys of theirs, a
    /// line each.
    pub async fn new(destination: Destination, processor: &str, pipeline: &str) -> Result<Self> {
        let server = S3Server::start().await?;
        server.create_bucket("drop");
        let configuration = configuration(&destination, &server, processor, pipeline);
        let arrivage = arrivage(&destination.url(), &configuration)?;
        Ok(Self {
            destination,
            server,
            arrivage,
        })
    }

    /// The same program without further keys, which reaches the database by this URL.
    pub fn arrivage_with(&self, database_url: &str) -> Result<Arrivage> {
        let configuration = configuration(&self.destination, &self.server, "", "");
        arrivage(database_url, &configuration)
    }

    /// Writes the configuration again with other keys.
    pub fn configure(&self, processor: &str, pipeline: &str) -> Result<()> {
        let configuration = configuration(&self.destination, &self.server, processor, pipeline);
        self.arrivage
            .configure(&self.destination.url(), &configuration)
    }

    /// The same, and the program reaches the database by this URL from now on.
    pub fn configure_with(
        &self,
        database_url: &str,
        processor: &str,
        pipeline: &str,
    ) -> Result<()> {
        let configuration = configuration(&self.destination, &self.server, processor, pipeline);
        self.arrivage.configure(database_url, &configuration)
    }

    /// Puts an object that is sent as fast as it is taken.
    pub fn put(&self, key: &str, bytes: &[u8]) {
        self.server.put("drop", key, bytes.to_vec());
    }

    /// Puts an object whose bytes take at least so long to come.
    pub fn put_slow(&self, key: &str, bytes: &[u8], duration: Duration) {
        let length = bytes.len() as u64;
        let piece = usize::try_from(length.div_ceil(PIECES)).expect("a test's object is small");
        let bytes = bytes.to_vec();
        let content = Content::generated(length, move |offset| {
            let begin = usize::try_from(offset).expect("a test's object is small");
            let end = bytes.len().min(begin + piece);
            bytes[begin..end].to_vec().into()
        });
        self.server.put("drop", key, content);
        let pause = duration / u32::try_from(PIECES).expect("a small number");
        self.on_read(key, move || Some(Fault::SlowBody { pause }));
    }

    /// Asks `fault` at every GET of this object.
    pub fn on_read(&self, key: &str, fault: impl Fn() -> Option<Fault> + Send + Sync + 'static) {
        let key = key.to_owned();
        self.server.on(move |request| {
            let ours = request.is_get_object() && request.key == key;
            if ours { fault() } else { None }
        });
    }

    /// Where each GET of this object began that asked for more than its first few bytes, in order.
    pub fn reads_from(&self, key: &str) -> Vec<u64> {
        let requests = self.server.requests();
        let reads = requests
            .iter()
            .filter(|request| request.is_get_object() && request.key == key);
        let begins = reads.filter_map(|read| {
            // Without a range it asks for the whole.
            let Some(range) = read.header("range") else {
                return Some(0);
            };
            let (begin, end) = range.strip_prefix("bytes=")?.split_once('-')?;
            let (begin, end): (u64, u64) = (begin.parse().ok()?, end.parse().ok()?);
            (end - begin > 64).then_some(begin)
        });
        begins.collect()
    }

    /// Has the ledger know every object of the bucket: `watch`, until there are so many arrivals.
    pub async fn register(&self, arrivals: i64) -> Result<()> {
        let mut watch = self.arrivage.start(&["watch"])?;
        // Before it listens, a signal may find it without a handler.
        watch.address().await?;
        eventually(PATIENCE, "all objects in the ledger", async || {
            let known = self
                .destination
                .count("SELECT count(*) FROM arrivage.arrivals")
                .await;
            (known >= arrivals).then_some(())
        })
        .await;
        watch.process.sigterm()?;
        let status = watch.process.wait(PATIENCE).await?;
        anyhow::ensure!(
            status.success(),
            "watch: {status}\n{}",
            watch.process.output()
        );
        Ok(())
    }

    /// How the arrival of this object stands; none before it is registered.
    pub async fn arrival(&self, key: &str) -> Result<Option<Arrival>> {
        // Before the ledger is there, nothing is registered.
        let found = self.destination.sql(&query(key)).await.unwrap_or_default();
        if found.is_empty() {
            return Ok(None);
        }
        let mut cells = found.splitn(11, '|');
        let mut next = || cells.next().context("eleven columns");
        Ok(Some(Arrival {
            id: next()?.parse()?,
            state: next()?.to_owned(),
            attempts: next()?.parse()?,
            fence: next()?.parse()?,
            owner: next()?.to_owned(),
            checkpoint_records: next()?.parse()?,
            checkpoint_offset: next()?.parse()?,
            records: next()?.parse()?,
            error_code: next()?.to_owned(),
            leased: next()? == "1",
            error: next()?.to_owned(),
        }))
    }

    /// Waits until the arrival of this object is as wanted, and returns it. Panics with how it is
    /// when that takes too long.
    pub async fn wait(&self, key: &str, what: &str, wanted: impl Fn(&Arrival) -> bool) -> Arrival {
        let mut last = None;
        let looking = async {
            loop {
                match self.arrival(key).await {
                    Ok(Some(arrival)) if wanted(&arrival) => return arrival,
                    found => last = Some(found),
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, looking).await {
            Ok(arrival) => arrival,
            Err(_) => panic!("waited {PATIENCE:?} in vain for {key}: {what}; it is {last:?}"),
        }
    }

    /// Waits until so many of its records are committed and it is still being loaded.
    pub async fn wait_for_records(&self, key: &str, records: u64) -> Arrival {
        self.wait(key, "so many records committed", |arrival| {
            arrival.state == "loading" && arrival.checkpoint_records >= records.max(1)
        })
        .await
    }

    /// Waits until it is loaded, and checks that it stands in the database as it was delivered.
    pub async fn loaded(&self, key: &str, delivery: &Delivery) -> Result<Arrival> {
        let loaded = self
            .wait(key, "loaded", |arrival| arrival.state == "loaded")
            .await;
        assert_eq!(loaded.records, delivery.records(), "{loaded:?}");
        assert_eq!(loaded.checkpoint_records, delivery.records(), "{loaded:?}");
        assert!(!loaded.leased && loaded.error.is_empty(), "{loaded:?}");
        delivery.check(&self.destination, loaded.id).await?;
        Ok(loaded)
    }
}

fn query(key: &str) -> String {
    format!(
        "SELECT id, state, attempts, fence, owner, checkpoint_records, checkpoint_offset, \
           records_loaded + records_rejected, error_code, \
           CASE WHEN lease_until IS NULL THEN 0 ELSE 1 END, error \
         FROM arrivage.arrivals WHERE key = '{key}'"
    )
}

fn arrivage(database_url: &str, configuration: &str) -> Result<Arrivage> {
    let credentials = [
        ("AWS_ACCESS_KEY_ID", S3Server::ACCESS_KEY),
        ("AWS_SECRET_ACCESS_KEY", S3Server::SECRET_KEY),
    ];
    Ok(Arrivage::new(database_url, configuration)?.env(credentials))
}

fn configuration(
    destination: &Destination,
    server: &S3Server,
    processor: &str,
    pipeline: &str,
) -> String {
    let lease = match destination {
        Destination::Postgres(_) => "3s",
        Destination::Sqlite(_) => "10s",
    };
    let unless_said = |key: &str, value: &str| match processor.contains(key) {
        true => String::new(),
        false => format!("{key}\"{value}\""),
    };
    let lease = unless_said("lease = ", lease);
    let memory = unless_said("memory = ", "26MiB");
    format!(
        r#"
[s3]
endpoint = "{endpoint}"
path_style = true
region = "{region}"

[processor]
workers = 1
connections = 2
{memory}
poll = "100ms"
{lease}
{processor}

[[source]]
kind = "listing"
url = "s3://drop/"
every = "1s"

[[pipeline]]
name = "orders"
match = ["s3://drop/**"]
table = "orders"
create_table = true
{pipeline}
{columns}"#,
        endpoint = server.endpoint(),
        region = S3Server::REGION,
        columns = Delivery::COLUMNS,
    )
}
