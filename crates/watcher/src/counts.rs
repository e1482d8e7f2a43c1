use metrics::{counter, describe_counter};

/// What became of a notification, as the metric's label says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    New,
    Duplicate,
    Requeued,
    Ignored,
    Skipped,
    Unreadable,
}

impl Outcome {
    const ALL: [Self; 6] = [
        Self::New,
        Self::Duplicate,
        Self::Requeued,
        Self::Ignored,
        Self::Skipped,
        Self::Unreadable,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Duplicate => "duplicate",
            Self::Requeued => "requeued",
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
