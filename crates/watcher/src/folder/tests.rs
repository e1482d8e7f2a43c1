use std::fs::{self, OpenOptions};
use std::io::Write;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use arrivage_model::{Mode, Object, StoreKind, VersionId};
use arrivage_store::{Body, Page, Store, Stores};
use arrivage_testkit::eventually;
use async_trait::async_trait;
use tempfile::TempDir;

use super::*;
use crate::testing::{Books, PATIENCE, pipeline, router};

/// The folder store itself, and how often it was asked for a content.
struct Counted {
    store: FolderStore,
    heads: AtomicUsize,
}

#[async_trait]
impl Store for Counted {
    async fn head(
        &self,
        location: &Location,
        version: Option<&VersionId>,
    ) -> Result<Object, StoreError> {
        self.heads.fetch_add(1, Ordering::Relaxed);
        self.store.head(location, version).await
    }

    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
    ) -> Result<Page, StoreError> {
        self.store.list(bucket, prefix, after).await
    }

    async fn read(&self, object: &Object, range: Range<u64>) -> Result<Body, StoreError> {
        self.store.read(object, range).await
    }
}

struct Bench {
    books: Books,
    inbox: TempDir,
    store: Arc<Counted>,
    looker: Looker,
}

/// `inbox` within a temporary directory, and `inbox/deep` as a source of its own.
async fn bench(settle: Duration) -> Result<Bench> {
    let books = Books::new().await?;
    let inbox = TempDir::new()?;
    let folders = BTreeMap::from([("inbox".to_owned(), inbox.path().to_owned())]);
    let store = Arc::new(Counted {
        store: FolderStore::new(folders),
        heads: AtomicUsize::new(0),
    });
    let stores = Stores::of(store.clone(), store.clone());
    let everything = format!("{}/**/*.csv*", inbox.path().display());
    let router = router(
        &[pipeline("orders", Mode::Append, &[&everything])],
        inbox.path(),
    );
    let source = FolderSource {
        name: "inbox".to_owned(),
        path: inbox.path().to_owned(),
        settle,
    };
    let looker = Looker::new(
        source,
        Arc::clone(&router),
        books.intake("inbox", &stores, &router),
        Monitor::new("inbox", "folder"),
    );
    Ok(Bench {
        books,
        inbox,
        store,
        looker,
    })
}

impl Bench {
    fn write(&self, key: &str, content: &str) -> Result<()> {
        let path = self.inbox.path().join(key);
        fs::create_dir_all(path.parent().expect("a directory"))?;
        Ok(fs::write(path, content)?)
    }

    fn append(&self, key: &str, content: &str) -> Result<()> {
        let path = self.inbox.path().join(key);
        Ok(OpenOptions::new()
            .append(true)
            .open(path)?
            .write_all(content.as_bytes())?)
    }

    fn heads(&self) -> usize {
        self.store.heads.load(Ordering::Relaxed)
    }

    /// Looks until these keys are arrivals, as rescans do; no bell rings here.
    #[track_caller]
    fn look_until(&mut self, expect: &[&str]) -> impl Future<Output = ()> {
        let place = std::panic::Location::caller();
        async move {
            let looking = async {
                while self.books.keys().await != expect {
                    self.looker
                        .look()
                        .await
                        .expect("the folder and the ledger answer");
                    tokio::time::sleep(SHORTEST).await;
                }
            };
            if tokio::time::timeout(PATIENCE, looking).await.is_err() {
                panic!(
                    "{place}: there are {:?}, not {expect:?}",
                    self.books.keys().await
                );
            }
        }
    }
}

#[tokio::test]
async fn looking_again_finds_what_no_bell_told_of() -> Result<()> {
    let mut bench = bench(Duration::from_millis(100)).await?;
    bench.write("a.csv", "1")?;
    bench.write("x/y/b c+é.csv.gz", "2")?;
    bench.write("ignored.txt", "3")?;
    bench.look_until(&["a.csv", "x/y/b c+é.csv.gz"]).await;
    assert_eq!(bench.books.ignored().await, ["ignored.txt"]);

    bench.write("later.csv", "4")?;
    bench
        .look_until(&["a.csv", "later.csv", "x/y/b c+é.csv.gz"])
        .await;
    assert_eq!(bench.books.ignored().await, ["ignored.txt"], "told of once");
    let arrivals = bench.books.arrivals().await;
    let b = arrivals
        .iter()
        .find(|arrival| arrival.key.starts_with('x'))
        .expect("it is there");
    assert_eq!(b.bucket, "inbox");
    assert_eq!(b.store, StoreKind::Folder);
    assert_eq!(b.etag.as_str().len(), 64, "BLAKE3 in hexadecimal");
    Ok(())
}

#[tokio::test]
async fn a_file_counts_once_it_stands_still() -> Result<()> {
    let mut bench = bench(Duration::from_secs(3600)).await?;
    bench.write("a.csv", "one\n")?;
    for line in ["two\n", "three\n", "four\n"] {
        let look = bench.looker.look().await?;
        assert!(look.due.is_some(), "it settles");
        bench.append("a.csv", line)?;
    }
    assert_eq!(bench.books.keys().await, Vec::<String>::new());

    bench.looker.sightings = Sightings::new(Duration::from_millis(100));
    bench.look_until(&["a.csv"]).await;
    let arrivals = bench.books.arrivals().await;
    assert_eq!(arrivals.len(), 1);
    assert_eq!(arrivals[0].size, Some(19));
    Ok(())
}

