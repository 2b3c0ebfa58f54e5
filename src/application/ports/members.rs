//! Who was given a role, and who is in a group.

use async_trait::async_trait;

use super::{Page, StoreError};
use crate::domain::{
    id::{GroupId, RoleId},
    user::User,
};

/// The users of roles and groups, reading. In the order of their identifiers, which is what a page goes
/// on after.
#[async_trait]
pub trait Members {
    /// Users who were given this role themselves, not by a group.
    async fn users_with_role(&self, role: &RoleId, page: &Page) -> Result<Vec<User>, StoreError>;

    /// Users who are in this group itself, not in one within it.
    async fn users_in_group(&self, group: &GroupId, page: &Page) -> Result<Vec<User>, StoreError>;
}
