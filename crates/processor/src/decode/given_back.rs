//! Rejects as a file in the format that they came in, to be mended and dropped again.

use arrivage_model::{Encoding, Format, Pipeline, Reject, Total, TrailerPattern};

use super::state::State;

/// How the file of an arrival was written, and so how its rejects are given back.
pub struct GivenBack {
    encoding: Encoding,
    /// Lines in front that a load passes over.
    skip_lines: u64,
    /// Lines at the end that a load passes over.
    skip_last: u64,
    header: Option<String>,
    trailer: Option<String>,
    /// A record has one line, though it stood on several in an array.
    in_one_line: bool,
}

/// Why rejects, or one of them, cannot be given back.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NotGivenBack {
    /// An older version read it, or the header is very long.
    #[error(
        "the header of its file was not kept; load it again with `arrivage replay --from-start`"
    )]
    Header,
    /// They are from entries of an archive with different headers, or delimiters.
    #[error(
        "they are from entries that are written in different ways: no one file can give them back"
    )]
    Mixed,
    /// Only its beginning is kept.
    #[error("it is too long: only its first {} bytes are kept", Reject::MAX_RAW)]
    Cut,
    /// It holds characters that the file cannot have had.
    #[error("the encoding {0} cannot write it")]
    Encoding(Encoding),
}

impl GivenBack {
    /// `state`: the one of the arrival's last checkpoint.
    pub fn new(pipeline: &Pipeline, state: Option<&str>) -> Result<Self, NotGivenBack> {
        let state: Option<State> = state.and_then(|text| serde_json::from_str(text).ok());
        let state = state.unwrap_or_default();
        if state.entry.is_some_and(|entry| entry.mixed) {
            return Err(NotGivenBack::Mixed);
        }
        let found = state.encoding.and_then(|found| found.name.parse().ok());
        let (skip_lines, skip_last, header) = match &pipeline.format {
            Format::Csv(csv) => (csv.skip_lines, csv.skip_last, csv.header),
            Format::FixedWidth(fixed) => (fixed.skip_lines, fixed.skip_last, false),
            Format::JsonLines(_) | Format::Parquet | Format::Avro => (0, 0, false),
        };
        let line = state.header.and_then(|header| header.line);
        Ok(Self {
            encoding: found.unwrap_or(pipeline.limits.encoding),
            skip_lines,
            skip_last,
            header: match header {
                true => Some(line.ok_or(NotGivenBack::Header)?),
                false => None,
            },
            trailer: pipeline.format.trailer().map(str::to_owned),
            in_one_line: matches!(
                pipeline.format,
                Format::JsonLines(_) | Format::Parquet | Format::Avro
            ),
        })
    }

    /// What stands before the first record.
    pub fn head(&self) -> Result<Vec<u8>, NotGivenBack> {
        let mut text = "\n".repeat(usize::try_from(self.skip_lines).unwrap_or_default());
        if let Some(header) = &self.header {
            text.push_str(header);
            text.push('\n');
        }
        // A byte-order mark, so that every reader knows.
        let mark = match Unit::of(self.encoding) {
            Unit::Byte => "",
            Unit::LowFirst | Unit::HighFirst => "\u{FEFF}",
        };
        let mut bytes = self.write(mark)?;
        bytes.extend(self.write(&text)?);
        Ok(bytes)
    }

    /// A record with its line end.
    pub fn record(&self, raw: &str) -> Result<Vec<u8>, NotGivenBack> {
        // It may have been cut within a character.
        if raw.len() + 3 >= Reject::MAX_RAW {
            return Err(NotGivenBack::Cut);
        }
        match self.in_one_line {
            // In JSON a line end is a blank as any other.
            true => self.write(&format!("{}\n", raw.replace(['\r', '\n'], " "))),
            false => self.write(&format!("{raw}\n")),
        }
    }

    /// What stands after the last of so many records, and whether a person has to fill in
    /// sums there.
    pub fn tail(&self, records: u64) -> Result<(Vec<u8>, bool), NotGivenBack> {
        let mut lines = Vec::new();
        let mut sums = false;
        if let Some(text) = &self.trailer
            && let Ok(pattern) = TrailerPattern::new(text)
            && !pattern.totals().is_empty()
        {
            let mut line = text.replace('*', "");
            for total in pattern.totals() {
                let Total::Count { more } = total else {
                    sums = true;
                    continue;
                };
                let count = (records + more).to_string();
                line = line.replace(&format!("{{count+{more}}}"), &count);
                line = line.replace("{count}", &count);
            }
            lines.push(line);
        }
        while (lines.len() as u64) < self.skip_last {
            lines.push("-".to_owned());
        }
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        Ok((self.write(&text)?, sums))
    }

    fn write(&self, text: &str) -> Result<Vec<u8>, NotGivenBack> {
        match Unit::of(self.encoding) {
            Unit::LowFirst => return Ok(text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
            Unit::HighFirst => return Ok(text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
            Unit::Byte if self.encoding == Encoding::UTF_8 => return Ok(text.as_bytes().to_vec()),
            Unit::Byte => {}
        }
        // What was no text is shown so, for a person to mend.
        let text = text.replace('\u{FFFD}', "?");
        let (bytes, _, unmappable) = self.encoding.get().encode(&text);
        if unmappable {
            return Err(NotGivenBack::Encoding(self.encoding));
        }
        Ok(bytes.into_owned())
    }
}

/// What the text of an encoding is made of. Its library writes no UTF-16.
enum Unit {
    Byte,
    LowFirst,
    HighFirst,
}

impl Unit {
    fn of(encoding: Encoding) -> Self {
        if encoding == Encoding::UTF_16LE {
            return Self::LowFirst;
        }
        match encoding == Encoding::UTF_16BE {
            true => Self::HighFirst,
            false => Self::Byte,
        }
    }
}
