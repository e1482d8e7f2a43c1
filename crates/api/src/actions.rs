use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arrivage_ledger::SharedLedger;
use arrivage_model::{ArrivalId, Router};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use bytes::Bytes;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use subtle::ConstantTimeEq;
use utoipa::ToSchema;

/// Something that the server can set going.
pub type Action<I, O> = Box<dyn Fn(I) -> BoxFuture<'static, O> + Send + Sync>;

/// What the server can do, handed in by whoever wires the program.
pub struct Actions {
    /// What a request must show, but for probes, metrics and notifications; nothing:
    /// anybody may.
    pub token: Option<Token>,
    /// Looks at everything that must work before traffic may come.
    pub readiness: Action<(), Vec<Check>>,
    /// The metrics in Prometheus' text format.
    pub metrics: Action<(), String>,
    /// The webhook source, if there is one.
    pub webhook: Option<Webhook>,
    /// What is read.
    pub ledger: SharedLedger,
    /// The pipelines of the configuration.
    pub router: Arc<Router>,
    /// Registers objects; says which arrivals they are.
    pub load: Action<LoadOrder, Result<Vec<ArrivalId>, Refusal>>,
    /// Queues an arrival again.
    pub replay: Action<(ArrivalId, ReplayOrder), Result<(), Refusal>>,
    /// Lets an arrival rest that waits or is being loaded.
    pub cancel: Action<ArrivalId, Result<(), Refusal>>,
    /// Begins to hold a place (or every place that a source names) against the
    /// ledger; says which places.
    pub reconcile: Action<Option<String>, Result<Vec<String>, Refusal>>,
}

/// Where senders bring their notifications.
pub struct Webhook {
    /// What they have to show; nothing: anybody may bring.
    pub token: Option<Token>,
    /// Records a body.
    pub take: Action<Bytes, Recorded>,
}

/// What became of a notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// All of it is durable; how many of what, for whoever reads answers.
    Durable(Value),
    /// It cannot be read, and was not kept.
    Unreadable(String),
    /// It has to be said again.
    NotYet(String),
}

/// Objects to be loaded: those at a URL, or those of a pipeline.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoadOrder {
    /// `s3://bucket/key`, or `folder://source/key` of a folder source; with
    /// `recursive` a prefix. Without it, the objects of `pipeline`.
    #[serde(default)]
    #[schema(example = "s3://drop/orders/2026-11-22.csv")]
    pub url: Option<String>,
    /// Everything below the URL.
    #[serde(default)]
    pub recursive: bool,
    /// Instead of the first pipeline that matches the URL.
    #[serde(default)]
    pub pipeline: Option<String>,
    /// Without a URL: what `{name}` parts of the pipeline's `match` stand for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(example = json!({"day": "2026-11-22"}))]
    pub parameters: BTreeMap<String, String>,
}

impl LoadOrder {
    /// What is wrong with it, whatever there is to be loaded.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        match &self.url {
            None if self.pipeline.is_none() => Some("name a url, or a pipeline"),
            None if self.recursive => Some("recursive goes with a url"),
            Some(_) if !self.parameters.is_empty() => {
                Some("parameters go with a pipeline, and without a url")
            }
            _ => None,
        }
    }
}

/// How an arrival is queued again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplayOrder {
    /// Its rows and rejects go, and it is loaded from the start; otherwise it goes
    /// on from its checkpoint.
    #[serde(default)]
    pub from_start: bool,
    /// Also while it is being loaded: its processor is fenced.
    #[serde(default)]
    pub force: bool,
}

/// How a load is cancelled: there is nothing to choose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelOrder {}

/// Why an order is not carried out; a variant for each status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Only a person can mend it (422).
    Invalid(String),
    /// There is no such thing (404).
    Unknown(String),
    /// It does not go with what is under way (409).
    Conflict(String),
    /// A server is away or busy; later it may work (503).
    Away(String),
}

/// One thing that must work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Check {
    /// What it is: `database`, or a source's name.
    pub name: String,
    /// Whether it works.
    pub ok: bool,
    /// What does not, and since when, for a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A secret that clients show. It never shows itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Must not be empty.
    #[must_use]
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// Whether a request shows it as `Authorization: Bearer …`.
    pub(crate) fn is_shown_by(&self, headers: &HeaderMap) -> bool {
        let shown = headers.get(AUTHORIZATION).map(|value| value.as_bytes());
        let Some((b"Bearer ", shown)) = shown.and_then(|shown| shown.split_at_checked(7)) else {
            return false;
        };
        self.is(shown)
    }

    /// The same, or bare: MinIO sends what its operator typed.
    pub(crate) fn is_shown_in_any_way_by(&self, headers: &HeaderMap) -> bool {
        let bare = headers.get(AUTHORIZATION).map(|value| value.as_bytes());
        bare.is_some_and(|bare| self.is(bare)) || self.is_shown_by(headers)
    }

    /// Takes as long for a nearly right one as for any other of its length.
    fn is(&self, shown: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(shown).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}
