//! The program: see `lib.rs`.

use std::process::ExitCode;

fn main() -> ExitCode {
    arrivage_cli::run()
}
