//! What checkpoints carry of how the object's bytes were read, so that a load which goes on from
//! there need not read it from its start, and still compares all bytes with the checksum that the
//! store states.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use arrivage_model::Checkpoint;
use arrivage_store::{Mark, Marked};
use serde_json::{Value, json};

use super::place::Place;

/// The words for them in a checkpoint's state.
const CHECKSUM: &str = "checksum";
const PLACE: &str = "place";

/// Places are so many decompressed bytes apart, or more.
const APART: u64 = 4 << 20;

/// More places are never between what is read and what is a chunk, but for records of
/// hundreds of megabytes: then later ones are not kept.
const MOST_PLACES: usize = 64;

/// More marks are not either; then older ones go.
const MOST: usize = 4096;

/// What was told of the bytes that are read, and is in no checkpoint yet.
#[derive(Clone)]
pub(super) struct Marks(Arc<Mutex<Kept>>);

struct Kept {
    /// How far the checksum had come.
    checksums: VecDeque<Mark>,
    places: Places,
}

enum Places {
    /// The object is not compressed: any byte is one.
    All,
    Some {
        told: VecDeque<Place>,
        /// Decompressed bytes before the next one that is wanted.
        next: u64,
        /// Decompressed bytes before the checkpoint that is gone on from.
        from: u64,
    },
}

impl Marks {
    /// Of a load that goes on from this checkpoint.
    pub(super) fn new(from: &Checkpoint) -> Self {
        let kept = Kept {
            checksums: mark(from).into_iter().collect(),
            places: Places::All,
        };
        Self(Arc::new(Mutex::new(kept)))
    }

    /// The object is compressed, and read from this place on.
    pub(super) fn compressed(&self, place: Place, from: &Checkpoint) {
        self.lock().places = Places::Some {
            next: place.out + APART,
            told: VecDeque::from([place]),
            from: from.offset,
        };
    }

    /// Checkpoints of an archive count other bytes.
    pub(super) fn of_archive(&self) {
        self.lock().places = Places::All;
    }

    /// Where a reader tells how far the checksum has come.
    pub(super) fn marked(&self) -> Marked {
        let marks = self.clone();
        Arc::new(move |mark| {
            let checksums = &mut marks.lock().checksums;
            if checksums.len() == MOST {
                // The first may be the one that the next checkpoint needs.
                checksums.remove(1);
            }
            checksums.push_back(mark);
        })
    }

    /// Whether a place would be of use, so many decompressed bytes after the beginning.
    pub(super) fn want(&self, out: u64) -> bool {
        match &self.lock().places {
            Places::All => false,
            Places::Some { next, .. } => out >= *next,
        }
    }

    /// There is none here.
    pub(super) fn want_later(&self, out: u64) {
        if let Places::Some { next, .. } = &mut self.lock().places {
            *next = out + APART;
        }
    }

    /// Here one is.
    pub(super) fn place(&self, place: Place) {
        self.want_later(place.out);
        if let Places::Some { told, from, .. } = &mut self.lock().places {
            if place.out <= *from {
                told.clear();
            }
            if told.len() < MOST_PLACES {
                told.push_back(place);
            }
        }
    }

