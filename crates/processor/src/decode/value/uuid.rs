use arrivage_model::ReasonCode;

use crate::decode::fault::{Fault, excerpt};

const HYPHENS: [usize; 4] = [8, 13, 18, 23];

/// 32 hexadecimal digits, with the four hyphens or without any.
pub(super) fn write(text: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    let start = out.len();
    let hyphens_stand = text.len() == 36 && HYPHENS.iter().all(|at| text[*at] == b'-');
    if hyphens_stand || text.len() == 32 {
        for (at, byte) in text.iter().enumerate() {
            if hyphens_stand && HYPHENS.contains(&at) {
                continue;
            }
            if !byte.is_ascii_hexdigit() {
                break;
            }
            if HYPHENS.contains(&(out.len() - start)) {
                out.push(b'-');
            }
            out.push(byte.to_ascii_lowercase());
        }
        if out.len() - start == 36 {
            return Ok(());
        }
    }
    Err(Fault::new(
        ReasonCode::NotAUuid,
        format!(
            "{} is no uuid: 32 hexadecimal digits make one, with the four hyphens or without any",
            excerpt(text)
        ),
    ))
}
