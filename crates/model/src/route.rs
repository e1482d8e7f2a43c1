use std::collections::BTreeMap;
use std::sync::Arc;

use crate::sidecar::Whose;
use crate::{Captures, Location, Pipeline, StoreKind};

/// The bucket of files that lie outside every folder source: the file system.
pub const LOCAL_BUCKET: &str = "local";

/// Finds the pipeline that takes an object: the first that matches.
#[derive(Clone, Debug, Default)]
pub struct Router {
    pipelines: Vec<Arc<Pipeline>>,
    folders: BTreeMap<String, String>,
}

/// The pipeline that takes an object, and what its pattern captured.
#[derive(Clone, Debug)]
pub struct Route {
    /// The first pipeline whose pattern matches.
    pub pipeline: Arc<Pipeline>,
    /// The `{name}` parts of the key.
    pub captures: Captures,
}

impl Router {
    /// `folders` gives each folder source's absolute path by its name; patterns
    /// without a scheme are absolute paths too.
    #[must_use]
    pub fn new(pipelines: Vec<Arc<Pipeline>>, folders: BTreeMap<String, String>) -> Self {
        Self { pipelines, folders }
    }

    /// All pipelines, in the order of the configuration.
    #[must_use]
    pub fn pipelines(&self) -> &[Arc<Pipeline>] {
        &self.pipelines
    }

    /// The pipeline of this name.
    #[must_use]
    pub fn pipeline(&self, name: &str) -> Option<&Arc<Pipeline>> {
        self.pipelines.iter().find(|pipeline| pipeline.name == name)
    }

    /// The first pipeline that takes the object, or none: then it is ignored. No
    /// sidecar is taken.
    #[must_use]
    pub fn route(&self, location: &Location) -> Option<Route> {
        let subjects = self.subjects(location);
        if self.is_sidecar(location) {
            return None;
        }
        let name = location.key.rsplit('/').next().unwrap_or_default();
        self.pipelines.iter().find_map(|pipeline| {
            let captures = captures(pipeline, &subjects)?;
            if pipeline
                .ignored_names
                .iter()
                .any(|glob| glob.is_match(name))
            {
                return None;
            }
            Some(Route {
                pipeline: Arc::clone(pipeline),
                captures,
            })
        })
    }

    /// Whether it stands there only to say something of an object: by its name it is the
    /// sidecar of one that a pipeline takes; or of one beside it, and no other pipeline
    /// takes it for an object.
    #[must_use]
    pub fn is_sidecar(&self, location: &Location) -> bool {
        let takes = |pipeline: &Pipeline, object: &Location| {
            captures(pipeline, &self.subjects(object)).is_some()
        };
        let first = || self.pipelines.iter().find(|other| takes(other, location));
        self.pipelines.iter().any(|pipeline| {
            let Some(sidecar) = &pipeline.sidecar else {
                return false;
            };
            match sidecar.name.whose(location) {
                None => false,
                Some(Whose::Of(object)) => takes(pipeline, &object),
                Some(Whose::Neighbours) => first().is_none_or(|first| Arc::ptr_eq(first, pipeline)),
            }
        })
    }

    /// What one pipeline captures of the object; nothing captured if its
    /// patterns do not match, as when a person chose the pipeline.
    #[must_use]
    pub fn captures(&self, pipeline: &Pipeline, location: &Location) -> Captures {
        captures(pipeline, &self.subjects(location)).unwrap_or_default()
    }

    /// The file's path: the folder source's own, and the key below it.
    #[must_use]
    pub fn path(&self, location: &Location) -> Option<String> {
        if location.store != StoreKind::Folder {
            return None;
        }
        if location.bucket == LOCAL_BUCKET {
            return Some(format!("/{}", location.key));
        }
        let root = self.folders.get(&location.bucket)?;
        Some(format!("{}/{}", root.trim_end_matches('/'), location.key))
    }

    /// The folder source that holds this absolute path, with the key below it;
    /// the innermost where they nest; else the file system itself.
    #[must_use]
    pub fn locate(&self, path: &str) -> Location {
        let within = self.folders.iter().filter_map(|(name, root)| {
            let key = path
                .strip_prefix(root.trim_end_matches('/'))?
                .strip_prefix('/')?;
            Some((root.len(), Location::folder(name, key)))
        });
        match within.max_by_key(|(depth, _)| *depth) {
            Some((_, location)) => location,
            None => Location::folder(LOCAL_BUCKET, path.trim_start_matches('/')),
        }
    }

    /// What patterns are held against: its URL, and a file's absolute path.
    fn subjects(&self, location: &Location) -> Vec<String> {
        let url = location.to_string();
        self.path(location).into_iter().chain([url]).collect()
    }
}

