//! Archives as tests need them, broken ones too. Those of other programs are fixtures.

use std::io::Write;

use flate2::Compression;
use flate2::write::DeflateEncoder;

/// A file to be packed into an archive.
#[derive(Clone, Debug)]
pub struct Packed {
    /// Its name.
    pub name: String,
    /// What is in it.
    pub content: Vec<u8>,
    /// In a zip, deflated; else as it is.
    pub deflated: bool,
}

impl Packed {
    /// A deflated one.
    pub fn new(name: &str, content: impl Into<Vec<u8>>) -> Self {
        Self {
            name: name.to_owned(),
            content: content.into(),
            deflated: true,
        }
    }

    /// The same, as it is.
    #[must_use]
    pub fn stored(self) -> Self {
        Self {
            deflated: false,
            ..self
        }
    }
}

/// A zip archive of these files. The directory names the last one first, as any order is
/// allowed.
#[must_use]
pub fn zip(files: &[Packed]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut records = Vec::new();
    for file in files {
        let at = bytes.len();
        let mut sum = flate2::Crc::new();
        sum.update(&file.content);
        let compressed = if file.deflated {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
            encoder
                .write_all(&file.content)
                .expect("memory takes everything");
            encoder.finish().expect("memory takes everything")
        } else {
            file.content.clone()
        };
        let method = if file.deflated { 8_u16 } else { 0 };
        let mut common = Vec::new();
        // Needs 2.0; names are UTF-8; no time.
        for word in [20, 1 << 11, method, 0, 0x21] {
            common.extend_from_slice(&word.to_le_bytes());
        }
        for number in [
            sum.sum(),
            number(compressed.len()),
            number(file.content.len()),
        ] {
            common.extend_from_slice(&number.to_le_bytes());
        }
        let length = u16::try_from(file.name.len()).expect("a short name");
        common.extend_from_slice(&length.to_le_bytes());
        common.extend_from_slice(&[0; 2]);
        bytes.extend_from_slice(b"PK\x03\x04");
        bytes.extend_from_slice(&common);
        bytes.extend_from_slice(file.name.as_bytes());
        bytes.extend_from_slice(&compressed);
        let mut record = b"PK\x01\x02\x14\x00".to_vec();
        record.extend_from_slice(&common);
        record.extend_from_slice(&[0; 10]);
        record.extend_from_slice(&number(at).to_le_bytes());
        record.extend_from_slice(file.name.as_bytes());
        records.push(record);
    }
    let start = bytes.len();
    bytes.extend(records.iter().rev().flatten());
    let length = bytes.len() - start;
    let count = u16::try_from(files.len()).expect("few files");
    bytes.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    bytes.extend_from_slice(&count.to_le_bytes());
    bytes.extend_from_slice(&count.to_le_bytes());
    bytes.extend_from_slice(&number(length).to_le_bytes());
    bytes.extend_from_slice(&number(start).to_le_bytes());
    bytes.extend_from_slice(&[0; 2]);
    bytes
}

/// A tar archive of these files.
#[must_use]
pub fn tar(files: &[Packed]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for file in files {
        bytes.extend_from_slice(&tar_header(&file.name, file.content.len(), b'0'));
        bytes.extend_from_slice(&file.content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

/// What stands before a file in a tar archive.
#[must_use]
pub fn tar_header(name: &str, size: usize, kind: u8) -> [u8; 512] {
    let mut header = [0; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[100..108].copy_from_slice(b"0000644\0");
    header[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    header[148..156].fill(b' ');
    header[156] = kind;
    header[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    header
}

fn number(length: usize) -> u32 {
    u32::try_from(length).expect("a small archive")
}
