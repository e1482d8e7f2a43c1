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

use std::process::ExitCode;

use clap::Parser;

use crate::arguments::Arguments;

fn main() -> ExitCode {
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
