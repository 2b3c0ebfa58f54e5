//! Giving roles to users and taking them away.

use serde_json::json;

use crate::{
    application::{
        administration::Account,
        registrar::{Registrar, RegistrarError},
        trail::About,
    },
    domain::{administration::Right, event::EventKind},
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
    account: impl Into<Account<'_>>,
    role: &str,
    assignment: Assignment,
) -> Result<(), RegistrarError> {
    registrar.may(Right::RolesWrite)?;
    let alone = registrar.alone().await?;
    let work = alone.work();
    let user = account.into().find(work).await?;
    let found = work.role_by_name(role).await?;
    let role = found.ok_or_else(|| RegistrarError::NotFound("role", role.to_owned()))?;
    registrar.must_hold(work, &role.permissions).await?;
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
    registrar.record_in(work, kind, about).await?;
    alone.commit().await
}