#[tokio::test]
async fn unfinished_and_hidden_files_count_once_they_are_renamed() -> Result<()> {
    let mut bench = bench(Duration::ZERO).await?;
    let unfinished = [
        "a.csv.part",
        "b.csv.tmp",
        "c.csv.filepart",
        ".d.csv",
        "~e.csv",
        ".f/g.csv",
    ];
    for key in unfinished {
        bench.write(key, key)?;
    }
    bench.write("h.csv", "h")?;
    bench.look_until(&["h.csv"]).await;
    for key in unfinished {
        let finished = key
            .trim_start_matches(['.', '~'])
            .split(".csv")
            .next()
            .expect("a name");
        let finished = bench
            .inbox
            .path()
            .join(format!("{}.csv", finished.replace('/', "")));
        fs::rename(bench.inbox.path().join(key), finished)?;
    }
    bench
        .look_until(&[
            "a.csv", "b.csv", "c.csv", "d.csv", "e.csv", "fg.csv", "h.csv",
        ])
        .await;
    Ok(())
}

#[tokio::test]
async fn an_unchanged_file_is_not_asked_for_again() -> Result<()> {
    let mut bench = bench(Duration::ZERO).await?;
    bench.write("a.csv", "1")?;
    bench.write("b.csv", "2")?;
    bench.look_until(&["a.csv", "b.csv"]).await;
    assert_eq!(bench.heads(), 2);
    for _ in 0..3 {
        bench.looker.look().await?;
    }
    assert_eq!(bench.heads(), 2);

    // The same name and size, another content.
    bench.write("a.csv", "3")?;
    bench.look_until(&["a.csv", "a.csv", "b.csv"]).await;
    assert_eq!(bench.heads(), 3);
    let duplicates: i64 = bench
        .books
        .arrivals()
        .await
        .iter()
        .map(|arrival| arrival.duplicate_notifications)
        .sum();
    assert_eq!(duplicates, 0);

    fs::remove_file(bench.inbox.path().join("b.csv"))?;
    bench.looker.look().await?;
    assert_eq!(bench.looker.sightings.len(), 1, "what is gone is forgotten");
    Ok(())
}

#[tokio::test]
async fn a_restart_registers_nothing_twice() -> Result<()> {
    let mut bench = bench(Duration::ZERO).await?;
    bench.write("a.csv", "1")?;
    bench.look_until(&["a.csv"]).await;
    bench.looker.sightings = Sightings::new(Duration::ZERO);
    bench.looker.look().await?;
    assert_eq!(bench.heads(), 2);
    assert_eq!(bench.books.keys().await, ["a.csv"]);
    Ok(())
}

#[tokio::test]
async fn a_file_belongs_to_the_innermost_source() -> Result<()> {
    let mut bench = bench(Duration::ZERO).await?;
    let root = bench
        .inbox
        .path()
        .to_str()
        .expect("a readable path")
        .to_owned();
    let folders = [("inbox", root.clone()), ("deep", format!("{root}/deep"))];
    let pipelines = [pipeline("orders", Mode::Append, &[&format!("{root}/**")])];
    bench.looker.router = Arc::new(Router::new(
        pipelines.to_vec(),
        folders.map(|(name, path)| (name.to_owned(), path)).into(),
    ));
    bench.write("deep/a.csv", "1")?;
    bench.write("b.csv", "2")?;
    bench.look_until(&["b.csv"]).await;
    bench.looker.look().await?;
    assert_eq!(bench.books.keys().await, ["b.csv"]);
    Ok(())
}

#[tokio::test]
async fn the_bell_rings_long_before_the_next_look_is_due() -> Result<()> {
    let mut bench = bench(Duration::from_millis(50)).await?;
    bench.looker.rescan = Duration::from_secs(3600);
    let Bench {
        books,
        inbox,
        looker,
        ..
    } = bench;
    let (monitor, stop) = (looker.monitor.clone(), CancellationToken::new());
    let working = tokio::spawn(looker.run(stop.clone()));
    eventually(PATIENCE, "the first look", async || {
        monitor.health().problem.is_none().then_some(())
    })
    .await;

    fs::create_dir_all(inbox.path().join("new/directory"))?;
    fs::write(inbox.path().join("a.csv"), "1")?;
    fs::write(inbox.path().join("b.csv.part"), "2")?;
    fs::rename(inbox.path().join("b.csv.part"), inbox.path().join("b.csv"))?;
    eventually(PATIENCE, "both files", async || {
        (books.keys().await == ["a.csv", "b.csv"]).then_some(())
    })
    .await;
    fs::write(inbox.path().join("new/directory/c.csv"), "3")?;
    eventually(PATIENCE, "a file in a new directory", async || {
        (books.keys().await.len() == 3).then_some(())
    })
    .await;
    stop.cancel();
    Ok(working.await?)
}

#[tokio::test]
async fn a_folder_that_comes_later_is_waited_for() -> Result<()> {
    let mut bench = bench(Duration::ZERO).await?;
    bench.looker.rescan = Duration::from_secs(3600);
    let Bench {
        books,
        inbox,
        looker,
        ..
    } = bench;
    fs::remove_dir(inbox.path())?;
    let (monitor, stop) = (looker.monitor.clone(), CancellationToken::new());
    let working = tokio::spawn(looker.run(stop.clone()));
    let problem = eventually(PATIENCE, "the complaint", async || {
        monitor
            .health()
            .problem
            .filter(|problem| problem.contains("cannot be watched"))
    })
    .await;
    assert!(problem.contains("create it"), "{problem}");

    fs::create_dir(inbox.path())?;
    fs::write(inbox.path().join("a.csv"), "1")?;
    eventually(PATIENCE, "its file", async || {
        (books.keys().await == ["a.csv"]).then_some(())
    })
    .await;
    assert_eq!(monitor.health().problem, None);
    stop.cancel();
    Ok(working.await?)
}
