use arrivage_model::{Csv, Delimiter, Ragged, ReasonCode, RepeatedHeader, Rows};

use super::cut::{CsvCutter, Cut, Field, Quoting};
use super::fault::Fault;
use super::header::{self, Header};
use super::layout::{Cell, Content, Layout, write_null};
use super::plan::{Plan, Source};
use super::state::HeaderState;
use super::text::{NullWords, trim};
use super::{DecodeError, Guilty};

/// A header is in every checkpoint, as it stands in the file: so many bytes at most.
const LONGEST_KEPT: usize = 8 * 1024;

/// Reads records of separated values.
pub(super) struct CsvReader {
    dialect: Csv,
    cutter: CsvCutter,
    /// Canonical texts of the columns that the object's key fills.
    captured: Vec<Option<Vec<u8>>>,
    /// Nothing before the header.
    body: Option<Body>,
    /// What was made of the header, where there is one.
    header: Option<HeaderState>,
    ignored: Vec<String>,
    nulls: NullWords,
    /// What was found where the dialect says `auto`.
    found: Option<String>,
    max_record: usize,
    /// The text of a field in which escapes were resolved.
    resolved: Vec<u8>,
}

struct Body {
    layout: Layout,
    width: Width,
    /// Fields that are kept although no column takes them, with their names.
    extra: Vec<(String, usize)>,
}

/// How many fields a record has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Width {
    /// So many.
    Exactly(usize),
    /// So many or more.
    AtLeast(usize),
    /// From so many to so many, because the last have no name.
    Between(usize, usize),
}

impl CsvReader {
    pub(super) fn new(
        plan: &Plan,
        dialect: &Csv,
        captured: Vec<Option<Vec<u8>>>,
        found: Option<String>,
        header: Option<HeaderState>,
    ) -> Result<Self, DecodeError> {
        let delimiter = match (&dialect.delimiter, &found) {
            (Delimiter::Text(text), _) => text,
            (Delimiter::Auto, Some(found)) if !found.is_empty() => found,
            (Delimiter::Auto, _) => ",",
        };
        let mut reader = Self {
            captured,
            dialect: dialect.clone(),
            cutter: CsvCutter::new(dialect, delimiter, plan.max_record),
            found,
            max_record: plan.max_record,
            body: None,
            header: None,
            ignored: Vec::new(),
            nulls: NullWords::new(&dialect.null),
            resolved: Vec::new(),
        };
        if !dialect.header {
            reader.begin_body(by_position(plan, &reader.captured));
        } else if let Some(header) = header {
            reader.begin_with_header(plan, header)?;
        }
        Ok(reader)
    }

    pub(super) fn dialect(&self) -> &Csv {
        &self.dialect
    }

    /// The delimiter is still to be found in a sample of the file's beginning.
    pub(super) fn lacks_delimiter(&self) -> bool {
        self.dialect.delimiter == Delimiter::Auto && self.found.is_none()
    }

    pub(super) fn set_delimiter(&mut self, found: &str) {
        self.cutter = CsvCutter::new(&self.dialect, found, self.max_record);
        self.found = Some(found.to_owned());
        if let Some(body) = self.body.take() {
            self.begin_body(body);
        }
    }

    pub(super) fn found_delimiter(&self) -> Option<&String> {
        self.found.as_ref()
    }

    pub(super) fn cut(&mut self, bytes: &[u8], ended: bool) -> Cut {
        self.cutter.cut(bytes, ended)
    }

    /// What the rows are made of; nothing before the header was read.
    pub(super) fn layout(&self) -> Option<&Layout> {
        self.body.as_ref().map(|body| &body.layout)
    }

    pub(super) fn header(&self) -> Option<&HeaderState> {
        self.header.as_ref()
    }

    pub(super) fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// Takes the record that was cut last as the header.
    pub(super) fn read_header(&mut self, plan: &Plan, content: &[u8]) -> Result<(), DecodeError> {
        let mut header = Header::new(plan, &self.dialect);
        for field in self.cutter.fields() {
            let name = text(&self.dialect, content, field, &mut self.resolved);
            header.add(&String::from_utf8_lossy(name));
        }
        let mut state = header.bind()?;
        if content.len() <= LONGEST_KEPT {
            state.line = Some(String::from_utf8_lossy(content).into_owned());
        }
        if self.dialect.repeated_header == RepeatedHeader::Skip {
            state.text = Some(hash(content));
        }
        self.ignored = header.ignored(&state);
        self.begin_with_header(plan, state)
    }

    /// Whether the record that was cut last repeats the header.
    pub(super) fn repeats_header(&self, content: &[u8]) -> bool {
        let text = self.header.as_ref().and_then(|header| header.text.as_ref());
        // A file in the middle of another one begins with its byte-order mark.
        let content = content.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(content);
        text.is_some_and(|text| *text == hash(content))
    }

    fn begin_with_header(&mut self, plan: &Plan, header: HeaderState) -> Result<(), DecodeError> {
        let layout = header::layout(plan, &self.captured, &header)?;
        self.begin_body(Body {
            layout,
            width: match header.unnamed {
                0 => Width::Exactly(header.width),
                unnamed => Width::Between(header.width - unnamed.min(header.width), header.width),
            },
            extra: header.extra.clone(),
        });
        self.header = Some(header);
        Ok(())
    }

    fn begin_body(&mut self, body: Body) {
        let field = |cell: &Cell| match cell.content {
            Content::Field(field) => field + 1,
            Content::Constant(_) | Content::Extra => 0,
        };
        let extra = body.extra.iter().map(|(_, field)| field + 1);
        let used = body
            .layout
            .cells
            .iter()
            .map(field)
            .chain(extra)
            .max()
            .unwrap_or_default();
        self.cutter.keep(used);
        self.body = Some(body);
    }