    /// Adds to a checkpoint the last place before it, and the last mark before that.
    pub(super) fn keep_in(&self, checkpoint: &mut Checkpoint) {
        let Some(text) = &checkpoint.state else {
            return;
        };
        let Ok(mut state) = serde_json::from_str::<Value>(text) else {
            return;
        };
        let mut kept = self.lock();
        let Kept { checksums, places } = &mut *kept;
        let at = match places {
            Places::All => checkpoint.offset,
            Places::Some { told, .. } => {
                match last_until(told, |place| place.out <= checkpoint.offset) {
                    Some(place) if place.at > 0 => {
                        state[PLACE] = json!(place);
                        place.at
                    }
                    _ => return,
                }
            }
        };
        if let Some(mark) = last_until(checksums, |mark| mark.at <= at) {
            state[CHECKSUM] = json!([
                mark.at,
                mark.algorithm.to_string(),
                format!("{:x}", mark.crc)
            ]);
        }
        checkpoint.state = Some(state.to_string());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The last that is so, where those that are come first. It may be so the next time as well;
/// those before it are forgotten.
fn last_until<T>(all: &mut VecDeque<T>, is_so: impl Fn(&T) -> bool) -> Option<&T> {
    while all.get(1).is_some_and(&is_so) {
        all.pop_front();
    }
    all.front().filter(|first| is_so(first))
}

/// The mark that a checkpoint carries.
pub(super) fn mark(checkpoint: &Checkpoint) -> Option<Mark> {
    let state = state(checkpoint)?;
    let [at, algorithm, crc] = state.get(CHECKSUM)?.as_array()?.as_slice() else {
        return None;
    };
    Some(Mark {
        at: at.as_u64()?,
        algorithm: algorithm.as_str()?.parse().ok()?,
        crc: u64::from_str_radix(crc.as_str()?, 16).ok()?,
    })
}

/// The place in a compressed object that a checkpoint carries.
pub(super) fn place(checkpoint: &Checkpoint) -> Option<Place> {
    let place = state(checkpoint)?.get_mut(PLACE)?.take();
    let place: Place = serde_json::from_value(place).ok()?;
    (place.out <= checkpoint.offset && place.is_readable()).then_some(place)
}

fn state(checkpoint: &Checkpoint) -> Option<Value> {
    serde_json::from_str(checkpoint.state.as_ref()?).ok()
}

#[cfg(test)]
mod tests {
    use arrivage_store::Algorithm;

    use super::*;

    #[test]
    fn a_checkpoint_carries_the_last_mark_before_it() {
        let marks = Marks::new(&Checkpoint::default());
        let marked = marks.marked();
        for at in [10, 20, 30] {
            marked(Mark {
                at,
                algorithm: Algorithm::Crc32c,
                crc: at + 0xabc,
            });
        }
        let check = |offset: u64, expect: Option<u64>| {
            let mut checkpoint = Checkpoint {
                offset,
                state: Some(r#"{"line":3}"#.to_owned()),
                ..Checkpoint::default()
            };
            marks.keep_in(&mut checkpoint);
            let found = mark(&checkpoint);
            assert_eq!(found.map(|mark| mark.at), expect, "{checkpoint:?}");
            let state = checkpoint.state.expect("a state");
            assert!(state.starts_with(r#"{"line":3"#), "{state}");
            if let Some(mark) = found {
                assert_eq!(
                    (mark.algorithm, mark.crc),
                    (Algorithm::Crc32c, mark.at + 0xabc)
                );
            }
        };
        check(9, None);
        check(10, Some(10));
        check(19, Some(10));
        check(29, Some(20));
        check(35, Some(30));
        check(40, Some(30));
        assert_eq!(mark(&Checkpoint::default()), None);
    }

    #[test]
    fn of_a_compressed_object_it_carries_the_last_place_and_the_mark_before_that() {
        let start = Checkpoint::default();
        let marks = Marks::new(&start);
        marks.compressed(Place::default(), &start);
        let marked = marks.marked();
        for at in [3, 10, 16] {
            marked(Mark {
                at,
                algorithm: Algorithm::Crc32c,
                crc: at,
            });
        }
        for (at, out) in [(5, APART), (12, 2 * APART), (18, 3 * APART)] {
            assert!(marks.want(out) && !marks.want(out - 1), "{out}");
            let middle = None;
            marks.place(Place { at, out, middle });
        }
        let check = |offset: u64, expect: Option<(u64, u64)>| {
            let mut checkpoint = Checkpoint {
                offset,
                state: Some("{}".to_owned()),
                ..Checkpoint::default()
            };
            marks.keep_in(&mut checkpoint);
            let found = place(&checkpoint).map(|place| place.at);
            let found = found.zip(mark(&checkpoint).map(|mark| mark.at));
            assert_eq!(found, expect, "{checkpoint:?}");
            // Who goes on from there tells it again, until the next place comes.
            let again = Marks::new(&checkpoint);
            again.compressed(place(&checkpoint).unwrap_or_default(), &checkpoint);
            let mut same = checkpoint.clone();
            again.keep_in(&mut same);
            assert_eq!(same, checkpoint);
        };
        check(APART - 1, None);
        check(APART, Some((5, 3)));
        check(3 * APART - 1, Some((12, 10)));
        check(3 * APART + 7, Some((18, 16)));
    }
}
