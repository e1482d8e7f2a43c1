use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use arrivage_model::StoreKind;

use crate::{FolderStore, S3Settings, S3Store, Store};

/// Every store of this process, found by its kind.
#[derive(Clone)]
pub struct Stores {
    s3: Arc<dyn Store>,
    folder: Arc<dyn Store>,
}

impl Stores {
    /// `folders` gives each folder source's absolute path by its name. Nothing
    /// is opened and no credentials are looked for until a store is used.
    #[must_use]
    pub fn new(s3: S3Settings, folders: BTreeMap<String, PathBuf>) -> Self {
        Self::of(
            Arc::new(S3Store::new(s3)),
            Arc::new(FolderStore::new(folders)),
        )
    }

    /// These two, whatever they are.
    #[must_use]
    pub fn of(s3: Arc<dyn Store>, folder: Arc<dyn Store>) -> Self {
        Self { s3, folder }
    }

    /// The store of this kind.
    #[must_use]
    pub fn get(&self, kind: StoreKind) -> &Arc<dyn Store> {
        match kind {
            StoreKind::S3 => &self.s3,
            StoreKind::Folder => &self.folder,
        }
    }
}
