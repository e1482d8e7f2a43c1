use std::path::Path;

use super::*;

mod environment;
mod meaning;
mod pipeline_problems;
mod problems;

/// A configuration in `/etc/arrivage`, with these variables in the environment.
fn parse(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    let env = |name: &str| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    Config::parse(text, Path::new("arrivage.toml"), "/etc/arrivage", &env)
}

fn sound(text: &str) -> Config {
    parse(text, &[]).unwrap_or_else(|errors| panic!("{errors}"))
}
