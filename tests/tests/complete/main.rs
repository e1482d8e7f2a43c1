//! Whether a file came whole: sidecars, totals and checksums, with the real program.

mod checksums;
mod facts;
mod given_back;
mod sidecars;
mod totals;
mod world;
