//! The webhook and the API, asked as senders and schedulers ask them.

mod following;
mod ordering;
mod retaining;
mod webhook;
mod world;
