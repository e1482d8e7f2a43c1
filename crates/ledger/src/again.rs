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

/// "Notified again" of the design page. `last_message` is the id of the last
/// message recorded about the arrival.
pub(crate) fn again(state: State, last_message: Option<&str>, found_by: &FoundBy) -> Again {
    let FoundBy::Message(id) = found_by else {
        return Again::Nothing;
    };
    match state {
        State::Waiting | State::Loading | State::Loaded => Again::Count,
        State::Failed | State::Superseded | State::Dismissed | State::Unloaded => {
            if last_message == Some(id) {
                Again::Count
            } else {
                Again::Requeue
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_new_message_about_a_resting_arrival_queues_it_again() {
        let message = FoundBy::Message("new".to_owned());
        for state in State::ALL {
            let resting_unloaded =
                !matches!(state, State::Waiting | State::Loading | State::Loaded);
            let expect = if resting_unloaded {
                Again::Requeue
            } else {
                Again::Count
            };
            assert_eq!(again(state, Some("old"), &message), expect, "{state}");
            assert_eq!(again(state, None, &message), expect, "{state}");
            assert_eq!(
                again(state, Some("new"), &message),
                Again::Count,
                "{state}, redelivered"
            );
            assert_eq!(
                again(state, Some("old"), &FoundBy::Listing),
                Again::Nothing,
                "{state}"
            );
            assert_eq!(
                again(state, Some("old"), &FoundBy::Person),
                Again::Nothing,
                "{state}"
            );
        }
    }
}
