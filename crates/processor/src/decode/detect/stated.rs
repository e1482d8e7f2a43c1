//! Files that state the types of their values: nothing has to be guessed.

use arrivage_model::{Column, ColumnType, Encoding, Format};

use super::{DecodeError, Detected, MOST_COLUMNS, names, sound, too_many, unreadable};

/// A column for each member that a file states.
pub fn detect_stated(
    format: &Format,
    members: &[(String, ColumnType)],
) -> Result<Detected, DecodeError> {
    let own: Vec<String> = members.iter().map(|(name, _)| name.clone()).collect();
    let named = names::name_all(&own).into_iter().zip(members);
    let columns = named.map(|(named, (member, kind))| {
        let from = named
            .from
            .or_else(|| names::is_special(member).then(|| member.clone()));
        Column {
            from: from.map(names::member),
            ..column(named.name, *kind)
        }
    });
    match members.len() {
        0 => Err(unreadable("its records have no members")),
        1..=MOST_COLUMNS => Ok(Detected {
            format: format.clone(),
            encoding: Encoding::UTF_8,
            columns: columns.collect(),
            notes: Vec::new(),
        }),
        many => Err(too_many(many)),
    }
}

/// The columns of a table for files with these members: by their own names, so that nothing has
/// to be declared of them.
pub fn infer_stated(members: &[(String, ColumnType)]) -> Result<Vec<Column>, DecodeError> {
    let members = members.iter();
    sound(
        members
            .map(|(name, kind)| column(name.clone(), *kind))
            .collect(),
    )
}

fn column(name: String, kind: ColumnType) -> Column {
    Column {
        name,
        kind: Some(kind),
        from: None,
        format: None,
        decimal: '.',
        required: false,
        default: None,
    }
}
