//! COPY's text format: a tab between values, `\N` for NULL.

use arrivage_model::{Place, Rows};

use super::Beside;

pub(super) fn push(beside: Beside, rows: &Rows, row: usize, out: &mut Vec<u8>) {
    let number = |number: &dyn std::fmt::Display, out: &mut Vec<u8>| {
        out.extend_from_slice(number.to_string().as_bytes());
        out.push(b'\t');
    };
    if let Some(arrival) = beside.arrival {
        number(&arrival, out);
    }
    if beside.record {
        number(&rows.places()[row].record, out);
    }
    for cell in rows.cells(row) {
        match cell {
            Some(text) => escape(text, out),
            None => out.extend_from_slice(b"\\N"),
        }
        out.push(b'\t');
    }
    let Place {
        record,
        line,
        byte_offset,
        ..
    } = rows.places()[row];
    for place in [record, line, byte_offset].iter().take(beside.places) {
        number(place, out);
    }
    out.pop();
    out.push(b'\n');
}

fn escape(text: &[u8], out: &mut Vec<u8>) {
    let special = |byte: &u8| matches!(byte, b'\\' | b'\t' | b'\n' | b'\r');
    let mut rest = text;
    while let Some(at) = rest.iter().position(special) {
        out.extend_from_slice(&rest[..at]);
        let escaped = match rest[at] {
            b'\t' => b't',
            b'\n' => b'n',
            b'\r' => b'r',
            other => other,
        };
        out.extend_from_slice(&[b'\\', escaped]);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}
