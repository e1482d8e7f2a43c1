use metrics::{counter, describe_counter, describe_gauge, gauge};

use crate::reconcile::Counts;

/// What became of a notification, as the metric's label says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    New,
    Duplicate,
    Requeued,
    Adopted,
    Ignored,
    Skipped,
    Unreadable,
}

impl Outcome {
    const ALL: [Self; 7] = [
        Self::New,
        Self::Duplicate,
        Self::Requeued,
        Self::Adopted,
        Self::Ignored,
        Self::Skipped,
        Self::Unreadable,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Duplicate => "duplicate",
            Self::Requeued => "requeued",
            Self::Adopted => "adopted",
            Self::Ignored => "ignored",
            Self::Skipped => "skipped",
            Self::Unreadable => "unreadable",
        }
    }
}

/// Shows the metrics of a source, at 0, before anything happens.
pub(crate) fn show(source: &str) {
    describe_counter!(
        "arrivage_notifications_total",
        "What sources said about objects, by what became of it."
    );
    describe_counter!(
        "arrivage_source_errors_total",
        "Calls of a source that failed, and its restarts."
    );
    for outcome in Outcome::ALL {
        add(source, outcome, 0);
    }
    errors(source, 0);
}

pub(crate) fn add(source: &str, outcome: Outcome, count: u64) {
    counter!(
        "arrivage_notifications_total",
        "source" => source.to_owned(),
        "result" => outcome.as_str()
    )
    .increment(count);
}

pub(crate) fn errors(source: &str, count: u64) {
    counter!("arrivage_source_errors_total", "source" => source.to_owned()).increment(count);
}

/// Shows what the last whole look of a listing counted.
pub(crate) fn look(source: &str, counts: &Counts) {
    describe_gauge!(
        "arrivage_listing_objects",
        "What the last whole look of a listing counted, by how it stands to the ledger."
    );
    let Counts {
        listed,
        known,
        missing,
        changed,
        vanished,
        ignored,
        older,
        left,
    } = *counts;
    let all = [
        ("listed", listed),
        ("known", known),
        ("missing", missing),
        ("changed", changed),
        ("vanished", vanished),
        ("ignored", ignored),
        ("older", older),
        ("left", left),
    ];
    for (result, count) in all {
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
        let count = count as f64;
        gauge!("arrivage_listing_objects", "source" => source.to_owned(), "result" => result)
            .set(count);
    }
}
