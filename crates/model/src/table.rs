use crate::{ColumnType, TableName};

/// A table as the database's catalogue has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// With its schema, as it was found.
    pub name: TableName,
    /// The columns that can be written, in the table's order, without the
    /// lineage columns.
    pub columns: Vec<TableColumn>,
    /// It has `_arrival_id`, so that the rows of one arrival can be told.
    pub has_arrival_id: bool,
    /// It has `_record`.
    pub has_record: bool,
    /// These two, as far as it has them, are of type `bigint`.
    pub lineage_is_bigint: bool,
    /// Several transactions may add rows at the same time without waiting for
    /// each other: no unique or exclusion constraint, no user trigger.
    pub parallel: bool,
}

/// A column of a [`Table`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableColumn {
    /// Its exact name.
    pub name: String,
    /// Its type; the catalogue's words where nothing here knows it.
    pub kind: Result<ColumnType, String>,
    /// NOT NULL, without a default.
    pub required: bool,
}
