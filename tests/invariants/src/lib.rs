//! What has to hold of any bytes, whoever sent them: one function for each kind of input, which
//! panics where it does not.
//!
//! `tests/fuzz` calls them with what a fuzzer makes up, and a test of this crate with the seeds in
//! `tests/fuzz/seeds`. The first bytes of an input are settings ([`knobs`]), the rest is the file.

#![expect(
    clippy::missing_panics_doc,
    reason = "a panic is how they say that something does not hold"
)]

mod chunks;
mod configuration;
mod knobs;
mod notification;
mod object;
mod pipeline;
mod preview;
mod text;

pub use configuration::configuration;
pub use notification::notification;
pub use object::{avro, compressed, parquet, tar, zip};
pub use preview::preview;
pub use text::{csv, encodings, fixed_width, json};

/// The kind of input, and what has to hold of it.
pub type Invariant = (&'static str, fn(&[u8]));

/// All of them, by the names of their fuzz targets.
pub const ALL: [Invariant; 12] = [
    ("csv", csv),
    ("json", json),
    ("fixed_width", fixed_width),
    ("encodings", encodings),
    ("compressed", compressed),
    ("zip", zip),
    ("tar", tar),
    ("parquet", parquet),
    ("avro", avro),
    ("notification", notification),
    ("configuration", configuration),
    ("preview", preview),
];
