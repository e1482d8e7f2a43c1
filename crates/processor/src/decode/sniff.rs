use arrivage_model::Csv;

use super::cut::{CsvCutter, Cut, line_end};
use super::header::loosely;
use super::plan::{Plan, Source};

/// A delimiter is decided from so many bytes of a file's beginning.
pub(super) const SAMPLE: usize = 64 * 1024;

const CANDIDATES: [&str; 4] = [",", ";", "\t", "|"];

/// How much speaks for a delimiter, the weightiest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Evidence {
    /// Header names that columns ask for; without a header, 1 if the records
    /// have the fields that are expected.
    known: usize,
    /// Records with as many fields as the first.
    alike: usize,
    /// Fields of the first record.
    fields: usize,
}

/// The delimiter of a file that begins with this sample; `ended`: and ends with
/// it. A comma where nothing shows.
pub(super) fn delimiter(plan: &Plan, dialect: &Csv, sample: &[u8], ended: bool) -> &'static str {
    let mut best = (Evidence::default(), ",");
    for candidate in CANDIDATES {
        let byte = candidate.as_bytes().first().copied();
        if [dialect.quote, dialect.escape, dialect.comment].contains(&byte) {
            continue;
        }
        let evidence = look(plan, dialect, candidate, sample, ended);
        if evidence > best.0 {
            best = (evidence, candidate);
        }
    }
    best.1
}

fn look(plan: &Plan, dialect: &Csv, delimiter: &str, sample: &[u8], ended: bool) -> Evidence {
    let mut cutter = CsvCutter::new(dialect, delimiter, plan.max_record);
    let mut evidence = Evidence::default();
    let mut at = 0;
    loop {
        let rest = &sample[at..];
        match cutter.cut(rest, ended) {
            Cut::More => break,
            Cut::Record(record) => {
                if evidence.fields == 0 {
                    evidence.fields = cutter.count();
                    evidence.known = known(plan, dialect, &cutter, &rest[..record.content]);
                }
                evidence.alike += usize::from(cutter.count() == evidence.fields);
                at += record.length;
            }
            Cut::Blank(line) | Cut::OpenQuote(line) | Cut::StrayQuote(line) => at += line.length,
            Cut::Comment | Cut::TooLong(_) => match line_end(rest, 0, ended) {
                Some(line) => at += line.length,
                None => break,
            },
        }
    }
    // A single field says nothing of what stands between fields.
    if evidence.fields < 2 {
        return Evidence::default();
    }
    evidence
}

fn known(plan: &Plan, dialect: &Csv, cutter: &CsvCutter, record: &[u8]) -> usize {
    if !dialect.header {
        let position = |source: &Source| match source {
            Source::Field(field) => Some(field + 1),
            _ => None,
        };
        let sources = plan.columns.iter().map(|column| &column.source);
        let expected = sources.filter_map(position).max();
        return usize::from(expected == Some(cutter.count()));
    }
    let names: Vec<_> = cutter
        .fields()
        .iter()
        .map(|field| &record[field.start as usize..field.end as usize])
        .map(|name| loosely(&String::from_utf8_lossy(name)))
        .collect();
    let is_known = |source: &Source| match source {
        Source::Name(name) => names.contains(&loosely(name)),
        _ => false,
    };
    let columns = plan.columns.iter();
    columns.filter(|column| is_known(&column.source)).count()
}
