//! A process dies, freezes, or loses its database in the middle of a load; another one, or the same,
//! goes on, and every record stands once.

mod configuration;
mod crowd;
mod frozen;
mod gathering;
mod heartbeat;
mod kills;
mod migrations;
mod outages;
mod poison;
