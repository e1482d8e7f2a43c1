use std::fmt;

use arrivage_model::Location;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use crate::StoreError;

/// What the bytes of a whole object come to, and who says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    /// How it is made.
    pub algorithm: Algorithm,
    /// Its bytes.
    pub value: Vec<u8>,
    /// Who states it, for the message: `the store`, or a sidecar's URL.
    pub stated_by: String,
}

/// How a digest is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// As sha256sum makes it.
    Sha256,
    /// As sha1sum makes it.
    Sha1,
    /// As md5sum makes it.
    Md5,
}

impl Algorithm {
    /// The length of its digests, in bytes.
    #[must_use]
    pub fn length(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha1 => 20,
            Self::Md5 => 16,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha256 => "SHA-256",
            Self::Sha1 => "SHA-1",
            Self::Md5 => "MD5",
        })
    }
}

/// The bytes of an object, from its first to its last, held against what is stated of
/// them.
pub(crate) struct Verifier(Vec<(Digest, Running)>);

enum Running {
    Sha256(Sha256),
    Sha1(Sha1),
    Md5(Md5),
}

impl Verifier {
    pub(crate) fn new(digests: Vec<Digest>) -> Self {
        let running = digests.into_iter().map(|digest| {
            let running = Running::new(digest.algorithm);
            (digest, running)
        });
        Self(running.collect())
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        for (_, running) in &mut self.0 {
            running.update(bytes);
        }
    }

    /// Once the last byte has come: whether they are the bytes that were meant.
    pub(crate) fn finish(self, location: &Location) -> Result<(), StoreError> {
        for (stated, running) in self.0 {
            if running.finish() == stated.value {
                continue;
            }
            return Err(StoreError::Incomplete {
                location: location.clone(),
                what: format!(
                    "the {} of its bytes is not the one that {} states",
                    stated.algorithm, stated.stated_by
                ),
            });
        }
        Ok(())
    }
}

impl Running {
    fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha256 => Self::Sha256(Sha256::new()),
            Algorithm::Sha1 => Self::Sha1(Sha1::new()),
            Algorithm::Md5 => Self::Md5(Md5::new()),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(running) => running.update(bytes),
            Self::Sha1(running) => running.update(bytes),
            Self::Md5(running) => running.update(bytes),
        }
    }

    fn finish(self) -> Vec<u8> {
        match self {
            Self::Sha256(running) => running.finalize().to_vec(),
            Self::Sha1(running) => running.finalize().to_vec(),
            Self::Md5(running) => running.finalize().to_vec(),
        }
    }
}
