//! The schema.

use countersign::infrastructure::sql::migrate;

use crate::support::sql::TestDatabase;

pub(super) async fn two_nodes_that_start_at_once_both_find_the_schema_ready(
    database: &TestDatabase,
) {
    let (one, other) = tokio::join!(database.connect(), database.connect());
    let (by_one, by_other) = tokio::join!(migrate::up(&one), migrate::up(&other));
    let (by_one, by_other) = (by_one.unwrap(), by_other.unwrap());
    assert!(by_one.is_empty() != by_other.is_empty());
    assert!(migrate::pending(&one).await.unwrap().is_empty());
    assert!(migrate::pending(&other).await.unwrap().is_empty());
}
