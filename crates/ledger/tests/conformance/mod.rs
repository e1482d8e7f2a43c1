//! What every ledger promises, whatever database it lives in.
//!
//! A test file names its database once, `conformance!(SqliteFile)`, and each case
//! below becomes a test of its own over it.

pub(crate) mod again;
pub(crate) mod awaiting;
pub(crate) mod claiming;
pub(crate) mod history;
pub(crate) mod intake;
pub(crate) mod leasing;
pub(crate) mod loading;
pub(crate) mod migrating;
pub(crate) mod order;
pub(crate) mod pausing;
pub(crate) mod racing;
pub(crate) mod reconciling;
pub(crate) mod refusing;
pub(crate) mod replaying;
pub(crate) mod retaining;
pub(crate) mod rewinding;
pub(crate) mod rows;
pub(crate) mod scoping;
pub(crate) mod staging;
pub(crate) mod targets;
pub(crate) mod together;
pub(crate) mod unloading;
pub(crate) mod walking;
pub(crate) mod world;

use arrivage_ledger::SharedLedger;
use async_trait::async_trait;

pub(crate) use world::World;

/// A database of one test, and what raw SQL the cases need to look behind the ledger.
#[async_trait]
pub(crate) trait Database: Send + Sync + Sized + 'static {
    /// What the ledger's tables and views are named with: `arrivage_` or `arrivage.`.
    const LEDGER: &'static str;

    /// A new, empty database, without a ledger.
    async fn create() -> Self;

    /// A ledger on it with connections of its own, as another process has.
    fn ledger(&self) -> SharedLedger;

    /// Runs SQL in a session of its own. Returns the rows, a line each, columns parted by `|`,
    /// a NULL empty.
    async fn sql(&self, statements: &str) -> String;

    /// The columns of a view of the ledger, in order.
    async fn columns(&self, view: &str) -> Vec<String>;

    /// An SQL expression for the moment so many seconds from now.
    fn moment(seconds: i64) -> String;
}

