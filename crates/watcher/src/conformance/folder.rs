use super::*;
use crate::folder::{FolderSource, Looker};

/// A folder; the files in it are what is said.
pub(super) struct Folder {
    path: std::sync::Mutex<std::path::PathBuf>,
}

#[async_trait(?Send)]
impl Subject for Folder {
    async fn new() -> Result<Self> {
        let path = std::sync::Mutex::default();
        Ok(Self { path })
    }

    fn stores(&self, world: &World) -> Stores {
        let mut path = self.path.lock().expect("unharmed");
        world.inbox.path().clone_into(&mut path);
        stores(world.inbox.path(), None)
    }

    async fn announce(&mut self, world: &World, key: &str) -> Result<()> {
        Ok(std::fs::write(world.inbox.path().join(key), key)?)
    }

    async fn say(&mut self, _: &str) -> Result<bool> {
        Ok(false)
    }

    async fn kept(&mut self) -> Result<Option<usize>> {
        Ok(None)
    }

    fn work(&self, with: With) -> BoxFuture<'static, ()> {
        let source = FolderSource {
            name: SOURCE.to_owned(),
            path: self.path.lock().expect("unharmed").clone(),
            settle: Duration::ZERO,
        };
        let looker = Looker::new(source, with.router, with.intake, with.monitor);
        Box::pin(looker.run(with.stop))
    }

    async fn die_before_acknowledging(&mut self, with: With) -> Result<()> {
        die_after_recording(self, with).await
    }
}
