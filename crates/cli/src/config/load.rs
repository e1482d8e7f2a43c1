use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::source::Sources;
use super::{Config, ConfigErrors, database, pipeline, sections, source};
use crate::settings::{Reader, Settings};

/// Looks up an environment variable.
type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Where the file is when nothing names it.
const USUAL: &str = "arrivage.toml";

impl Config {
    /// Whether there is one that nobody has to name.
    pub(crate) fn is_in_its_usual_place() -> bool {
        Path::new(USUAL).exists()
    }

    /// Reads the file that `--config` names, else `$ARRIVAGE_CONFIG`, else
    /// `./arrivage.toml`.
    pub(crate) fn load(flag: Option<&Path>, env: Env<'_>) -> Result<Self, ConfigErrors> {
        let variable = env("ARRIVAGE_CONFIG").filter(|path| !path.is_empty());
        let (file, named_by) = match (flag, variable) {
            (Some(file), _) => (file.to_owned(), ", which --config names,"),
            (None, Some(file)) => (file.into(), ", which $ARRIVAGE_CONFIG names,"),
            (None, None) => (PathBuf::from(USUAL), ""),
        };
        let text = std::fs::read_to_string(&file).map_err(|error| {
            if named_by.is_empty() && error.kind() == ErrorKind::NotFound {
                return one(format!(
                    "there is no {USUAL} here: name a configuration with --config FILE or \
                     $ARRIVAGE_CONFIG, or write one; samples/arrivage.toml is a start"
                ));
            }
            one(format!(
                "{}{named_by} cannot be read: {error}",
                file.display()
            ))
        })?;
        let folder = folder_of(&file)?;
        Self::parse(&text, &file, &folder, env)
    }

    /// Reads the text of `file`, whose relative paths begin in `folder`.
    pub(crate) fn parse(
        text: &str,
        file: &Path,
        folder: &str,
        env: Env<'_>,
    ) -> Result<Self, ConfigErrors> {
        let mut reader = Reader::new(text, env);
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            let place = reader.place(String::new(), error.span().map_or(0, |span| span.start));
            reader.complain(&place, error.message());
        }
        let top = reader.place(String::new(), 0);
        let table = DeValue::Table(table.into_inner());
        let settings = errors
            .is_empty()
            .then(|| reader.read_at::<Settings>(top, &table))
            .flatten();
        let config = settings.map(|settings| Self::of(&settings, file, folder, &mut reader));

        let (now, later) = reader.into_problems();
        match config {
            Some(config) if now.is_empty() => Ok(Self { later, ..config }),
            _ => Err(ConfigErrors(
                now.iter().map(|problem| problem.line_of(file)).collect(),
            )),
        }
    }

    fn of(typed: &Settings, file: &Path, folder: &str, reader: &mut Reader<'_>) -> Self {
        let database = typed.database.typed();
        let database = database.and_then(|typed| database::database(typed, folder, reader));
        let s3 = typed.s3.typed().and_then(|typed| sections::s3(typed));
        let http = typed.http.typed();
        let http = http.and_then(|typed| sections::http(typed, reader));
        let processor_typed = typed.processor.typed();
        let processor =
            processor_typed.and_then(|typed| sections::processor(typed, database.as_ref(), reader));
        let max_attempts = processor_typed.and_then(|typed| typed.max_attempts.get());
        let sources = match typed.source.typed() {
            Some(typed) => source::sources(typed, folder, database.as_ref(), http.as_ref(), reader),
            None => Sources::default(),
        };
        let pipelines = typed.pipeline.typed();
        let pipelines =
            pipelines.and_then(|typed| pipeline::pipelines(typed, folder, max_attempts, reader));
        Self {
            file: file.to_owned(),
            database,
            s3,
            http,
            processor,
            sources: sources.all,
            folders: sources.folders,
            webhook_token: sources.webhook_token,
            pipelines,
            later: Vec::new(),
        }
    }
}

/// The absolute path of the folder that holds the file.
fn folder_of(file: &Path) -> Result<String, ConfigErrors> {
    let whole =
        std::path::absolute(file).map_err(|error| one(format!("{}: {error}", file.display())))?;
    let folder = whole.parent().and_then(Path::to_str).map(str::to_owned);
    folder.ok_or_else(|| one(format!("{}: its path is not UTF-8", file.display())))
}

fn one(line: String) -> ConfigErrors {
    ConfigErrors(vec![line])
}
