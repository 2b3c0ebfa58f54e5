//! Everything that `import` can take in, page by page, in an order in which it can.

use crate::{
    application::{
        ports::Page,
        records::{GroupRecord, PermissionRecord, Record, RoleRecord, UserRecord},
        registrar::{Registrar, RegistrarError},
    },
    domain::{
        id::GroupId,
        profile::ProfileField,
        role::{Group, Role},
        user::User,
    },
};

/// Whether hashes of passwords go along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passwords {
    /// They do: whoever has the file can try passwords.
    Included,
    /// They stay here.
    Omitted,
}

/// Roles and groups; each group after the one around it.
pub async fn roles_and_groups(registrar: &Registrar) -> Result<Vec<Record>, RegistrarError> {
    let reader = registrar.store.reader();
    let (roles, groups) = (reader.roles().await?, reader.groups().await?);
    let mut records: Vec<Record> = roles.iter().map(role).collect();
    let mut written: Vec<&Group> = Vec::new();
    while written.len() < groups.len() {
        let before = written.len();
        for group in &groups {
            let is_written = |id: &GroupId| written.iter().any(|group| group.id == *id);
            if !is_written(&group.id) && group.parent.as_ref().is_none_or(is_written) {
                written.push(group);
            }
        }
        if written.len() == before {
            // A circle, which nobody can make.
            break;
        }
    }
    let names = (&*groups, &*roles);
    records.extend(written.into_iter().map(|it| group(it, names)));
    Ok(records)
}

/// A page of the users, in the order of their usernames.
pub async fn users(
    registrar: &Registrar,
    page: &Page,
    passwords: Passwords,
) -> Result<Vec<UserRecord>, RegistrarError> {
    let reader = registrar.store.reader();
    let groups = reader.groups().await?;
    let mut records = Vec::new();
    for user in reader.users(page).await? {
        let membership = reader.membership(&user.id).await?;
        let hash = match passwords {
            Passwords::Omitted => None,
            Passwords::Included => {
                let found = reader.user_by_login(user.username.as_str()).await?;
                found.and_then(|(_, hash)| hash)
            }
        };
        let claims = reader.authority(&user.id).await?.claims;
        let named = groups
            .iter()
            .filter(|it| membership.groups.contains(&it.id));
        records.push(UserRecord {
            roles: membership.roles,
            groups: named.map(|group| group.name.clone()).collect(),
            claims,
            password_hash: hash.map(|hash| hash.as_str().to_owned()),
            ..plain(&user)
        });
    }
    Ok(records)
}

fn plain(user: &User) -> UserRecord {
    let known = ProfileField::ALL.iter().filter_map(|field| {
        let value = field.of(&user.profile)?;
        Some((field.claim().to_owned(), value))
    });
    UserRecord {
        id: Some(user.id.to_string()),
        username: user.username.to_string(),
        email: user.email.as_ref().map(ToString::to_string),
        email_verified: user.email_verified,
        active: user.is_active(),
        profile: known.collect(),
        created_at: Some(user.created_at.0),
        ..UserRecord::default()
    }
}

fn role(role: &Role) -> Record {
    let permissions = role.permissions.iter().map(|held| PermissionRecord {
        name: held.name.clone(),
        resource: held.resource.clone(),
    });
    Record::Role(RoleRecord {
        name: role.name.clone(),
        description: role.description.clone(),
        permissions: permissions.collect(),
    })
}

fn group(group: &Group, (groups, roles): (&[Group], &[Role])) -> Record {
    let named = roles.iter().filter(|role| group.roles.contains(&role.id));
    let parent = group.parent.as_ref();
    let parent = parent.and_then(|id| groups.iter().find(|group| group.id == *id));
    Record::Group(GroupRecord {
        name: group.name.clone(),
        roles: named.map(|role| role.name.clone()).collect(),
        parent: parent.map(|group| group.name.clone()),
    })
}
