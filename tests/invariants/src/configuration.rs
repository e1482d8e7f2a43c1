//! Configuration files.

use arrivage_cli::problems;

/// What stands in the environment; nobody may be told.
const SECRET: &str = "hunter2hunter2";

/// Looks up an environment variable.
type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The same text has the same problems, each with its place; none of them tells a secret, and a
/// comment makes no difference.
pub fn configuration(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let nothing = |_: &str| None;
    let secret = |name: &str| match name.len() % 4 {
        0 => None,
        1 => Some(SECRET.to_owned()),
        2 => Some(format!("postgres://u:{SECRET}@localhost/d")),
        _ => Some(String::new()),
    };
    for env in [&nothing as Env<'_>, &secret] {
        let found = problems(text, env);
        assert_eq!(problems(text, env), found);
        for line in &found {
            assert!(line.starts_with("arrivage.toml"), "{line:?} names no file");
            let known = text.contains(SECRET);
            assert!(known || !line.contains(SECRET), "{line:?} tells a secret");
        }
        if found.is_empty() {
            let more = format!("# what follows\n{text}\n# the end\n");
            assert_eq!(problems(&more, env), found);
        }
    }
}
