//! Puts files where the program finds them, and keeps what was put.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use xtask::chance::Chance;
use xtask::place::find_program;

use super::faults::{Fault, Tally};
use super::files::{self, Packing, Pipeline};
use super::http;
use super::stage::{Stage, shown};

/// How many of the last objects may be overwritten.
const RECENT: usize = 8;

/// One content, as it was delivered.
struct Delivery {
    pipeline: Pipeline,
    /// What its records call it.
    content: String,
    key: String,
    /// As the store says it; `-` for a file of the drop folder.
    etag: String,
    /// Its bytes, kept apart.
    source: PathBuf,
    /// False: it was overwritten.
    stands: bool,
}

/// All of them.
pub(crate) struct Deliveries<'a> {
    stage: &'a Stage,
    packings: Vec<Packing>,
    made: Vec<Delivery>,
    chance: Chance,
}

impl<'a> Deliveries<'a> {
    pub(crate) fn new(stage: &'a Stage, chance: Chance) -> Self {
        let mut packings = vec![Packing::Plain, Packing::Plain, Packing::Gzip];
        if find_program("zstd").is_some() {
            packings.push(Packing::Zstd);
        }
        Self {
            stage,
            packings,
            made: Vec::new(),
            chance,
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.made.len() as u64
    }

    /// Delivers one more file.
    pub(crate) fn deliver(&mut self, tally: &Tally) -> Result<()> {
        let pipeline = Pipeline::any(&mut self.chance);
        let overwritten = self.choose_overwritten(pipeline);
        let (content, key) = match overwritten {
            Some(place) => {
                let older = &self.made[place];
                (format!("{}x", older.content), older.key.clone())
            }
            None => {
                let content = format!("{}-{:06}", pipeline.name(), self.made.len());
                let key = format!("{}/{content}.{}", pipeline.name(), pipeline.extension());
                (content, key)
            }
        };
        let source = self.stage.sources().join(&content);
        let chance = &mut self.chance;
        files::write(&source, pipeline, &content, &self.packings, chance)?;
        let (key, etag) = match pipeline {
            Pipeline::Deliveries => {
                let name = format!("{content}.csv");
                let inbox = self.stage.inbox();
                let part = inbox.join(format!(".{name}"));
                fs::copy(&source, &part)?;
                fs::rename(part, inbox.join(&name))?;
                (name, "-".to_owned())
            }
            _ => {
                let path = format!("/{}/{key}", self.stage.bucket);
                let put = http::put(&self.stage.endpoint, &path, &fs::read(&source)?)?;
                let etag = put.header("ETag").context("an object has an ETag")?;
                (key, etag.trim_matches('"').to_owned())
            }
        };
        if let Some(place) = overwritten {
            self.made[place].stands = false;
            tally.count(Fault::Overwrite);
        }
        self.made.push(Delivery {
            pipeline,
            content,
            key,
            etag,
            source,
            stands: true,
        });
        Ok(())
    }

    /// Tells the auditor: pipeline, content, key, ETag, source, and whether it stands or was
    /// overwritten, parted by tabs.
    pub(crate) fn write_manifest(&self) -> Result<()> {
        let mut manifest = String::new();
        for made in &self.made {
            let stands = if made.stands { "stands" } else { "overwritten" };
            writeln!(
                manifest,
                "{}\t{}\t{}\t{}\t{}\t{stands}",
                made.pipeline.name(),
                made.content,
                made.key,
                made.etag,
                shown(&made.source)
            )?;
        }
        Ok(fs::write(self.stage.manifest(), manifest)?)
    }

    /// Only where a table can tell the rows of two contents apart.
    fn choose_overwritten(&mut self, pipeline: Pipeline) -> Option<usize> {
        if pipeline != Pipeline::Orders || self.chance.below(3) > 0 {
            return None;
        }
        let stands = |(place, made): (usize, &Delivery)| {
            (made.stands && made.pipeline == pipeline).then_some(place)
        };
        let places = self.made.iter().enumerate().rev().filter_map(stands);
        let recent: Vec<usize> = places.take(RECENT).collect();
        (!recent.is_empty()).then(|| recent[self.chance.index(recent.len())])
    }
}
