//! Users and their passwords.

use countersign::application::ports::{Store as _, Users as _, UsersMut as _};

use super::records::user;
use crate::support::sql::TestDatabase;

pub(super) async fn a_user_is_read_as_it_was_added(database: &TestDatabase) {
    let store = database.store().await;
    let unit = store.begin().await.unwrap();
    unit.add_user(&user("grace")).await.unwrap();
    unit.commit().await.unwrap();
    let found = store.reader().user(&user("grace").id).await.unwrap();
    assert_eq!(found, Some(user("grace")));
}