macro_rules! conformance {
    ($database:ident) => {
        conformance! { $database;
            migrating {
                two_ledgers_may_migrate_at_once
                a_ledger_that_is_not_there_says_to_migrate
                migrating_again_keeps_what_is_there
                the_views_have_the_columns_of_the_contract
            }
            intake {
                a_new_object_is_a_waiting_arrival
                an_identity_stands_once_however_it_is_found
                a_batch_may_name_an_object_twice
                a_later_notification_fills_in_the_version
                keys_are_kept_byte_for_byte
                of_unreadable_notifications_and_ignored_objects_the_newest_are_kept
            }
            again {
                a_new_message_queues_again_what_rests
                a_webhook_queues_again_what_has_rested_for_a_minute
                a_redelivery_a_listing_and_a_person_queue_nothing_again
                a_loaded_arrival_stays_loaded
                a_loaded_content_that_was_followed_by_another_is_told_apart
                what_stands_at_its_key_once_more_is_loaded_anew
            }
            claiming {
                nothing_is_claimed_when_nothing_waits
                a_claim_raises_the_fence_and_counts_an_attempt
                expired_arrivals_come_first_then_the_due_ones_oldest_first
                the_oldest_of_all_pipelines_comes_first
                what_is_due_later_is_not_claimed
                a_paused_pipeline_is_skipped_until_it_is_resumed
                an_expired_lease_goes_to_another_with_a_higher_fence
                an_expired_arrival_without_attempts_left_fails_in_the_claim
                an_arrival_without_attempts_left_fails_also_where_nothing_else_waits
                nothing_fails_while_its_pipeline_is_paused
                progress_brings_the_attempts_back
            }
            scoping {
                only_named_arrivals_are_claimed_among_some
                a_named_arrival_is_claimed_before_it_is_due
                an_owner_takes_back_its_own_lease_only_where_it_says_so
                an_owner_finds_its_last_claim_again
                an_owner_that_dies_at_every_start_uses_up_the_attempts
            }
            racing {
                fifty_claimers_of_one_arrival_have_one_winner
                fifty_claimers_take_no_arrival_twice
                two_watchers_register_the_same_objects_once
                two_arrivals_load_side_by_side
                a_lease_is_renewed_while_others_load
            }
            awaiting {
                waiting_for_a_sidecar_uses_no_attempt_and_ends_when_it_comes
                a_sidecar_that_stays_away_fails_its_arrival_and_an_order_waits_anew
                a_job_whose_arrival_waits_for_its_sidecar_takes_another
            }
            leasing {
                a_renewed_lease_does_not_expire
                a_lease_that_another_took_is_not_renewed
                what_is_given_back_is_free_at_once_and_counts_nothing
                what_is_given_back_with_a_delay_keeps_its_reason
                a_failing_arrival_is_retried_until_its_attempts_are_used_up
                a_failed_arrival_rests_with_its_reason_and_its_rows
                no_stale_lease_moves_anything
                what_is_loaded_stays_loaded_whatever_its_lease_says_next
                reaping_without_expired_leases_ends_nothing
            }
            rewinding {
                what_came_otherwise_than_stated_is_loaded_from_its_start
                a_superseded_arrival_leaves_no_rows_where_the_table_tells_them
                a_superseded_arrival_keeps_its_rows_where_the_table_cannot_tell_them
                a_restart_removes_rows_and_rejects_and_raises_the_fence
                the_standing_tells_fenced_committed_and_behind_apart
            }
            loading {
                a_chunk_commits_rows_rejects_and_checkpoint_together
                a_chunk_that_is_dropped_or_rolled_back_leaves_nothing
                the_last_chunk_says_loaded
                a_stale_fence_is_refused_and_leaves_no_row
                a_lease_with_the_right_fence_and_another_id_is_refused
                a_checkpoint_that_is_elsewhere_refuses_the_chunk
            }
            rows {
                only_the_rows_of_the_range_are_loaded
                ten_thousand_rows_arrive_in_one_chunk
                the_last_record_of_a_key_wins
                a_table_without_lineage_columns_is_loaded
                values_arrive_exactly
                names_and_values_are_never_sql
            }
            refusing {
                a_refused_row_is_named_by_its_sqlstate_and_the_rest_goes_on
                a_reference_that_is_checked_late_is_refused_in_its_chunk
                a_table_or_column_that_went_missing_is_the_targets_fault
                an_upsert_without_a_unique_key_is_refused_by_name
            }
            staging {
                gathered_rows_are_shown_together_by_the_last_chunk
                a_gathered_row_that_is_refused_becomes_a_reject
                the_last_record_of_a_key_wins_among_gathered_rows
                what_fails_leaves_nothing_gathered_and_starts_over
                a_superseded_or_restarted_load_leaves_nothing_gathered
                a_superseded_load_counts_nothing_that_it_had_gathered
                a_new_content_replaces_the_rows_of_its_keys_others
                replacing_takes_out_what_waits_to_start_over_and_keeps_why_others_failed
            }
            order {
                newer_is_what_was_written_later
                an_older_content_commits_nothing_after_a_newer_one_is_loading
                a_content_that_comes_again_is_the_newest
                a_new_message_makes_a_waiting_content_as_new_as_it_says
                a_newer_content_that_is_half_loaded_holds_its_place
                a_loaded_content_that_another_half_replaced_is_told_apart
                what_stands_there_is_the_newest_where_no_time_is_known
            }
            together {
                small_arrivals_are_claimed_along_with_one
                no_more_are_claimed_along_than_asked_for
                only_what_has_a_clean_record_is_claimed_along
                files_of_one_transaction_are_loaded_together
                if_one_file_cannot_be_loaded_none_is
                a_refused_row_undoes_all_files_of_its_transaction
            }
            targets {
                a_table_is_seen_as_the_catalogue_has_it
                what_is_no_table_is_refused_by_name
                a_table_is_made_from_the_declared_columns
                a_table_that_is_there_is_not_made_again
                many_may_make_a_table_at_once
                a_table_is_not_made_from_an_incomplete_declaration
                an_upsert_is_admitted_only_where_an_index_serves_its_key
            }
            history {
                arrivals_are_listed_newest_first_and_filtered
                arrivals_are_found_by_their_ids
                an_order_stands_once_under_its_key
                a_key_pattern_finds_the_few_among_many
                rejects_are_read_page_by_page
                ignored_objects_are_listed_newest_first
                the_backlog_shows_every_declared_pipeline
                a_pipeline_is_forgotten_only_when_nothing_is_outstanding
            }
            replaying {
                an_order_is_answered_by_the_state_of_each_arrival
                a_replay_goes_on_from_the_checkpoint
                a_replay_from_the_start_begins_anew
                force_fences_the_processor_that_loads_it
                orders_are_answered_in_their_order
            }
            retaining {
                of_an_old_arrival_the_rejects_go_and_its_identity_stays
                what_may_go_on_keeps_its_checkpoint_and_what_does_not_rest_keeps_all
                no_more_are_pruned_at_once_than_asked_for_oldest_first
                what_was_pruned_and_starts_over_keeps_its_new_rejects
                what_was_pruned_and_goes_on_is_pruned_again
                what_was_pruned_can_be_unloaded
                two_that_prune_at_once_take_nothing_twice
                old_unreadable_notifications_go_too
            }
            unloading {
                what_is_unloaded_leaves_neither_rows_nor_rejects
                only_what_rests_in_the_table_is_unloaded
                rows_that_the_table_cannot_tell_are_not_unloaded
                only_a_failed_arrival_is_dismissed
                what_waits_or_is_being_loaded_can_be_cancelled
                a_cancelled_load_commits_nothing_more_and_goes_on_by_replay
                what_failed_and_was_dismissed_keeps_its_rows_and_its_reason
            }
            walking {
                any_walk_keeps_to_the_chart_and_the_fence_never_falls
            }
            reconciling {
                contents_come_page_by_page_in_the_order_of_their_bytes
                contents_say_how_their_arrivals_stand
                what_is_adopted_is_never_loaded
            }
            pausing {
                only_a_person_ends_the_pause_of_a_person
                a_persons_pause_takes_back_what_is_being_loaded
                what_had_expired_before_a_pause_has_used_up_its_attempt
            }
        }
    };
    ($database:ident; $($group:ident { $($case:ident)* })*) => {
        $(mod $group {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                crate::conformance::$group::$case::<super::$database>().await;
            })*
        })*
    };
}
