//! Databases in trouble, stores that lie, notifications that come twice: rows of `docs/faults.md`
//! that only the whole program can show.

mod constraints;
mod credentials;
mod drift;
mod hostile;
mod objects;
mod pooler;
mod pooling;
mod refusals;
mod servers;
mod slow;
