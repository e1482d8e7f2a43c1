use std::sync::Arc;

use arrivage_model::{Captures, Location, Pattern, Pipeline, Router};

/// The objects of one pipeline, by what its patterns capture of their names.
#[derive(Debug)]
pub(super) struct Captured<'a> {
    router: &'a Router,
    pipeline: &'a Arc<Pipeline>,
    values: &'a Captures,
}

impl<'a> Captured<'a> {
    /// Complains about values that no pattern can have captured.
    pub(super) fn new(
        router: &'a Router,
        pipeline: &'a Arc<Pipeline>,
        values: &'a Captures,
    ) -> Result<Self, String> {
        let name = &pipeline.name;
        for (parameter, value) in values {
            let captured = pipeline.patterns.iter().flat_map(Pattern::capture_names);
            let mut known: Vec<&str> = captured.map(String::as_str).collect();
            if !known.contains(&parameter.as_str()) {
                known.sort_unstable();
                known.dedup();
                return Err(format!(
                    "no match of the pipeline {name} has a part {{{parameter}}}; it has: {}",
                    known.join(", ")
                ));
            }
            if value.is_empty() || value.contains('/') {
                return Err(format!("{parameter} is a part of a name, without a /"));
            }
        }
        Ok(Self {
            router,
            pipeline,
            values,
        })
    }

    /// Below which its objects lie.
    pub(super) fn prefixes(&self) -> Result<Vec<Location>, String> {
        let names_all = |pattern: &&Pattern| {
            let mut named = self.values.keys();
            named.all(|name| pattern.capture_names().contains(name))
        };
        let patterns = self.pipeline.patterns.iter().filter(names_all);
        let mut prefixes: Vec<Location> = Vec::new();
        for pattern in patterns {
            let prefix = self.prefix(pattern)?;
            if !prefixes.contains(&prefix) {
                prefixes.push(prefix);
            }
        }
        Ok(prefixes)
    }

    /// Whether it is one of them.
    pub(super) fn holds(&self, location: &Location) -> bool {
        let Some(route) = self.router.route(location) else {
            return false;
        };
        let mut values = self.values.iter();
        Arc::ptr_eq(&route.pipeline, self.pipeline)
            && values.all(|(name, value)| route.captures.get(name) == Some(value))
    }

    fn prefix(&self, pattern: &Pattern) -> Result<Location, String> {
        let prefix = pattern.prefix(self.values);
        let (_, path) = prefix.split_once("://").unwrap_or_default();
        if prefix.starts_with('/') {
            return Ok(self.router.locate(&prefix));
        }
        if !path.contains('/') {
            return Err(format!(
                "{} of the pipeline {} names no one bucket; order a url",
                pattern.as_str(),
                self.pipeline.name
            ));
        }
        prefix.parse().map_err(|error| format!("{prefix}: {error}"))
    }
}
