//! Who may import whom: `docs/architecture.md` as a test. The crates meet where the page says and
//! nowhere else, and the big libraries stay behind the doors that were made for them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use xtask::place::workspace;

/// Crate, and what it may depend on among ours. Everything may have the testkit for its tests.
const CRATES: &[(&str, &[&str])] = &[
    ("arrivage-fault", &[]),
    ("arrivage-model", &[]),
    ("arrivage-store", &["arrivage-model"]),
    ("arrivage-ledger", &["arrivage-model", "arrivage-fault"]),
    (
        "arrivage-watcher",
        &[
            "arrivage-model",
            "arrivage-ledger",
            "arrivage-store",
            "arrivage-fault",
        ],
    ),
    (
        "arrivage-processor",
        &["arrivage-model", "arrivage-ledger", "arrivage-store"],
    ),
    ("arrivage-api", &["arrivage-model", "arrivage-ledger"]),
    (
        "arrivage-cli",
        &[
            "arrivage-model",
            "arrivage-store",
            "arrivage-ledger",
            "arrivage-watcher",
            "arrivage-processor",
            "arrivage-api",
            "arrivage-fault",
        ],
    ),
    ("arrivage-testkit", &["xtask"]),
    ("arrivage-tests", &["arrivage-testkit", "arrivage-fault"]),
    ("arrivage-protocol", &[]),
    // What must hold of any bytes, wherever they come in.
    (
        "arrivage-invariants",
        &[
            "arrivage-model",
            "arrivage-store",
            "arrivage-watcher",
            "arrivage-processor",
            "arrivage-cli",
        ],
    ),
    // It judges the program, and so shares nothing with it.
    ("arrivage-auditor", &[]),
    ("xtask", &[]),
];

/// Library, and the crates that may depend on it outside of their tests.
const LIBRARIES: &[(&str, &[&str])] = &[
    ("async-nats", &["arrivage-watcher"]),
    ("aws-config", &["arrivage-store", "arrivage-watcher"]),
    ("aws-sdk-s3", &["arrivage-store"]),
    ("aws-sdk-sqs", &["arrivage-watcher"]),
    ("axum", &["arrivage-api"]),
    ("clap", &["arrivage-cli"]),
    ("lapin", &["arrivage-watcher"]),
    ("s3s", &["arrivage-testkit"]),
    (
        "sqlx",
        &["arrivage-ledger", "arrivage-tests", "arrivage-watcher"],
    ),
    ("stateright", &["arrivage-protocol"]),
    ("utoipa", &["arrivage-api"]),
];

/// How the libraries' names begin, and the files and directories that may use them.
const NAMES: &[(&[&str], &[&str])] = &[
    (
        &[
            "aws_config",
            "aws_credential_types",
            "aws_sdk_",
            "aws_smithy_",
            "aws_types",
        ],
        &[
            "crates/store/src/s3.rs",
            "crates/store/src/s3/",
            "crates/watcher/src/sqs.rs",
            "crates/watcher/src/sqs/",
        ],
    ),
    (&["async_nats"], &["crates/watcher/src/nats/"]),
    (&["axum", "utoipa"], &["crates/api/src/"]),
    (&["clap"], &["crates/cli/src/"]),
    (&["lapin"], &["crates/watcher/src/amqp/"]),
    // The watcher reads a table that MinIO writes to: no table of the ledger's.
    (
        &["sqlx"],
        &["crates/ledger/src/", "crates/watcher/src/table/"],
    ),
];

/// What model may not know: it is nouns and routing.
const NOT_IN_MODEL: &[&str] = &[
    "async ",
    ".await",
    "std::fs",
    "std::io",
    "std::net",
    "std::process",
    "std::env",
    "tokio",
];

