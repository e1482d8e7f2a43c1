//! An S3 server in this process: objects in memory or generated, and faults to order.

mod answers;
mod buckets;
mod faults;
mod request;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Result;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

pub use buckets::{Content, Stored};
pub use faults::Fault;
pub use request::Request;

use answers::Answers;
use buckets::Buckets;
use faults::Faults;

/// An S3 server on a socket of 127.0.0.1: addressed in path style, signatures checked. It answers
/// what a reader of objects asks (head, ranged and conditional get, list, all versions) and enough
/// to put, copy and delete through it; multipart uploads are not in it.
///
/// Clones are handles on the same server, which ends with the last of them.
#[derive(Clone, Debug)]
pub struct S3Server {
    endpoint: String,
    shared: Arc<Shared>,
    _running: Arc<Running>,
}

/// What the handles and the connections share.
#[derive(Debug, Default)]
struct Shared {
    buckets: Buckets,
    faults: Faults,
}

impl S3Server {
    /// The access key id that signs.
    pub const ACCESS_KEY: &str = "arrivage-test";
    /// Its secret.
    pub const SECRET_KEY: &str = "arrivage-test-secret";
    /// Any region will do; this one is what the tests say.
    pub const REGION: &str = "us-east-1";

    /// Starts one on a free port, in the current tokio runtime.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let shared = Arc::new(Shared::default());
        let running = tokio::spawn(accept(listener, Arc::clone(&shared))).abort_handle();
        Ok(Self {
            endpoint,
            shared,
            _running: Arc::new(Running(running)),
        })
    }

    /// `http://127.0.0.1:PORT`
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Makes a bucket that keeps only the latest content of a key.
    pub fn create_bucket(&self, name: &str) {
        self.shared
            .buckets
            .create(name, buckets::Versions::OnlyTheLatest);
    }

    /// Makes a bucket that keeps every content of a key, by version id.
    pub fn create_versioned_bucket(&self, name: &str) {
        self.shared.buckets.create(name, buckets::Versions::All);
    }

    /// Stores an object. Panics if the bucket is missing.
    pub fn put(&self, bucket: &str, key: &str, content: impl Into<Content>) -> Stored {
        self.put_dated(bucket, key, content, SystemTime::now())
    }

    /// Stores an object as if it had been written at that time. Panics if the bucket is missing.
    pub fn put_dated(
        &self,
        bucket: &str,
        key: &str,
        content: impl Into<Content>,
        last_modified: SystemTime,
    ) -> Stored {
        let stored = self
            .shared
            .buckets
            .put(bucket, key, content.into(), last_modified);
        stored.unwrap_or_else(|_| panic!("there is no bucket {bucket:?}"))
    }

    /// Deletes an object; in a versioned bucket a delete marker hides it. Panics if the bucket is
    /// missing.
    pub fn delete(&self, bucket: &str, key: &str) {
        let deleted = self.shared.buckets.delete(bucket, key, None);
        deleted.unwrap_or_else(|_| panic!("there is no bucket {bucket:?}"));
    }

    /// Deletes one version of an object for good. Panics if the bucket is missing.
    pub fn delete_version(&self, bucket: &str, key: &str, version_id: &str) {
        let deleted = self.shared.buckets.delete(bucket, key, Some(version_id));
        deleted.unwrap_or_else(|_| panic!("there is no bucket {bucket:?}"));
    }

    /// Has the next request meet this fault. Faults ordered one after another meet one request each.
    pub fn next(&self, fault: Fault) {
        self.shared.faults.next(fault);
    }

    /// Asks `rule` at every request from now on that no fault of [`next`](Self::next) meets. The
    /// rules are asked in the order in which they came, until one orders a fault. A rule may also
    /// change objects: it is asked before the request is answered.
    pub fn on(&self, rule: impl Fn(&Request) -> Option<Fault> + Send + Sync + 'static) {
        self.shared.faults.on(Arc::new(rule));
    }

    /// Forgets the faults and the rules.
    pub fn heal(&self) {
        self.shared.faults.heal();
    }

    /// All requests until now, in the order in which they came.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.faults.requests()
    }
}

/// Ends the server when dropped: the task, and with it all connections.
#[derive(Debug)]
struct Running(AbortHandle);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut builder = S3ServiceBuilder::new(Answers(Arc::clone(&shared)));
    builder.set_auth(SimpleAuth::from_single(
        S3Server::ACCESS_KEY,
        S3Server::SECRET_KEY,
    ));
    let service = builder.build();

    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((socket, _)) = accepted else { continue };
                connections.spawn(serve(socket, service.clone(), Arc::clone(&shared)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(socket: TcpStream, service: S3Service, shared: Arc<Shared>) {
    let Ok(hangup) = faults::Hangup::of(&socket) else {
        return;
    };
    let answer = service_fn(|request| shared.faults.answer(request, &service, &hangup));
    // An error here is a client that left, or a fault that was ordered.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(socket), answer)
        .await;
}
