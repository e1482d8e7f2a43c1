use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use arrivage_model::{Location, Mode, Object, VersionId};
use arrivage_store::{Body, Page, Store, StoreError};
use arrivage_testkit::eventually;
use async_trait::async_trait;
use tempfile::TempDir;

use super::*;
use crate::testing::{Books, PATIENCE, pipeline, router, stores};

/// A store with a defect, until it is mended.
#[derive(Default)]
struct Defective {
    mended: AtomicBool,
}

#[async_trait]
impl Store for Defective {
    async fn head(&self, at: &Location, _: Option<&VersionId>) -> Result<Object, StoreError> {
        Err(StoreError::Gone(at.clone()))
    }

    async fn list(&self, _: &str, _: &str, _: Option<&str>) -> Result<Page, StoreError> {
        assert!(self.mended.load(Ordering::Relaxed), "a defect");
        Ok(Page::default())
    }

    async fn read(&self, object: &Object, _: Range<u64>) -> Result<Body, StoreError> {
        Err(StoreError::Gone(object.location.clone()))
    }
}

#[tokio::test]
async fn a_source_that_panics_starts_anew_and_the_others_go_on() -> Result<()> {
    let books = Books::new().await?;
    let inbox = TempDir::new()?;
    let defective = Arc::new(Defective::default());
    let folders = stores(inbox.path(), None);
    let glob = format!("{}/*.csv", inbox.path().display());
    let sources = vec![
        Source::Listing(ListingSource {
            name: "look".to_owned(),
            location: Location::s3("drop", ""),
            every: Duration::from_secs(3600),
            since: None,
        }),
        Source::Folder(FolderSource {
            name: "inbox".to_owned(),
            path: inbox.path().to_owned(),
            settle: Duration::ZERO,
        }),
    ];
    let watcher = Watcher::new(
        sources,
        Context {
            ledger: Arc::clone(&books.ledger),
            stores: Stores::of(
                defective.clone(),
                Arc::clone(folders.get(arrivage_model::StoreKind::Folder)),
            ),
            router: router(&[pipeline("orders", Mode::Append, &[&glob])], inbox.path()),
        },
    );
    let (health, stop) = (watcher.health(), CancellationToken::new());
    assert!(!health.is_well(), "nothing has answered yet");
    let working = tokio::spawn(watcher.run(stop.clone()));

    let problem = eventually(PATIENCE, "the panic", async || {
        let sources = health.sources();
        sources[0]
            .problem
            .clone()
            .filter(|problem| problem.contains("panicked"))
    });
    assert_eq!(problem.await, "it panicked: a defect");
    std::fs::write(inbox.path().join("a.csv"), "1")?;
    eventually(PATIENCE, "the other source's file", async || {
        (books.keys().await == ["a.csv"]).then_some(())
    })
    .await;
    defective.mended.store(true, Ordering::Relaxed);
    eventually(PATIENCE, "the new start", async || {
        health.is_well().then_some(())
    })
    .await;
    let kinds: Vec<_> = health
        .sources()
        .into_iter()
        .map(|source| (source.name, source.kind))
        .collect();
    assert_eq!(
        kinds,
        [
            ("look".to_owned(), "listing"),
            ("inbox".to_owned(), "folder")
        ]
    );
    stop.cancel();
    Ok(working.await?)
}
