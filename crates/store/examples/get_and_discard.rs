//! Reads every object below a prefix of the bucket `bench` and throws the bytes away, for
//! `cargo xtask bench small-files`: prints how many there were, and the seconds that it took.
#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use arrivage_model::{Object, StoreKind};
use arrivage_store::{AwsSettings, ObjectReader, Persistence, S3Settings, Store, Stores};
use futures::{StreamExt, TryStreamExt, stream};

/// As many as a processor with default settings reads.
const AT_ONCE: usize = 32;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let endpoint = arguments.next();
    let prefix = arguments.next().context("a prefix")?;
    let settings = S3Settings {
        aws: AwsSettings {
            endpoint,
            region: Some("us-east-1".to_owned()),
            ..AwsSettings::default()
        },
        path_style: true,
        ..S3Settings::default()
    };
    let stores = Stores::new(settings, BTreeMap::new());
    let store = stores.get(StoreKind::S3);
    let started = Instant::now();
    let mut after = None;
    let mut objects = 0;
    loop {
        let page = store.list("bench", &prefix, after.as_deref()).await?;
        objects += page.objects.len();
        stream::iter(page.objects)
            .map(|object| discard(Arc::clone(store), object))
            .buffer_unordered(AT_ONCE)
            .try_collect::<Vec<()>>()
            .await?;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    println!("{objects} {}", started.elapsed().as_secs_f64());
    Ok(())
}

async fn discard(store: Arc<dyn Store>, object: Object) -> Result<()> {
    let progress = Arc::new(|| {});
    let reader = ObjectReader::new(store, object, 0, Persistence::default(), progress);
    let mut bytes = std::pin::pin!(reader.into_stream());
    while let Some(block) = bytes.next().await {
        block?;
    }
    Ok(())
}
