use std::collections::BTreeMap;
use std::sync::Arc;

use arrivage_model::{Column, Mode, Order, Pattern, Pipeline, RejectBudget};

use super::rules::{at_least, name, unique};
use super::{column, complete, format, paths};
use crate::settings::{self, Key, List, Reader, Typed};

/// The pipelines; `max_attempts` is the processor's.
pub(super) fn pipelines(
    typed: &List<settings::Pipeline>,
    folder: &str,
    max_attempts: Option<u32>,
    reader: &mut Reader<'_>,
) -> Option<Vec<Arc<Pipeline>>> {
    let mut pipelines = Vec::new();
    let mut names = BTreeMap::new();
    for typed in typed {
        let pipeline = typed.as_ref().and_then(|typed| {
            if let Some(name) = typed.name.typed() {
                unique("name", name, &typed.place, &mut names, reader);
            }
            pipeline(typed, folder, max_attempts, reader)
        });
        pipelines.push(pipeline.map(Arc::new));
    }
    pipelines.into_iter().collect()
}

fn pipeline(
    typed: &Typed<settings::Pipeline>,
    folder: &str,
    max_attempts: Option<u32>,
    reader: &mut Reader<'_>,
) -> Option<Pipeline> {
    let name = typed.name.typed().and_then(|typed| name(typed, reader));
    let patterns = patterns(&typed.r#match, folder, reader);
    let ignored_names = ignored_names(&typed.ignore, reader);
    let mode = mode(typed, reader);
    let format = typed.format.typed();
    let read_as = format.and_then(|typed| format::format(typed, reader));
    let limits = format.and_then(|typed| format::limits(typed, reader));
    let columns = columns(typed, patterns.as_deref(), reader);
    let rejects = typed
        .rejects
        .typed()
        .and_then(|typed| budget(typed, reader));
    let sidecar = typed.complete.typed();
    let sidecar = sidecar.and_then(|typed| complete::sidecar(typed, reader));
    at_least(&typed.max_attempts, 1, "1", reader);
    let max_attempts = typed.max_attempts.get().or(max_attempts);
    let order = order(typed, mode.as_ref());
    let atomic = atomic(typed, mode.as_ref(), reader);
    let create_table = typed.create_table.get()?;
    if create_table {
        check_table(typed, columns.as_deref(), mode.as_ref(), reader);
    }
    Some(Pipeline {
        name: name?,
        patterns: patterns?,
        ignored_names: ignored_names?,
        table: typed.table.get()?,
        mode: mode?,
        order: order?,
        atomic: atomic?,
        create_table,
        max_attempts: max_attempts?,
        format: read_as?,
        limits: limits?,
        columns: columns?,
        rejects: rejects?,
        sidecar: sidecar?,
    })
}

fn patterns(
    typed: &Key<List<String>>,
    folder: &str,
    reader: &mut Reader<'_>,
) -> Option<Vec<Pattern>> {
    let globs = typed.typed()?;
    if globs.is_empty() {
        reader.complain(&globs.place, "it is empty, so no object would match");
        return None;
    }
    let patterns: Vec<_> = globs
        .iter()
        .map(|glob| {
            let glob = glob.as_ref()?;
            reader.take(&glob.place, paths::pattern(folder, glob))
        })
        .collect();
    patterns.into_iter().collect()
}

fn ignored_names(typed: &Key<List<String>>, reader: &mut Reader<'_>) -> Option<Vec<Pattern>> {
    let pattern = |glob: &Option<Typed<String>>, reader: &mut Reader<'_>| {
        let glob = glob.as_ref()?;
        if glob.contains('/') {
            let message = "a name has no /; match says where objects are";
            reader.complain(&glob.place, message);
            return None;
        }
        let pattern = Pattern::new(glob).map_err(|problem| problem.to_string());
        reader.take(&glob.place, pattern)
    };
    let globs = typed.typed()?.iter();
    let patterns: Vec<_> = globs.map(|glob| pattern(glob, reader)).collect();
    patterns.into_iter().collect()
}

