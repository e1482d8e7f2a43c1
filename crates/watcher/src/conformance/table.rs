use arrivage_testkit::Database;

use super::*;
use crate::server_url::ServerUrl;
use crate::table::{TableQueue, TableSource};

/// A table as MinIO makes it for its format `access`: events are added.
pub(super) struct Events(Table);

/// A table as MinIO makes it for its format `namespace`: a row for each object, which
/// says what last happened to it.
pub(super) struct Names(Table);

struct Table {
    database: Database,
    insert: &'static str,
}

impl Table {
    async fn new(create: &str, insert: &'static str) -> Result<Self> {
        let database = Postgres::database().await?;
        database.sql(create).await?;
        Ok(Self { database, insert })
    }

    /// What is no JSON cannot stand in such a table; a text that is none can.
    async fn say(&self, body: &str) -> Result<bool> {
        let json = match serde_json::from_str::<serde_json::Value>(body) {
            Ok(json) => json,
            Err(_) => json!(body),
        };
        let insert = self.insert.replace("$1", &format!("'{json}'"));
        self.database.sql(&insert).await?;
        Ok(true)
    }

    async fn kept(&self) -> Result<Option<usize>> {
        let count = self
            .database
            .sql("SELECT count(*) FROM minio_events")
            .await?;
        Ok(Some(count.trim().parse()?))
    }

    fn queue(&self, with: &With) -> TableQueue {
        TableQueue::new(TableSource {
            name: SOURCE.to_owned(),
            url: ServerUrl::parse(self.database.url(), &["postgres"]).expect("a URL"),
            table: "minio_events".parse().expect("a table"),
            poll: Duration::from_millis(50),
            unreadable: with.unreadable,
        })
    }
}

macro_rules! subject {
    ($Subject:ident, $create:literal, $insert:literal) => {
        #[async_trait(?Send)]
        impl Subject for $Subject {
            async fn new() -> Result<Self> {
                Ok(Self(Table::new($create, $insert).await?))
            }

            async fn announce(&mut self, _: &World, key: &str) -> Result<()> {
                self.say(&event(key)).await?;
                Ok(())
            }

            async fn say(&mut self, body: &str) -> Result<bool> {
                self.0.say(body).await
            }

            async fn kept(&mut self) -> Result<Option<usize>> {
                self.0.kept().await
            }

            fn work(&self, with: With) -> BoxFuture<'static, ()> {
                let receiver = with.receiver(self.0.queue(&with));
                Box::pin(receiver.run(with.stop))
            }

            async fn die_before_acknowledging(&mut self, with: With) -> Result<()> {
                let receiver = with.receiver(self.0.queue(&with));
                Ok(receiver.die_before_acknowledging().await?)
            }
        }
    };
}

subject!(
    Events,
    "CREATE TABLE minio_events (event_time TIMESTAMP WITH TIME ZONE NOT NULL, event_data JSONB)",
    "INSERT INTO minio_events (event_time, event_data) VALUES (now(), $1)"
);

subject!(
    Names,
    "CREATE TABLE minio_events (key VARCHAR PRIMARY KEY, value JSONB)",
    "INSERT INTO minio_events (key, value) VALUES (coalesce($1::jsonb ->> 'Key', gen_random_uuid()::text), $1)
     ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value"
);
