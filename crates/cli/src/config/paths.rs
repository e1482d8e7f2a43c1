use arrivage_model::{Pattern, PatternError};

/// The absolute form of a path that may begin in `folder`, with `.`, `..` and
/// doubled slashes resolved as text, without a look at links.
pub(super) fn absolute(folder: &str, path: &str) -> String {
    let joined = if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("{folder}/{path}")
    };
    let mut parts = Vec::new();
    for part in joined.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// A glob over URLs as it is; one over paths made absolute, since paths are
/// matched whole.
pub(super) fn pattern(folder: &str, glob: &str) -> Result<Pattern, String> {
    let whole = match glob.split_once("://") {
        Some(("s3" | "folder", _)) => glob.to_owned(),
        Some((scheme, _)) => {
            return Err(format!(
                "no store has the scheme {scheme:?}; write s3://bucket/glob, folder://source/glob, or a path"
            ));
        }
        None if glob.is_empty() => return Err(problem(PatternError::Empty)),
        None => absolute(&literal(folder), glob),
    };
    Pattern::new(&whole).map_err(problem)
}

fn problem(error: PatternError) -> String {
    format!("no glob: {error}")
}

/// The folder as a glob that matches nothing else.
fn literal(folder: &str) -> String {
    let mut glob = String::new();
    for c in folder.chars() {
        if matches!(c, '*' | '?' | '[' | '{' | '\\') {
            glob.push('\\');
        }
        glob.push(c);
    }
    glob
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_made_absolute_as_text() {
        let check = |path: &str, expect: &str| assert_eq!(absolute("/etc/arrivage", path), expect);
        check("inbox", "/etc/arrivage/inbox");
        check("./inbox/", "/etc/arrivage/inbox");
        check("../inbox//a.csv", "/etc/inbox/a.csv");
        check("../../../x", "/x");
        check("/srv/./inbox", "/srv/inbox");
        check(".", "/etc/arrivage");
    }

    #[test]
    fn a_glob_over_paths_begins_in_the_folder_whatever_its_name() {
        let check = |folder: &str, glob: &str, text: &str| {
            let pattern = pattern(folder, glob).expect(glob);
            assert!(pattern.is_match(text), "{pattern:?} {text}");
        };
        check(
            "/etc/arrivage",
            "inbox/**/*.csv",
            "/etc/arrivage/inbox/a/b.csv",
        );
        check("/etc/arrivage", "../{day}.csv", "/etc/2026-11-20.csv");
        check("/srv/[old] {a}*", "*.csv", "/srv/[old] {a}*/x.csv");
        check("/etc", "s3://drop/a/../*.csv", "s3://drop/a/../x.csv");
    }
}
