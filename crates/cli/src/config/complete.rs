use std::time::Duration;

use arrivage_model::{Holds, Sidecar};

use super::rules::at_least;
use crate::settings::{self, Key, Reader};

/// `Some(None)`: no sidecar is wanted.
pub(super) fn sidecar(
    typed: &settings::Complete,
    reader: &mut Reader<'_>,
) -> Option<Option<Sidecar>> {
    at_least(&typed.within, Duration::from_secs(1), "1s", reader);
    let name = match &typed.sidecar {
        Key::Here(name) => name.value.clone(),
        Key::Absent => {
            if let Key::Here(holds) = &typed.holds {
                reader.complain(
                    &holds.place,
                    "it says what a sidecar holds, and there is none",
                );
            }
            return Some(None);
        }
        Key::Unusable => return None,
    };
    let holds = match &typed.holds {
        Key::Here(holds) => holds.value,
        Key::Absent => by_ending(&name.to_string()),
        Key::Unusable => return None,
    };
    Some(Some(Sidecar {
        name,
        holds,
        within: typed.within.get()?,
    }))
}

fn by_ending(name: &str) -> Holds {
    match name.to_ascii_lowercase().rsplit_once('.') {
        Some((_, "sha256")) => Holds::Sha256,
        Some((_, "md5")) => Holds::Md5,
        _ => Holds::Nothing,
    }
}
