//! What the testkit promises about the servers. The names of these modules tell `cargo xtask check`
//! which tests to leave out where a server is missing.

mod ministack;
mod postgres;
