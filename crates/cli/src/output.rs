//! What people and scripts read: data on stdout, the rest on stderr. The only
//! place that prints.

use std::io::{self, Write};

use serde::Serialize;
use unicode_width::UnicodeWidthStr;

/// One line on stderr. Nobody reading it is no error.
pub(crate) fn say(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// One line of data on stdout. A reader that has seen enough (`| head`) ends the
/// program quietly.
pub(crate) fn data(line: &str) {
    if let Err(error) = writeln!(io::stdout().lock(), "{line}") {
        let code = if error.kind() == io::ErrorKind::BrokenPipe {
            0
        } else {
            1
        };
        std::process::exit(code);
    }
}

/// One JSON object a line.
pub(crate) fn json_lines<T: Serialize>(rows: &[T]) {
    for row in rows {
        data(
            &serde_json::to_string(row)
                .unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}")),
        );
    }
}

/// A table with a header, its columns aligned; numbers to the right.
pub(crate) fn table<const N: usize>(header: [&str; N], rows: &[[String; N]]) {
    let right: [bool; N] = std::array::from_fn(|column| {
        !rows.is_empty() && rows.iter().all(|row| is_number(&row[column]))
    });
    let width: [usize; N] = std::array::from_fn(|column| {
        let cells = rows.iter().map(|row| row[column].width());
        cells
            .chain([header[column].width()])
            .max()
            .unwrap_or_default()
    });
    let line = |cells: [&str; N]| {
        let mut line = String::new();
        for (column, cell) in cells.into_iter().enumerate() {
            let blanks = " ".repeat(width[column] - cell.width());
            let (before, after) = if right[column] {
                (blanks.as_str(), "")
            } else {
                ("", blanks.as_str())
            };
            line.push_str(&format!("{before}{cell}{after}  "));
        }
        line.trim_end().to_owned()
    };
    data(&line(header));
    for row in rows {
        data(&line(std::array::from_fn(|column| row[column].as_str())));
    }
}

fn is_number(cell: &str) -> bool {
    cell.is_empty() || cell.chars().all(|c| c.is_ascii_digit())
}

/// Text in one line of at most so many characters, for a table's cell.
pub(crate) fn cell(text: &str, length: usize) -> String {
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    let mut cell: String = text.chars().map(printable).take(length).collect();
    if text.chars().count() > length {
        cell.pop();
        cell.push('…');
    }
    cell
}
