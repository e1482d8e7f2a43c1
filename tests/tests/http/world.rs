use std::time::Duration;

use anyhow::{Result, ensure};
use arrivage_testkit::{Background, S3Server, eventually};
use arrivage_tests::{Arrivage, Destination, Running, ask};
use serde_json::{Value, json};

pub(crate) const SOON: Duration = Duration::from_secs(30);

/// What the API and the webhook want to be shown.
pub(crate) const TOKEN: &str = "canary-api";
pub(crate) const HOOK: &str = "canary-hook";

/// A bucket `drop`, a folder source `inbox`, a webhook, and the program between them and a
/// destination.
pub(crate) struct World {
    pub(crate) to: Destination,
    pub(crate) s3: S3Server,
    pub(crate) arrivage: Arrivage,
}

const SOURCES: &str = r#"
    [[source]]
    kind = "webhook"
    token = "canary-hook"

    [[source]]
    kind = "folder"
    name = "inbox"
    path = "inbox"
    settle = "1h"

    [[pipeline]]
    name = "items"
    match = ["s3://drop/items/**", "inbox/*.csv"]
    table = "items"
    create_table = true
    column = [{ name = "id", type = "bigint" }, { name = "name", type = "text" }]

    [[pipeline]]
    name = "others"
    match = ["s3://drop/others/**", "s3://drop/days/{day}/{shop}.csv", "inbox/{day}-*.txt"]
    table = "others"
    create_table = true
    column = [{ name = "id", type = "bigint" }, { name = "name", type = "text" }]
"#;

impl World {
    pub(crate) async fn new(to: Destination) -> Result<Self> {
        Self::with(to, SOURCES).await
    }

    /// With `unreadable = "leave"`.
    pub(crate) async fn leaving(to: Destination) -> Result<Self> {
        let leave = "kind = \"webhook\"\n    unreadable = \"leave\"";
        Self::with(to, &SOURCES.replace("kind = \"webhook\"", leave)).await
    }

    async fn with(to: Destination, sources: &str) -> Result<Self> {
        let s3 = S3Server::start().await?;
        s3.create_bucket("drop");
        let store = format!(
            "[s3]\nendpoint = \"{}\"\npath_style = true\n",
            s3.endpoint()
        );
        let arrivage = Arrivage::new(&to.url(), &(store + sources))?.env([
            ("AWS_ACCESS_KEY_ID", S3Server::ACCESS_KEY),
            ("AWS_SECRET_ACCESS_KEY", S3Server::SECRET_KEY),
            ("AWS_REGION", S3Server::REGION),
            ("ARRIVAGE_LOG", "trace"),
        ]);
        let file = std::fs::read_to_string(arrivage.path("arrivage.toml"))?;
        let token = format!("[http]\ntoken = \"{TOKEN}\"\n");
        arrivage.file("arrivage.toml", file.replace("[http]\n", &token))?;
        std::fs::create_dir_all(arrivage.path("inbox"))?;
        Ok(Self { to, s3, arrivage })
    }

    pub(crate) fn put(&self, key: &str, content: &str) -> String {
        let stored = self.s3.put("drop", key, content.as_bytes().to_vec());
        stored.etag
    }

    /// Starts a process whose ledger is open.
    pub(crate) async fn start(&self, command: &str) -> Result<Client> {
        self.attend(self.arrivage.start(&[command])?).await
    }

    /// The same for one that was started with a fault.
    pub(crate) async fn attach(&self, process: Background) -> Result<Client> {
        self.attend(Running { process }).await
    }

    async fn attend(&self, mut running: Running) -> Result<Client> {
        let address = running.address().await?;
        let client = Client { running, address };
        eventually(SOON, "a process that is ready", async || {
            let (status, _) = client.ask("GET /readyz", "").await.ok()?;
            (status == 200).then_some(())
        })
        .await;
        Ok(client)
    }

    pub(crate) async fn until(&self, query: &str, expect: &str) {
        eventually(SOON, &format!("{expect} from {query}"), async || {
            (self.to.sql(query).await.ok()? == expect).then_some(())
        })
        .await;
    }
}

/// Somebody who asks a process.
pub(crate) struct Client {
    pub(crate) running: Running,
    pub(crate) address: String,
}

impl Client {
    /// `request` is method and path, and headers, a line each.
    pub(crate) async fn ask(&self, request: &str, body: &str) -> Result<(u16, String)> {
        let (line, headers) = request.split_once('\n').unwrap_or((request, ""));
        let mut head = format!("{line} HTTP/1.1");
        for header in headers.lines() {
            head += &format!("\r\n{header}");
        }
        ask(&self.address, &head, body).await
    }

    /// What MinIO does about an object.
    pub(crate) async fn notify(&self, body: &str) -> Result<(u16, String)> {
        let head = format!("POST /notifications\nAuthorization: Bearer {HOOK}");
        self.ask(&head, body).await
    }

    /// Asks the API, which has to answer with this status; the JSON of its answer.
    pub(crate) async fn get(&self, path: &str, expect: u16) -> Result<Value> {
        let head = format!("GET {path}\nAuthorization: Bearer {TOKEN}");
        let (status, body) = self.ask(&head, "").await?;
        ensure!(status == expect, "GET {path}: {status} {body}");
        Ok(serde_json::from_str(&body)?)
    }

    /// The same for an order; `headers` may add some, each with a line break before it.
    pub(crate) async fn post(
        &self,
        path: &str,
        headers: &str,
        order: &Value,
        expect: u16,
    ) -> Result<Value> {
        let head = format!(
            "POST {path}\nAuthorization: Bearer {TOKEN}\nContent-Type: application/json{headers}"
        );
        let (status, body) = self.ask(&head, &order.to_string()).await?;
        ensure!(status == expect, "POST {path} {order}: {status} {body}");
        Ok(serde_json::from_str(&body)?)
    }

    /// Asks for an arrival until it is in this state.
    pub(crate) async fn follow(&self, id: &Value, state: &str) -> Value {
        let path = format!("/v1/arrivals/{id}");
        eventually(SOON, &format!("arrival {id} to be {state}"), async || {
            let arrival = self.get(&path, 200).await.ok()?;
            (arrival["state"] == state).then_some(arrival)
        })
        .await
    }
}

/// What MinIO sends about an object.
pub(crate) fn event(bucket: &str, key: &str, etag: &str) -> String {
    json!({"EventName": "s3:ObjectCreated:Put", "Key": format!("{bucket}/{key}"), "Records": [{
        "eventVersion": "2.0", "eventSource": "minio:s3", "eventName": "s3:ObjectCreated:Put",
        "eventTime": "2026-11-22T09:14:07.482Z",
        "s3": {"bucket": {"name": bucket}, "object": {"key": key, "eTag": etag}},
    }]})
    .to_string()
}
