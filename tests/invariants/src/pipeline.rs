//! Pipelines, and tables for them.

use std::sync::Arc;

use arrivage_model::{
    Column, ColumnSource, Format, Limits, Mode, Order, Pipeline, RejectBudget, Table, TableColumn,
};
use arrivage_processor::decode::Plan;

/// Columns of every kind, of which a file may have any.
pub(crate) const KINDS: &str = "a integer, b text, c date, d jsonb, e numeric(9,2), f timestamptz, \
     g interval, h inet, i integer[], j bytea, k uuid, l double precision, m boolean, n time, \
     o timestamp, p varchar(3), q real, r text[], s smallint, t bigint, u numeric, v char(2)";

/// A pipeline into a table with these columns, `id bigint, name text`.
pub(crate) fn pipeline(format: Format, limits: Limits, columns: &str) -> (Pipeline, Table) {
    let pipeline = Pipeline {
        name: "p".to_owned(),
        patterns: Vec::new(),
        ignored_names: Vec::new(),
        table: "t".parse().expect("a sound name"),
        order: Order::Any,
        atomic: false,
        mode: Mode::Append,
        create_table: false,
        max_attempts: 5,
        format,
        limits,
        columns: Vec::new(),
        rejects: RejectBudget {
            max_rows: 1000,
            max_ratio: None,
        },
        sidecar: None,
    };
    let column = |text: &str| {
        let (name, kind) = text.trim().split_once(' ').expect("a name and a type");
        TableColumn {
            name: name.to_owned(),
            kind: Ok(kind.parse().expect("a known type")),
            required: false,
        }
    };
    let table = Table {
        name: "public.t".parse().expect("a sound name"),
        columns: columns.split(", ").map(column).collect(),
        has_arrival_id: false,
        has_record: false,
        lineage_is_bigint: true,
        parallel: true,
    };
    (pipeline, table)
}

pub(crate) fn plan((pipeline, table): &(Pipeline, Table)) -> Arc<Plan> {
    Arc::new(Plan::new(pipeline, table).expect("pipeline and table fit"))
}

/// A column that is filled from there.
pub(crate) fn from(name: &str, from: ColumnSource) -> Column {
    Column {
        name: name.to_owned(),
        kind: None,
        from: Some(from),
        format: None,
        decimal: '.',
        required: false,
        default: None,
    }
}
