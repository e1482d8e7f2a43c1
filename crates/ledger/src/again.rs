use arrivage_model::State;

use crate::FoundBy;

/// What a notification about a known arrival does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// Nothing: it was no notification.
    Nothing,
    /// It is counted.
    Count,
    /// It is counted, and the arrival is queued again.
    Requeue,
}

/// A known arrival, as a notification finds it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known<'a> {
    pub(crate) state: State,
    /// The id of the last message recorded about it.
    pub(crate) last_message: Option<&'a str>,
    /// It came to rest a minute ago, or longer.
    pub(crate) rested: bool,
}

/// "Notified again" of the design page.
pub(crate) fn again(known: Known<'_>, found_by: &FoundBy) -> Again {
    let is_new = match found_by {
        FoundBy::Message(id) => known.last_message != Some(id),
        FoundBy::Webhook => known.rested,
        FoundBy::Listing | FoundBy::Person => return Again::Nothing,
    };
    match known.state {
        State::Waiting | State::Loading | State::Loaded => Again::Count,
        State::Failed | State::Superseded | State::Dismissed | State::Unloaded if is_new => {
            Again::Requeue
        }
        State::Failed | State::Superseded | State::Dismissed | State::Unloaded => Again::Count,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_new_notification_about_a_resting_arrival_queues_it_again() {
        let message = FoundBy::Message("new".to_owned());
        for state in State::ALL {
            let resting_unloaded =
                !matches!(state, State::Waiting | State::Loading | State::Loaded);
            let queues = if resting_unloaded {
                Again::Requeue
            } else {
                Again::Count
            };
            let check = |last_message: Option<&str>, rested, found_by: &FoundBy, expect| {
                let known = Known {
                    state,
                    last_message,
                    rested,
                };
                assert_eq!(again(known, found_by), expect, "{known:?} {found_by:?}");
            };
            check(Some("old"), false, &message, queues);
            check(None, false, &message, queues);
            check(Some("new"), true, &message, Again::Count);
            check(Some("old"), true, &FoundBy::Webhook, queues);
            check(None, false, &FoundBy::Webhook, Again::Count);
            check(Some("old"), true, &FoundBy::Listing, Again::Nothing);
            check(Some("old"), true, &FoundBy::Person, Again::Nothing);
        }
    }
}
