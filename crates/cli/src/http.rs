use std::sync::Arc;
use std::time::Duration;

use arrivage_api::{Actions, Check, Recorded, Token, serve};
use arrivage_ledger::SharedLedger;
use arrivage_watcher::{Answer, Health, Webhook};
use futures::FutureExt;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::commands::Orders;
use crate::config::{self, Http};
use crate::exit::Failure;
use crate::wiring::Wiring;

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

/// What stands behind the server.
pub(crate) struct Front {
    pub(crate) sources: Option<Health>,
    pub(crate) webhook: Option<Webhook>,
    pub(crate) orders: Orders,
    pub(crate) metrics: PrometheusHandle,
}

/// Serves until `stop`.
pub(crate) async fn start(
    wiring: &Wiring,
    front: Front,
    stop: CancellationToken,
) -> Result<JoinHandle<()>, Failure> {
    let http = wiring.config.http()?;
    let listener = TcpListener::bind(http.listen).await.map_err(|error| {
        Failure::usage(format!(
            "cannot listen on {}: {error}; set http.listen to a free address",
            http.listen
        ))
    })?;
    let address = listener.local_addr().unwrap_or(http.listen);
    let notifications = front.webhook.as_ref().map(|_| " /notifications");
    let notifications = notifications.unwrap_or_default();
    tracing::info!(%address, "HTTP: /healthz /readyz /metrics /openapi.json /v1{notifications}");
    let actions = actions(wiring, http, front);
    Ok(tokio::spawn(async move {
        if let Err(error) = serve(listener, actions, stop).await {
            tracing::error!(%error, "HTTP ended");
        }
    }))
}

fn actions(wiring: &Wiring, http: &Http, front: Front) -> Actions {
    let Front {
        sources,
        webhook,
        orders,
        metrics,
    } = front;
    let token = |token: &config::Token| Token::new(token.expose());
    let (probed, scraped) = (Arc::clone(&wiring.ledger), Arc::clone(&wiring.ledger));
    let (loading, replaying, cancelling) = (orders.clone(), orders.clone(), orders.clone());
    let reconciling = orders;
    let webhook_token = wiring.config.webhook_token().map(token);
    Actions {
        token: http.token.as_ref().map(token),
        readiness: Box::new(move |()| readiness(Arc::clone(&probed), sources.clone()).boxed()),
        metrics: Box::new(move |()| scrape(Arc::clone(&scraped), metrics.clone()).boxed()),
        webhook: webhook.map(|webhook| arrivage_api::Webhook {
            token: webhook_token,
            take: Box::new(move |body| {
                let webhook = webhook.clone();
                async move { record(&webhook, &body).await }.boxed()
            }),
        }),
        ledger: Arc::clone(&wiring.ledger),
        router: Arc::clone(&wiring.router),
        load: Box::new(move |order| loading.clone().load(order).boxed()),
        replay: Box::new(move |(id, order)| replaying.clone().replay(id, order).boxed()),
        cancel: Box::new(move |id| cancelling.clone().cancel(id).boxed()),
        reconcile: Box::new(move |url| reconciling.clone().reconcile(url).boxed()),
    }
}

/// Who brings notifications needs to know no more; the rest is in the log.
async fn record(webhook: &Webhook, body: &[u8]) -> Recorded {
    match webhook.take(body).await {
        Ok(Answer::Recorded(tally)) => Recorded::Durable(serde_json::json!(tally)),
        Ok(Answer::Unreadable(why)) => Recorded::Unreadable(why),
        Ok(Answer::NotYet(_)) => Recorded::NotYet("its object cannot be identified yet".to_owned()),
        Err(_) => Recorded::NotYet("the ledger did not take it".to_owned()),
    }
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
