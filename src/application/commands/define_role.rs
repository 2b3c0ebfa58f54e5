//! Making roles and giving them permissions.

use std::collections::BTreeSet;

use serde_json::json;

use super::register_resource::check_indicator;
use crate::{
    application::{
        ports::UnitOfWork,
        registrar::{Registrar, RegistrarError},
        trail::{self, About},
    },
    domain::{
        administration::Right,
        event::EventKind,
        id::RoleId,
        permission,
        role::{Permission, Role},
    },
};

const MOST_NAME: usize = 100;

/// A role to be.
pub struct DefineRole {
    /// Its unique name: the value in the `roles` claim.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// What it allows.
    pub permissions: BTreeSet<Permission>,
}

/// Makes a role.
pub async fn define_role(
    registrar: &Registrar,
    command: DefineRole,
) -> Result<Role, RegistrarError> {
    registrar.may(Right::RolesWrite)?;
    check_name("role", &command.name)?;
    check_permissions(&command.permissions)?;
    let role = Role {
        id: RoleId::new(registrar.uuid()),
        name: command.name,
        description: command.description,
        permissions: command.permissions,
    };
    let alone = registrar.alone().await?;
    let work = alone.work();
    registrar.must_hold(work, &role.permissions).await?;
    work.add_role(&role).await?;
    let detail = json!({ "role": role.name, "change": "defined" });
    registrar
        .record_in(work, EventKind::RoleChanged, about(detail))
        .await?;
    alone.commit().await?;
    Ok(role)
}

/// Takes permissions from the role with this name, each as it was given.
pub async fn revoke_permissions(
    registrar: &Registrar,
    role: &str,
    permissions: &BTreeSet<Permission>,
) -> Result<Role, RegistrarError> {
    let alone = registrar.alone().await?;
    let work = alone.work();
    let mut role = take_role(registrar, work, role).await?;
    for permission in permissions {
        if !role.permissions.remove(permission) {
            let name = permission.name.clone();
            return Err(RegistrarError::NotFound("permission", name));
        }
    }
    work.update_role(&role).await?;
    let names: Vec<_> = permissions.iter().map(|p| p.name.clone()).collect();
    let detail = json!({ "role": role.name, "change": "revoked", "permissions": names });
    registrar
        .record_in(work, EventKind::RoleChanged, about(detail))
        .await?;
    alone.commit().await?;
    Ok(role)
}

/// Replaces description and permissions of the role with this name.
pub async fn change_role(
    registrar: &Registrar,
    role: &str,
    description: Option<String>,
    permissions: BTreeSet<Permission>,
) -> Result<Role, RegistrarError> {
    check_permissions(&permissions)?;
    let alone = registrar.alone().await?;
    let work = alone.work();
    let before = take_role(registrar, work, role).await?;
    registrar.expects(&before)?;
    registrar.must_hold(work, &permissions).await?;
    let role = Role {
        description,
        permissions,
        ..before.clone()
    };
    if role == before {
        return Ok(role);
    }
    work.update_role(&role).await?;
    let mut detail = trail::changes(&before, &role);
    if let Some(members) = detail.as_object_mut() {
        members.insert("role".into(), role.name.clone().into());
        members.insert("change".into(), "changed".into());
    }
    registrar
        .record_in(work, EventKind::RoleChanged, about(detail))
        .await?;
    alone.commit().await?;
    Ok(role)
}

/// Removes a role from whoever has it.
pub async fn delete_role(registrar: &Registrar, role: &str) -> Result<(), RegistrarError> {
    let alone = registrar.alone().await?;
    let work = alone.work();
    let role = take_role(registrar, work, role).await?;
    registrar.expects(&role)?;
    work.delete_role(&role.id).await?;
    let detail = json!({ "role": role.name, "change": "deleted" });
    registrar
        .record_in(work, EventKind::RoleChanged, about(detail))
        .await?;
    alone.commit().await?;
    Ok(())
}

/// Adds permissions to the role with this name.
pub async fn grant_permissions(
    registrar: &Registrar,
    role: &str,
    permissions: BTreeSet<Permission>,
) -> Result<Role, RegistrarError> {
    check_permissions(&permissions)?;
    let alone = registrar.alone().await?;
    let work = alone.work();
    let mut role = take_role(registrar, work, role).await?;
    registrar.must_hold(work, &permissions).await?;
    let names: Vec<_> = permissions.iter().map(|p| p.name.clone()).collect();
    role.permissions.extend(permissions);
    work.update_role(&role).await?;
    let detail = json!({ "role": role.name, "change": "granted", "permissions": names });
    registrar
        .record_in(work, EventKind::RoleChanged, about(detail))
        .await?;
    alone.commit().await?;
    Ok(role)
}

/// The role with this name, to be changed by somebody who holds all that it allows.
async fn take_role(
    registrar: &Registrar,
    work: &dyn UnitOfWork,
    name: &str,
) -> Result<Role, RegistrarError> {
    registrar.may(Right::RolesWrite)?;
    let found = work.role_by_name(name).await?;
    let role = found.ok_or_else(|| RegistrarError::NotFound("role", name.to_owned()))?;
    registrar.must_hold(work, &role.permissions).await?;
    Ok(role)
}

pub(super) fn about(detail: serde_json::Value) -> About {
    About {
        detail: Some(detail),
        ..About::default()
    }
}

pub(super) fn check_name(field: &'static str, name: &str) -> Result<(), RegistrarError> {
    let is_plain = |c: char| !c.is_control() && !c.is_whitespace();
    if name.is_empty() || name.len() > MOST_NAME || !name.chars().all(is_plain) {
        let problem = format!("must be 1 to {MOST_NAME} bytes without white space");
        return Err(RegistrarError::invalid(field, problem));
    }
    Ok(())
}

/// The grammar of [`permission`], in which a permission is also what a client asks for.
pub(super) fn check_permissions(permissions: &BTreeSet<Permission>) -> Result<(), RegistrarError> {
    for permission in permissions {
        permission::Pattern::parse(&permission.name)
            .map_err(|error| RegistrarError::invalid("permission", error))?;
        if let Some(resource) = &permission.resource {
            check_indicator(resource)?;
        }
    }
    Ok(())
}
