//! A look at an object that no pipeline has taken: nothing is claimed or written.

use std::sync::Arc;

use arrivage_model::{Failure, Limits, Object};
use arrivage_store::{Store, StoreError};

use crate::fate::{self, LoadError};
use crate::read::{self, Beginning};

/// A decompressor may keep a window of so many bytes.
const WINDOW: u64 = 64 << 20;

/// The object cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum PreviewError {
    /// Its bytes did not come.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// They came, and no file can be read from them.
    #[error("{}", .0.message)]
    File(Failure),
}

/// Reads how an object begins.
pub async fn beginning(store: Arc<dyn Store>, object: Object) -> Result<Beginning, PreviewError> {
    let found = read::beginning(store, object, Limits::default(), WINDOW).await;
    found.map_err(|error| match error {
        LoadError::Store(error) => PreviewError::Store(error),
        other => PreviewError::File(fate::failure(&other)),
    })
}
