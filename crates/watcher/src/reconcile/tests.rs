use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::Result;
use arrivage_model::{ETag, Router, VersionId};
use arrivage_store::{Body, Page, Stores};
use async_trait::async_trait;
use tempfile::TempDir;

use super::*;
use crate::testing::{Books, pipeline, router};

/// A bucket in memory, three objects a page, in the order of its keys or against it.
#[derive(Default)]
struct Bucket {
    objects: Mutex<BTreeMap<String, &'static str>>,
    backwards: bool,
}

impl Bucket {
    fn put(&self, key: &str, etag: &'static str) {
        let mut objects = self.objects.lock().expect("unharmed");
        objects.insert(key.to_owned(), etag);
    }

    fn remove(&self, key: &str) {
        self.objects.lock().expect("unharmed").remove(key);
    }

    fn object(location: Location, etag: &str) -> Object {
        Object {
            location,
            etag: ETag::parse(etag).expect("a tag"),
            version_id: None,
            size: Some(1),
            last_modified: DateTime::from_timestamp(1_795_000_000, 0),
            sequencer: None,
        }
    }
}

#[async_trait]
impl Store for Bucket {
    async fn head(&self, location: &Location, _: Option<&VersionId>) -> Result<Object, StoreError> {
        let objects = self.objects.lock().expect("unharmed");
        match objects.get(&location.key) {
            Some(etag) => Ok(Self::object(location.clone(), etag)),
            None => Err(StoreError::Gone(location.clone())),
        }
    }

    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
    ) -> Result<Page, StoreError> {
        let objects = self.objects.lock().expect("unharmed");
        let below = objects.iter().filter(|(key, _)| key.starts_with(prefix));
        let mut all: Vec<Object> = below
            .map(|(key, etag)| Self::object(Location::s3(bucket, key), etag))
            .collect();
        if self.backwards {
            all.reverse();
        }
        let from: usize = after.map_or(0, |after| after.parse().expect("a place"));
        let next = (from + 3 < all.len()).then(|| (from + 3).to_string());
        Ok(Page {
            objects: all.into_iter().skip(from).take(3).collect(),
            next,
        })
    }

    async fn read(&self, object: &Object, _: Range<u64>) -> Result<Body, StoreError> {
        Err(StoreError::Gone(object.location.clone()))
    }
}

struct Scene {
    books: Books,
    bucket: Arc<Bucket>,
    stores: Stores,
    router: Arc<Router>,
}

impl Scene {
    async fn new(mode: Mode, bucket: Bucket) -> Result<Self> {
        let bucket = Arc::new(bucket);
        let folder = TempDir::new()?;
        Ok(Self {
            books: Books::new().await?,
            stores: Stores::of(bucket.clone(), bucket.clone()),
            bucket,
            router: router(
                &[pipeline("orders", mode, &["s3://drop/**.csv"])],
                folder.path(),
            ),
        })
    }

    /// What a pass finds, a line each, and counts.
    async fn pass(&self, then: Then) -> Result<(Vec<String>, Counts), ReconcileError> {
        let place = Place {
            location: Location::s3("drop", ""),
            since: None,
            settle: Duration::ZERO,
        };
        let intake = self.books.intake("reconcile", &self.stores, &self.router);
        let mut pass = Reconciliation::new(place, then, intake);
        let mut found = Vec::new();
        while let Some(items) = pass.advance().await? {
            let line = |item: Item| {
                let state = item.arrival.map_or("-", |(_, state)| state.as_str());
                format!("{:?} {} {state}", item.finding, item.location.key)
            };
            found.extend(items.into_iter().map(line));
        }
        Ok((found, pass.counts()))
    }

    async fn states(&self) -> String {
        self.books
            .sql("SELECT key, etag, state FROM arrivage.arrivals ORDER BY key, id")
            .await
    }
}

