//! Whether a file came whole: sidecars, totals and checksums, with the real program.

mod sidecars;
mod totals;
mod world;
