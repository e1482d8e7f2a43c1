use arrivage_ledger::{Backlog, Paused, SharedLedger};
use arrivage_model::{Mode, Pipeline, Router};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use crate::Shared;
use crate::arrivals::Page;
use crate::problem::{Problem, json};
use crate::schema::PipelinePage;

/// A pipeline, and what it has to do.
#[derive(Serialize, ToSchema)]
pub(crate) struct PipelineRow {
    /// Its name.
    pipeline: String,
    /// Due now, or loading under an expired lease; 0 while it is paused.
    waiting: i64,
    /// Loading under a lease that stands.
    loading: i64,
    /// Both.
    outstanding: i64,
    /// Why nothing of it is loaded; none while it is not paused.
    paused_reason: Option<String>,
    /// Whether only a person ends the pause.
    paused_by_person: bool,
    /// The table that it loads; none where this process's configuration lacks it.
    table: Option<String>,
    /// How records meet the rows that are there.
    mode: Option<&'static str>,
    /// Which objects it takes.
    r#match: Vec<String>,
}

/// Every pipeline, with its backlog.
#[utoipa::path(get, path = "/v1/pipelines", tag = "pipelines",
    responses((status = 200, description = "All of them.", body = PipelinePage)))]
pub(crate) async fn list(State(actions): Shared) -> Result<Response, Problem> {
    let rows = rows(&actions.ledger, &actions.router).await?;
    Ok(json(StatusCode::OK, &Page::whole(rows)))
}

pub(crate) async fn rows(
    ledger: &SharedLedger,
    router: &Router,
) -> Result<Vec<PipelineRow>, Problem> {
    let backlog = ledger.backlog().await?;
    let names: Vec<String> = backlog.iter().map(|row| row.pipeline.clone()).collect();
    let paused = ledger.paused(&names).await?;
    let row = |row: Backlog| {
        let paused = paused.iter().find(|paused| paused.pipeline == row.pipeline);
        of(
            router.pipeline(&row.pipeline).map(AsRef::as_ref),
            paused,
            row,
        )
    };
    Ok(backlog.into_iter().map(row).collect())
}

fn of(pipeline: Option<&Pipeline>, paused: Option<&Paused>, backlog: Backlog) -> PipelineRow {
    let globs = pipeline.into_iter().flat_map(|pipeline| &pipeline.patterns);
    PipelineRow {
        pipeline: backlog.pipeline,
        waiting: backlog.waiting,
        loading: backlog.loading,
        outstanding: backlog.outstanding,
        paused_reason: paused.map(|paused| paused.reason.clone()),
        paused_by_person: paused.is_some_and(|paused| paused.by_person),
        table: pipeline.map(|pipeline| pipeline.table.to_string()),
        mode: pipeline.map(|pipeline| word(&pipeline.mode)),
        r#match: globs.map(|glob| glob.as_str().to_owned()).collect(),
    }
}

fn word(mode: &Mode) -> &'static str {
    match mode {
        Mode::Append => "append",
        Mode::Upsert { .. } => "upsert",
        Mode::Replace => "replace",
    }
}
