mod paste;
mod show;
mod subject;

use std::collections::BTreeMap;

use arrivage_ledger::Engine;
use arrivage_model::{Column, ColumnType, Pattern, Pipeline, Router};
use arrivage_processor::PreviewError;
use arrivage_processor::decode::detect::{Detected, Sample, Trial, detect, detect_stated, try_out};

use super::load::locate;
use crate::arguments::{Common, Preview};
use crate::exit::{self, Failure};
use crate::wiring::{configuration_if_any, stores, stores_of_environment};

/// As many rows are shown.
const ROWS: usize = 10;

/// All that is said of an object.
struct Previewed {
    url: String,
    beginning: arrivage_processor::Beginning,
    detected: Detected,
    trial: Trial,
    /// With every column declared.
    pipeline: Pipeline,
    create_table: String,
    /// The `[[pipeline]]` to paste.
    toml: String,
}

/// `preview URL`: how an object is written, and what to paste to load it.
pub(super) async fn preview(common: &Common, options: &Preview) -> Result<u8, Failure> {
    let config = configuration_if_any(common)?;
    let (stores, folders) = match &config {
        Some(config) => (stores(config)?, config.folders()?.clone()),
        None => (stores_of_environment(), BTreeMap::new()),
    };
    // The table is for the database that the configuration names, if one can be told.
    let database = config.as_ref().and_then(|config| config.database().ok());
    let engine = Engine::of(
        database
            .map_or(String::new(), |database| database.url.expose())
            .as_str(),
    );
    let router = Router::new(Vec::new(), folders);
    let location = locate(&router, &options.url, false)?;
    let store = stores.get(location.store);
    let object = store.head(&location, None).await?;
    let beginning = arrivage_processor::beginning(store.clone(), object).await;
    let beginning = beginning.map_err(|error| match error {
        PreviewError::Store(error) => Failure::from(error),
        PreviewError::File(failure) => unreadable(&options.url, &failure.message),
    })?;

    let sample = Sample {
        bytes: &beginning.bytes,
        whole: beginning.whole,
    };
    let detected = match &beginning.stated {
        Some(stated) => detect_stated(&stated.format, &stated.members),
        None => detect(sample),
    };
    let detected = detected.map_err(|error| unreadable(&options.url, &error.message))?;
    let name = subject::name(&location.key);
    let glob = subject::glob(&location);
    let pattern = Pattern::new(&glob).map_err(Failure::usage)?;
    let table = name.parse().map_err(Failure::usage)?;
    let pasted = detected.pipeline(&name, vec![pattern], table);
    let table = detected.table(pasted.table.clone());
    let trial = try_out(&pasted, &table, sample, ROWS);
    let trial = trial.map_err(|error| unreadable(&options.url, &error.message))?;
    let whole = Pipeline {
        columns: detected.columns.clone(),
        ..pasted.clone()
    };
    let toml = match engine {
        Engine::Postgres => paste::pipeline(&pasted, &glob),
        Engine::Sqlite => paste::pipeline(&with_types(&pasted, &whole), &glob),
    };
    let previewed = Previewed {
        url: location.to_string(),
        create_table: format!("{};", engine.table_definition(&whole)?.join(";\n")),
        pipeline: whole,
        beginning,
        detected,
        trial,
        toml,
    };
    match options.json.json {
        true => show::json(&previewed),
        false => show::text(&previewed),
    }
    Ok(exit::DONE)
}

/// SQLite's tables keep many types as text, and do not say what a value must be.
fn with_types(pasted: &Pipeline, whole: &Pipeline) -> Pipeline {
    let is_pasted = |column: &&Column| pasted.columns.iter().any(|other| other.name == column.name);
    let is_kept = |column: &&Column| {
        use ColumnType::{BigInt, Boolean, DoublePrecision, Text};
        matches!(column.kind, Some(BigInt | Boolean | DoublePrecision | Text))
    };
    let columns = whole
        .columns
        .iter()
        .filter(|column| is_pasted(column) || !is_kept(column));
    Pipeline {
        columns: columns.cloned().collect(),
        ..pasted.clone()
    }
}

fn unreadable(url: &str, message: &str) -> Failure {
    Failure::usage(format!("{url}: {message}"))
}
