/// What became of a text that may name environment variables.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Expansion {
    /// It names none.
    Plain,
    /// All were replaced.
    Text(String),
    /// This one is not set and has no default.
    Unset(String),
    /// No variable is written like this.
    Malformed(String),
}

/// Replaces `${NAME}`, and `${NAME:-default}` where `NAME` is not set or empty.
/// `$${` stands for `${` itself.
pub(super) fn expand(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Expansion {
    if !text.contains("${") {
        return Expansion::Plain;
    }
    let mut expanded = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        if let Some(before) = rest[..start].strip_suffix('$') {
            expanded.push_str(before);
            expanded.push_str("${");
            rest = &rest[start + 2..];
            continue;
        }
        expanded.push_str(&rest[..start]);
        let Some(end) = rest[start..].find('}') else {
            return Expansion::Malformed(
                "\"${\" is never closed; write $${ for the two characters".into(),
            );
        };
        let inside = &rest[start + 2..start + end];
        rest = &rest[start + end + 1..];
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        if !is_name(name) {
            return Expansion::Malformed(format!("${{{name}}} names no environment variable"));
        }
        match (env(name), default) {
            (Some(value), None) => expanded.push_str(&value),
            (Some(value), Some(_)) if !value.is_empty() => expanded.push_str(&value),
            (_, Some(default)) => expanded.push_str(default),
            (None, None) => return Expansion::Unset(name.to_owned()),
        }
    }
    expanded.push_str(rest);
    Expansion::Text(expanded)
}

fn is_name(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !text.is_empty() && text.chars().all(word) && !text.starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced_from_the_environment() {
        let env = |name: &str| match name {
            "A" => Some("1".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        let check =
            |text: &str, expect: Expansion| assert_eq!(expand(text, &env), expect, "{text}");
        let text = |text: &str| Expansion::Text(text.to_owned());
        check("plain $A {A}", Expansion::Plain);
        check("${A}", text("1"));
        check(
            "<${A}|${A:-2}|${B:-2}|${EMPTY}|${EMPTY:-}|${EMPTY:-3}>",
            text("<1|1|2|||3>"),
        );
        check("${B:-a:-b}", text("a:-b"));
        check("$${A} ${A}", text("${A} 1"));
        check("${B}", Expansion::Unset("B".into()));
        check(
            "${A-B}",
            Expansion::Malformed("${A-B} names no environment variable".into()),
        );
        check(
            "${1}",
            Expansion::Malformed("${1} names no environment variable".into()),
        );
        check(
            "${A",
            Expansion::Malformed("\"${\" is never closed; write $${ for the two characters".into()),
        );
    }
}
