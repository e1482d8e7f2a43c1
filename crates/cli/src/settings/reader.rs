use std::fmt;
use std::ops::Deref;
use std::path::Path;

use toml::Spanned;
use toml::de::DeValue;

use super::variables::{self, Expansion};

/// Reads the file's values and notes everything that is wrong with them.
pub(crate) struct Reader<'a> {
    text: &'a str,
    env: &'a dyn Fn(&str) -> Option<String>,
    problems: Vec<Problem>,
}

/// Where in the file something stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// `pipeline.orders.column[3].type`
    pub(crate) path: String,
    /// 1 is the first.
    pub(crate) line: usize,
    /// The value comes from the environment, so that only who uses it may find
    /// fault with it.
    pub(crate) variable: bool,
}

impl Place {
    /// Where the key stands, or would stand, in the table that stands here.
    pub(crate) fn key(&self, key: &str) -> Self {
        let path = match self.path.as_str() {
            "" => step(key),
            path => format!("{path}.{}", step(key)),
        };
        Self {
            path,
            ..self.clone()
        }
    }
}

/// A key as TOML writes it.
pub(super) fn step(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !key.is_empty() && key.chars().all(bare) {
        key.to_owned()
    } else {
        format!("{key:?}")
    }
}

/// A value with its place, so that problems found later can name it.
pub(crate) struct Typed<T> {
    pub(crate) value: T,
    pub(crate) place: Place,
}

impl<T> Deref for Typed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// Something wrong with the file, in words that quote no secret.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    place: Place,
    message: String,
}

impl Problem {
    /// Whether it stands under this key of the file's top level.
    pub(crate) fn concerns(&self, key: &str) -> bool {
        let rest = self.place.path.strip_prefix(key);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    }

    /// The line that a person reads.
    pub(crate) fn line_of(&self, file: &Path) -> String {
        let Place { path, line, .. } = &self.place;
        let file = file.display();
        match path.as_str() {
            "" => format!("{file}:{line}: {}", self.message),
            path => format!("{file}:{line}: {path}: {}", self.message),
        }
    }
}

/// Something that can stand as a value in the file.
pub(crate) trait Shape: Sized {
    /// Reads the value. `None` means that at least one problem was noted.
    fn read(value: &DeValue<'_>, place: &Place, reader: &mut Reader<'_>) -> Option<Self>;

    /// Its JSON Schema.
    fn schema() -> serde_json::Value;
}

impl<'a> Reader<'a> {
    /// A reader of `text` in which `env` looks up the variables.
    pub(crate) fn new(text: &'a str, env: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self {
            text,
            env,
            problems: Vec::new(),
        }
    }

    /// Notes a problem.
    pub(crate) fn complain(&mut self, place: &Place, message: impl fmt::Display) {
        self.problems.push(Problem {
            place: place.clone(),
            message: message.to_string(),
        });
    }

    /// The value, or else a noted problem.
    pub(crate) fn take<T>(
        &mut self,
        place: &Place,
        result: Result<T, impl fmt::Display>,
    ) -> Option<T> {
        result.map_err(|problem| self.complain(place, problem)).ok()
    }

    /// The problems, in the order of the file: those that make it unusable, and
    /// those with values from the environment.
    pub(crate) fn into_problems(mut self) -> (Vec<Problem>, Vec<Problem>) {
        self.problems.sort_by_key(|problem| problem.place.line);
        let of_file = |problem: &Problem| !problem.place.variable;
        self.problems.into_iter().partition(of_file)
    }

    /// The place of a stretch of the text.
    pub(crate) fn place(&self, path: String, start: usize) -> Place {
        let before = self.text.get(..start).unwrap_or_default();
        Place {
            path,
            line: 1 + before.matches('\n').count(),
            variable: false,
        }
    }

    /// Whether it is a text of variables only, and all are empty.
    pub(crate) fn is_left_empty(&self, value: &DeValue<'_>) -> bool {
        let expansion = value.as_str().map(|text| variables::expand(text, self.env));
        expansion == Some(Expansion::Text(String::new()))
    }

    /// Reads one value, its variables replaced.
    pub(crate) fn read<T: Shape>(
        &mut self,
        path: String,
        value: &Spanned<DeValue<'_>>,
    ) -> Option<Typed<T>> {
        let place = self.place(path, value.span().start);
        self.read_at(place, value.get_ref())
    }

    /// Reads one value that stands here, its variables replaced.
    pub(crate) fn read_at<T: Shape>(
        &mut self,
        mut place: Place,
        value: &DeValue<'_>,
    ) -> Option<Typed<T>> {
        let expanded = match value {
            DeValue::String(text) => match variables::expand(text, self.env) {
                Expansion::Plain => None,
                Expansion::Malformed(message) => {
                    self.complain(&place, message);
                    return None;
                }
                Expansion::Unset(name) => {
                    place.variable = true;
                    self.complain(
                        &place,
                        format!("the environment variable {name} is not set"),
                    );
                    return None;
                }
                Expansion::Text(text) => {
                    place.variable = true;
                    Some(DeValue::String(text.into()))
                }
            },
            _ => None,
        };
        let value = T::read(expanded.as_ref().unwrap_or(value), &place, self)?;
        Some(Typed { value, place })
    }
}

/// Says that something else was expected.
pub(crate) fn expected<T>(
    what: &str,
    found: &DeValue<'_>,
    place: &Place,
    reader: &mut Reader<'_>,
) -> Option<T> {
    let found = match found {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    reader.complain(place, format!("expected {what}, found {found}"));
    None
}
