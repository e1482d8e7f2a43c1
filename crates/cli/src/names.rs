//! What a person meant who typed a name that nothing has.

/// The known name that is nearest to what was typed, if one is near.
pub(crate) fn nearest<'a>(
    typed: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    known
        .into_iter()
        .map(|known| (strsim::damerau_levenshtein(typed, known), known))
        .filter(|(distance, known)| *distance <= 1 + known.len() / 4)
        .min()
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_is_understood_and_nonsense_is_not() {
        let check = |typed: &str, expect: Option<&str>| {
            assert_eq!(nearest(typed, ["orders", "events"]), expect, "{typed}");
        };
        check("order", Some("orders"));
        check("evnets", Some("events"));
        check("invoices", None);
    }
}
