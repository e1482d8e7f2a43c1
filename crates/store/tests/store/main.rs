//! What every store promises, and how each keeps it when things go wrong.

mod conformance;
mod faults;
mod folder;
mod places;
mod raw;
mod versions;
