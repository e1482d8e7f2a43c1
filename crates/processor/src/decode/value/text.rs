use arrivage_model::ReasonCode;

use crate::decode::fault::{Fault, excerpt};

/// Text as it is, of at most so many characters.
pub(super) fn write(text: &[u8], max: Option<u32>, out: &mut Vec<u8>) -> Result<(), Fault> {
    if let Some(max) = max {
        check_length(text, max)?;
    }
    out.extend_from_slice(text);
    Ok(())
}

/// Text of at most so many characters, blanks at its end included, although
/// they mean nothing to `char`: a key goes without them.
pub(super) fn write_padded(
    text: &[u8],
    max: u32,
    key: bool,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    check_length(text, max)?;
    let blanks = text.iter().rev().take_while(|byte| **byte == b' ').count();
    out.extend_from_slice(&text[..text.len() - if key { blanks } else { 0 }]);
    Ok(())
}

fn check_length(text: &[u8], max: u32) -> Result<(), Fault> {
    if text.len() <= max as usize {
        return Ok(());
    }
    let characters = text.iter().filter(|byte| **byte & 0xC0 != 0x80).count();
    if characters <= max as usize {
        return Ok(());
    }
    Err(Fault::new(
        ReasonCode::TooLong,
        format!(
            "{} has {characters} characters, and the column holds {max}",
            excerpt(text)
        ),
    ))
}
