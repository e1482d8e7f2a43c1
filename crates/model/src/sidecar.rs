use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::Location;

/// What has to stand beside an object before the object counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sidecar {
    /// How it is called, after its object.
    pub name: SidecarName,
    /// What it says.
    pub holds: Holds,
    /// How long it is waited for.
    pub within: Duration,
}

/// What a sidecar says of its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Holds {
    /// Only that it is there; its bytes do not matter.
    Nothing,
    /// The SHA-256 of the object's bytes, as sha256sum writes it.
    Sha256,
    /// Their MD5, as md5sum writes it.
    Md5,
    /// Names of objects, and how many records each has.
    Manifest,
}

/// A sidecar's name: `{name}.done`, `{stem}.sha256`, `MANIFEST`. It stands where its
/// object does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SidecarName {
    before: String,
    part: Part,
    after: String,
}

/// What of the object's name stands in the sidecar's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// `{name}`: all of it.
    Name,
    /// `{stem}`: without its last ending.
    Stem,
    /// Nothing: one sidecar for all objects that stand together.
    Nothing,
}

/// Text that names no sidecar.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SidecarNameError {
    /// It would be the object itself.
    #[error("it has to differ from the object's own name, as {{name}}.done does")]
    Same,
    /// A slash in it.
    #[error("a sidecar stands beside its object; leave the / out")]
    Elsewhere,
    /// A brace that begins no known part.
    #[error(
        "{{name}} stands for the object's name, {{stem}} for it without its last ending; either once, and nothing else in braces"
    )]
    Braces,
}

/// Whom a sidecar belongs to, as far as its name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// This one's.
    Of(Location),
    /// One or several of those that stand beside it.
    Neighbours,
}

impl SidecarName {
    /// Where the sidecar of an object stands.
    #[must_use]
    pub fn of(&self, object: &Location) -> Location {
        let (folder, name) = parted(&object.key);
        let part = match self.part {
            Part::Name => name,
            Part::Stem => stem(name),
            Part::Nothing => "",
        };
        Location {
            key: format!("{folder}{}{part}{}", self.before, self.after),
            ..object.clone()
        }
    }

    /// Whose sidecar stands there, if one does.
    pub(crate) fn whose(&self, sidecar: &Location) -> Option<Whose> {
        let (folder, name) = parted(&sidecar.key);
        let part = name
            .strip_prefix(&*self.before)?
            .strip_suffix(&*self.after)?;
        match self.part {
            Part::Nothing => part.is_empty().then_some(Whose::Neighbours),
            _ if part.is_empty() => None,
            Part::Stem => Some(Whose::Neighbours),
            Part::Name => Some(Whose::Of(Location {
                key: format!("{folder}{part}"),
                ..sidecar.clone()
            })),
        }
    }
}

/// The folder with its slash, and the name.
fn parted(key: &str) -> (&str, &str) {
    key.split_at(key.rfind('/').map_or(0, |slash| slash + 1))
}

/// `orders.csv.gz` → `orders.csv`; a name that only begins with a dot has no ending.
fn stem(name: &str) -> &str {
    match name.rfind('.') {
        None | Some(0) => name,
        Some(dot) => &name[..dot],
    }
}

impl FromStr for SidecarName {
    type Err = SidecarNameError;

    fn from_str(text: &str) -> Result<Self, SidecarNameError> {
        if text.contains('/') {
            return Err(SidecarNameError::Elsewhere);
        }
        let parts = [("{name}", Part::Name), ("{stem}", Part::Stem)];
        let found = parts
            .into_iter()
            .find_map(|(word, part)| Some((text.split_once(word)?, part)));
        let ((before, after), part) = found.unwrap_or(((text, ""), Part::Nothing));
        if [before, after].iter().any(|rest| rest.contains(['{', '}'])) {
            return Err(SidecarNameError::Braces);
        }
        if before.is_empty() && after.is_empty() {
            return Err(SidecarNameError::Same);
        }
        Ok(Self {
            before: before.to_owned(),
            part,
            after: after.to_owned(),
        })
    }
}

impl fmt::Display for SidecarName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = match self.part {
            Part::Name => "{name}",
            Part::Stem => "{stem}",
            Part::Nothing => "",
        };
        write!(f, "{}{part}{}", self.before, self.after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sidecar_is_called_after_its_object() {
        let check = |name: &str, object: &str, expect: &str| {
            let name: SidecarName = name.parse().expect(name);
            let sidecar = name.of(&Location::s3("drop", object));
            assert_eq!(sidecar, Location::s3("drop", expect), "{name}");
        };
        check("{name}.done", "in/a.csv", "in/a.csv.done");
        check("{name}.done", "a.csv", "a.csv.done");
        check("{stem}.ctl", "in.d/a.csv.gz", "in.d/a.csv.ctl");
        check("{stem}.ctl", "in.d/a", "in.d/a.ctl");
        check("{stem}.ctl", ".a", ".a.ctl");
        check("OK-{name}", "in/a", "in/OK-a");
        check("MANIFEST", "in/a.csv", "in/MANIFEST");
    }

    #[test]
    fn a_sidecars_name_says_whose_it_is() {
        let check = |name: &str, key: &str, expect: Option<Whose>| {
            let name: SidecarName = name.parse().expect(name);
            assert_eq!(name.whose(&Location::s3("drop", key)), expect, "{key}");
        };
        let of = |key: &str| Some(Whose::Of(Location::s3("drop", key)));
        check("{name}.done", "in/a.csv.done", of("in/a.csv"));
        check("{name}.done", "in/a.csv", None);
        check("{name}.done", "in/.done", None);
        check("ok-{name}.x", "in/ok-.x", None);
        check("ab{name}b", "abb", None);
        check("{stem}.ctl", "in/a.ctl", Some(Whose::Neighbours));
        check("MANIFEST", "in/MANIFEST", Some(Whose::Neighbours));
        check("MANIFEST", "in/MANIFEST2", None);
    }

    #[test]
    fn what_names_no_sidecar_is_refused() {
        let check = |name: &str, expect: SidecarNameError| {
            assert_eq!(name.parse::<SidecarName>(), Err(expect), "{name}");
        };
        check("", SidecarNameError::Same);
        check("{name}", SidecarNameError::Same);
        check("{stem}", SidecarNameError::Same);
        check("done/{name}", SidecarNameError::Elsewhere);
        check("{name}{name}", SidecarNameError::Braces);
        check("{name}.{stem}", SidecarNameError::Braces);
        check("{day}.done", SidecarNameError::Braces);
    }
}
