//! How far the checksum that the store states had come at a checkpoint, so that a load
//! which goes on from there still compares all bytes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use arrivage_model::Checkpoint;
use arrivage_store::{Mark, Marked};
use serde_json::{Value, json};

/// The word for it in a checkpoint's state.
const WORD: &str = "checksum";

/// The marks of what was read and is not committed yet. Only for uncompressed objects,
/// whose bytes are those of the stream; others are read from their start again.
#[derive(Clone, Default)]
pub(super) struct Marks(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    marks: VecDeque<Mark>,
    closed: bool,
}

/// More are never between what is read and what is committed, unless nothing is
/// committed for long: then the oldest go.
const MOST: usize = 4096;

impl Marks {
    /// Where a reader tells them.
    pub(super) fn marked(&self) -> Marked {
        let marks = self.clone();
        Arc::new(move |mark| {
            let mut kept = marks.lock();
            if kept.closed {
                return;
            }
            if kept.marks.len() == MOST {
                kept.marks.pop_front();
            }
            kept.marks.push_back(mark);
        })
    }

    /// Nobody will ask for them.
    pub(super) fn close(&self) {
        *self.lock() = Kept {
            marks: VecDeque::new(),
            closed: true,
        };
    }

    /// Adds to a checkpoint the last mark before it.
    pub(super) fn keep_in(&self, checkpoint: &mut Checkpoint) {
        let marks = &mut self.lock().marks;
        let mut last = None;
        while marks
            .front()
            .is_some_and(|mark| mark.at <= checkpoint.offset)
        {
            last = marks.pop_front();
        }
        let (Some(mark), Some(text)) = (last, &checkpoint.state) else {
            return;
        };
        // It may serve the next checkpoint as well.
        marks.push_front(mark);
        let Ok(mut state) = serde_json::from_str::<Value>(text) else {
            return;
        };
        state[WORD] = json!([
            mark.at,
            mark.algorithm.to_string(),
            format!("{:x}", mark.crc)
        ]);
        checkpoint.state = Some(state.to_string());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The mark that a checkpoint carries.
pub(super) fn mark(checkpoint: &Checkpoint) -> Option<Mark> {
    let state: Value = serde_json::from_str(checkpoint.state.as_ref()?).ok()?;
    let [at, algorithm, crc] = state.get(WORD)?.as_array()?.as_slice() else {
        return None;
    };
    let mark = Mark {
        at: at.as_u64()?,
        algorithm: algorithm.as_str()?.parse().ok()?,
        crc: u64::from_str_radix(crc.as_str()?, 16).ok()?,
    };
    (mark.at <= checkpoint.offset).then_some(mark)
}

#[cfg(test)]
mod tests {
    use arrivage_store::Algorithm;

    use super::*;

    #[test]
    fn a_checkpoint_carries_the_last_mark_before_it() {
        let marks = Marks::default();
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
}
