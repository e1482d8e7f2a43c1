use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use arrivage_model::{Location, Object};
use arrivage_store::{
    AccessKey, AwsSettings, Body, FolderStore, ObjectReader, Patience, Persistence, S3Settings,
    S3Store, Store, StoreError, aws_config,
};
use arrivage_testkit::{Ministack, S3Server, unique_name};
use async_trait::async_trait;
use aws_sdk_s3::Client;
use futures::TryStreamExt;
use tempfile::TempDir;

/// A bucket that a test fills and a store reads.
#[async_trait]
pub(crate) trait Place: Send + Sync {
    fn store(&self) -> Arc<dyn Store>;

    fn location(&self, key: &str) -> Location;

    async fn put(&self, key: &str, content: &[u8]) -> Result<()>;

    async fn delete(&self, key: &str) -> Result<()>;

    /// Keys that nothing else can hold.
    fn own_awkward_keys(&self) -> Vec<String>;
}

/// A directory.
pub(crate) struct Folder {
    pub(crate) directory: TempDir,
    pub(crate) store: Arc<FolderStore>,
}

impl Folder {
    pub(crate) async fn new() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let folders = [("inbox".to_owned(), directory.path().to_owned())];
        Ok(Self {
            store: Arc::new(FolderStore::new(folders.into())),
            directory,
        })
    }

    pub(crate) fn path(&self, key: &str) -> PathBuf {
        self.directory.path().join(key)
    }
}

#[async_trait]
impl Place for Folder {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn location(&self, key: &str) -> Location {
        Location::folder("inbox", key)
    }

    async fn put(&self, key: &str, content: &[u8]) -> Result<()> {
        let path = self.path(key);
        tokio::fs::create_dir_all(path.parent().context("no parent")?).await?;
        Ok(tokio::fs::write(path, content).await?)
    }

    async fn delete(&self, key: &str) -> Result<()> {
        Ok(tokio::fs::remove_file(self.path(key)).await?)
    }

    fn own_awkward_keys(&self) -> Vec<String> {
        let step = "é".repeat(100);
        vec![[step.as_str(); 5].join("/"), "a\u{1}\u{7f}".to_owned()]
    }
}

/// The S3 server in this process.
pub(crate) struct Server {
    pub(crate) server: S3Server,
    pub(crate) store: Arc<S3Store>,
}

pub(crate) const BUCKET: &str = "drop";

impl Server {
    pub(crate) async fn new() -> Result<Self> {
        let server = S3Server::start().await?;
        server.create_bucket(BUCKET);
        Ok(Self::over(server, Patience::default()))
    }

    pub(crate) async fn versioned() -> Result<Self> {
        let server = S3Server::start().await?;
        server.create_versioned_bucket(BUCKET);
        Ok(Self::over(server, Patience::default()))
    }

    pub(crate) fn over(server: S3Server, patience: Patience) -> Self {
        let settings = settings(
            server.endpoint(),
            S3Server::ACCESS_KEY,
            S3Server::SECRET_KEY,
            patience,
        );
        Self {
            store: Arc::new(S3Store::new(settings)),
            server,
        }
    }
}

pub(crate) fn settings(endpoint: &str, id: &str, secret: &str, patience: Patience) -> S3Settings {
    S3Settings {
        aws: AwsSettings {
            endpoint: Some(endpoint.to_owned()),
            region: Some("us-east-1".to_owned()),
            access_key: Some(AccessKey {
                id: id.to_owned(),
                secret: secret.to_owned(),
            }),
            patience,
        },
        path_style: true,
        opaque_etags: false,
    }
}

#[async_trait]
impl Place for Server {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn location(&self, key: &str) -> Location {
        Location::s3(BUCKET, key)
    }

    async fn put(&self, key: &str, content: &[u8]) -> Result<()> {
        self.server.put(BUCKET, key, content.to_vec());
        Ok(())
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.server.delete(BUCKET, key);
        Ok(())
    }

    fn own_awkward_keys(&self) -> Vec<String> {
        s3_keys()
    }
}

/// A server that was not made for these tests.
pub(crate) struct Stack {
    client: Client,
    store: Arc<S3Store>,
    bucket: String,
    _ministack: Ministack,
}

impl Stack {
    pub(crate) async fn new() -> Result<Self> {
        let ministack = Ministack::shared().await?;
        let settings = settings(
            ministack.endpoint(),
            Ministack::ACCESS_KEY,
            Ministack::SECRET_KEY,
            Patience::default(),
        );
        let config = aws_config(&settings.aws).await;
        let config = aws_sdk_s3::config::Builder::from(&config).force_path_style(true);
        let client = Client::from_conf(config.build());
        let bucket = unique_name("store");
        client.create_bucket().bucket(&bucket).send().await?;
        Ok(Self {
            client,
            store: Arc::new(S3Store::new(settings)),
            bucket,
            _ministack: ministack,
        })
    }
}

#[async_trait]
impl Place for Stack {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn location(&self, key: &str) -> Location {
        Location::s3(&self.bucket, key)
    }

    async fn put(&self, key: &str, content: &[u8]) -> Result<()> {
        let request = self.client.put_object().bucket(&self.bucket).key(key);
        request.body(content.to_vec().into()).send().await?;
        Ok(())
    }

    async fn delete(&self, key: &str) -> Result<()> {
        let request = self.client.delete_object().bucket(&self.bucket).key(key);
        request.send().await?;
        Ok(())
    }

    fn own_awkward_keys(&self) -> Vec<String> {
        s3_keys()
    }
}

fn s3_keys() -> Vec<String> {
    let odd = [
        "/leading",
        "a//b",
        "trailing/",
        "/",
        "up/../down",
        "./a",
        "..",
    ];
    let mut keys: Vec<_> = odd.iter().map(|key| (*key).to_owned()).collect();
    keys.push("é".repeat(512));
    keys
}

/// Reads a body to its end.
pub(crate) async fn drain(body: Body) -> Result<Vec<u8>, StoreError> {
    let blocks = body.chunks.try_collect::<Vec<_>>().await?;
    Ok(blocks.concat())
}

/// All of an object in small parts, and what ended it.
pub(crate) async fn read_all(
    store: Arc<dyn Store>,
    object: Object,
    persistence: Persistence,
) -> (Vec<u8>, Option<StoreError>) {
    let mut reader = ObjectReader::new(store, object, 0, persistence, Arc::new(|| ()));
    let mut bytes = Vec::new();
    loop {
        match reader.next().await {
            Some(Ok(block)) => bytes.extend_from_slice(&block),
            Some(Err(error)) => return (bytes, Some(error)),
            None => return (bytes, None),
        }
    }
}

/// Bytes of which no two neighbourhoods are alike.
pub(crate) fn content(length: usize) -> Vec<u8> {
    let numbers = (0_u32..).flat_map(|number| number.wrapping_mul(2_654_435_761).to_be_bytes());
    numbers.take(length).collect()
}
