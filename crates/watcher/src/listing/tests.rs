use std::ops::Range;
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, Result};
use arrivage_model::{ETag, Mode, Object, Router, VersionId};
use arrivage_store::{Body, Page, Store, StoreError, Stores};
use arrivage_testkit::{Ministack, eventually};
use async_trait::async_trait;
use tempfile::TempDir;

use super::*;
use crate::testing::{Books, PATIENCE, pipeline, router, stores};

/// A bucket of many pages, made up as they are asked for; it fails now and then.
struct Pages {
    pages: usize,
    /// Which pages fail, and how often.
    failures: Mutex<Vec<usize>>,
    asked: Mutex<Vec<usize>>,
}

const PER_PAGE: usize = 1000;

impl Pages {
    fn new(pages: usize, failures: &[usize]) -> Arc<Self> {
        let failures = Mutex::new(failures.to_vec());
        Arc::new(Self {
            pages,
            failures,
            asked: Mutex::default(),
        })
    }
}

#[async_trait]
impl Store for Pages {
    async fn head(&self, location: &Location, _: Option<&VersionId>) -> Result<Object, StoreError> {
        Err(StoreError::Gone(location.clone()))
    }

    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
    ) -> Result<Page, StoreError> {
        let page = after.map_or(0, |page| page.parse().expect("a page"));
        self.asked.lock().expect("unharmed").push(page);
        let mut failures = self.failures.lock().expect("unharmed");
        if let Some(index) = failures.iter().position(|failing| *failing == page) {
            failures.remove(index);
            return Err(StoreError::Unavailable("it was cut".into()));
        }
        let object = |nth: usize| Object {
            location: Location::s3(bucket, format!("{prefix}{page:04}/{nth:04}.csv")),
            etag: ETag::parse("aaaa").expect("an ETag"),
            version_id: None,
            size: Some(1),
            last_modified: DateTime::from_timestamp(1_795_000_000, 0),
            sequencer: None,
        };
        let next = (page + 1 < self.pages).then(|| (page + 1).to_string());
        Ok(Page {
            objects: (0..PER_PAGE).map(object).collect(),
            next,
        })
    }

    async fn read(&self, object: &Object, _: Range<u64>) -> Result<Body, StoreError> {
        Err(StoreError::Gone(object.location.clone()))
    }
}

fn lister(books: &Books, stores: &Stores, router: &Arc<Router>, location: Location) -> Lister {
    let source = ListingSource {
        name: "look".to_owned(),
        location,
        every: Duration::from_millis(200),
        since: None,
    };
    let intake = books.intake("look", stores, router);
    Lister::new(source, intake, Monitor::new("look", "listing"))
}

#[tokio::test]
async fn a_look_goes_on_where_a_page_failed() -> Result<()> {
    let books = Books::new().await?;
    let folder = TempDir::new()?;
    let pages = Pages::new(4, &[2, 2]);
    let stores = Stores::of(pages.clone(), pages.clone());
    let router = router(
        &[pipeline("orders", Mode::Append, &["s3://drop/**"])],
        folder.path(),
    );
    let mut lister = lister(&books, &stores, &router, Location::s3("drop", "in/"));
    lister.look().await;
    assert_eq!(*pages.asked.lock().expect("unharmed"), [0, 1, 2, 2, 2, 3]);
    let count = "SELECT count(*), min(key), max(key) FROM arrivage.arrivals";
    assert_eq!(
        books.sql(count).await,
        "4000|in/0000/0000.csv|in/0003/0999.csv"
    );

    lister.look().await;
    assert!(books.sql(count).await.starts_with("4000|"));
    assert_eq!(
        books
            .sql("SELECT sum(duplicate_notifications) FROM arrivage.arrivals")
            .await,
        "0"
    );
    Ok(())
}

