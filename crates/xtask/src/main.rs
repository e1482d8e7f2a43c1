//! `cargo xtask check` runs every check on a fresh machine; `cargo xtask servers` starts the servers
//! of the tests, to try things by hand; `cargo xtask bench` measures speed and memory; `cargo xtask
//! soak` looks for lost and doubled records under faults.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the terminal is what this program is for"
)]

mod bench;
mod check;
mod install;
mod manifests;
mod runner;
mod servers;
mod soak;
mod tally;

use std::env;
use std::process::ExitCode;

const USAGE: &str = "\
Usage: cargo xtask COMMAND

  check     everything: servers, format, lints, tests, doc tests, manifests,
            licences
  manifests [--write]
            what is shipped in deploy/, against its schemas; --write makes the
            plain manifests from the chart
  servers   starts the servers of the tests and stays until Ctrl-C
  bench     throughput [--peers]: beside psql's \\copy, ratios of time
            memory: what is resident while a file is loaded
            small-files: ten thousand objects of twenty rows
            resume: after a kill at nine tenths
            latency: from a notification to its rows
            ledger: what the ledger's writes cost; claims, registrations, the
            backlog and the history among a million arrivals
  soak      [--minutes N] [--seed S] [--plant lost|doubled|forgetful]
            the program under every fault at once, and then an audit";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["check"] => check::check(),
        ["manifests"] => manifests::build_and_check().map(|()| ExitCode::SUCCESS),
        ["manifests", "--write"] => manifests::write().map(|()| ExitCode::SUCCESS),
        ["servers"] => servers::stay(),
        ["bench", "throughput"] => bench::throughput::bench(false).map(|()| ExitCode::SUCCESS),
        ["bench", "throughput", "--peers"] => {
            bench::throughput::bench(true).map(|()| ExitCode::SUCCESS)
        }
        ["bench", "memory"] => bench::memory::bench().map(|()| ExitCode::SUCCESS),
        ["bench", "small-files"] => bench::small_files::bench().map(|()| ExitCode::SUCCESS),
        ["bench", "resume"] => bench::resume::bench().map(|()| ExitCode::SUCCESS),
        ["bench", "latency"] => bench::latency::bench().map(|()| ExitCode::SUCCESS),
        ["bench", "ledger"] => bench::ledger::bench().map(|()| ExitCode::SUCCESS),
        ["soak", ref order @ ..] => soak::soak(order),
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
