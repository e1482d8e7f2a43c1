use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Serialize};
use zlib_rs::{Deflate, DeflateFlush, Inflate, InflateFlush};

use super::codec::Block;

/// A place in a compressed object from which it can be read on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// The byte of the object that is read first.
    pub(super) at: u64,
    /// Decompressed bytes before it.
    pub(super) out: u64,
    /// In the middle of a gzip member; nothing: a member, frame or stream begins there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) middle: Option<Middle>,
}

/// What a gzip member has been so far, where a block of it begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Middle {
    pub(super) crc: u32,
    /// Modulo 2^32.
    pub(super) length: u32,
    bits: u8,
    /// What the block may look back on, deflated, in base 64.
    window: String,
}

impl Place {
    /// Whether it is written as it is here.
    pub(super) fn is_readable(&self) -> bool {
        let middle = self.middle.as_ref();
        middle.is_none_or(|middle| middle.block().is_ok())
    }
}

impl Middle {
    pub(super) fn new(block: &Block, crc: u32, length: u32) -> Self {
        Self {
            crc,
            length,
            bits: block.bits,
            window: STANDARD_NO_PAD.encode(deflated(&block.window)),
        }
    }

    /// An error: a checkpoint holds something else.
    pub(super) fn block(&self) -> io::Result<Block> {
        let broken = || io::Error::other("the checkpoint's place in it cannot be read");
        let deflated = STANDARD_NO_PAD.decode(&self.window).map_err(|_| broken())?;
        let mut window = vec![0; Block::WINDOW];
        let mut inflate = Inflate::new(false, 15);
        let inflated = inflate.decompress(&deflated, &mut window, InflateFlush::Finish);
        if inflated.is_err() || inflate.total_out() != Block::WINDOW as u64 || self.bits > 7 {
            return Err(broken());
        }
        Ok(Block {
            bits: self.bits,
            window,
        })
    }
}

fn deflated(window: &[u8]) -> Vec<u8> {
    let mut deflate = Deflate::new(1, false, 15);
    // What does not shrink grows by a few bytes per block.
    let mut out = vec![0; window.len() + window.len() / 8 + 64];
    deflate
        .compress(window, &mut out, DeflateFlush::Finish)
        .expect("there is room for it");
    out.truncate(deflate.total_out() as usize);
    out
}
