//! One behavior suite for every state store, and what is special to each.

mod behavior;
mod embedded;
mod redis;

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
            a_record_is_read_as_it_was_written,
            a_missing_record_is_absent,
            put_overwrites,
            add_writes_only_once,
            swap_returns_the_old_record_and_writes_the_new,
            swap_writes_nothing_where_nothing_was,
            swap_keeps_the_time_that_is_left,
            replace_needs_the_expected_record,
            replace_gives_new_time,
            delete_says_whether_there_was_something,
            hit_counts_and_starts_again_after_its_window,
            a_count_can_be_read_without_counting,
            an_expired_record_is_absent_to_every_operation,
            an_extreme_time_to_live_is_accepted,
            bytes_of_any_kind_and_size_come_back,
            c051_a_key_of_another_kind_finds_nothing,
            of_fifty_adds_one_wins,
            of_fifty_swaps_one_sees_each_record,
            of_fifty_replaces_one_wins,
            of_fifty_deletes_one_wins,
            fifty_tasks_lose_no_hit,
            typed_records_round_trip,
            a_record_that_somebody_changed_is_not_replaced,
            a_record_of_another_shape_is_corrupt,
        );
    };
    ($store:ident, $open:expr, $($behavior:ident,)+) => {
        mod $store {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $behavior() {
                    let rig = $open;
                    super::behavior::$behavior(&rig.store).await;
                }
            )+
        }
    };
}

suite!(on_embedded, super::embedded::open());
suite!(on_redis, super::redis::open().await);
