//! How files seem to be written.

use arrivage_model::{Csv, Delimiter, ErrorCode, Format, JsonLines, Limits, ReasonCode, TableName};
use arrivage_processor::decode::Plan;
use arrivage_processor::decode::detect::{Sample, detect, infer, try_out};

use crate::knobs::Knobs;
use crate::pipeline::pipeline;

/// A longer input shows nothing more.
const LONGEST: usize = 16 << 10;

/// What is detected is a plan, by which the file can be read. A table that is made without anybody
/// looking at it takes every value of the sample.
pub fn preview(data: &[u8]) {
    let (mut knobs, bytes) = Knobs::split(data);
    if bytes.len() > LONGEST {
        return;
    }
    let whole = !knobs.flag();
    let sample = Sample { bytes, whole };
    let found = detect(sample);
    assert_eq!(detect(sample), found);
    if let Ok(detected) = found {
        let name: TableName = "t".parse().expect("a sound name");
        let pipeline = detected.pipeline("p", Vec::new(), name.clone());
        let table = detected.table(name);
        Plan::new(&pipeline, &table).unwrap_or_else(|error| panic!("{error}: {detected:?}"));
        match try_out(&pipeline, &table, sample, 10) {
            Ok(trial) => assert!(trial.rejected <= trial.records, "{trial:?}"),
            // What a header may still be refused for; and an array may end nowhere, or be in
            // another encoding than arrays are read in.
            Err(error) => {
                let of_arrays = [ErrorCode::Truncated, ErrorCode::Unsupported];
                let known = of_arrays.contains(&error.code);
                assert!(known || error.message.contains("cannot be read"), "{error}");
            }
        }
    }
    let csv = |delimiter: Delimiter, header| {
        Format::Csv(Csv {
            delimiter,
            header,
            ..Csv::default()
        })
    };
    let format = knobs.one_of(&[
        csv(','.into(), true),
        csv(Delimiter::Auto, true),
        csv(','.into(), false),
        Format::JsonLines(JsonLines::default()),
    ]);
    // With a delimiter that is left open, the decoder may find another one than the inference.
    let is_open = matches!(&format, Format::Csv(csv) if csv.delimiter == Delimiter::Auto);
    let (pipeline, mut table) = pipeline(format, Limits::default(), "a text");
    let Ok(columns) = infer(&pipeline, sample) else {
        return;
    };
    let made = |column: &arrivage_model::Column| arrivage_model::TableColumn {
        name: column.name.clone(),
        kind: Ok(column.kind.expect("a type is inferred")),
        required: false,
    };
    table.columns = columns.iter().map(made).collect();
    let Ok(trial) = try_out(&pipeline, &table, sample, 10) else {
        return;
    };
    for reject in &trial.rejects {
        let of_its_value = !matches!(
            reject.code,
            ReasonCode::InvalidEncoding
                | ReasonCode::Nul
                | ReasonCode::Ragged
                | ReasonCode::RecordTooLong
                | ReasonCode::OpenQuote
                | ReasonCode::NotJson
                | ReasonCode::Missing
        );
        assert!(is_open || !of_its_value, "{reject:?} of {columns:?}");
    }
}
