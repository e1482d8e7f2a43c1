/// Whether a file of this key is an arrival, by its name: not one that its writer
/// has not finished, nor a hidden one, nor anything in a hidden directory.
#[must_use]
pub fn is_finished_name(key: &str) -> bool {
    const UNFINISHED: [&str; 4] = [".part", ".partial", ".tmp", ".filepart"];

    let name = key.rsplit('/').next().unwrap_or(key);
    let lower = name.to_ascii_lowercase();
    let hidden = key.split('/').any(|step| step.starts_with('.'));
    let unfinished = UNFINISHED.iter().any(|ending| lower.ends_with(ending));
    !hidden && !unfinished && !name.starts_with('~')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfinished_and_hidden_names_do_not_count() {
        let check = |key: &str, expect: bool| {
            assert_eq!(is_finished_name(key), expect, "{key}");
        };
        check("orders.csv", true);
        check("2026/11/orders.csv.gz", true);
        check("a.part.csv", true);
        check("department", true);
        check("a~", true);
        check("~old/a.csv", true);
        check("orders.csv.part", false);
        check("orders.csv.PART", false);
        check("orders.csv.1f3a9c20.partial", false);
        check("orders.tmp", false);
        check("orders.csv.filepart", false);
        check(".orders.csv", false);
        check("~orders.csv", false);
        check("in/~$orders.csv", false);
        check(".git/config", false);
        check("a/.snapshot/b.csv", false);
    }
}