#[tokio::test]
async fn a_look_that_fails_for_long_starts_over() -> Result<()> {
    let books = Books::new().await?;
    let folder = TempDir::new()?;
    let pages = Pages::new(2, &[1; 3]);
    let stores = Stores::of(pages.clone(), pages.clone());
    let router = router(&[], folder.path());
    let mut lister = lister(&books, &stores, &router, Location::s3("drop", ""));
    lister.tries = 2;
    lister.look().await;
    assert_eq!(*pages.asked.lock().expect("unharmed"), [0, 1, 1, 1, 0, 1]);
    Ok(())
}

#[tokio::test]
async fn objects_of_a_bucket_are_found_without_a_notification() -> Result<()> {
    let books = Books::new().await?;
    let ministack = Ministack::shared().await?;
    let place = ministack.place().await?;
    let folder = TempDir::new()?;
    let upload = async |names: &[&str]| {
        let files = TempDir::new()?;
        for name in names {
            std::fs::write(files.path().join(name), name)?;
        }
        let from = files.path().to_str().context("a readable path")?;
        let to = format!("s3://{}/in/", place.bucket);
        ministack
            .aws(&["s3", "cp", "--recursive", "--no-progress", from, &to])
            .await
    };
    upload(&["a.csv", "b c+é.csv", "readme.txt"]).await?;

    let stores = stores(folder.path(), Some(&ministack));
    let glob = format!("s3://{}/**/*.csv", place.bucket);
    let router = router(&[pipeline("orders", Mode::Append, &[&glob])], folder.path());
    let lister = lister(&books, &stores, &router, Location::s3(&place.bucket, "in/"));
    let (monitor, stop) = (lister.monitor.clone(), CancellationToken::new());
    let working = tokio::spawn(lister.run(stop.clone()));
    eventually(PATIENCE, "both objects", async || {
        (books.keys().await == ["in/a.csv", "in/b c+é.csv"]).then_some(())
    })
    .await;
    upload(&["later.csv", "later.txt"]).await?;
    eventually(PATIENCE, "the later one", async || {
        (books.keys().await.len() == 3).then_some(())
    })
    .await;
    stop.cancel();
    working.await?;
    assert_eq!(monitor.health().problem, None);
    assert_eq!(
        books.ignored().await,
        ["in/later.txt", "in/readme.txt"],
        "told of once"
    );
    Ok(())
}

#[tokio::test]
async fn objects_written_before_since_are_not_ours() -> Result<()> {
    let books = Books::new().await?;
    let folder = TempDir::new()?;
    let pages = Pages::new(1, &[]);
    let stores = Stores::of(pages.clone(), pages.clone());
    let router = router(
        &[pipeline("orders", Mode::Append, &["s3://drop/**"])],
        folder.path(),
    );
    let mut lister = lister(&books, &stores, &router, Location::s3("drop", ""));
    lister.source.since = DateTime::from_timestamp(1_795_000_001, 0);
    lister.look().await;
    assert_eq!(books.keys().await.len(), 0);
    lister.source.since = DateTime::from_timestamp(1_795_000_000, 0);
    lister.look().await;
    assert_eq!(books.keys().await.len(), PER_PAGE);
    Ok(())
}

#[tokio::test]
async fn a_missing_bucket_is_told_of() -> Result<()> {
    let books = Books::new().await?;
    let ministack = Ministack::shared().await?;
    let folder = TempDir::new()?;
    let stores = stores(folder.path(), Some(&ministack));
    let lister = lister(
        &books,
        &stores,
        &router(&[], folder.path()),
        Location::s3("no-such-bucket", ""),
    );
    let (monitor, stop) = (lister.monitor.clone(), CancellationToken::new());
    let working = tokio::spawn(lister.run(stop.clone()));
    eventually(PATIENCE, "the complaint", async || {
        monitor
            .health()
            .problem
            .filter(|problem| problem.contains("no-such-bucket"))
    })
    .await;
    stop.cancel();
    Ok(working.await?)
}
