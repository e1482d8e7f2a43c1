//! Arrays: PostgreSQL's text form, taken more strictly than PostgreSQL does, and JSON arrays.

use arrivage_model::array::{MAX_DIMENSIONS, push_element};
use arrivage_model::{ColumnType, Element, ReasonCode};

use super::Writer;
use crate::decode::fault::{Fault, excerpt};
use crate::decode::json::{document, write_value};

/// An array on its way into canonical text.
struct Array<'a> {
    out: &'a mut Vec<u8>,
    /// The length of the rows of each dimension, as far as one was closed.
    lengths: Vec<Option<usize>>,
    /// On which level elements stand.
    depth: Option<usize>,
    elements: usize,
    element: Vec<u8>,
}

/// How the elements are written.
fn of_elements(writer: &Writer, element: Element) -> Writer {
    Writer {
        kind: element.kind(),
        decimal: writer.decimal,
        format: None,
        key: writer.key,
    }
}

/// Appends the array that `text`, such as `{1,NULL,"a b"}`, stands for. What PostgreSQL would
/// pass over in silence is refused: blanks outside quotes, bounds, backslashes outside quotes.
pub(super) fn write(
    writer: &Writer,
    element: Element,
    text: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let writer = of_elements(writer, element);
    let mut array = Array::new(out);
    let mut text_left = text;
    array
        .braces(&writer, &mut text_left, 0)
        .map_err(|wrong| match wrong {
            Wrong::Form(why) => not_an_array(text, why),
            Wrong::Element(fault) => fault,
        })?;
    if !text_left.is_empty() {
        return Err(not_an_array(text, "text stands behind its last brace"));
    }
    Ok(())
}

/// Appends the array that a sound JSON array stands for. An array in it is a further dimension,
/// unless the elements are JSON themselves.
pub(in crate::decode) fn write_json(
    writer: &Writer,
    element: Element,
    value: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let writer = of_elements(writer, element);
    let mut array = Array::new(out);
    array.json(&writer, value, 0).map_err(|wrong| match wrong {
        Wrong::Form(why) => not_an_array(value, why),
        Wrong::Element(fault) => fault,
    })
}

enum Wrong {
    Form(&'static str),
    Element(Fault),
}

const NESTED_BESIDE_ELEMENTS: &str = "an array stands beside elements";
const RAGGED: &str = "its rows are of different lengths";
const EMPTY_ROW: &str = "a row in it is empty";
const TOO_DEEP: &str = "it has more than 6 dimensions";

impl<'a> Array<'a> {
    fn new(out: &'a mut Vec<u8>) -> Self {
        Self {
            out,
            lengths: Vec::new(),
            depth: None,
            elements: 0,
            element: Vec::new(),
        }
    }

    /// `{…}` at the front of the text.
    fn braces(&mut self, writer: &Writer, text: &mut &[u8], level: usize) -> Result<(), Wrong> {
        let Some(rest) = text.strip_prefix(b"{") else {
            return Err(Wrong::Form("it does not begin with a brace"));
        };
        *text = rest;
        self.open(level)?;
        if let Some(rest) = text.strip_prefix(b"}") {
            *text = rest;
            return self.close(level, 0);
        }
        let mut count = 0;
        loop {
            match text.first() {
                Some(b'{') => self.braces(writer, text, level + 1)?,
                _ => {
                    self.at_level(level)?;
                    self.element_of_text(writer, text)?;
                }
            }
            count += 1;
            match text.split_first() {
                Some((b',', rest)) => {
                    *text = rest;
                    self.out.push(b',');
                }
                Some((b'}', rest)) => {
                    *text = rest;
                    return self.close(level, count);
                }
                Some(_) => return Err(Wrong::Form("a comma is missing")),
                None => return Err(Wrong::Form("a brace is not closed")),
            }
        }
    }

