//! Two streams in the order of their keys, what stands in the store and what stands
//! in the ledger, told apart key by key. Holds a page of each, whatever their
//! lengths.

use std::collections::VecDeque;

use arrivage_ledger::Content;
use arrivage_model::{ArrivalId, Object, State};
use chrono::{DateTime, Utc};

/// An object of the store, and whom it concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) object: Object,
    pub(crate) taker: Taker,
}

/// Whom an object concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Taker {
    /// This pipeline; `latest_counts`: an older content that stands there again is
    /// to be loaded again.
    Pipeline { name: String, latest_counts: bool },
    /// No pipeline.
    Nobody,
    /// Nobody any more: it was written before the source's `since`.
    Older,
    /// A pipeline, later: it may still be being written.
    Unsettled,
    /// Another source.
    Elsewhere,
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The next page of the store is wanted.
    WantObjects,
    /// The next page of the ledger is wanted.
    WantContents,
    /// This was found out about a key.
    Met(Met),
    /// Both are at their end.
    Over,
}

/// What was found out about one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Met {
    /// The ledger has this content.
    Known,
    /// The ledger has nothing of this key.
    Missing(Listed),
    /// The ledger has other contents of this key, or a newer one was loaded since.
    Changed(Listed),
    /// Nothing stands there, and this arrival was not settled by a person.
    Vanished(Content),
    /// It does not concern a pipeline now.
    Aside(Listed),
    /// Nothing stands there, and nothing is wanted of it.
    Settled,
}

/// The keys of a listing do not ascend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unsorted;

pub(crate) struct Merge {
    objects: Side<Listed>,
    contents: Side<Content>,
    last_key: Option<String>,
    /// Arrivals beyond were registered after the listing began; that it does not
    /// show them says nothing.
    up_to: Option<ArrivalId>,
    group: Option<Group>,
}

struct Side<T> {
    page: VecDeque<T>,
    is_over: bool,
}

impl<T> Side<T> {
    fn new() -> Self {
        Self {
            page: VecDeque::new(),
            is_over: false,
        }
    }
}

/// All that is to be known of the contents of one key: there may be a great many.
struct Group {
    key: String,
    listed: Option<Listed>,
    /// The pipeline has other contents of this key.
    has_others: bool,
    /// The very content, and when it was loaded, if it was.
    same: Option<Option<(Option<DateTime<Utc>>, ArrivalId)>>,
    /// When the last of the others was loaded.
    loaded_last: Option<(Option<DateTime<Utc>>, ArrivalId)>,
    /// The newest that a person has not settled.
    open: Option<Content>,
}

impl Merge {
    pub(crate) fn new(up_to: Option<ArrivalId>) -> Self {
        Self {
            objects: Side::new(),
            contents: Side::new(),
            last_key: None,
            up_to,
            group: None,
        }
    }

    /// Takes a page of the store.
    pub(crate) fn push_objects(
        &mut self,
        page: Vec<Listed>,
        is_last: bool,
    ) -> Result<(), Unsorted> {
        for listed in page {
            let key = &listed.object.location.key;
            if self.last_key.as_ref().is_some_and(|last| last >= key) {
                return Err(Unsorted);
            }
            self.last_key = Some(key.clone());
            self.objects.page.push_back(listed);
        }
        self.objects.is_over = is_last;
        Ok(())
    }

    /// Takes a page of the ledger.
    pub(crate) fn push_contents(&mut self, page: Vec<Content>, is_last: bool) {
        self.contents.page.extend(page);
        self.contents.is_over = is_last;
    }

    pub(crate) fn step(&mut self) -> Step {
        if self.group.is_none() {
            if self.objects.page.is_empty() && !self.objects.is_over {
                return Step::WantObjects;
            }
            if self.contents.page.is_empty() && !self.contents.is_over {
                return Step::WantContents;
            }
            self.group = self.begin();
        }
        let Some(group) = &mut self.group else {
            return Step::Over;
        };
        while let Some(content) = self.contents.page.front() {
            if content.key != group.key {
                break;
            }
            if let Some(content) = self.contents.page.pop_front() {
                group.add(content, self.up_to);
            }
        }
        // The next page may have more of this key.
        if self.contents.page.is_empty() && !self.contents.is_over {
            return Step::WantContents;
        }
        match self.group.take() {
            Some(group) => Step::Met(group.verdict()),
            None => Step::Over,
        }
    }

    /// The smaller of the two next keys.
    fn begin(&mut self) -> Option<Group> {
        let listed = self.objects.page.front();
        let listed = listed.map(|listed| &listed.object.location.key);
        let known = self.contents.page.front().map(|content| &content.key);
        let listed_first = match (listed, known) {
            (None, None) => return None,
            (Some(listed), Some(known)) => listed <= known,
            (listed, _) => listed.is_some(),
        };
        let key = if listed_first { listed } else { known }?.clone();
        let listed = match listed_first {
            true => self.objects.page.pop_front(),
            false => None,
        };
        Some(Group {
            key,
            listed,
            has_others: false,
            same: None,
            loaded_last: None,
            open: None,
        })
    }
}

impl Group {
    fn add(&mut self, content: Content, up_to: Option<ArrivalId>) {
        let is_loaded = content.state == State::Loaded;
        let loaded = is_loaded.then_some((content.finished_at, content.id));
        if let Some(listed) = &self.listed
            && let Taker::Pipeline { name, .. } = &listed.taker
            && *name == content.pipeline
        {
            if listed.object.etag == content.etag {
                self.same = Some(loaded);
            } else {
                self.has_others = true;
                self.loaded_last = self.loaded_last.max(loaded);
            }
        }
        let is_open = matches!(
            content.state,
            State::Waiting | State::Loading | State::Loaded | State::Failed
        );
        let is_newer = self.open.as_ref().is_none_or(|open| open.id < content.id);
        if is_open && is_newer && Some(content.id) <= up_to {
            self.open = Some(content);
        }
    }

    fn verdict(self) -> Met {
        let Some(listed) = self.listed else {
            return self.open.map_or(Met::Settled, Met::Vanished);
        };
        let Taker::Pipeline { latest_counts, .. } = listed.taker else {
            return Met::Aside(listed);
        };
        match self.same {
            None if self.has_others => Met::Changed(listed),
            None => Met::Missing(listed),
            // A, B, A: what was loaded before stands there again.
            Some(Some(loaded)) if latest_counts && self.loaded_last > Some(loaded) => {
                Met::Changed(listed)
            }
            Some(_) => Met::Known,
        }
    }
}

#[cfg(test)]
mod tests;
