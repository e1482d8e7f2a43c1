use std::io::{self, IsTerminal};

use indicatif::MultiProgress;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::arguments::{Common, LogFormat};

/// Log lines go to stderr. `level` holds unless `-v` or `$ARRIVAGE_LOG` says
/// otherwise; bars step aside while a line is written.
pub(crate) fn start(common: &Common, level: &str, bars: &MultiProgress) {
    let level = match common.verbose {
        0 => level,
        1 => "debug",
        _ => "trace",
    };
    let names = ["cli", "api", "ledger", "processor", "store", "watcher"];
    let own: Vec<String> = names
        .iter()
        .map(|name| format!("arrivage_{name}={level}"))
        .collect();
    // The binary's own crate is named after it.
    let default = format!("warn,arrivage={level},{}", own.join(","));
    let filter =
        EnvFilter::try_from_env("ARRIVAGE_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let base = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(Beside(bars.clone()))
        .with_ansi(io::stderr().is_terminal());
    match common.log_format {
        LogFormat::Text => base.with_target(false).finish().init(),
        LogFormat::Json => base.json().flatten_event(true).finish().init(),
    }
}

/// Writes to stderr beside progress bars.
#[derive(Clone)]
struct Beside(MultiProgress);

impl<'a> MakeWriter<'a> for Beside {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl io::Write for Beside {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().lock().write_all(line))?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().lock().flush()
    }
}
