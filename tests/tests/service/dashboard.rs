use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use arrivage_testkit::{S3Server, eventually};
use arrivage_tests::{Arrivage, Destination};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(60);

/// `deploy/grafana/arrivage.json` asks for what the program exports: every metric of it, and none
/// beside, by labels and values that it has.
#[tokio::test]
async fn the_dashboard_asks_for_what_is_exported_with_postgres() -> Result<()> {
    let exported = exported().await?;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/grafana/arrivage.json");
    let dashboard: Value = serde_json::from_str(&fs::read_to_string(path)?)?;
    let panels = dashboard["panels"].as_array().context("panels")?;
    let mut asked = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].to_string()), "{panel}");
        for target in panel["targets"].as_array().context("targets")? {
            let expression = target["expr"].as_str().context("an expression")?;
            let legend = target["legendFormat"].as_str().context("a legend")?;
            let metric = metric_of(expression);
            let labels = exported.get(metric);
            let labels = labels.with_context(|| format!("nobody exports {metric}"))?;
            for label in labels_of(expression, legend) {
                assert!(labels.contains_key(label), "{metric} has no label {label}");
            }
            for (label, value) in values_of(expression) {
                let known = labels.get(label).is_some_and(|known| known.contains(value));
                assert!(known, "{metric} has no {label} {value}: {labels:?}");
            }
            asked.insert(metric);
        }
    }
    let all: BTreeSet<&str> = exported.keys().map(String::as_str).collect();
    assert_eq!(asked, all, "what the dashboard shows, and what there is");
    Ok(())
}

/// What a program shows that has loaded a file and failed at another: for each metric its labels,
/// with their values.
async fn exported() -> Result<BTreeMap<String, BTreeMap<String, BTreeSet<String>>>> {
    let to = Destination::postgres().await?;
    let s3 = S3Server::start().await?;
    s3.create_bucket("drop");
    let configuration = format!(
        "[s3]\nendpoint = \"{}\"\npath_style = true\n\n[[source]]\nkind = \"listing\"\n\
         url = \"s3://drop/\"\nevery = \"1s\"\n\n[[pipeline]]\nname = \"items\"\n\
         match = [\"s3://drop/*\"]\ntable = \"items\"\ncreate_table = true\n\
         column = [{{ name = \"id\", type = \"bigint\" }}]\n",
        s3.endpoint()
    );
    let arrivage = Arrivage::new(&to.url(), &configuration)?.env([
        ("AWS_ACCESS_KEY_ID", S3Server::ACCESS_KEY),
        ("AWS_SECRET_ACCESS_KEY", S3Server::SECRET_KEY),
        ("AWS_REGION", S3Server::REGION),
    ]);
    s3.put("drop", "a.csv", b"id\n1\ntwo\n".to_vec());
    s3.put("drop", "b.csv", b"\x1f\x8b\x08\0no gzip at all".to_vec());
    let mut running = arrivage.start(&["run"])?;
    let page = eventually(SOON, "a load, a failure and a listing", async || {
        let (_, page) = running.get("/metrics").await.ok()?;
        let done = [
            "outcome=\"loaded\"} 1",
            "outcome=\"failed\"} 1",
            "arrivage_listing_objects{",
        ];
        done.iter()
            .all(|words| page.contains(words))
            .then_some(page)
    })
    .await;
    let mut exported: BTreeMap<String, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for line in page.lines().filter(|line| line.starts_with("arrivage_")) {
        let (name, labels) = line.split_once(['{', ' ']).context("a sample")?;
        let known = exported.entry(name.to_owned()).or_default();
        for part in labels.split('}').next().unwrap_or_default().split(',') {
            if let Some((label, value)) = part.split_once('=') {
                let value = value.trim_matches('"').to_owned();
                known.entry(label.to_owned()).or_default().insert(value);
            }
        }
    }
    Ok(exported)
}

/// The one metric that an expression names.
fn metric_of(expression: &str) -> &str {
    let begin = expression.find("arrivage_").unwrap_or_default();
    let rest = &expression[begin..];
    let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '_');
    &rest[..end.unwrap_or(rest.len())]
}

/// What it sums by, and what the legend shows.
fn labels_of<'a>(expression: &'a str, legend: &'a str) -> Vec<&'a str> {
    let by = expression.split("by (").skip(1);
    let by = by.filter_map(|rest| rest.split(')').next());
    let shown = legend.split("{{").skip(1);
    let shown = shown.filter_map(|rest| rest.split("}}").next());
    by.chain(shown)
        .flat_map(|names| names.split(", "))
        .collect()
}

/// What it selects: a label, and each value that it may have.
fn values_of(expression: &str) -> Vec<(&str, &str)> {
    let selected = expression.split(['{', '}']).nth(1).unwrap_or_default();
    let Some((label, values)) = selected.split_once('=') else {
        return Vec::new();
    };
    let values = values.trim_matches(['~', '"']).split('|');
    values.map(|value| (label, value)).collect()
}
