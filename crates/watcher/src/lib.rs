//! Where notifications come from, and how they become rows of the ledger.
//!
//! A source says that an object is there. The [`Intake`] finds the pipeline that
//! takes it and the content that it has, and records it; only then may the
//! source forget it. What a message says is told by [`notification::parse`] from
//! its bytes alone. A [`Watcher`] keeps all sources at work.

mod amqp;
#[cfg(test)]
mod conformance;
mod counts;
mod folder;
mod health;
mod intake;
mod listing;
mod nats;
pub mod notification;
mod queue;
mod receiver;
mod reconcile;
mod server_url;
mod sqs;
mod table;
#[cfg(test)]
mod testing;
mod watcher;
mod webhook;

pub use amqp::{AmqpSource, check_amqp};
pub use folder::{FolderSource, is_finished_name};
pub use health::{Health, SourceHealth};
pub use intake::{Found, Intake, Taken};
pub use listing::ListingSource;
pub use nats::{NatsSource, check_nats};
pub use receiver::UnreadablePolicy;
pub use reconcile::{Counts, Finding, Item, Place, ReconcileError, Reconciliation, Then};
pub use server_url::ServerUrl;
pub use sqs::{SqsSource, check_queue};
pub use table::{TableSource, check_table};
pub use watcher::{Context, Source, Watcher};
pub use webhook::{Answer, Tally, Webhook, WebhookSource};
