//! One behavior suite for SQLite and PostgreSQL, and what concerns the schema.

mod changes;
mod clients;
mod consents;
mod events;
mod failures;
mod grants;
mod keys;
mod migrations;
mod planner;
mod plans;
mod records;
mod roles;
mod secrets;
mod units;
mod users;

/// Instantiates the suite: one test for each behavior, named `sql_store::<database>::<behavior>`.
macro_rules! suite {
    ($name:ident, $database:expr) => {
        suite!($name, $database,
            users::a_user_is_read_as_they_were_added,
            users::a_user_without_optional_properties_is_read_as_they_were_added,
            users::an_update_stores_every_property_of_a_user,
            users::usernames_and_addresses_are_unique,
            users::many_users_may_have_no_address,
            users::a_user_logs_in_by_username_or_address,
            users::a_username_is_not_found_as_an_address,
            users::a_new_password_replaces_the_old_one,
            users::users_are_listed_by_username_page_by_page,
            users::users_are_found_by_the_beginning_of_a_name_page_by_page,
            roles::a_role_is_read_as_it_was_added,
            roles::role_and_group_names_are_unique,
            roles::an_update_replaces_description_and_permissions,
            roles::roles_are_listed_by_name,
            roles::a_group_is_read_as_it_was_added,
            roles::authority_joins_own_roles_and_those_of_groups,
            roles::authority_comes_from_the_groups_around_a_group,
            roles::a_direct_claim_is_read_replaced_and_forgotten,
            roles::an_owner_is_an_active_user_who_holds_everything_everywhere,
            roles::a_role_that_goes_is_taken_from_whoever_has_it,
            roles::assigning_twice_and_unassigning_the_unassigned_change_nothing,
            clients::a_client_is_read_as_it_was_added,
            clients::an_update_stores_every_property_of_a_client,
            clients::client_identifiers_are_unique,
            clients::clients_are_listed_by_identifier_page_by_page,
            clients::a_deleted_client_takes_its_consents_and_grants_along,
            clients::a_resource_server_is_replaced_by_its_identifier,
            consents::a_consent_replaces_the_earlier_one,
            consents::a_deleted_consent_is_gone,
            grants::a_redeemed_grant_is_read_as_it_was_stored,
            grants::a_grant_without_a_user_is_stored_too,
            grants::a_grant_is_redeemed_only_once,
            grants::a_grant_is_revoked_only_once_and_for_good,
            grants::a_grant_that_was_revoked_first_is_redeemed_as_revoked,
            grants::c044_of_fifty_redemptions_one_wins,
            grants::c044_however_redemption_and_revocation_race_the_grant_ends_revoked,
            grants::all_grants_of_a_user_at_a_client_are_revoked,
            grants::grants_of_a_user_at_a_client_are_listed_page_by_page,
            grants::all_grants_of_a_session_are_revoked,
            grants::the_sweep_removes_a_limited_number_of_expired_grants,
            keys::a_key_is_read_as_it_was_added,
            keys::c186_one_key_of_a_generation_is_kept,
            keys::a_key_identifier_is_unique,
            keys::times_are_stored_and_deleted_keys_are_gone,
            changes::what_changes_in_the_directory_is_numbered_in_the_order_of_commits,
            changes::additions_and_grants_are_no_change_of_the_directory,
            changes::what_is_rolled_back_has_not_changed,
            changes::old_changes_are_swept_but_never_the_latest,
            changes::a_revocation_is_found_until_it_is_swept,
            changes::many_events_and_grants_are_written_at_once,
            events::an_event_is_read_as_it_was_recorded,
            events::events_are_listed_in_the_order_of_time_page_by_page,
            events::c018_a_nul_does_not_keep_an_event_out_of_the_trail,
            events::the_events_of_a_trace_are_found_among_those_since_a_moment,
            events::the_sweep_removes_a_limited_number_of_old_events,
            events::what_has_not_left_is_counted_up_to_a_limit,
            events::what_is_due_is_claimed_and_counted,
            events::the_oldest_messages_are_claimed_first,
            events::no_message_is_claimed_twice,
            events::a_delivered_message_is_gone,
            events::a_message_that_was_given_up_is_seen_and_revived,
            events::a_claim_that_was_taken_over_can_no_longer_put_a_message_off,
            units::a_dropped_unit_of_work_leaves_nothing,
            units::a_reader_sees_what_is_committed_and_nothing_else,
            units::a_unit_of_work_sees_its_own_changes,
            units::a_unit_of_work_with_a_failure_is_not_committed,
            units::fifty_units_of_work_that_read_and_write_lose_no_update,
            units::c018_a_nul_finds_nothing,
            units::an_extreme_page_limit_is_accepted,
            units::the_store_answers_a_ping,
            failures::an_exhausted_pool_is_unavailable,
            failures::a_closed_store_is_unavailable,
            failures::an_unreadable_row_is_named_without_its_content,
            failures::a_refused_statement_shows_no_values,
            migrations::a_fresh_database_is_migrated,
            migrations::a_current_schema_costs_one_query,
            migrations::two_nodes_that_start_at_once_both_find_the_schema_ready,
            migrations::a_dry_run_tells_the_statements_and_changes_nothing,
            migrations::a_schema_from_the_future_is_refused,
            plans::every_query_has_an_index,
            plans::a_query_without_an_index_is_noticed,
            plans::no_reading_by_key_binds_a_limit,
        );
    };
    ($name:ident, $database:expr, $($part:ident::$behavior:ident,)+) => {
        mod $name {
            use crate::support::sql::TestDatabase;

            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $behavior() {
                    let database = $database;
                    super::$part::$behavior(&database).await;
                }
            )+
        }
    };
}

suite!(on_sqlite, TestDatabase::sqlite());
suite!(on_postgres, TestDatabase::postgres().await);
