use arrivage_model::ReasonCode;

use crate::decode::fault::{Fault, excerpt};

/// Two hexadecimal digits for each byte, `\x` before them or not.
pub(super) fn write(text: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    let digits = text.strip_prefix(br"\x").unwrap_or(text);
    if !digits.len().is_multiple_of(2) || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(Fault::new(
            ReasonCode::NotHex,
            format!(
                "{} is not the hexadecimal form of bytes: two digits for each, \\x before them or not",
                excerpt(text)
            ),
        ));
    }
    out.extend_from_slice(br"\x");
    out.extend(digits.iter().map(u8::to_ascii_lowercase));
    Ok(())
}
