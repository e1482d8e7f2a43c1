mod door;
mod history;
mod notifications;
mod openapi;
mod orders;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrivage_ledger::{ConnectOptions, Declared, FoundBy, Pooler, Registration, connect};
use arrivage_model::{ArrivalId, ETag, Location, Object};
use bytes::Bytes;
use futures::FutureExt;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::*;
use crate::server::Limits;

/// A server over a real ledger, with actions that write down what they are asked.
struct World {
    address: std::net::SocketAddr,
    actions: Arc<Actions>,
    /// What was asked of the actions.
    asked: Arc<Mutex<Vec<String>>>,
    stop: CancellationToken,
    served: JoinHandle<std::io::Result<()>>,
    _directory: TempDir,
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// Panics unless it is a problem of this status whose detail has these words.
    #[track_caller]
    fn is_problem(&self, status: u16, words: &str) {
        assert_eq!(self.status, status, "{}\n{}", self.head, self.body);
        let kind = "content-type: application/problem+json";
        assert!(self.head.contains(kind), "{}", self.head);
        let problem = self.json();
        assert_eq!(problem["status"], status, "{problem}");
        assert!(problem["title"].is_string(), "{problem}");
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(words), "{problem}");
    }
}

impl World {
    async fn new() -> Self {
        Self::with(|_| (), Limits::default()).await
    }

    async fn with(change: impl FnOnce(&mut Actions), limits: Limits) -> Self {
        let directory = TempDir::new().expect("a directory");
        let url = format!("sqlite://{}/l.db", directory.path().display());
        let options = ConnectOptions {
            url,
            pooler: Pooler::None,
            connections: 2,
        };
        let ledger = connect(&options).expect("a ledger");
        ledger.migrate().await.expect("migrates");
        let declared = ["orders", "other"].map(|name| Declared {
            name: name.to_owned(),
            max_attempts: 5,
        });
        ledger.declare(&declared).await.expect("declares");

        let asked = Arc::new(Mutex::new(Vec::new()));
        let ask = |what: &'static str| {
            let asked = Arc::clone(&asked);
            move |words: String| {
                let mut asked = asked.lock().expect("nobody panicked");
                asked.push(format!("{what} {words}"));
            }
        };
        let (take, load, replay, reconcile) =
            (ask("take"), ask("load"), ask("replay"), ask("reconcile"));
        let cancel = ask("cancel");
        let mut actions = Actions {
            token: Some(Token::new("secret")),
            readiness: Box::new(|()| {
                let check = Check {
                    name: "database".to_owned(),
                    ok: true,
                    error: None,
                };
                async move { vec![check] }.boxed()
            }),
            metrics: Box::new(|()| async { "arrivage_up 1\n".to_owned() }.boxed()),
            webhook: Some(Webhook {
                token: Some(Token::new("hush")),
                take: Box::new(move |body: Bytes| {
                    let words = String::from_utf8_lossy(&body).into_owned();
                    take(words.clone());
                    async move {
                        match words.as_str() {
                            "later" => Recorded::NotYet("the ledger did not take it".to_owned()),
                            "odd" => Recorded::Unreadable("it is not JSON".to_owned()),
                            _ => Recorded::Durable(serde_json::json!({"new": 1})),
                        }
                    }
                    .boxed()
                }),
            }),
            ledger,
            router: Arc::default(),
            load: Box::new(move |order: LoadOrder| {
                load(format!("{order:?}"));
                async move {
                    match order.url.as_deref().unwrap_or_default() {
                        "s3://nowhere/a" => Err(Refusal::Invalid("no pipeline".to_owned())),
                        "s3://away/a" => Err(Refusal::Away("busy".to_owned())),
                        "s3://drop/both" => Ok(vec![ArrivalId(1), ArrivalId(2)]),
                        _ => Ok(vec![ArrivalId(1)]),
                    }
                }
                .boxed()
            }),
            replay: Box::new(move |(id, order): (ArrivalId, ReplayOrder)| {
                replay(format!("{id} {order:?}"));
                let busy = id == ArrivalId(2) && !order.force;
                let answer = if busy {
                    Err(Refusal::Conflict("it is being loaded".to_owned()))
                } else {
                    Ok(())
                };
                async move { answer }.boxed()
            }),
            cancel: Box::new(move |id: ArrivalId| {
                cancel(id.to_string());
                let answer = if id == ArrivalId(2) {
                    Err(Refusal::Conflict("it is loaded".to_owned()))
                } else {
                    Ok(())
                };
                async move { answer }.boxed()
            }),
            reconcile: Box::new(move |url: Option<String>| {
                reconcile(format!("{url:?}"));
                async { Ok(vec!["s3://drop/".to_owned()]) }.boxed()
            }),
        };
        change(&mut actions);

        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (stop, actions) = (CancellationToken::new(), Arc::new(actions));
        let router = router(Arc::clone(&actions), stop.clone());
        let served = server::serve(listener, router, limits, stop.clone());
        Self {
            address,
            actions,
            asked,
            stop,
            served: tokio::spawn(served),
            _directory: directory,
        }
    }

    /// Registers objects of `orders`.
    async fn register(&self, keys: &[&str]) {
        let registration = |key: &&str| Registration {
            pipeline: "orders".to_owned(),
            object: Object {
                location: Location::s3("drop", *key),
                etag: ETag::parse("e1").expect("a tag"),
                version_id: None,
                size: Some(3),
                last_modified: None,
                sequencer: None,
            },
            found_by: FoundBy::Person,
        };
        let all: Vec<Registration> = keys.iter().map(registration).collect();
        self.actions.ledger.register(&all).await.expect("registers");
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("nobody panicked").clone()
    }

    /// Sends a request line with headers, a line each, and a body.
    async fn send(&self, head: &str, body: &str) -> Answer {
        let length = body.len();
        let head = head.replace('\n', "\r\n");
        let request = format!(
            "{head}\r\nHost: x\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        self.exchange(request.as_bytes()).await
    }

    /// Sends bytes, and reads until the server ends the connection.
    async fn exchange(&self, request: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.expect("listening");
        stream.write_all(request).await.expect("sent");
        let mut answer = Vec::new();
        let answered = soon("an answer", stream.read_to_end(&mut answer)).await;
        answered.expect("answered");
        let answer = String::from_utf8(answer).expect("text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split(' ').nth(1).expect("a status");
        Answer {
            status: status.parse().expect("a number"),
            head: head.to_ascii_lowercase(),
            body: body.to_owned(),
        }
    }

    /// Asks with the token.
    async fn get(&self, path: &str) -> Answer {
        let head = format!("GET {path} HTTP/1.1\nAuthorization: Bearer secret");
        self.send(&head, "").await
    }

    /// Orders with the token; `headers` may add some.
    async fn post(&self, path: &str, headers: &str, body: &str) -> Answer {
        let head = format!(
            "POST {path} HTTP/1.1\nAuthorization: Bearer secret\n\
             Content-Type: application/json{headers}"
        );
        self.send(&head, body).await
    }

    async fn end(self) {
        self.stop.cancel();
        let served = soon("the end of the server", self.served).await;
        served.expect("no panic").expect("served");
    }
}

/// Panics where something does not happen that has to.
async fn soon<T>(what: &str, happens: impl Future<Output = T>) -> T {
    let patience = Duration::from_secs(10);
    let happened = tokio::time::timeout(patience, happens).await;
    happened.unwrap_or_else(|_| panic!("{what} does not come"))
}
