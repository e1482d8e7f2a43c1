use arrivage_model::{Enumeration, ReasonCode};

use crate::decode::fault::{Fault, excerpt};

/// So many labels are named to who wrote another.
const NAMED: usize = 12;

/// Exactly one of the enum's labels.
pub(super) fn write(text: &[u8], of: Enumeration, out: &mut Vec<u8>) -> Result<(), Fault> {
    let labels = of.labels();
    if labels.iter().any(|label| label.as_bytes() == text) {
        out.extend_from_slice(text);
        return Ok(());
    }
    let mut named: Vec<String> = labels
        .iter()
        .take(NAMED)
        .map(|label| excerpt(label.as_bytes()))
        .collect();
    if labels.len() > NAMED {
        named.push(format!("{} more", labels.len() - NAMED));
    }
    let reason = format!(
        "{} is no label of {}, which has {}",
        excerpt(text),
        of.name(),
        named.join(", ")
    );
    Err(Fault::new(ReasonCode::NotALabel, reason))
}
