use arrivage_model::ReasonCode;
use memchr::memchr;

use super::fault::Fault;

/// Says where a record, which begins at `offset` of the stream, is not UTF-8 or
/// has a U+0000: the place in the record, and the reason.
pub(super) fn check_text(record: &[u8], offset: u64) -> Result<(), (usize, Fault)> {
    if let Err(error) = std::str::from_utf8(record) {
        let at = error.valid_up_to();
        let reason = format!(
            "it is not UTF-8: byte {:#04x} at offset {} of the stream",
            record[at],
            offset + at as u64
        );
        return Err((at, Fault::new(ReasonCode::InvalidEncoding, reason)));
    }
    if let Some(at) = memchr(0, record) {
        let reason = format!("U+0000 at offset {} of the stream", offset + at as u64);
        return Err((at, Fault::new(ReasonCode::Nul, reason)));
    }
    Ok(())
}
