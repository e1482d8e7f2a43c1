//! The processor: claims arrivals and streams each one into its table, in
//! bounded memory, exactly once.
//!
//! The story is in [`process`](Processor): read, decompress, decode, commit,
//! chunk by chunk. Everything between the bytes and the rows is synchronous and
//! stands in [`decode`].

mod board;
mod budget;
mod commit;
mod complete;
pub mod decode;
mod fate;
mod fill;
mod housekeeping;
mod keeper;
mod magic;
mod open;
mod outcome;
mod prepare;
mod preview;
mod process;
mod read;
mod rehearsal;
mod settings;
mod settle;
mod together;
mod work;

pub use board::{Board, Loading};
pub use outcome::{Ended, Outcome, Turn};
pub use preview::{PreviewError, beginning};
pub use process::Processor;
pub use read::{Beginning, Stated};
pub use rehearsal::{Rehearsal, rehearse};
pub use settings::{Settings, SettingsError};
pub use work::{Signals, Summary, Until};
