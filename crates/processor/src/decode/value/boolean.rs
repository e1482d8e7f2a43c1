use arrivage_model::ReasonCode;

use crate::decode::fault::{Fault, excerpt};

/// One of ten words, in any case.
pub(super) fn write(text: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    const TRUE: [&str; 5] = ["true", "t", "yes", "y", "1"];
    const FALSE: [&str; 5] = ["false", "f", "no", "n", "0"];
    let is = |word: &&str| text.eq_ignore_ascii_case(word.as_bytes());
    let value = if TRUE.iter().any(is) {
        b't'
    } else if FALSE.iter().any(is) {
        b'f'
    } else {
        return Err(Fault::new(
            ReasonCode::NotABoolean,
            format!(
                "{} is none of true, t, yes, y, 1, false, f, no, n, 0",
                excerpt(text)
            ),
        ));
    };
    out.push(value);
    Ok(())
}