#[test]
fn every_crate_depends_only_on_those_below_it() {
    let mut wrong = Vec::new();
    for package in packages() {
        let Some((_, allowed)) = CRATES.iter().find(|(name, _)| *name == package.name) else {
            wrong.push(format!("{} is not in the table of this test", package.name));
            continue;
        };
        for dependency in &package.dependencies {
            let is_ours = CRATES.iter().any(|(name, _)| *name == dependency.name);
            let is_for_tests = dependency.is_dev && TEST_CRATES.contains(&&*dependency.name);
            if is_ours && !is_for_tests && !allowed.contains(&&*dependency.name) {
                wrong.push(format!(
                    "{} may not depend on {}",
                    package.name, dependency.name
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_big_library_stays_in_its_crate() {
    let mut wrong = Vec::new();
    for package in packages() {
        for dependency in package
            .dependencies
            .iter()
            .filter(|dependency| !dependency.is_dev)
        {
            let Some((library, crates)) = LIBRARIES
                .iter()
                .find(|(library, _)| *library == dependency.name)
            else {
                continue;
            };
            if !crates.contains(&&*package.name) {
                wrong.push(format!("{} may not depend on {library}", package.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_big_library_is_named_only_behind_its_door() {
    let mut wrong = Vec::new();
    for source in sources() {
        for (names, doors) in NAMES {
            if doors.iter().any(|door| source.path.starts_with(door)) {
                continue;
            }
            for (line, library) in source.libraries() {
                if names.iter().any(|name| library.starts_with(name)) {
                    wrong.push(format!("{}:{line} uses {library}", source.path));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// With debug assertions a release would have fault points.
#[test]
fn nothing_that_is_shipped_has_debug_assertions() {
    let manifest = fs::read_to_string(workspace().join("Cargo.toml")).expect("a manifest");
    assert!(!manifest.contains("debug-assertions"));
}

#[test]
fn model_does_no_io_and_waits_for_nothing() {
    let mut wrong = Vec::new();
    for source in sources()
        .iter()
        .filter(|source| source.path.starts_with("crates/model/"))
    {
        for (line, code) in source.code() {
            for name in NOT_IN_MODEL.iter().filter(|name| code.contains(**name)) {
                wrong.push(format!("{}:{line} says {name}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn sql_on_the_ledger_is_only_in_the_ledger() {
    let mut wrong = Vec::new();
    for source in sources()
        .iter()
        .filter(|source| !source.path.starts_with("crates/ledger/"))
    {
        for (line, code) in source.code() {
            let is_sql = ["FROM", "INTO", "UPDATE", "JOIN"].iter().any(|keyword| {
                code.contains(&format!("{keyword} arrivage."))
                    || code.contains(&format!("{keyword} arrivage_"))
            });
            if is_sql {
                wrong.push(format!("{}:{line} has SQL on a ledger table", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// For tests only, by whatever crate.
const TEST_CRATES: &[&str] = &["arrivage-testkit", "xtask"];

struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

struct Dependency {
    name: String,
    is_dev: bool,
}

fn packages() -> Vec<Package> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(workspace())
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let name = |of: &Value| of["name"].as_str().expect("a name").to_owned();
    let dependency = |of: &Value| Dependency {
        name: name(of),
        is_dev: of["kind"] == "dev",
    };
    let list = |of: &Value| of.as_array().expect("a list").clone();
    list(&metadata["packages"])
        .iter()
        .map(|package| Package {
            name: name(package),
            dependencies: list(&package["dependencies"])
                .iter()
                .map(dependency)
                .collect(),
        })
        .collect()
}

struct Source {
    /// From the root of the repository.
    path: String,
    text: String,
}

impl Source {
    /// Numbered lines without those that are comments.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self
            .text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line));
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// Where a path may begin: every `word::`.
    fn libraries(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code().flat_map(|(number, line)| {
            let paths = line.match_indices("::").map(move |(end, _)| {
                let begin = line[..end].rfind(|c: char| !c.is_alphanumeric() && c != '_');
                &line[begin.map_or(0, |before| before + 1)..end]
            });
            paths.map(move |word| (number, word))
        })
    }
}

/// All that is compiled into the program: no tests, and neither the testkit nor this crate.
fn sources() -> Vec<Source> {
    let root = workspace();
    let mut files = Vec::new();
    for entry in fs::read_dir(root.join("crates")).expect("the crates") {
        collect(&entry.expect("a crate").path().join("src"), &mut files);
    }
    let of_the_program = files.into_iter().filter_map(|file| {
        let path = file
            .strip_prefix(&root)
            .expect("below the root")
            .to_str()?
            .to_owned();
        let is_for_tests = path.ends_with("/tests.rs")
            || path.contains("/tests/")
            || path.contains("/conformance")
            || path.starts_with("crates/testkit/")
            || path.starts_with("crates/xtask/");
        let text = fs::read_to_string(&file).expect("a readable source");
        (!is_for_tests).then_some(Source { path, text })
    });
    of_the_program.collect()
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries {
        let path = entry.expect("a file or a directory").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}
