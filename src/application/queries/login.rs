//! Whether the login that a browser's session remembers still stands.

use std::sync::Arc;

use crate::{
    application::{Failure, Ports, commands::end_session},
    domain::user::User,
    protocol::authentication::Login,
};

/// The user of a login that began in the epoch `epoch`; `None` if the account was locked, removed, or
/// its sessions ended, this one by itself or with all others.
pub async fn user_of(
    ports: &Ports,
    login: &Login,
    epoch: &str,
) -> Result<Option<Arc<User>>, Failure> {
    let authentication = &login.authentication;
    let mark = end_session::marker(&authentication.session);
    let (found, sight) = ports.directory.look(&[mark]).await?;
    let marks = [(mark, found.iter().any(Option::is_some))];
    if sight.has_ended(&marks, None, epoch).await? {
        return Ok(None);
    }
    let user = sight.user(&login.user).await?;
    Ok(user.filter(|user| user.honors(authentication.time, authentication.version)))
}
