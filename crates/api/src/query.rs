use std::str::FromStr;

use axum::http::Uri;
use url::form_urlencoded;

use crate::problem::Problem;

/// The parameters of a URL, each taken once. One that nobody asks for is a mistake.
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn of(uri: &Uri) -> Self {
        let pairs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        Self(pairs.into_owned().collect())
    }

    /// Takes a parameter out. An empty one is as good as absent.
    pub(crate) fn take<T>(&mut self, name: &str) -> Result<Option<T>, Problem>
    where
        T: FromStr<Err: std::fmt::Display>,
    {
        let Some(place) = self.0.iter().position(|(known, _)| known == name) else {
            return Ok(None);
        };
        let (_, value) = self.0.remove(place);
        if value.is_empty() {
            return Ok(None);
        }
        let parsed = value.parse().map(Some);
        parsed.map_err(|error| Problem::bad_request(format!("{name}: {error}")))
    }

    /// How many items a page has.
    pub(crate) fn take_limit(&mut self) -> Result<usize, Problem> {
        match self.take("limit")? {
            None => Ok(100),
            Some(limit @ 1..=1000) => Ok(limit),
            Some(_) => Err(Problem::bad_request("limit: from 1 to 1000")),
        }
    }

    pub(crate) fn end(self) -> Result<(), Problem> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => Err(Problem::bad_request(format!(
                "{name}: there is no such parameter, or it is there twice"
            ))),
        }
    }
}
