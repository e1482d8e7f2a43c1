use std::collections::BTreeSet;

use arrivage_ledger::LedgerError;
use arrivage_model::Pipeline;
use arrivage_processor::decode::Plan;
use arrivage_store::{StoreError, Stores};
use arrivage_watcher::{Source, check_amqp, check_nats, check_queue, check_table};
use serde::Serialize;

use crate::arguments::Check;
use crate::config::{Config, Section};
use crate::exit::{self, Failure};
use crate::output;
use crate::wiring::Wiring;

/// What was looked at, and what to do about it.
#[derive(Serialize)]
struct Finding {
    ok: bool,
    what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    #[serde(skip)]
    code: u8,
}

impl Finding {
    fn new(what: impl Into<String>, problem: Option<(u8, String)>) -> Self {
        let (code, problem) = match problem {
            Some((code, problem)) => (code, Some(problem)),
            None => (exit::DONE, None),
        };
        Self {
            ok: problem.is_none(),
            what: what.into(),
            problem,
            code,
        }
    }
}

/// `check`: configuration, database and tables, buckets, queues and folders.
pub(super) async fn check(config: Config, options: Check) -> Result<u8, Failure> {
    config.require(&Section::ALL)?;
    let wiring = Wiring::new(config)?;
    let stores = wiring.stores()?;
    let file = wiring.config.file().display();
    let mut findings = vec![Finding::new(format!("configuration {file}"), None)];
    findings.extend(database(&wiring).await?);
    for bucket in buckets(&wiring)? {
        findings.push(bucket_reads(&stores, &bucket).await);
    }
    for source in wiring.config.sources()? {
        findings.extend(source_works(source).await);
    }
    if options.json.json {
        output::json_lines(&findings);
    } else {
        for Finding { what, problem, .. } in &findings {
            match problem {
                None => output::data(&format!("ok   {what}")),
                Some(problem) => output::data(&format!("FAIL {what}: {problem}")),
            }
        }
    }
    Ok(findings
        .iter()
        .map(|finding| finding.code)
        .max()
        .unwrap_or(exit::DONE))
}

/// The database, the ledger in it, and the table of each pipeline.
async fn database(wiring: &Wiring) -> Result<Vec<Finding>, Failure> {
    let what = format!("database {}", wiring.config.database()?.url);
    let version = wiring.ledger.check_version().await;
    let problem = match &version {
        Ok(()) => None,
        // Its tables can still be looked at: they are not the ledger's.
        Err(LedgerError::Version(words)) => Some((exit::PERSON, words.clone())),
        Err(error) => return Ok(vec![Finding::new(what, Some(ledger_problem(error)))]),
    };
    let mut findings = vec![Finding::new(what, problem)];
    let pipelines = wiring.router.pipelines();
    for pipeline in pipelines {
        findings.push(table(wiring, pipeline).await);
    }
    if version.is_ok() {
        let names: Vec<String> = pipelines.iter().map(|p| p.name.clone()).collect();
        for paused in wiring.ledger.paused(&names).await? {
            let what = format!("pipeline {}", paused.pipeline);
            findings.push(Finding::new(what, Some((exit::PERSON, paused.to_string()))));
        }
    }
    Ok(findings)
}

async fn table(wiring: &Wiring, pipeline: &Pipeline) -> Finding {
    let what = format!("table {} of pipeline {}", pipeline.table, pipeline.name);
    let problem = match wiring.ledger.table(&pipeline.table).await {
        Ok(table) => match Plan::new(pipeline, &table) {
            Err(error) => Some((exit::PERSON, error.to_string())),
            Ok(_) => {
                let admitted = wiring.ledger.admits(pipeline, &table).await;
                admitted.err().map(|error| ledger_problem(&error))
            }
        },
        Err(LedgerError::Target(arrivage_ledger::TargetRefusal::Missing(_)))
            if pipeline.create_table =>
        {
            return Finding::new(format!("{what} (made by its first load)"), None);
        }
        Err(error) => Some(ledger_problem(&error)),
    };
    Finding::new(what, problem)
}

fn ledger_problem(error: &LedgerError) -> (u8, String) {
    let code = if error.is_passing() {
        exit::AGAIN
    } else {
        exit::PERSON
    };
    (code, chain(error))
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// The buckets that patterns and listings name in full.
fn buckets(wiring: &Wiring) -> Result<BTreeSet<String>, Failure> {
    let patterns = wiring
        .router
        .pipelines()
        .iter()
        .flat_map(|pipeline| &pipeline.patterns);
    let named = patterns.filter_map(|pattern| {
        let (bucket, _) = pattern.as_str().strip_prefix("s3://")?.split_once('/')?;
        let literal = !bucket.contains(['*', '?', '{', '[', '\\']);
        literal.then(|| bucket.to_owned())
    });
    let listed = wiring
        .config
        .sources()?
        .iter()
        .filter_map(|source| match source {
            Source::Listing(listing) => Some(listing.location.bucket.clone()),
            _ => None,
        });
    Ok(named.chain(listed).collect())
}

async fn bucket_reads(stores: &Stores, bucket: &str) -> Finding {
    let store = stores.get(arrivage_model::StoreKind::S3);
    let problem = match store.list(bucket, "", None).await {
        Ok(_) => None,
        Err(error) => Some(store_problem(&error)),
    };
    Finding::new(format!("bucket {bucket} can be listed"), problem)
}

fn store_problem(error: &StoreError) -> (u8, String) {
    let passing = error.is_away() && !error.is_misconfigured();
    (
        if passing { exit::AGAIN } else { exit::PERSON },
        chain(error),
    )
}

/// What cannot be asked of the sender.
const MINIO: &str = " (MinIO needs queue_dir, or it forgets events when it restarts, and \
     api sync_events=on, or a crash loses those that are not in it yet; a listing source beside it \
     finds what no notification told of)";

fn person(checked: Result<(), String>) -> Option<(u8, String)> {
    checked.err().map(|words| (exit::PERSON, words))
}

async fn source_works(source: &Source) -> Option<Finding> {
    match source {
        Source::Sqs(source) => {
            let what = format!("queue {}", source.queue_url);
            Some(Finding::new(what, person(check_queue(source).await)))
        }
        Source::Folder(source) => {
            let problem = std::fs::read_dir(&source.path).err().map(|error| {
                (
                    exit::PERSON,
                    format!(
                        "{error}; make the folder, or mend source.{}.path",
                        source.name
                    ),
                )
            });
            Some(Finding::new(
                format!("folder {}", source.path.display()),
                problem,
            ))
        }
        // Its bucket is looked at with the others.
        Source::Listing(_) => None,
        Source::Webhook(source) => Some(Finding::new(
            format!("webhook {}: POST /notifications{MINIO}", source.name),
            None,
        )),
        Source::Nats(source) => {
            let what = format!(
                "consumer {} of the stream {} at {}{MINIO}",
                source.consumer, source.stream, source.url
            );
            Some(Finding::new(what, person(check_nats(source).await)))
        }
        Source::Amqp(source) => {
            let what = format!("queue {} at {}{MINIO}", source.queue, source.url);
            Some(Finding::new(what, person(check_amqp(source).await)))
        }
        Source::Table(source) => {
            let what = format!("table of events {} at {}{MINIO}", source.table, source.url);
            Some(Finding::new(what, person(check_table(source).await)))
        }
    }
}
