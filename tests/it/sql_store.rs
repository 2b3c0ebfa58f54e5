//! One behavior suite for SQLite and PostgreSQL, and what concerns the schema.

mod migrations;
mod records;
mod users;

/// Instantiates the suite: one test for each behavior, named `sql_store::<database>::<behavior>`.
macro_rules! suite {
    ($name:ident, $database:expr) => {
        suite!($name, $database,
            users::a_user_is_read_as_it_was_added,
            migrations::two_nodes_that_start_at_once_both_find_the_schema_ready,
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
