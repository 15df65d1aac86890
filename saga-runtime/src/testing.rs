//! The kit for tests: of your own sagas, and of journals.
//!
//! [`FailureMatrix`] runs a saga through every failure that its definition allows. [`TestCoordinator`] crashes and restarts in one
//! line each, on a journal whose days pass in a moment. [`Script`] is a participant for tests without one. [`locked_sagas`] says of
//! each change of a definition whether sagas in flight survive it, and [`replays`] whether the definitions still fit histories of
//! production.
//! [`journal_suite!`](crate::journal_suite) is the test suite that every
//! [`Journal`](crate::journal::Journal) passes:
//!
//! ```
//! use saga_runtime::journal::Memory;
//! use saga_runtime::journal_suite;
//! use saga_runtime::testing::Factory;
//!
//! struct Mine;
//!
//! impl Factory for Mine {
//!     type Journal = Memory;
//!
//!     async fn open(&mut self) -> Memory {
//!         Memory::new()
//!     }
//!
//!     async fn reopen(&mut self, journal: Memory) -> Memory {
//!         journal
//!     }
//! }
//!
//! journal_suite!(Mine);
//! ```

#[doc(hidden)]
pub mod behaviours;
mod definitions;
mod fixture;
mod matrix;
mod process;
mod replays;
mod script;

pub use definitions::{
    ChangeVerdict, DefinitionChange, LockError, changes_since, lock_of, locked_sagas,
};
pub use fixture::{Factory, Fixture};
pub use matrix::{CaseEnd, FailureMatrix, Holds, MatrixReport};
pub use process::TestCoordinator;
pub use replays::{HistoryError, ReplayReport, replay_of, replays};
pub use script::{Asked, Script, ScriptedAnswer};

/// Defines a `#[tokio::test]` for each behaviour that a [`Journal`](crate::journal::Journal) promises. Its argument is
/// an expression of type [`Factory`](crate::testing::Factory). Each test evaluates it anew.
#[macro_export]
macro_rules! journal_suite {
    ($factory:expr) => {
        $crate::journal_suite! { @ $factory =>
            a_saga_that_is_started_is_there
            a_start_is_held_by_its_worker
            a_start_without_a_worker_waits
            a_second_start_gets_the_record_that_is_there
            a_second_start_changes_nothing
            of_many_starts_at_once_exactly_one_is_new
            ids_are_any_text
            inputs_come_back_byte_by_byte
            the_trace_of_a_saga_is_kept_with_it
            entries_come_back_in_order
            every_event_comes_back_as_it_was
            waits_and_values_come_back_as_they_were
            entries_are_numbered_from_one
            entries_of_one_append_are_there_together
            the_same_append_again_is_fine
            the_last_append_again_is_fine_after_the_end
            another_append_at_the_same_number_is_refused
            an_append_after_a_gap_is_refused
            an_append_at_zero_is_refused
            an_append_to_nothing_is_fenced
            an_append_under_an_older_epoch_is_fenced
            an_append_under_a_later_epoch_is_fenced
            an_append_after_a_release_is_fenced
            an_append_after_the_end_is_fenced
            an_append_after_it_is_stuck_is_fenced
            entries_of_sagas_do_not_mix
            many_sagas_can_be_written_at_once
            a_payload_of_a_mebibyte_comes_back
            what_waits_can_be_claimed
            the_oldest_is_claimed_first
            no_more_are_claimed_than_asked_for
            only_the_named_are_claimed
            what_is_held_is_not_claimed
            each_claim_raises_the_epoch
            of_two_workers_one_gets_it
            what_a_silent_worker_held_can_be_claimed
            a_lease_that_is_renewed_holds
            a_claim_brings_the_entries_and_the_next_number
            a_first_claim_is_orderly
            a_claim_after_a_release_is_orderly
            a_claim_after_a_release_in_doubt_is_not
            entries_and_a_release_come_together
            without_its_entries_a_saga_is_not_released
            what_was_stuck_goes_on_after_entries_and_a_release
            entries_that_are_there_come_with_a_release
            a_rest_may_be_longer_than_any_clock_runs
            what_rests_is_not_claimed
            the_next_to_wake_is_known
            what_has_rested_is_claimed
            what_rests_is_claimed_by_its_id
            a_claim_by_id_says_which_rest_it_has_cut_short
            a_wish_to_cancel_ends_a_rest
            an_unheard_wish_to_cancel_keeps_a_saga_claimable
            doubt_ends_with_the_next_entry
            a_claim_after_silence_is_not_orderly_and_counts
            an_entry_ends_the_count
            a_release_is_not_counted
            a_release_under_an_older_epoch_changes_nothing
            one_saga_can_be_claimed_by_its_id
            what_has_completed_is_final
            what_is_compensated_is_final
            what_is_abandoned_is_final_and_stays_so
            what_was_stuck_can_be_abandoned
            what_is_final_is_not_claimed
            what_is_stuck_is_claimed_by_its_id_only
            what_was_stuck_can_go_on
            a_saga_continues_after_an_operators_decision
            what_is_stuck_stays_stuck_if_it_is_released
            a_wish_to_cancel_reaches_the_holder
            a_wish_to_cancel_reaches_the_next_holder
            the_first_reason_to_cancel_stays
            what_has_ended_can_not_be_cancelled
            what_has_ended_is_purged
            what_is_open_or_stuck_is_not_purged
            nothing_is_nothing
            a_tally_counts_each_saga_once
            a_pause_of_a_definition_stays_until_it_is_resumed
            a_record_is_read_without_its_entries
            the_newest_is_listed_first
            pages_follow_each_other
            a_list_is_filtered_by_state
            what_was_skipped_is_found_for_ever
            a_list_says_why_a_saga_waits
            a_list_is_filtered_by_name_prefix_and_time
            what_fails_is_listed_until_it_does_not
            a_list_is_filtered_by_trouble
            trouble_is_what_the_entries_tell
            a_list_that_looks_for_trouble_tells_the_reason
            sagas_are_counted_by_each_part_of_a_filter
            everything_is_there_after_it_was_opened_again
            what_was_held_can_be_claimed_after_it_was_opened_again
        }
    };
    (@ $factory:expr => $first:ident $($behaviour:ident)*) => {
        #[tokio::test]
        async fn $first() {
            let fixture = $crate::testing::Fixture::new($factory).await;
            $crate::testing::behaviours::$first(fixture).await;
        }
        $crate::journal_suite! { @ $factory => $($behaviour)* }
    };
    (@ $factory:expr =>) => {};
}