    fn element_of_text(&mut self, writer: &Writer, text: &mut &[u8]) -> Result<(), Wrong> {
        if text.first() == Some(&b'"') {
            let value = quoted(text)?;
            return self.push(writer, &value);
        }
        let special = |byte: &u8| {
            matches!(byte, b',' | b'{' | b'}' | b'"' | b'\\') || byte.is_ascii_whitespace()
        };
        let length = text.iter().position(special).unwrap_or(text.len());
        let (value, rest) = text.split_at(length);
        *text = rest;
        match rest.first() {
            Some(b'\\' | b'"') => {
                return Err(Wrong::Form(
                    "a quote or backslash stands in an element without quotes",
                ));
            }
            Some(byte) if byte.is_ascii_whitespace() => {
                return Err(Wrong::Form("a blank stands outside quotes"));
            }
            _ => {}
        }
        if value.is_empty() {
            return Err(Wrong::Form(
                "an element is empty; an empty text is written \"\"",
            ));
        }
        if value.eq_ignore_ascii_case(b"null") {
            self.push_null();
            return Ok(());
        }
        self.push(writer, value)
    }

    /// A sound JSON array.
    fn json(&mut self, writer: &Writer, value: &[u8], level: usize) -> Result<(), Wrong> {
        self.open(level)?;
        let is_json = matches!(writer.kind, ColumnType::Json | ColumnType::Jsonb);
        let mut elements = Vec::new();
        document::elements(value, |range| elements.push(range));
        let count = elements.len();
        for (nth, range) in elements.into_iter().enumerate() {
            if nth > 0 {
                self.out.push(b',');
            }
            let element = &value[range];
            match element.first() {
                Some(b'[') if !is_json => {
                    self.json(writer, element, level + 1)?;
                    continue;
                }
                Some(b'n') => {
                    self.at_level(level)?;
                    self.push_null();
                }
                _ => {
                    self.at_level(level)?;
                    self.push_with(|out| write_value(writer, element, out))?;
                }
            }
        }
        self.close(level, count)
    }

    fn open(&mut self, level: usize) -> Result<(), Wrong> {
        if self.depth.is_some_and(|depth| level > depth) {
            return Err(Wrong::Form(NESTED_BESIDE_ELEMENTS));
        }
        if level == MAX_DIMENSIONS {
            return Err(Wrong::Form(TOO_DEEP));
        }
        if level == self.lengths.len() {
            self.lengths.push(None);
        }
        self.out.push(b'{');
        Ok(())
    }

    fn close(&mut self, level: usize, length: usize) -> Result<(), Wrong> {
        if length == 0 && level > 0 {
            return Err(Wrong::Form(EMPTY_ROW));
        }
        if self.lengths[level].is_some_and(|other| other != length) {
            return Err(Wrong::Form(RAGGED));
        }
        self.lengths[level] = Some(length);
        self.out.push(b'}');
        Ok(())
    }

    fn at_level(&mut self, level: usize) -> Result<(), Wrong> {
        if self.depth.is_some_and(|depth| depth != level) || self.lengths.len() > level + 1 {
            return Err(Wrong::Form(NESTED_BESIDE_ELEMENTS));
        }
        self.depth = Some(level);
        Ok(())
    }

    fn push(&mut self, writer: &Writer, value: &[u8]) -> Result<(), Wrong> {
        self.push_with(|out| writer.write(value, out))
    }

    fn push_with(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), Fault>,
    ) -> Result<(), Wrong> {
        self.elements += 1;
        self.element.clear();
        if let Err(mut fault) = write(&mut self.element) {
            fault.reason = format!("element {}: {}", self.elements, fault.reason);
            return Err(Wrong::Element(fault));
        }
        push_element(Some(&self.element), self.out);
        Ok(())
    }

    fn push_null(&mut self) {
        self.elements += 1;
        push_element(None, self.out);
    }
}

/// The text between the quotes at the front, with what a backslash stands before taken as it is.
fn quoted(text: &mut &[u8]) -> Result<Vec<u8>, Wrong> {
    let mut value = Vec::new();
    let mut bytes = text[1..].iter();
    loop {
        match bytes.next() {
            Some(b'"') => break,
            Some(b'\\') => value.push(*bytes.next().ok_or(Wrong::Form("a quote is not closed"))?),
            Some(byte) => value.push(*byte),
            None => return Err(Wrong::Form("a quote is not closed")),
        }
    }
    *text = bytes.as_slice();
    Ok(value)
}

fn not_an_array(text: &[u8], why: &str) -> Fault {
    let reason = format!(
        "{} is no array, which is written {{1,2,NULL}} or {{\"a b\",c}}: {why}",
        excerpt(text)
    );
    Fault::new(ReasonCode::NotAnArray, reason)
}
