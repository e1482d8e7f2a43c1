//! How far loads are: bars on a terminal, log lines elsewhere.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use arrivage_processor::{Loading, Processor};
use indicatif::{HumanBytes, HumanCount, MultiProgress, ProgressBar, ProgressStyle};
use tokio_util::task::AbortOnDropHandle;

const REDRAW: Duration = Duration::from_millis(200);
const LOG_EVERY: Duration = Duration::from_secs(10);

/// Shows the loads of a processor until it is dropped.
pub(crate) struct Shown {
    _task: AbortOnDropHandle<()>,
    bars: MultiProgress,
}

impl Drop for Shown {
    fn drop(&mut self) {
        // Nothing is left of the bars on a terminal that cannot be written to.
        let _ = self.bars.clear();
    }
}

/// Shows bars where stderr is a terminal, else a log line now and then.
pub(crate) fn show(processor: &Arc<Processor>, bars: &MultiProgress) -> Shown {
    let (processor, drawn) = (Arc::clone(processor), bars.clone());
    let task = async move {
        if std::io::stderr().is_terminal() {
            draw(&processor, &drawn).await;
        } else {
            log(&processor).await;
        }
    };
    Shown {
        _task: AbortOnDropHandle::new(tokio::spawn(task)),
        bars: bars.clone(),
    }
}

async fn draw(processor: &Processor, bars: &MultiProgress) {
    let mut drawn: BTreeMap<String, ProgressBar> = BTreeMap::new();
    loop {
        let loading = processor.board().loading();
        drawn.retain(|url, bar| {
            let still = loading.iter().any(|load| load.url == *url);
            if !still {
                bar.finish_and_clear();
            }
            still
        });
        for load in &loading {
            let bar = drawn
                .entry(load.url.clone())
                .or_insert_with(|| bars.add(bar(load)));
            bar.set_position(load.bytes_read());
            bar.set_message(records(load));
        }
        tokio::time::sleep(REDRAW).await;
    }
}

fn bar(load: &Loading) -> ProgressBar {
    let (bar, template) = match load.size {
        Some(size) => (
            ProgressBar::new(size),
            "{prefix} [{bar:24}] {bytes}/{total_bytes} {msg} {bytes_per_sec} {eta} left",
        ),
        None => (
            ProgressBar::no_length(),
            "{prefix} {bytes} {msg} {bytes_per_sec}",
        ),
    };
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.with_style(style.progress_chars("=> "))
        .with_prefix(crate::output::cell(&load.url, 40))
}

fn records(load: &Loading) -> String {
    let seconds = load.since.elapsed().as_secs_f64().max(0.001);
    let rate = load.new_records() as f64 / seconds;
    format!(
        "{} records {}/s",
        HumanCount(load.records()),
        HumanCount(rate as u64)
    )
}

async fn log(processor: &Processor) {
    loop {
        tokio::time::sleep(LOG_EVERY).await;
        for load in processor.board().loading() {
            tracing::info!(
                url = load.url,
                records = load.records(),
                bytes = %HumanBytes(load.bytes_read()),
                size = load.size.map(|size| HumanBytes(size).to_string()),
                "loading"
            );
        }
    }
}
