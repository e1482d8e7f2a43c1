//! `cargo xtask check`: every check, in order, all of them even if one fails, and a summary.

use std::env;
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use xtask::place::cargo;

use crate::install;
use crate::manifests;
use crate::runner::{Interrupted, Runner};
use crate::servers::{Missing, Servers};
use crate::tally::Tally;

pub(crate) fn check() -> Result<ExitCode> {
    let mut check = Check::new()?;
    let finished = check.every_step();
    check.summarize();
    match finished {
        Err(Interrupted) => Ok(ExitCode::from(130)),
        Ok(()) if check.is_good() => Ok(ExitCode::SUCCESS),
        Ok(()) => Ok(ExitCode::FAILURE),
    }
}

struct Check {
    runner: Runner,
    steps: Vec<Step>,
    tests: Tally,
    /// What the machine lacks.
    not_run: Vec<String>,
}

struct Step {
    name: &'static str,
    took: Duration,
    passed: bool,
}

impl Check {
    fn new() -> Result<Self> {
        Ok(Self {
            runner: Runner::new()?,
            steps: Vec::new(),
            tests: Tally::default(),
            not_run: Vec::new(),
        })
    }

    /// The servers stop when this returns, whatever happened.
    fn every_step(&mut self) -> Result<(), Interrupted> {
        let mut servers = Servers::default();
        self.step("servers", |check| {
            servers = Servers::start(&check.runner)?;
            Ok(())
        })?;
        for Missing { needs, word } in servers.missing() {
            self.not_run.push(format!(
                "needs {needs} (the tests with {word:?} in their path)"
            ));
        }

        self.step("format", |check| {
            check.succeed(&mut cargo(&["fmt", "--all", "--check"]))
        })?;
        self.step("lints", |check| check.succeed(&mut cargo(CLIPPY)))?;
        self.step("tests", |check| check.run_tests(&servers))?;
        self.step("doc tests", |check| check.run_doc_tests(&servers))?;
        self.step("manifests", Self::manifests)?;
        let soaks = |missing: &Missing| !["postgres", "ministack"].contains(&missing.word);
        if servers.missing().iter().all(soaks) {
            self.step("soak", |check| check.soak(&servers))?;
        } else {
            self.not_run
                .push("the soak, which needs PostgreSQL and ministack".to_owned());
        }
        if has_subcommand("deny") {
            self.step("licences, bans, sources", |check| {
                check.succeed(&mut cargo(DENY))
            })?;
        }
        Ok(())
    }

    fn run_tests(&mut self, servers: &Servers) -> Result<()> {
        // The end-to-end tests start it, and no test runner builds another package's program.
        self.succeed(&mut cargo(&["build", "--package", "arrivage-cli"]))?;
        let missing = || servers.missing().iter().map(|missing| missing.word);
        if has_subcommand("nextest") {
            let mut command = cargo(&["nextest", "run", "--workspace", "--no-fail-fast"]);
            let words: Vec<String> = missing().map(|word| format!("test({word})")).collect();
            if !words.is_empty() {
                command.args(["-E", &format!("not ({})", words.join(" or "))]);
            }
            return self.count_tests(command, servers, Tally::of_nextest);
        }
        let mut command = cargo(&["test", "--workspace", "--tests", "--no-fail-fast", "--"]);
        command.args(missing().flat_map(|word| ["--skip", word]));
        self.count_tests(command, servers, Tally::of_cargo_test)
    }

    fn run_doc_tests(&mut self, servers: &Servers) -> Result<()> {
        let command = cargo(&["test", "--workspace", "--doc", "--no-fail-fast"]);
        self.count_tests(command, servers, Tally::of_cargo_test)
    }

    /// After the tests, which build the program that reads the configurations.
    fn manifests(&mut self) -> Result<()> {
        if !manifests::TOOLS_RUN_HERE {
            self.not_run
                .push("the manifests of deploy/, whose tools are for Linux on x86-64".to_owned());
            return Ok(());
        }
        if !install::python(&self.runner)? {
            self.not_run
                .push("the manifests of deploy/, which need Python 3.10 with venv".to_owned());
            return Ok(());
        }
        manifests::check()
    }

    /// The same at every run; for other chances, `cargo xtask soak --seed S`.
    fn soak(&self, servers: &Servers) -> Result<()> {
        let mut command = cargo(SOAK);
        let environment = servers.environment().iter();
        command.envs(environment.map(|(name, value)| (name, value)));
        self.succeed(&mut command)
    }

    fn count_tests(
        &mut self,
        mut command: Command,
        servers: &Servers,
        count: fn(&str) -> Option<Tally>,
    ) -> Result<()> {
        command.envs(
            servers
                .environment()
                .iter()
                .map(|(name, value)| (name, value)),
        );
        // A test's message says what went wrong; backtraces would bury it.
        command.env("RUST_BACKTRACE", "0");
        let counted = Mutex::new(Tally::default());
        let status = self.runner.run(&mut command, |line| {
            if let Some(tally) = count(line) {
                *counted.lock().unwrap_or_else(PoisonError::into_inner) += tally;
            }
        });
        self.tests += counted.into_inner().unwrap_or_else(PoisonError::into_inner);
        let status = status?;
        ensure!(status.success(), "{status}");
        Ok(())
    }

    fn succeed(&self, command: &mut Command) -> Result<()> {
        let status = self.runner.run(command, |_| ())?;
        ensure!(status.success(), "{status}");
        Ok(())
    }

    /// A step that fails is noted, and the next one is taken.
    fn step(
        &mut self,
        name: &'static str,
        work: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<(), Interrupted> {
        println!("== {name}");
        let begin = Instant::now();
        let result = work(self);
        let step = Step {
            name,
            took: begin.elapsed(),
            passed: result.is_ok(),
        };
        step.print();
        self.steps.push(step);
        match result {
            Err(error) if error.is::<Interrupted>() => Err(Interrupted),
            Err(error) => {
                println!("   {error:#}");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    fn summarize(&self) {
        println!("\n== summary");
        for step in &self.steps {
            step.print();
        }
        for tool in ["nextest", "deny"]
            .into_iter()
            .filter(|tool| !has_subcommand(tool))
        {
            println!("   without cargo-{tool}: cargo install cargo-{tool}");
        }
        if self.runner.is_interrupted() {
            println!("   interrupted: the rest was not run");
        }
        for reason in &self.not_run {
            println!("   not run: {reason}");
        }
        println!("{}", self.tests);
    }

    /// On a person's machine a missing server is only said; CI must run everything.
    fn is_good(&self) -> bool {
        let complete = self.not_run.is_empty() || env::var_os("CI").is_none();
        complete && self.tests.failed == 0 && self.steps.iter().all(|step| step.passed)
    }
}

impl Step {
    fn print(&self) {
        let outcome = if self.passed { "passed" } else { "FAILED" };
        println!(
            "   {outcome} {:6.1} s  {}",
            self.took.as_secs_f64(),
            self.name
        );
    }
}

const CLIPPY: &[&str] = &[
    "clippy",
    "--workspace",
    "--all-targets",
    "--",
    "-D",
    "warnings",
];
const SOAK: &[&str] = &[
    "run",
    "--quiet",
    "--package",
    "xtask",
    "--",
    "soak",
    "--minutes",
    "2",
    "--seed",
    "1",
];
const DENY: &[&str] = &["deny", "check", "bans", "licenses", "sources"];

fn has_subcommand(name: &str) -> bool {
    let mut command = cargo(&[name, "--version"]);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
