//! What was delivered.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// One content of one object or file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    /// Which has a table of the same name.
    pub(crate) pipeline: String,
    /// What its records call it.
    pub(crate) name: String,
    pub(crate) key: String,
    /// As the bucket said it; `-` for a file of the drop folder.
    pub(crate) etag: String,
    /// Where its bytes were kept.
    pub(crate) source: PathBuf,
    /// False: its key was overwritten.
    pub(crate) stands: bool,
}

/// What the ledger knows a content by: pipeline, key and ETag.
pub(crate) type Id = (String, String, String);

impl Content {
    pub(crate) fn id(&self) -> Id {
        (self.pipeline.clone(), self.key.clone(), self.etag.clone())
    }

    pub(crate) fn is_in_folder(&self) -> bool {
        self.etag == "-"
    }
}

/// Sorted by name, byte by byte.
pub(crate) fn read(path: impl AsRef<Path>) -> Result<Vec<Content>> {
    let text = fs::read_to_string(path).context("the manifest cannot be read")?;
    let mut contents = text.lines().map(content).collect::<Result<Vec<_>>>()?;
    contents.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(contents)
}

fn content(line: &str) -> Result<Content> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [pipeline, name, key, etag, source, stands] = fields[..] else {
        anyhow::bail!("a line of the manifest has six fields: {line}");
    };
    Ok(Content {
        pipeline: pipeline.to_owned(),
        name: name.to_owned(),
        key: key.to_owned(),
        etag: etag.to_owned(),
        source: source.into(),
        stands: stands == "stands",
    })
}
