//! Making groups, nesting them, and saying who is in them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    change_user::find_user,
    define_role::{about, check_name},
};
use crate::{
    application::{
        ports::UnitOfWork,
        registrar::{Registrar, RegistrarError},
        trail::About,
    },
    domain::{
        event::EventKind,
        id::{GroupId, RoleId},
        role::{Group, check_nesting},
    },
};

/// A group to be.
pub struct DefineGroup {
    /// Its unique name: the value in the `groups` claim.
    pub name: String,
    /// Names of the roles that its members have.
    pub roles: BTreeSet<String>,
    /// The name of the group around it.
    pub parent: Option<String>,
}

/// Makes a group.
pub async fn define_group(
    registrar: &Registrar,
    command: DefineGroup,
) -> Result<Group, RegistrarError> {
    check_name("group", &command.name)?;
    let work = registrar.store.begin().await?;
    let mut group = Group {
        id: GroupId::new(registrar.uuid()),
        name: command.name,
        roles: role_ids(&*work, &command.roles).await?,
        parent: None,
    };
    group.parent = place(&*work, &group, command.parent.as_deref()).await?;
    work.add_group(&group).await?;
    finish(
        registrar,
        work,
        json!({ "group": group.name, "change": "defined" }),
    )
    .await?;
    Ok(group)
}

/// Puts a group within another one, or by itself.
pub async fn nest_group(
    registrar: &Registrar,
    group: &str,
    parent: Option<&str>,
) -> Result<Group, RegistrarError> {
    let work = registrar.store.begin().await?;
    let mut group = find_group(&*work, group).await?;
    group.parent = place(&*work, &group, parent).await?;
    work.update_group(&group).await?;
    let detail = json!({ "group": group.name, "change": "nested", "parent": parent });
    finish(registrar, work, detail).await?;
    Ok(group)
}

/// Says which roles the members of a group have, instead of those that they had.
pub async fn set_group_roles(
    registrar: &Registrar,
    group: &str,
    roles: &BTreeSet<String>,
) -> Result<Group, RegistrarError> {
    let work = registrar.store.begin().await?;
    let mut group = find_group(&*work, group).await?;
    group.roles = role_ids(&*work, roles).await?;
    work.update_group(&group).await?;
    let detail = json!({ "group": group.name, "change": "roles", "roles": roles });
    finish(registrar, work, detail).await?;
    Ok(group)
}

/// Removes a group. Those within it stand by themselves afterwards.
pub async fn delete_group(registrar: &Registrar, group: &str) -> Result<(), RegistrarError> {
    let work = registrar.store.begin().await?;
    let group = find_group(&*work, group).await?;
    work.delete_group(&group.id).await?;
    finish(
        registrar,
        work,
        json!({ "group": group.name, "change": "deleted" }),
    )
    .await
}

/// What to do with a user and a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership {
    /// The user is in it from now on.
    Join,
    /// The user is not in it any more.
    Leave,
}

/// Puts the user with this login name into a group, or takes them out.
pub async fn change_membership(
    registrar: &Registrar,
    user: &str,
    group: &str,
    membership: Membership,
) -> Result<(), RegistrarError> {
    let work = registrar.store.begin().await?;
    let user = find_user(&*work, user).await?;
    let group = find_group(&*work, group).await?;
    let change = match membership {
        Membership::Join => {
            work.join_group(&user.id, &group.id).await?;
            "joined"
        }
        Membership::Leave => {
            work.leave_group(&user.id, &group.id).await?;
            "left"
        }
    };
    let about = About {
        user: Some(user.id),
        ..about(json!({ "group": group.name, "change": change }))
    };
    registrar
        .record_in(&*work, EventKind::RoleChanged, about)
        .await?;
    work.commit().await?;
    Ok(())
}

async fn place(
    work: &dyn UnitOfWork,
    group: &Group,
    parent: Option<&str>,
) -> Result<Option<GroupId>, RegistrarError> {
    let Some(parent) = parent else {
        return Ok(None);
    };
    let parent = find_group(work, parent).await?;
    check_nesting(&work.groups().await?, &group.id, &parent.id)
        .map_err(|error| RegistrarError::invalid("parent", error))?;
    Ok(Some(parent.id))
}

async fn find_group(work: &dyn UnitOfWork, name: &str) -> Result<Group, RegistrarError> {
    let found = work.group_by_name(name).await?;
    found.ok_or_else(|| RegistrarError::NotFound("group", name.to_owned()))
}

async fn role_ids(
    work: &dyn UnitOfWork,
    names: &BTreeSet<String>,
) -> Result<BTreeSet<RoleId>, RegistrarError> {
    let mut ids = BTreeSet::new();
    for name in names {
        let found = work.role_by_name(name).await?;
        let role = found.ok_or_else(|| RegistrarError::NotFound("role", name.clone()))?;
        ids.insert(role.id);
    }
    Ok(ids)
}

async fn finish(
    registrar: &Registrar,
    work: Box<dyn UnitOfWork>,
    detail: Value,
) -> Result<(), RegistrarError> {
    registrar
        .record_in(&*work, EventKind::RoleChanged, about(detail))
        .await?;
    work.commit().await?;
    Ok(())
}
