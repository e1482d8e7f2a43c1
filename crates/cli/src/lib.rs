//! The program: reads arguments and configuration, and wires the parts.

mod arguments;
mod commands;
mod config;
mod exit;
mod http;
mod logging;
mod names;
mod output;
mod progress;
mod settings;
mod signals;
mod wiring;

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use crate::arguments::Arguments;
use crate::config::{Config, ConfigErrors, Section};

/// Does what the arguments say, and returns what the shell is told.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let code = match runtime {
        Ok(runtime) => {
            let code = runtime.block_on(commands::execute(arguments));
            // What hangs in a system call must not hold up the end.
            runtime.shutdown_background();
            code
        }
        Err(error) => exit::report(&exit::Failure::again(anyhow::Error::new(error))),
    };
    ExitCode::from(code)
}

/// All that is wrong with a configuration of this text, a line each, in an environment with these
/// variables.
#[must_use]
pub fn problems(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    let parsed = Config::parse(text, Path::new("arrivage.toml"), "/etc/arrivage", env);
    let checked = parsed.and_then(|config| config.require(&Section::ALL));
    checked
        .err()
        .map_or_else(Vec::new, ConfigErrors::into_lines)
}
