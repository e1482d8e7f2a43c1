//! What people and scripts read: data on stdout, the rest on stderr. The only
//! place that prints.

use std::io::{self, Write};

use console::Term;
use serde::Serialize;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// One line on stderr. Nobody reading it is no error.
pub(crate) fn say(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// One line of data on stdout. A reader that has seen enough (`| head`) ends the
/// program quietly.
pub(crate) fn data(line: &str) {
    bytes(format!("{line}\n").as_bytes());
}

/// Data that is no text of ours, on stdout.
pub(crate) fn bytes(data: &[u8]) {
    if let Err(error) = io::stdout().lock().write_all(data) {
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

/// A table with a header, its columns aligned; numbers to the right. On a terminal
/// it is no wider than that.
pub(crate) fn table<const N: usize>(header: [&str; N], rows: &[[String; N]]) {
    let rows: Vec<&[String]> = rows.iter().map(<[String; N]>::as_slice).collect();
    grid(&header, &rows);
}

/// The same with as many columns as there are.
pub(crate) fn grid(header: &[&str], rows: &[&[String]]) {
    let terminal = Term::stdout().size_checked();
    let limit = terminal.map(|(_, columns)| usize::from(columns));
    lines(header, rows, limit)
        .iter()
        .for_each(|line| data(line));
}

/// Blanks between two columns.
const GAP: usize = 2;

/// Text is cut to no less than this.
const NARROWEST: usize = 12;

fn lines(header: &[&str], rows: &[&[String]], limit: Option<usize>) -> Vec<String> {
    let columns = 0..header.len();
    let is_right =
        |column: usize| !rows.is_empty() && rows.iter().all(|row| is_number(&row[column]));
    let right: Vec<bool> = columns.clone().map(is_right).collect();
    let widest = |column: usize| {
        let cells = rows.iter().map(|row| row[column].width());
        cells
            .chain([header[column].width()])
            .max()
            .unwrap_or_default()
    };
    let mut width: Vec<usize> = columns.map(widest).collect();
    if let Some(limit) = limit {
        narrow(&mut width, header, &right, limit);
    }
    let line = |cells: &[&str]| {
        let mut line = String::new();
        for (column, text) in cells.iter().enumerate() {
            let text = fit(text, width[column]);
            let blanks = " ".repeat(width[column] - text.width());
            let (before, after) = if right[column] {
                (blanks.as_str(), "")
            } else {
                ("", blanks.as_str())
            };
            line.push_str(&format!("{before}{text}{after}{:GAP$}", ""));
        }
        line.trim_end().to_owned()
    };
    let body = rows
        .iter()
        .map(|row| row.iter().map(String::as_str).collect::<Vec<_>>());
    let all = [header.to_vec()].into_iter().chain(body);
    all.map(|cells| line(&cells)).collect()
}

/// The widest text column gives way, then the next, as far as they can; numbers do not.
fn narrow(width: &mut [usize], header: &[&str], right: &[bool], limit: usize) {
    let floor = |column: usize| header[column].width().max(NARROWEST);
    while width.iter().sum::<usize>() + GAP * (width.len() - 1) > limit {
        let widest = (0..width.len())
            .filter(|&column| !right[column] && width[column] > floor(column))
            .max_by_key(|&column| width[column]);
        let Some(widest) = widest else { return };
        width[widest] -= 1;
    }
}

/// At most so many columns of the terminal.
fn fit(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut fitting = String::new();
    for c in text.chars() {
        if fitting.width() + c.width().unwrap_or_default() >= width {
            break;
        }
        fitting.push(c);
    }
    fitting.push('…');
    fitting
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_as_wide_as_its_terminal_and_its_numbers_stay() {
        let check = |limit: Option<usize>, expect: [&str; 3]| {
            let row = |id: &str, url: &str, why: &str| [id, url, why].map(str::to_owned);
            let rows = [
                row("1", "s3://drop/orders/2026-11-22.csv", "gone"),
                row("12345678901234", "s3://drop/長い名前の/x.csv", ""),
            ];
            let rows: Vec<&[String]> = rows.iter().map(<[String; 3]>::as_slice).collect();
            assert_eq!(
                lines(&["ID", "URL", "ERROR"], &rows, limit),
                expect,
                "{limit:?}"
            );
        };
        let whole = [
            "            ID  URL                              ERROR",
            "             1  s3://drop/orders/2026-11-22.csv  gone",
            "12345678901234  s3://drop/長い名前の/x.csv",
        ];
        check(None, whole);
        check(Some(54), whole);
        check(
            Some(45),
            [
                "            ID  URL                     ERROR",
                "             1  s3://drop/orders/2026…  gone",
                "12345678901234  s3://drop/長い名前の/…",
            ],
        );
        check(
            Some(20),
            [
                "            ID  URL           ERROR",
                "             1  s3://drop/o…  gone",
                "12345678901234  s3://drop/…",
            ],
        );
    }
}