    /// The column whose field has the byte at this place of the record that was
    /// cut last.
    pub(super) fn guilty_of(&self, at: usize) -> Guilty {
        let holds = |field: &Field| (field.start as usize..field.end as usize).contains(&at);
        let guilty = self.cutter.fields().iter().position(holds)?;
        let is_cell =
            |cell: &&Cell| matches!(cell.content, Content::Field(field) if field == guilty);
        let cell = self.layout()?.cells.iter().find(is_cell)?;
        Some(cell.column)
    }

    /// Adds the cells of the record that was cut last.
    pub(super) fn read(
        &mut self,
        plan: &Plan,
        content: &[u8],
        rows: &mut Rows,
    ) -> Result<(), (Guilty, Fault)> {
        let Some(Body {
            layout,
            width,
            extra,
        }) = &self.body
        else {
            return Ok(());
        };
        let fields = self.cutter.fields();
        check_width(*width, self.cutter.count(), self.dialect.ragged)
            .map_err(|fault| (None, fault))?;
        let dialect = &self.dialect;
        let nulls = &self.nulls;
        let resolved = &mut self.resolved;
        layout
            .write(plan, rows, |column, field, rows| {
                let Some(field) = field else {
                    let object = object(dialect, nulls, content, fields, extra, resolved);
                    return match &column.writer {
                        Ok(writer) => rows.push(|out| writer.write(&object, out)),
                        Err(_) => write_null(column, rows),
                    };
                };
                let Some(field) = fields.get(field) else {
                    return write_null(column, rows);
                };
                let text = text(dialect, content, field, resolved);
                if field.quoting == Quoting::None && nulls.contain(text) {
                    return write_null(column, rows);
                }
                match &column.writer {
                    Ok(writer) => rows.push(|out| writer.write(text, out)),
                    Err(_) => write_null(column, rows),
                }
            })
            .map_err(|(column, fault)| (Some(column), fault))
    }
}

fn by_position(plan: &Plan, captured: &[Option<Vec<u8>>]) -> Body {
    let mut cells = Vec::new();
    let mut fields = 0;
    for (at, column) in plan.columns.iter().enumerate() {
        let content = match (&column.source, &captured[at]) {
            (Source::Field(field), _) => {
                fields = fields.max(field + 1);
                Content::Field(*field)
            }
            (_, Some(text)) => Content::Constant(text.clone()),
            _ => continue,
        };
        cells.push(Cell {
            column: at,
            content,
        });
    }
    Body {
        layout: Layout::new(plan, cells),
        width: match plan.positions_declared {
            true => Width::AtLeast(fields),
            false => Width::Exactly(fields),
        },
        extra: Vec::new(),
    }
}

/// Fields by their names as a JSON object, all of them text; one without a name
/// only where it holds something.
fn object(
    dialect: &Csv,
    nulls: &NullWords,
    content: &[u8],
    fields: &[Field],
    extra: &[(String, usize)],
    resolved: &mut Vec<u8>,
) -> Vec<u8> {
    let mut members = serde_json::Map::new();
    for (name, at) in extra {
        let Some(field) = fields.get(*at) else {
            continue;
        };
        let value = text(dialect, content, field, resolved);
        let is_null = field.quoting == Quoting::None && nulls.contain(value);
        let number = name.strip_prefix('#').and_then(|n| n.parse().ok());
        if number == Some(at + 1) && (is_null || value.is_empty()) {
            continue;
        }
        let value = match is_null {
            true => serde_json::Value::Null,
            false => String::from_utf8_lossy(value).into(),
        };
        members.insert(name.clone(), value);
    }
    serde_json::to_vec(&members).expect("names and texts are JSON")
}

fn hash(text: &[u8]) -> String {
    blake3::hash(text).to_hex()[..16].to_owned()
}

/// The texts of the fields of the record that was cut last.
pub(super) fn texts(dialect: &Csv, content: &[u8], cutter: &CsvCutter) -> Vec<String> {
    let mut resolved = Vec::new();
    let fields = cutter.fields().iter().map(|field| {
        let text = text(dialect, content, field, &mut resolved);
        String::from_utf8_lossy(text).into_owned()
    });
    fields.collect()
}

/// The text of a field, without quotes, escapes and trimmed blanks.
#[inline]
fn text<'a>(
    dialect: &Csv,
    content: &'a [u8],
    field: &Field,
    resolved: &'a mut Vec<u8>,
) -> &'a [u8] {
    let text = &content[field.start as usize..field.end as usize];
    match field.quoting {
        Quoting::None if dialect.trim => trim(text),
        Quoting::None | Quoting::Plain => text,
        Quoting::Escaped => {
            resolve(dialect, text, resolved);
            resolved
        }
    }
}

/// Each pair of an escape, or of a quote, with a quote or an escape after it
/// becomes the second.
fn resolve(dialect: &Csv, text: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let special = |byte: u8| Some(byte) == dialect.quote || Some(byte) == dialect.escape;
    let mut rest = text.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        let second = if special(byte) {
            rest.next_if(|next| special(*next))
        } else {
            None
        };
        out.push(second.unwrap_or(byte));
    }
}

fn check_width(width: Width, count: usize, ragged: Ragged) -> Result<(), Fault> {
    let (expected, enough) = match width {
        Width::Exactly(expected) => (expected, count == expected),
        Width::AtLeast(expected) => (expected, count >= expected),
        Width::Between(least, most) => (most, (least..=most).contains(&count)),
    };
    let padded = ragged == Ragged::Pad && count < expected;
    if enough || padded {
        return Ok(());
    }
    Err(Fault::new(
        ReasonCode::Ragged,
        format!("it has {count} fields, and {expected} are expected"),
    ))
}
