use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result};
use arrivage_testkit::{Database, Postgres, eventually};
use arrivage_tests::Arrivage;
use serde_json::{Value, json};

use crate::aws::{Aws, Delivery};
use crate::objects::{COUNT, Object, Upload, object};

const SOON: Duration = Duration::from_secs(90);

/// Four buckets that announce to one queue, each in its own way.
struct World {
    aws: Aws,
    buckets: [String; 4],
    queue_url: String,
    dead_letter_queue_url: String,
    /// Gets what one of the buckets announces a second time, to be sent again.
    echo_url: String,
    database: Database,
    arrivage: Arrivage,
}

#[tokio::test]
async fn a_hundred_objects_stand_once_with_ministack_and_postgres() -> Result<()> {
    let world = Box::pin(World::new()).await?;
    let objects = objects().await?;
    let (before, after) = objects.split_at(COUNT / 2);

    world.upload(before).await?;
    let mut repeated = world.repeat_echoes().await?;
    let running = world.arrivage.start(&["run"])?;
    world.upload(after).await?;
    let listed = world.list().await?;
    world
        .until(
            "SELECT count(*) FROM arrivage.arrivals WHERE state = 'loaded'",
            COUNT,
        )
        .await;
    repeated += world.repeat_echoes().await?;
    let poison = world.send_poison().await?;
    world
        .until("SELECT count(*) FROM arrivage.unreadable", poison)
        .await;
    world
        .until(
            "SELECT sum(duplicate_notifications) FROM arrivage.arrivals",
            repeated,
        )
        .await;
    eventually(SOON, "an empty queue", async || {
        (world.aws.messages(&world.queue_url).await.ok()? == 0).then_some(())
    })
    .await;
    drop(running);

    let sql = async |query: &str| world.database.sql(query).await;
    let (rows, expected) = (world.rows().await?, expected_rows(&objects));
    let different = rows
        .iter()
        .zip(&expected)
        .find(|(row, expected)| row != expected);
    assert_eq!((different, rows.len()), (None, expected.len()));
    assert_eq!(
        sql("SELECT state, attempts, error_code, count(*) FROM arrivage.arrivals GROUP BY 1, 2, 3")
            .await?,
        format!("loaded|1||{COUNT}")
    );
    let rejects: usize = objects.iter().map(|object| object.rejects).sum();
    assert_eq!(
        sql("SELECT count(*) FROM arrivage.rejects").await?,
        rejects.to_string()
    );
    assert_eq!(
        sql(
            "SELECT sum(records_loaded) - (SELECT count(*) FROM items), sum(records_rejected)
            FROM arrivage.arrivals"
        )
        .await?,
        format!("0|{rejects}")
    );
    let keys = objects.iter().map(|object| object.key.clone()).collect();
    assert_eq!(world.keys("arrivage.arrivals").await?, keys);
    let copied = objects
        .iter()
        .filter(|object| object.upload == Upload::Copy);
    let origins = copied.map(|object| origin(object.number)).collect();
    assert_eq!(world.keys("arrivage.ignored").await?, origins);
    assert_eq!(world.list().await?, listed, "the objects are untouched");
    assert_eq!(world.aws.messages(&world.dead_letter_queue_url).await?, 0);
    Ok(())
}

async fn objects() -> Result<Vec<Object>> {
    let mut objects = Vec::with_capacity(COUNT);
    for number in 0..COUNT {
        objects.push(object(number).await?);
    }
    Ok(objects)
}

impl World {
    async fn new() -> Result<Self> {
        let aws = Aws::new().await?;
        let (place, echo_url) = tokio::try_join!(aws.ministack.place(), aws.queue())?;
        let queue_url = place.queue_url;
        let wrapped = [(queue_url.as_str(), Delivery::Wrapped)];
        let raw = [
            (queue_url.as_str(), Delivery::Raw),
            (&echo_url, Delivery::Raw),
        ];
        let (wrapped, raw, bridged, database) = tokio::try_join!(
            aws.bucket_with_topic(&wrapped),
            aws.bucket_with_topic(&raw),
            aws.bucket_with_event_bridge(&queue_url),
            Postgres::database(),
        )?;
        database
            .sql("CREATE TABLE items (object int, record int, label text)")
            .await?;
        let configuration = format!(
            r#"
            [s3]
            path_style = true

            [[source]]
            kind = "sqs"
            queue_url = "{queue_url}"

            [[pipeline]]
            name = "csv"
            match = ["s3://*/**/*.csv"]
            table = "items"

            [[pipeline]]
            name = "json"
            match = ["s3://*/**/*.jsonl"]
            table = "items"
            format.kind = "json-lines"
            "#
        );
        let arrivage =
            Arrivage::new(database.url(), &configuration)?.env(aws.ministack.environment());
        Ok(Self {
            aws,
            buckets: [place.bucket, wrapped, raw, bridged],
            queue_url,
            dead_letter_queue_url: place.dead_letter_queue_url,
            echo_url,
            database,
            arrivage,
        })
    }