fn mode(typed: &Typed<settings::Pipeline>, reader: &mut Reader<'_>) -> Option<Mode> {
    match (typed.mode.get()?, &typed.key) {
        (settings::Mode::Append | settings::Mode::Replace, Key::Here(key)) => {
            reader.complain(&key.place, "only mode = \"upsert\" has a key");
            None
        }
        (settings::Mode::Append, _) => Some(Mode::Append),
        (settings::Mode::Replace, _) => Some(Mode::Replace),
        (settings::Mode::Upsert, Key::Here(key)) => {
            let mut columns = BTreeMap::new();
            for column in key.iter().flatten() {
                unique("column", column, &column.place, &mut columns, reader);
            }
            if key.is_empty() {
                reader.complain(
                    &key.place,
                    "it is empty; name the columns that are unique together",
                );
            }
            let key: Option<Vec<_>> = key
                .iter()
                .map(|c| Some(c.as_ref()?.value.clone()))
                .collect();
            Some(Mode::Upsert { key: key? })
        }
        (settings::Mode::Upsert, Key::Absent) => {
            let message = "missing; upsert needs the columns that are unique together";
            reader.complain(&typed.place.key("key"), message);
            None
        }
        (settings::Mode::Upsert, Key::Unusable) => None,
    }
}

fn order(typed: &Typed<settings::Pipeline>, mode: Option<&Mode>) -> Option<Order> {
    match (&typed.order, mode?) {
        (Key::Here(order), _) => Some(match order.value {
            settings::Order::Any => Order::Any,
            settings::Order::Newest => Order::Newest,
        }),
        (Key::Absent, Mode::Append) => Some(Order::Any),
        (Key::Absent, Mode::Upsert { .. } | Mode::Replace) => Some(Order::Newest),
        (Key::Unusable, _) => None,
    }
}

fn atomic(
    typed: &Typed<settings::Pipeline>,
    mode: Option<&Mode>,
    reader: &mut Reader<'_>,
) -> Option<bool> {
    let said = match &typed.atomic {
        Key::Here(said) => Some(said),
        Key::Absent => None,
        Key::Unusable => return None,
    };
    if mode? != &Mode::Replace {
        return Some(said.is_some_and(|said| said.value));
    }
    if let Some(said) = said.filter(|said| !said.value) {
        let message = "mode = \"replace\" is always atomic; leave it out";
        reader.complain(&said.place, message);
    }
    Some(true)
}

fn columns(
    typed: &settings::Pipeline,
    patterns: Option<&[Pattern]>,
    reader: &mut Reader<'_>,
) -> Option<Vec<Column>> {
    let mut names = BTreeMap::new();
    let mut columns = Vec::new();
    for typed_column in typed.column.typed()?.iter() {
        let column = typed_column.as_ref().and_then(|typed_column| {
            if let Some(name) = typed_column.name.typed() {
                unique("name", name, &typed_column.place, &mut names, reader);
            }
            column::column(typed_column, typed.format.typed(), patterns, reader)
        });
        columns.push(column);
    }
    column::check_apart(typed.column.typed()?, &columns, reader);
    columns.into_iter().collect()
}

/// Whether a table can be made of what is declared.
fn check_table(
    typed: &Typed<settings::Pipeline>,
    columns: Option<&[Column]>,
    mode: Option<&Mode>,
    reader: &mut Reader<'_>,
) {
    let Some(columns) = columns else { return };
    if columns.is_empty() {
        // They are those of the first file, which lines of a fixed width do not tell.
        let format = typed.format.typed().map(|format| &format.value);
        if let Some(settings::Format::FixedWidth(_)) = format {
            let message = "create_table = true needs every column declared, each with its type";
            reader.complain(&typed.place.key("column"), message);
        }
        return;
    }
    let typed_columns = typed.column.typed().into_iter();
    for column in typed_columns.flat_map(|list| list.iter().flatten()) {
        if matches!(column.r#type, Key::Absent) {
            let message = "missing; create_table = true needs the type of every column";
            reader.complain(&column.place.key("type"), message);
        }
    }
    let Some(Mode::Upsert { key }) = mode else {
        return;
    };
    for name in key {
        if !columns.iter().any(|column| column.name == *name) {
            let message = format!("create_table = true needs a [[pipeline.column]] named {name:?}");
            reader.complain(&typed.place.key("key"), message);
        }
    }
}

fn budget(typed: &settings::Rejects, reader: &mut Reader<'_>) -> Option<RejectBudget> {
    if let Some(ratio) = typed.max_ratio.typed()
        && !(0.0..=1.0).contains(&ratio.value)
    {
        reader.complain(&ratio.place, "a ratio is from 0 to 1");
    }
    Some(RejectBudget {
        max_rows: typed.max_rows.get()?,
        max_ratio: typed.max_ratio.get(),
    })
}