fn captures(pipeline: &Pipeline, subjects: &[String]) -> Option<Captures> {
    pipeline.patterns.iter().find_map(|pattern| {
        subjects
            .iter()
            .find_map(|subject| pattern.captures(subject))
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Format, Holds, JsonLines, Limits, Mode, Order, Pattern, RejectBudget, Sidecar};

    fn pipeline(name: &str, patterns: &[&str]) -> Arc<Pipeline> {
        Arc::new(Pipeline {
            name: name.into(),
            patterns: patterns
                .iter()
                .map(|glob| Pattern::new(glob).expect(glob))
                .collect(),
            ignored_names: vec![Pattern::new("*.part").expect("a glob")],
            table: name.parse().expect("a table"),
            mode: Mode::Append,
            order: Order::Any,
            atomic: false,
            create_table: false,
            max_attempts: 5,
            format: Format::JsonLines(JsonLines {}),
            limits: Limits::default(),
            columns: Vec::new(),
            rejects: RejectBudget {
                max_rows: 1000,
                max_ratio: None,
            },
            sidecar: None,
        })
    }

    fn with_sidecar(pipeline: Arc<Pipeline>, name: &str) -> Arc<Pipeline> {
        Arc::new(Pipeline {
            sidecar: Some(Sidecar {
                name: name.parse().expect(name),
                holds: Holds::Nothing,
                within: Duration::from_secs(60),
            }),
            ..(*pipeline).clone()
        })
    }

    fn router() -> Router {
        let pipelines = vec![
            pipeline("first", &["s3://drop/a/*", "/srv/inbox/orders-{day}.csv"]),
            pipeline("deep", &["folder://deep/**/{name}.csv"]),
            pipeline("second", &["s3://drop/**"]),
        ];
        let folders = [("inbox", "/srv/inbox"), ("deep", "/srv/inbox/deep")];
        Router::new(
            pipelines,
            folders.map(|(a, b)| (a.to_owned(), b.to_owned())).into(),
        )
    }

    #[test]
    fn the_first_pipeline_that_matches_takes_the_object() {
        let check = |location: Location, expect: Option<&str>| {
            let route = router().route(&location);
            assert_eq!(
                route.map(|r| r.pipeline.name.clone()).as_deref(),
                expect,
                "{location}"
            );
        };
        check(Location::s3("drop", "a/x"), Some("first"));
        check(Location::s3("drop", "b/x"), Some("second"));
        check(Location::s3("other", "b/x"), None);
        check(Location::s3("drop", "b/x.csv.part"), None);
        check(Location::s3("drop", "b.part/x.csv"), Some("second"));
        check(Location::folder("inbox", "orders-1.csv"), Some("first"));
        check(
            Location::folder(LOCAL_BUCKET, "srv/inbox/orders-1.csv"),
            Some("first"),
        );
        check(Location::folder("inbox", "x/orders-1.csv"), None);
        check(Location::folder("deep", "x/orders-1.csv"), Some("deep"));
    }

    #[test]
    fn a_path_belongs_to_the_innermost_folder_source() {
        let check = |path: &str, expect: Location| {
            assert_eq!(router().locate(path), expect);
            assert_eq!(router().path(&expect).as_deref(), Some(path));
        };
        check("/srv/inbox/a.csv", Location::folder("inbox", "a.csv"));
        check("/srv/inbox/deep/a.csv", Location::folder("deep", "a.csv"));
        check(
            "/srv/inbox2/a.csv",
            Location::folder(LOCAL_BUCKET, "srv/inbox2/a.csv"),
        );
    }
    #[test]
    fn no_pipeline_takes_a_sidecar() {
        let pipelines = vec![
            with_sidecar(pipeline("named", &["s3://drop/a/*"]), "{name}.done"),
            with_sidecar(pipeline("stem", &["s3://drop/b/*"]), "{stem}.ctl"),
            pipeline("rest", &["s3://drop/c/**"]),
        ];
        let router = Router::new(pipelines, BTreeMap::new());
        let check = |key: &str, expect: Option<&str>, sidecar: bool| {
            let location = Location::s3("drop", key);
            let route = router.route(&location);
            let name = route.map(|route| route.pipeline.name.clone());
            assert_eq!(name.as_deref(), expect, "{key}");
            assert_eq!(router.is_sidecar(&location), sidecar, "{key}");
        };
        check("a/x.csv", Some("named"), false);
        check("a/x.csv.done", None, true);
        // Its object would be nobody's.
        check("c/x.csv.done", Some("rest"), false);
        check("x.csv.done", None, false);
        check("b/x.csv", Some("stem"), false);
        check("b/x.ctl", None, true);
        // Another pipeline takes it for an object.
        check("c/x.ctl", Some("rest"), false);
        check("x.ctl", None, true);
    }
}