    async fn upload(&self, objects: &[Object]) -> Result<()> {
        for Object {
            number,
            key,
            upload,
            content,
            ..
        } in objects
        {
            let bucket = self.bucket(*number);
            let done = match upload {
                Upload::Put => self.aws.put(bucket, key, content).await,
                Upload::Parts => self.aws.put_in_parts(bucket, key, content).await,
                Upload::Copy => {
                    let origin = origin(*number);
                    self.aws.put(bucket, &origin, content).await?;
                    self.aws.copy(bucket, &origin, key).await
                }
            };
            done.with_context(|| format!("{upload:?} {key:?}"))?;
        }
        Ok(())
    }

    fn bucket(&self, number: usize) -> &str {
        &self.buckets[number / 5 % self.buckets.len()]
    }

    /// Sends what one bucket has announced a second time, as new messages. Returns how many of them
    /// are about an arrival.
    async fn repeat_echoes(&self) -> Result<usize> {
        let mut repeated = 0;
        for body in self.aws.drain(&self.echo_url).await? {
            let message: Value = serde_json::from_str(&body)?;
            let key = message["Records"][0]["s3"]["object"]["key"].as_str();
            repeated += usize::from(key.is_some_and(|key| !key.starts_with("origin")));
            self.aws.send(&self.queue_url, &body).await?;
        }
        assert_ne!(repeated, 0, "nothing was announced twice");
        Ok(repeated)
    }

    /// Returns how many of the messages are unreadable.
    async fn send_poison(&self) -> Result<usize> {
        let bucket = json!({"name": self.bucket(0)});
        let without_key = json!({"Records": [
            {"eventName": "ObjectCreated:Put", "s3": {"bucket": bucket, "object": {"size": 1}}},
        ]});
        let poison = ["no JSON", r#"{"hello": "world"}"#, &without_key.to_string()];
        for body in poison {
            self.aws.send(&self.queue_url, body).await?;
        }
        let test = json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "drop"});
        self.aws.send(&self.queue_url, &test.to_string()).await?;
        Ok(poison.len())
    }

    async fn until(&self, query: &str, expect: usize) {
        eventually(SOON, &format!("{expect} from {query}"), async || {
            let found = self.database.sql(query).await.ok()?;
            (found == expect.to_string()).then_some(())
        })
        .await;
    }

    async fn rows(&self) -> Result<Vec<(usize, usize, String)>> {
        let rows = self
            .database
            .sql("SELECT json_build_array(object, record, label) FROM items")
            .await?;
        let mut rows = rows
            .lines()
            .map(serde_json::from_str)
            .collect::<Result<Vec<_>, _>>()?;
        rows.sort();
        Ok(rows)
    }

    /// The different keys that a view of the ledger has.
    async fn keys(&self, view: &str) -> Result<BTreeSet<String>> {
        let keys = self
            .database
            .sql(&format!("SELECT to_json(key) FROM {view}"))
            .await?;
        Ok(keys
            .lines()
            .map(serde_json::from_str)
            .collect::<Result<_, _>>()?)
    }

    async fn list(&self) -> Result<Vec<BTreeMap<String, String>>> {
        let mut objects = Vec::new();
        for bucket in &self.buckets {
            objects.push(self.aws.list(bucket).await?);
        }
        Ok(objects)
    }
}

/// Where an object that is copied comes from. No pipeline takes it.
fn origin(number: usize) -> String {
    format!("origin-{number}.bin")
}

fn expected_rows(objects: &[Object]) -> Vec<(usize, usize, String)> {
    let mut rows: Vec<_> = objects
        .iter()
        .flat_map(|object| object.rows.clone())
        .collect();
    rows.sort();
    rows
}
