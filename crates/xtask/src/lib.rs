//! Starts and stops the servers that the tests need: PostgreSQL, ministack for S3, SQS, SNS and
//! EventBridge, and RabbitMQ.
//!
//! `cargo xtask check` starts each of them once and announces them through the environment; the
//! testkit starts its own where nothing was announced, so that a plain `cargo test -p …` works too.
//! Both do it with this library, and [`proxy`] stands between a program and its database, in the soak
//! as in the tests. It stands here and not in the testkit because `cargo xtask` must build in seconds on
//! a fresh clone: here is no async and nothing heavy.

pub mod chance;
pub mod ministack;
pub mod place;
pub mod postgres;
pub mod process;
pub mod proxy;
pub mod rabbitmq;
pub mod venv;

/// The environment variables that tell the tests which servers are running.
pub mod announced {
    /// URL of a database of the running PostgreSQL; the role may create databases.
    pub const POSTGRES: &str = "ARRIVAGE_TEST_POSTGRES";
    /// Endpoint of the running ministack.
    pub const MINISTACK: &str = "ARRIVAGE_TEST_MINISTACK";
    /// URL of the running RabbitMQ.
    pub const RABBITMQ: &str = "ARRIVAGE_TEST_RABBITMQ";
    /// Path of the AWS CLI.
    pub const AWS: &str = "ARRIVAGE_TEST_AWS";
}