#[tokio::test]
async fn what_is_missing_changed_and_vanished_is_found_postgres() -> Result<()> {
    let scene = Scene::new(Mode::Append, Bucket::default()).await?;
    for key in ["a.csv", "b.csv", "c.csv", "d.csv", "readme.txt"] {
        scene.bucket.put(key, "1");
    }
    let (found, counts) = scene.pass(Then::Look).await?;
    let all = ["a", "b", "c", "d"].map(|key| format!("Missing {key}.csv -"));
    assert_eq!(found, all);
    assert_eq!(scene.states().await, "", "a look writes nothing");
    assert_eq!((counts.listed, counts.missing, counts.ignored), (5, 4, 1));
    assert!(scene.books.ignored().await.is_empty());

    let (found, again) = scene.pass(Then::Register).await?;
    assert_eq!(found.len(), 4);
    assert_eq!(again, counts);
    assert_eq!(scene.books.ignored().await, ["readme.txt"]);

    // Neither a failed one is queued again, nor a duplicate counted.
    scene
        .books
        .sql("UPDATE arrivage.arrival SET state = 'failed' WHERE key = 'a.csv'")
        .await;
    scene.bucket.put("b.csv", "2");
    scene.bucket.remove("c.csv");
    scene.bucket.put("c1.csv", "1");
    for then in [Then::Look, Then::Register] {
        let (found, counts) = scene.pass(then).await?;
        let words: BTreeSet<&str> = found
            .iter()
            .map(|line| line.rsplit_once(' ').map_or("", |(words, _)| words))
            .collect();
        let expect = ["Changed b.csv", "Missing c1.csv", "Vanished c.csv"];
        assert_eq!(words, BTreeSet::from(expect), "{then:?}");
        assert_eq!(
            (
                counts.known,
                counts.missing,
                counts.changed,
                counts.vanished
            ),
            (2, 1, 1, 1)
        );
    }
    let expect = "a.csv|1|failed\nb.csv|1|waiting\nb.csv|2|waiting\nc.csv|1|waiting\n\
        c1.csv|1|waiting\nd.csv|1|waiting";
    assert_eq!(scene.states().await, expect);
    assert_eq!(
        scene
            .books
            .sql("SELECT sum(duplicate_notifications) FROM arrivage.arrivals")
            .await,
        "0"
    );
    // Nothing is found twice, but what is gone stays gone.
    let (found, _) = scene.pass(Then::Register).await?;
    assert_eq!(found, ["Vanished c.csv waiting"]);
    Ok(())
}

#[tokio::test]
async fn two_at_once_register_each_object_once_postgres() -> Result<()> {
    let scene = Scene::new(Mode::Append, Bucket::default()).await?;
    for nth in 0..20 {
        scene.bucket.put(&format!("{nth:02}.csv"), "1");
    }
    let (one, two) = tokio::join!(scene.pass(Then::Register), scene.pass(Then::Register));
    let (one, two) = (one?.1, two?.1);
    assert_eq!(one.missing + two.missing, 20, "{one:?} {two:?}");
    assert_eq!(one.known + two.known, 20, "{one:?} {two:?}");
    assert_eq!(scene.books.keys().await.len(), 20);
    Ok(())
}

#[tokio::test]
async fn what_is_adopted_counts_as_loaded_and_what_exists_stays_postgres() -> Result<()> {
    let scene = Scene::new(Mode::Append, Bucket::default()).await?;
    scene.bucket.put("a.csv", "1");
    scene.pass(Then::Register).await?;
    scene.bucket.put("a.csv", "2");
    scene.bucket.put("b.csv", "1");
    let (found, _) = scene.pass(Then::Adopt).await?;
    assert_eq!(found, ["Changed a.csv loaded", "Missing b.csv loaded"]);
    let expect = "a.csv|1|waiting\na.csv|2|loaded\nb.csv|1|loaded";
    assert_eq!(scene.states().await, expect);
    let (found, counts) = scene.pass(Then::Register).await?;
    assert!(found.is_empty(), "{found:?}");
    assert_eq!(counts.known, 2);
    assert_eq!(scene.states().await, expect);
    Ok(())
}

#[tokio::test]
async fn an_unsorted_listing_is_registered_all_the_same_postgres() -> Result<()> {
    let bucket = Bucket {
        backwards: true,
        ..Bucket::default()
    };
    let scene = Scene::new(Mode::Append, bucket).await?;
    for key in ["a.csv", "b.csv", "c.csv", "d.csv", "readme.txt"] {
        scene.bucket.put(key, "1");
    }
    let look = scene.pass(Then::Look).await;
    assert!(matches!(look, Err(ReconcileError::Unsorted(_))), "{look:?}");
    let (found, counts) = scene.pass(Then::Register).await?;
    assert_eq!(found.len(), 4);
    assert_eq!((counts.listed, counts.missing, counts.ignored), (5, 4, 1));
    assert_eq!(scene.books.keys().await.len(), 4);
    let (found, counts) = scene.pass(Then::Register).await?;
    assert!(found.is_empty(), "{found:?}");
    assert_eq!(counts.known, 4);
    Ok(())
}
