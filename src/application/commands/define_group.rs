//! Making groups, nesting them, and saying who is in them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::define_role::{about, check_name};
use crate::{
    application::{
        administration::{Account, Alone},
        ports::UnitOfWork,
        registrar::{Registrar, RegistrarError},
        trail::About,
    },
    domain::{
        administration::Right,
        event::EventKind,
        id::{GroupId, RoleId},
        role::{Group, Permission, Role, check_nesting},
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
    let alone = begin(registrar).await?;
    let work = alone.work();
    let mut group = Group {
        id: GroupId::new(registrar.uuid()),
        name: command.name,
        roles: role_ids(work, &command.roles).await?,
        parent: None,
    };
    group.parent = place(work, &group, command.parent.as_deref()).await?;
    may_give(registrar, work, &group).await?;
    work.add_group(&group).await?;
    finish(
        registrar,
        alone,
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
    let alone = begin(registrar).await?;
    let work = alone.work();
    let mut group = take_group(registrar, work, group).await?;
    group.parent = place(work, &group, parent).await?;
    may_give(registrar, work, &group).await?;
    work.update_group(&group).await?;
    let detail = json!({ "group": group.name, "change": "nested", "parent": parent });
    finish(registrar, alone, detail).await?;
    Ok(group)
}

/// Says which roles the members of a group have, instead of those that they had.
pub async fn set_group_roles(
    registrar: &Registrar,
    group: &str,
    roles: &BTreeSet<String>,
) -> Result<Group, RegistrarError> {
    let alone = begin(registrar).await?;
    let work = alone.work();
    let mut group = take_group(registrar, work, group).await?;
    group.roles = role_ids(work, roles).await?;
    may_give(registrar, work, &group).await?;
    work.update_group(&group).await?;
    let detail = json!({ "group": group.name, "change": "roles", "roles": roles });
    finish(registrar, alone, detail).await?;
    Ok(group)
}

/// Says which roles the members of a group have, and which group is around it.
pub async fn change_group(
    registrar: &Registrar,
    group: &str,
    roles: &BTreeSet<String>,
    parent: Option<&str>,
) -> Result<Group, RegistrarError> {
    let alone = begin(registrar).await?;
    let work = alone.work();
    let mut group = take_group(registrar, work, group).await?;
    group.roles = role_ids(work, roles).await?;
    group.parent = place(work, &group, parent).await?;
    may_give(registrar, work, &group).await?;
    work.update_group(&group).await?;
    let detail =
        json!({ "group": group.name, "change": "changed", "roles": roles, "parent": parent });
    finish(registrar, alone, detail).await?;
    Ok(group)
}

/// Removes a group. Those within it stand by themselves afterwards.
pub async fn delete_group(registrar: &Registrar, group: &str) -> Result<(), RegistrarError> {
    let alone = begin(registrar).await?;
    let work = alone.work();
    let group = take_group(registrar, work, group).await?;
    work.delete_group(&group.id).await?;
    finish(
        registrar,
        alone,
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
    account: impl Into<Account<'_>>,
    group: &str,
    membership: Membership,
) -> Result<(), RegistrarError> {
    let alone = begin(registrar).await?;
    let work = alone.work();
    let user = account.into().find(work).await?;
    let group = find_group(work, group).await?;
    may_give(registrar, work, &group).await?;
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
        .record_in(work, EventKind::RoleChanged, about)
        .await?;
    alone.commit().await
}

/// Places and roles of all groups decide together, so that only one is changed at a time.
async fn begin(registrar: &Registrar) -> Result<Alone, RegistrarError> {
    registrar.may(Right::RolesWrite)?;
    registrar.alone().await
}

/// The group with this name, in the expected version, to be changed by somebody who could give it.
async fn take_group(
    registrar: &Registrar,
    work: &dyn UnitOfWork,
    name: &str,
) -> Result<Group, RegistrarError> {
    let group = find_group(work, name).await?;
    registrar.expects(&group)?;
    may_give(registrar, work, &group).await?;
    Ok(group)
}

/// Refuses whoever does not hold all that a member of this group gets, from it and from those around it.
async fn may_give(
    registrar: &Registrar,
    work: &dyn UnitOfWork,
    group: &Group,
) -> Result<(), RegistrarError> {
    if registrar.administrator().is_none() {
        return Ok(());
    }
    let (groups, roles) = (work.groups().await?, work.roles().await?);
    let given = given_by(group, &groups, &roles);
    registrar.must_hold(work, &given).await
}

/// All that a member of `group` gets, from it and from those around it.
fn given_by(group: &Group, groups: &[Group], roles: &[Role]) -> BTreeSet<Permission> {
    let around = group.outwards(groups);
    let given: BTreeSet<&RoleId> = around.flat_map(|group| &group.roles).collect();
    let roles = roles.iter().filter(|role| given.contains(&role.id));
    roles.flat_map(|role| &role.permissions).cloned().collect()
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

async fn finish(registrar: &Registrar, alone: Alone, detail: Value) -> Result<(), RegistrarError> {
    registrar
        .record_in(alone.work(), EventKind::RoleChanged, about(detail))
        .await?;
    alone.commit().await
}
