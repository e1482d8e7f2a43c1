//! Where the objects are: S3 and folders behind one seam.
//!
//! A [`Store`] says what stands at a location, lists a bucket, and reads
//! exactly one content of an object, in ranges. An [`ObjectReader`] makes of
//! that one stream of bytes that survives whatever cuts it. Nothing here ever
//! writes, moves or deletes an object.

mod backoff;
mod digest;
mod error;
mod exact;
mod folder;
mod reader;
mod s3;
mod store;
mod stores;

pub use backoff::{Backoff, Policy, Verdict, retry};
pub use digest::{Algorithm, Digest, Mark, Marked};
pub use error::{Source, StoreError};
pub use folder::{Entry, EntryPage, FolderStore, Stamp};
pub use reader::{ObjectReader, Persistence, Progress, Verifying};
pub use s3::{AccessKey, AwsSettings, Patience, S3Settings, S3Store, aws_config};
pub use store::{Body, Page, Store};
pub use stores::Stores;
