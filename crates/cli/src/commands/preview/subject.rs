//! What an object's key says of the class of objects that it belongs to.

use arrivage_model::{LOCAL_BUCKET, Location, StoreKind};

/// A name for pipeline and table: the file's, without what numbers it.
pub(super) fn name(key: &str) -> String {
    let mut parts = key.rsplit('/');
    let file = parts.next().unwrap_or_default();
    let folder = parts.next().unwrap_or_default();
    let (before, after) = around_digits(stem(file));
    let candidates = [plain(&format!("{before}_{after}")), plain(folder)];
    let found = candidates.into_iter().find(|name| !name.is_empty());
    found.unwrap_or_else(|| "records".to_owned())
}

/// A glob that matches the object, and others with other numbers in their names.
pub(super) fn glob(location: &Location) -> String {
    let key = &location.key;
    let (folder, file) = key
        .rsplit_once('/')
        .map_or(("", key.as_str()), |(folder, file)| (folder, file));
    let stem = stem(file);
    let (before, after) = around_digits(stem);
    let star = if before.len() + after.len() < stem.len() {
        "*"
    } else {
        ""
    };
    let file = format!(
        "{}{star}{}{}",
        literal(before),
        literal(after),
        literal(&file[stem.len()..])
    );
    let slash = if folder.is_empty() { "" } else { "/" };
    let key = format!("{}{slash}{file}", literal(folder));
    match location.store {
        StoreKind::S3 => format!("s3://{}/{key}", literal(&location.bucket)),
        StoreKind::Folder if location.bucket == LOCAL_BUCKET => format!("/{key}"),
        StoreKind::Folder => format!("folder://{}/{key}", literal(&location.bucket)),
    }
}

/// A file's name without its extensions.
fn stem(file: &str) -> &str {
    match file.split_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => file,
    }
}

/// What stands before the first and behind the last digit.
fn around_digits(stem: &str) -> (&str, &str) {
    let is_digit = |c: char| c.is_ascii_digit();
    match (stem.find(is_digit), stem.rfind(is_digit)) {
        (Some(first), Some(last)) => (&stem[..first], &stem[last + 1..]),
        _ => (stem, ""),
    }
}

/// Lower-case letters, digits and `_`; at most 63 bytes.
fn plain(text: &str) -> String {
    let mut name = String::new();
    for c in text.to_lowercase().chars() {
        match c.is_ascii_alphanumeric() {
            true => name.push(c),
            false if name.is_empty() || name.ends_with('_') => {}
            false => name.push('_'),
        }
    }
    name.truncate(63);
    name.trim_end_matches('_').to_owned()
}

/// The text as a glob that matches nothing else.
fn literal(text: &str) -> String {
    let mut glob = String::new();
    for c in text.chars() {
        if matches!(c, '*' | '?' | '[' | '{' | '\\') {
            glob.push('\\');
        }
        glob.push(c);
    }
    glob
}

#[cfg(test)]
mod tests {
    use arrivage_model::Pattern;

    use super::*;

    #[test]
    fn an_object_stands_for_those_that_are_numbered_otherwise() {
        let check = |location: Location, expect_name: &str, expect: &str| {
            assert_eq!(name(&location.key), expect_name, "{location}");
            let glob = glob(&location);
            assert_eq!(glob, expect, "{location}");
            let pattern = Pattern::new(&glob).expect("a sound glob");
            assert!(pattern.is_match(&location.to_string()), "{glob}");
        };
        let s3 = |key: &str| Location::s3("drop", key);
        check(
            s3("orders/2026-11-20.csv.gz"),
            "orders",
            "s3://drop/orders/*.csv.gz",
        );
        check(
            s3("in/orders-2026-11-20.csv"),
            "orders",
            "s3://drop/in/orders-*.csv",
        );
        check(
            s3("Sales Q3 (final).csv"),
            "sales_q_final",
            "s3://drop/Sales Q* (final).csv",
        );
        check(s3("a[1]*/{x}"), "x", "s3://drop/a\\[1]\\*/\\{x}");
        check(s3("2026"), "records", "s3://drop/*");
        check(s3(".csv"), "csv", "s3://drop/.csv");
        check(
            Location::folder("inbox", "bad.csv"),
            "bad",
            "folder://inbox/bad.csv",
        );
        check(
            Location::folder(LOCAL_BUCKET, "data/x.csv"),
            "x",
            "/data/x.csv",
        );
    }
}
