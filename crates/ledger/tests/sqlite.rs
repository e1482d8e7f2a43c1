//! The conformance suite over SQLite, and what is SQLite's own.

#[macro_use]
mod conformance;

use std::sync::Arc;

use arrivage_ledger::{SharedLedger, SqliteLedger};
use async_trait::async_trait;
use conformance::Database;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection as Session, TypeInfo, ValueRef};
use tempfile::TempDir;
