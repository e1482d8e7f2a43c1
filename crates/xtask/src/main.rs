//! `cargo xtask check` runs every check on a fresh machine; `cargo xtask servers` starts the servers
//! of the tests, to try things by hand.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the terminal is what this program is for"
)]

mod check;
mod install;
mod runner;
mod servers;
mod tally;

use std::env;
use std::process::ExitCode;

const USAGE: &str = "\
Usage: cargo xtask COMMAND

  check     everything: servers, format, lints, tests, doc tests, licences
  servers   starts the servers of the tests and stays until Ctrl-C";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["check"] => check::check(),
        ["servers"] => servers::stay(),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
