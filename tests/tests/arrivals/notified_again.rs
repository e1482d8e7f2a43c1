use std::time::Duration;

use anyhow::Result;
use arrivage_testkit::{Database, Postgres, eventually};
use arrivage_tests::Arrivage;

use crate::aws::Aws;
use crate::deaf::DeafQueue;

const SOON: Duration = Duration::from_secs(30);

/// A bucket that announces to a queue, the program that reads it, and its database.
struct World {
    aws: Aws,
    bucket: String,
    queue_url: String,
    /// Where the program finds the queue.
    endpoint: String,
    database: Database,
    arrivage: Arrivage,
}

#[tokio::test]
async fn a_new_message_queues_a_failed_arrival_again_with_ministack_and_postgres() -> Result<()> {
    let aws = Aws::new().await?;
    let deaf = DeafQueue::start(aws.ministack.endpoint()).await?;
    let world = World::new(aws, deaf.endpoint()).await?;
    let content = b"id,name\n1,one\ntwo,two\n";
    world.aws.put(&world.bucket, "a.append", content).await?;
    let mut running = world.arrivage.start(&["run"])?;

    // What is not taken off the queue is delivered again, and that is no new message.
    world
        .until(
            "SELECT duplicate_notifications >= 2 FROM arrivage.arrivals",
            "t",
        )
        .await;
    let arrival = "SELECT state, error_code, attempts, records_loaded, records_rejected
        FROM arrivage.arrivals";
    world.until(arrival, "failed|too_many_rejects|1|1|1").await;
    deaf.heal();
    world.until_the_queue_is_empty().await;
    assert_eq!(
        world.database.sql(arrival).await?,
        "failed|too_many_rejects|1|1|1"
    );

    // The same bytes once more, while nothing is mended.
    world.aws.put(&world.bucket, "a.append", content).await?;
    world.until(arrival, "failed|too_many_rejects|2|1|1").await;

    running.process.sigterm()?;
    running.process.wait(SOON).await?;
    world.configure("max_rows = 1")?;
    let _running = world.arrivage.start(&["run"])?;
    world.aws.put(&world.bucket, "a.append", content).await?;
    world.until(arrival, "loaded||3|1|1").await;
    assert_eq!(world.database.sql("SELECT * FROM appended").await?, "1|one");
    assert_eq!(
        world
            .database
            .sql("SELECT count(*) FROM arrivage.rejects")
            .await?,
        "1"
    );
    Ok(())
}

#[tokio::test]
async fn another_content_is_another_arrival_with_ministack_and_postgres() -> Result<()> {
    let aws = Aws::new().await?;
    let endpoint = aws.ministack.endpoint().to_owned();
    let world = World::new(aws, &endpoint).await?;
    let _running = world.arrivage.start(&["run"])?;
    let contents: [&[u8]; 3] = [b"id,name\n1,A\n", b"id,name\n1,B\n2,B\n", b"id,name\n1,A\n"];
    for (content, loads) in contents.into_iter().zip(["1", "2", "3"]) {
        world.aws.put(&world.bucket, "x.append", content).await?;
        world.aws.put(&world.bucket, "x.upsert", content).await?;
        world
            .until(
                "SELECT sum(attempts) FROM arrivage.arrivals WHERE pipeline = 'upsert'
             AND state = 'loaded' HAVING bool_and(state = 'loaded')",
                loads,
            )
            .await;
        world.until_the_queue_is_empty().await;
    }
    // Each content is added once.
    assert_eq!(
        world
            .database
            .sql("SELECT * FROM appended ORDER BY 2, 1")
            .await?,
        "1|A\n1|B\n2|B"
    );
    // The last content of the key stands; what only an older one had stays.
    assert_eq!(
        world
            .database
            .sql("SELECT * FROM upserted ORDER BY 1")
            .await?,
        "1|A\n2|B"
    );
    let arrivals = "SELECT pipeline, state, attempts, duplicate_notifications, records_loaded
        FROM arrivage.arrivals ORDER BY pipeline, id";
    assert_eq!(
        world.database.sql(arrivals).await?,
        "append|loaded|1|1|1\nappend|loaded|1|0|2\nupsert|loaded|2|1|1\nupsert|loaded|1|0|2"
    );
    Ok(())
}

#[tokio::test]
async fn an_overwritten_object_is_superseded_with_ministack_and_postgres() -> Result<()> {
    let aws = Aws::new().await?;
    let endpoint = aws.ministack.endpoint().to_owned();
    let world = World::new(aws, &endpoint).await?;
    world
        .aws
        .put(&world.bucket, "x.append", b"id,name\n1,A\n")
        .await?;
    world
        .aws
        .put(&world.bucket, "x.append", b"id,name\n1,B\n")
        .await?;
    let _running = world.arrivage.start(&["run"])?;
    let states = "SELECT string_agg(state, ' ' ORDER BY id) FROM arrivage.arrivals";
    world.until(states, "superseded loaded").await;
    assert_eq!(world.database.sql("SELECT * FROM appended").await?, "1|B");

    // It stands there again, and a new message says so.
    world
        .aws
        .put(&world.bucket, "x.append", b"id,name\n1,A\n")
        .await?;
    world.until(states, "loaded loaded").await;
    assert_eq!(
        world
            .database
            .sql("SELECT * FROM appended ORDER BY 2")
            .await?,
        "1|A\n1|B"
    );
    Ok(())
}

impl World {
    async fn new(aws: Aws, endpoint: &str) -> Result<Self> {
        let database = Postgres::database().await?;
        database
            .sql(
                "CREATE TABLE appended (id bigint, name text);
                 CREATE TABLE upserted (id bigint PRIMARY KEY, name text)",
            )
            .await?;
        let queue_url = aws.queue().await?;
        let bucket = aws.bucket_with_queue(&queue_url).await?;
        let arrivage = Arrivage::new(database.url(), "")?.env(aws.ministack.environment());
        let endpoint = endpoint.to_owned();
        let world = Self {
            aws,
            bucket,
            queue_url,
            endpoint,
            database,
            arrivage,
        };
        world.configure("max_rows = 0")?;
        Ok(world)
    }

    fn configure(&self, rejects: &str) -> Result<()> {
        let Self {
            bucket,
            queue_url,
            endpoint,
            ..
        } = self;
        let configuration = format!(
            r#"
            [s3]
            path_style = true

            [[source]]
            kind = "sqs"
            queue_url = "{queue_url}"
            endpoint = "{endpoint}"

            [[pipeline]]
            name = "append"
            match = ["s3://{bucket}/*.append"]
            table = "appended"
            rejects.{rejects}

            [[pipeline]]
            name = "upsert"
            match = ["s3://{bucket}/*.upsert"]
            table = "upserted"
            mode = "upsert"
            key = ["id"]
            "#
        );
        self.arrivage.configure(self.database.url(), &configuration)
    }

    async fn until(&self, query: &str, expect: &str) {
        eventually(SOON, &format!("{expect} from {query}"), async || {
            (self.database.sql(query).await.ok()? == expect).then_some(())
        })
        .await;
    }

    async fn until_the_queue_is_empty(&self) {
        eventually(SOON, "an empty queue", async || {
            (self.aws.messages(&self.queue_url).await.ok()? == 0).then_some(())
        })
        .await;
    }
}
