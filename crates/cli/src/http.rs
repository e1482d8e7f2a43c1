use std::sync::Arc;
use std::time::Duration;

use arrivage_api::{Actions, Check, serve};
use arrivage_ledger::SharedLedger;
use arrivage_watcher::Health;
use futures::FutureExt;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::Http;
use crate::exit::Failure;

/// A database that does not answer a probe for so long is not ready; Kubernetes
/// waits a second.
const PROBE: Duration = Duration::from_millis(900);

/// Takes in every metric of the program, from here on.
pub(crate) fn record_metrics() -> Result<PrometheusHandle, Failure> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(
            Matcher::Suffix("_seconds".to_owned()),
            &[0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0, 300.0],
        )
        .map_err(Failure::person)?
        .install_recorder()
        .map_err(Failure::person)
}

/// Serves the probes and the metrics until `stop`.
pub(crate) async fn start(
    http: &Http,
    ledger: SharedLedger,
    sources: Option<Health>,
    metrics: PrometheusHandle,
    stop: CancellationToken,
) -> Result<JoinHandle<()>, Failure> {
    let listener = TcpListener::bind(http.listen).await.map_err(|error| {
        Failure::usage(format!(
            "cannot listen on {}: {error}; set http.listen to a free address",
            http.listen
        ))
    })?;
    let address = listener.local_addr().unwrap_or(http.listen);
    tracing::info!(%address, "HTTP: /healthz /readyz /metrics");
    let probed = Arc::clone(&ledger);
    let actions = Actions {
        token: http.token.as_ref().map(|token| token.expose().to_owned()),
        readiness: Box::new(move || readiness(Arc::clone(&probed), sources.clone()).boxed()),
        metrics: Box::new(move || scrape(Arc::clone(&ledger), metrics.clone()).boxed()),
    };
    Ok(tokio::spawn(async move {
        if let Err(error) = serve(listener, actions, stop).await {
            tracing::error!(%error, "HTTP ended");
        }
    }))
}

async fn readiness(ledger: SharedLedger, sources: Option<Health>) -> Vec<Check> {
    let database = match tokio::time::timeout(PROBE, ledger.ping()).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some(format!("no answer within {PROBE:?}")),
    };
    let check = |name: String, error: Option<String>| Check {
        name,
        ok: error.is_none(),
        error,
    };
    let mut checks = vec![check("database".to_owned(), database)];
    for source in sources.iter().flat_map(Health::sources) {
        checks.push(check(source.name, source.problem));
    }
    checks
}

/// The backlog is asked for when somebody wants to know.
async fn scrape(ledger: SharedLedger, handle: PrometheusHandle) -> String {
    match tokio::time::timeout(PROBE, ledger.backlog()).await {
        Ok(Ok(backlog)) => {
            metrics::gauge!("arrivage_database_up").set(1.0);
            for row in &backlog {
                let gauge = |state: &'static str, value: i64| {
                    let pipeline = row.pipeline.clone();
                    metrics::gauge!("arrivage_backlog", "pipeline" => pipeline, "state" => state)
                        .set(value as f64);
                };
                gauge("waiting", row.waiting);
                gauge("loading", row.loading);
            }
            let names: Vec<String> = backlog.into_iter().map(|row| row.pipeline).collect();
            pauses(&ledger, &names).await;
        }
        Ok(Err(_)) | Err(_) => metrics::gauge!("arrivage_database_up").set(0.0),
    }
    handle.run_upkeep();
    handle.render()
}

/// 1 while nothing of the pipeline is loaded before somebody mends or resumes it.
async fn pauses(ledger: &SharedLedger, pipelines: &[String]) {
    let Ok(Ok(paused)) = tokio::time::timeout(PROBE, ledger.paused(pipelines)).await else {
        return;
    };
    for name in pipelines {
        let is_paused = paused.iter().any(|paused| paused.pipeline == *name);
        metrics::gauge!("arrivage_pipeline_paused", "pipeline" => name.clone())
            .set(f64::from(u8::from(is_paused)));
    }
}
