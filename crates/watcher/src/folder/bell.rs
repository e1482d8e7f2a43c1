use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{Config, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::warn;

/// Rings when something changes below a folder. It may ring for nothing, and on
/// a share it may never ring: who listens looks for himself now and then.
pub(super) struct Bell {
    rung: Arc<Notify>,
    wire: Option<Wire>,
    complained: bool,
}

/// The file system's own watch on one directory.
struct Wire {
    /// Device and inode: another directory of the same name needs a new watch.
    directory: (u64, u64),
    _watcher: RecommendedWatcher,
}

impl Bell {
    pub(super) fn new() -> Self {
        Self {
            rung: Arc::default(),
            wire: None,
            complained: false,
        }
    }

    /// Sees to it that the bell is wired to the directory that is there now; an
    /// error says that none is.
    pub(super) async fn attend(&mut self, path: &Path) -> io::Result<()> {
        let found = tokio::fs::metadata(path).await?;
        if !found.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let directory = (found.dev(), found.ino());
        if self
            .wire
            .as_ref()
            .is_some_and(|wire| wire.directory == directory)
        {
            return Ok(());
        }
        self.wire = None;
        match watch(path, Arc::clone(&self.rung)).await {
            Ok(watcher) => {
                self.wire = Some(Wire {
                    directory,
                    _watcher: watcher,
                })
            }
            Err(error) if !self.complained => {
                self.complained = true;
                warn!(
                    path = %path.display(),
                    "the system does not tell of changes in this folder ({error}); files are \
                     found a little later, by looking"
                );
            }
            Err(_) => {}
        }
        Ok(())
    }

    /// Waits for the bell, and no longer than this.
    pub(super) async fn wait(&self, longest: Duration) {
        // Either way it is time to look.
        let _ = timeout(longest, self.rung.notified()).await;
    }
}

async fn watch(path: &Path, rung: Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    let path = path.to_owned();
    let watching = spawn_blocking(move || {
        let ring = move |event: notify::Result<Event>| {
            if event.is_ok_and(|event| matters(&event)) {
                rung.notify_one();
            }
        };
        let config = Config::default().with_follow_symlinks(false);
        let mut watcher = RecommendedWatcher::new(ring, config)?;
        watcher.watch(&path, RecursiveMode::Recursive)?;
        Ok(watcher)
    });
    watching
        .await
        .map_err(|error| notify::Error::generic(&error.to_string()))?
}

/// Reading is no change, and we read here ourselves.
fn matters(event: &Event) -> bool {
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        _ => true,
    }
}
