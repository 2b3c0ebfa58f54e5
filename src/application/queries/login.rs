//! Whether the login that a browser's session remembers still stands.

use crate::{
    application::{Failure, Ports},
    domain::user::User,
    protocol::authentication::Login,
};

/// The user of a remembered login; `None` if the account was locked, removed, or its sessions ended.
pub async fn user_of(ports: &Ports, login: &Login) -> Result<Option<User>, Failure> {
    let user = ports.store.reader().user(&login.user).await?;
    Ok(user.filter(|user| user.is_active() && login.authentication.time > user.not_before))
}
