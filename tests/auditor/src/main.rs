//! After a soak: is every record of every source in the database, and each once?
//!
//! It knows the sources and how their generator writes (see [`source`]), reads the database through
//! psql and the objects through HTTP in plain text, and shares no code with the program it judges.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the terminal is what this program is for"
)]

mod compare;
mod csv;
mod database;
mod json;
mod manifest;
mod objects;
mod source;

use std::env;
use std::process::ExitCode;

use anyhow::{Context, Result};

use compare::Findings;
use database::Database;
use manifest::Content;

fn main() -> ExitCode {
    match audit() {
        Ok(findings) if findings.is_clean() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("the audit could not be made: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn audit() -> Result<Findings> {
    let contents = manifest::read(argument("--manifest")?)?;
    let database = Database::at(&argument("--database")?);
    let mut findings = Findings::default();

    let arrivals = database.arrivals()?;
    let mut rejects = database.rejects()?;
    findings.foreign_arrivals(&contents, &arrivals);
    for table in source::TABLES {
        let mut rows = database.rows(table)?;
        let of_table = |content: &&Content| content.pipeline == table;
        for content in contents.iter().filter(of_table) {
            findings.foreign_rows(rows.before(&content.name)?);
            let expect = source::read(content)?;
            let arrivals = arrivals.get(&content.id()).map_or(&[][..], Vec::as_slice);
            let rows = rows.of(&content.name)?;
            let rejects = rejects.remove(&content.id()).unwrap_or_default();
            findings.content(content, &expect, arrivals, rows, rejects);
        }
        findings.foreign_rows(rows.rest()?);
    }
    findings.foreign_rejects(rejects);

    let (endpoint, bucket) = (argument("--endpoint")?, argument("--bucket")?);
    let inbox = argument("--inbox")?;
    for content in contents.iter().filter(|content| content.stands) {
        let is_untouched = objects::is_untouched(content, &endpoint, &bucket, &inbox)?;
        findings.object(content, is_untouched);
    }
    print!("{findings}");
    Ok(findings)
}

/// The value after this name on the command line.
fn argument(name: &str) -> Result<String> {
    let after = env::args().skip_while(|argument| argument != name).nth(1);
    after.with_context(|| format!("{name} is missing"))
}
