use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use arrivage_model::Location;
use crc_fast::CrcAlgorithm;
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
    /// CRC-32 of zip and Ethernet.
    Crc32,
    /// Castagnoli's CRC-32.
    Crc32c,
    /// CRC-64/NVME.
    Crc64Nvme,
    /// As sha1sum makes it.
    Sha1,
    /// As sha256sum makes it.
    Sha256,
    /// As md5sum makes it.
    Md5,
}

/// How far a CRC has come: that of all bytes before a place. From there it can be gone on
/// with, by another process too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The place, in bytes of the object.
    pub at: u64,
    /// Of which CRC.
    pub algorithm: Algorithm,
    /// As it would be if the object ended there.
    pub crc: u64,
}

/// Is told of every [`Mark`] on the way.
pub type Marked = Arc<dyn Fn(Mark) + Send + Sync>;

impl Algorithm {
    const ALL: [Self; 6] = [
        Self::Crc32,
        Self::Crc32c,
        Self::Crc64Nvme,
        Self::Sha1,
        Self::Sha256,
        Self::Md5,
    ];

    /// The length of its digests, in bytes.
    #[must_use]
    pub fn length(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Md5 => 16,
        }
    }

    /// The CRC, and what its state and its value differ in.
    fn crc(self) -> Option<(CrcAlgorithm, u64)> {
        match self {
            Self::Crc32 => Some((CrcAlgorithm::Crc32IsoHdlc, u32::MAX.into())),
            Self::Crc32c => Some((CrcAlgorithm::Crc32Iscsi, u32::MAX.into())),
            Self::Crc64Nvme => Some((CrcAlgorithm::Crc64Nvme, u64::MAX)),
            Self::Sha1 | Self::Sha256 | Self::Md5 => None,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Crc32 => "CRC-32",
            Self::Crc32c => "CRC-32C",
            Self::Crc64Nvme => "CRC-64/NVME",
            Self::Sha1 => "SHA-1",
            Self::Sha256 => "SHA-256",
            Self::Md5 => "MD5",
        })
    }
}

impl FromStr for Algorithm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|it| it.to_string() == text);
        found.ok_or_else(|| format!("{text:?} is no digest"))
    }
}

/// The bytes of an object, up to its last, held against what is stated of them.
pub(crate) struct Verifier(Vec<(Digest, Running)>);

enum Running {
    Crc(crc_fast::Digest),
    Sha256(Sha256),
    Sha1(Sha1),
    Md5(Md5),
}

impl Verifier {
    /// From the first byte on.
    pub(crate) fn new(digests: Vec<Digest>) -> Self {
        let running = digests.into_iter().map(|digest| {
            let running = Running::new(digest.algorithm);
            (digest, running)
        });
        Self(running.collect())
    }

    /// From a mark on: of the digests only the one that the mark is of is compared.
    pub(crate) fn going_on(digests: Vec<Digest>, mark: Mark) -> Self {
        let running = digests.into_iter().filter_map(|digest| {
            let (crc, difference) = digest.algorithm.crc()?;
            let state = mark.crc ^ difference;
            let running = crc_fast::Digest::new_with_init_state(crc, state);
            let same = digest.algorithm == mark.algorithm;
            same.then_some((digest, Running::Crc(running)))
        });
        Self(running.collect())
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        for (_, running) in &mut self.0 {
            running.update(bytes);
        }
    }

    /// How far its CRC has come, if it has one.
    pub(crate) fn mark(&self, at: u64) -> Option<Mark> {
        self.0.iter().find_map(|(digest, running)| match running {
            Running::Crc(crc) => Some(Mark {
                at,
                algorithm: digest.algorithm,
                crc: crc.finalize(),
            }),
            _ => None,
        })
    }

    /// Once the last byte has come: whether they are the bytes that were meant.
    pub(crate) fn finish(self, location: &Location) -> Result<(), StoreError> {
        for (stated, running) in self.0 {
            if running.finish(stated.algorithm) == stated.value {
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
        match algorithm.crc() {
            Some((crc, _)) => Self::Crc(crc_fast::Digest::new(crc)),
            None => match algorithm {
                Algorithm::Sha256 => Self::Sha256(Sha256::new()),
                Algorithm::Sha1 => Self::Sha1(Sha1::new()),
                _ => Self::Md5(Md5::new()),
            },
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc(running) => running.update(bytes),
            Self::Sha256(running) => running.update(bytes),
            Self::Sha1(running) => running.update(bytes),
            Self::Md5(running) => running.update(bytes),
        }
    }

    fn finish(self, algorithm: Algorithm) -> Vec<u8> {
        match self {
            Self::Crc(running) => {
                let bytes = running.finalize().to_be_bytes();
                bytes[bytes.len() - algorithm.length()..].to_vec()
            }
            Self::Sha256(running) => running.finalize().to_vec(),
            Self::Sha1(running) => running.finalize().to_vec(),
            Self::Md5(running) => running.finalize().to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stated(algorithm: Algorithm, hex: &str) -> Digest {
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal");
        Digest {
            algorithm,
            value: (0..hex.len()).step_by(2).map(byte).collect(),
            stated_by: "the store".to_owned(),
        }
    }

    /// Of `123456789`, as their standards give them.
    const DIGESTS: [(Algorithm, &str); 6] = [
        (Algorithm::Crc32, "cbf43926"),
        (Algorithm::Crc32c, "e3069283"),
        (Algorithm::Crc64Nvme, "ae8b14860a799888"),
        (Algorithm::Sha1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
        (
            Algorithm::Sha256,
            "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
        ),
        (Algorithm::Md5, "25f9e794323b453885f5181f1b624d0b"),
    ];

    #[test]
    fn digests_are_those_that_everybody_makes() {
        let location = Location::s3("drop", "a");
        for (algorithm, hex) in DIGESTS {
            assert_eq!(algorithm.to_string().parse(), Ok(algorithm));
            assert_eq!(algorithm.length() * 2, hex.len());
            let finish = |bytes: &str| {
                let mut verifier = Verifier::new(vec![stated(algorithm, hex)]);
                bytes
                    .split('|')
                    .for_each(|part| verifier.update(part.as_bytes()));
                verifier.finish(&location)
            };
            assert!(finish("1234||56789").is_ok(), "{algorithm}");
            for other in ["12345678", "1234567890", "123456780", ""] {
                let error = finish(other).expect_err("other bytes").to_string();
                assert!(error.contains("that the store states"), "{error}");
            }
        }
    }

    #[test]
    fn a_crc_goes_on_from_any_mark() {
        let location = Location::s3("drop", "a");
        let bytes = b"123456789";
        for (algorithm, hex) in DIGESTS {
            for at in 0..=bytes.len() {
                let mut first = Verifier::new(vec![stated(algorithm, hex)]);
                first.update(&bytes[..at]);
                let Some(mark) = first.mark(at as u64) else {
                    assert!(algorithm.crc().is_none());
                    continue;
                };
                let rest = |bytes: &[u8]| {
                    let mut rest = Verifier::going_on(vec![stated(algorithm, hex)], mark);
                    rest.update(bytes);
                    rest.finish(&location)
                };
                assert!(rest(&bytes[at..]).is_ok(), "{algorithm} from {at}");
                assert!(rest(b"x").is_err(), "{algorithm} from {at}");
            }
        }
    }
}
