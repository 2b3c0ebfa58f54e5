//! Giving roles to users and taking them away.

use serde_json::json;

use super::change_user::find_user;
use crate::{
    application::{
        registrar::{Registrar, RegistrarError},
        trail::About,
    },
    domain::event::EventKind,
};

/// What to do with a role of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assignment {
    /// The user gets it.
    Give,
    /// The user loses it.
    Take,
}

/// Gives the user with this login name a role, or takes it away.
pub async fn assign_role(
    registrar: &Registrar,
    user: &str,
    role: &str,
    assignment: Assignment,
) -> Result<(), RegistrarError> {
    let work = registrar.store.begin().await?;
    let user = find_user(&*work, user).await?;
    let found = work.role_by_name(role).await?;
    let role = found.ok_or_else(|| RegistrarError::NotFound("role", role.to_owned()))?;
    let kind = match assignment {
        Assignment::Give => {
            work.assign_role(&user.id, &role.id).await?;
            EventKind::RoleAssigned
        }
        Assignment::Take => {
            work.unassign_role(&user.id, &role.id).await?;
            EventKind::RoleUnassigned
        }
    };
    let about = About {
        user: Some(user.id),
        detail: Some(json!({ "role": role.name })),
        ..About::default()
    };
    registrar.record_in(&*work, kind, about).await?;
    work.commit().await?;
    Ok(())
}
