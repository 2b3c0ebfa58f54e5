//! One behavior suite for every state store, and what is special to each.

mod behavior;
mod embedded;
mod redis;
mod sessions;

use std::{any::Any, sync::Arc};

use countersign::application::ports::state::StateStore;

/// A store of its own for one test, and what must live as long as it.
struct Rig {
    store: Arc<dyn StateStore>,
    _keep: Box<dyn Any + Send>,
}

/// Instantiates the suite: one test for each behavior, named `state_store::<store>::<behavior>`.
macro_rules! suite {
    ($store:ident, $open:expr) => {
        suite!($store, $open,
            behavior::a_record_is_read_as_it_was_written,
            behavior::a_missing_record_is_absent,
            behavior::put_overwrites,
            behavior::add_writes_only_once,
            behavior::swap_returns_the_old_record_and_writes_the_new,
            behavior::swap_writes_nothing_where_nothing_was,
            behavior::swap_gives_new_time,
            behavior::what_is_swapped_in_outlives_what_it_replaced,
            behavior::many_records_are_read_in_the_order_of_their_keys,
            behavior::the_memory_of_a_store_that_runs_on_keeps_its_name,
            behavior::replace_needs_the_expected_record,
            behavior::replace_gives_new_time,
            behavior::delete_says_whether_there_was_something,
            behavior::hit_counts_and_starts_again_after_its_window,
            behavior::many_events_are_counted_at_once,
            behavior::a_count_can_be_read_without_counting,
            behavior::an_expired_record_is_absent_to_every_operation,
            behavior::an_extreme_time_to_live_is_accepted,
            behavior::bytes_of_any_kind_and_size_come_back,
            behavior::c051_a_key_of_another_kind_finds_nothing,
            behavior::of_fifty_adds_one_wins,
            behavior::of_fifty_swaps_one_sees_each_record,
            behavior::of_fifty_replaces_one_wins,
            behavior::of_fifty_deletes_one_wins,
            behavior::fifty_tasks_lose_no_hit,
            behavior::typed_records_round_trip,
            behavior::a_record_that_somebody_changed_is_not_replaced,
            behavior::a_record_of_another_shape_is_corrupt,
            sessions::a_session_is_loaded_as_it_was_created,
            sessions::a_session_id_that_is_taken_is_replaced,
            sessions::a_save_updates_data_and_expiry,
            sessions::a_late_save_does_not_revive_a_session_that_ended,
            sessions::a_save_of_an_unknown_session_creates_nothing,
            sessions::of_parallel_tabs_the_last_wins_and_none_fails,
            sessions::no_tab_revives_a_session_while_it_is_deleted,
            sessions::an_expired_session_is_gone_by_the_injected_clock,
            sessions::c138_a_renewed_session_leaves_its_old_id_dead,
        );
    };
    ($store:ident, $open:expr, $($part:ident::$behavior:ident,)+) => {
        mod $store {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $behavior() {
                    let rig = $open;
                    super::$part::$behavior(&rig.store).await;
                }
            )+
        }
    };
}

suite!(on_embedded, super::embedded::open());
suite!(on_redis, super::redis::open().await);
