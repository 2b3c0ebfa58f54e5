//! Everything that `import` can take in, page by page, in an order in which it can.

use crate::{
    application::{
        ports::Page,
        records::{GroupRecord, Record, RoleRecord, UserRecord},
        registrar::{Registrar, RegistrarError},
    },
    domain::{client::Client, id::GroupId, profile, role::Group, user::User},
};

/// Whether hashes of passwords, or digests of the secrets of applications, go along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrets {
    /// They do: whoever has the file can try passwords, and take secrets along.
    Included,
    /// They stay here.
    Omitted,
}

/// Roles and groups; each group after the one around it.
pub async fn roles_and_groups(registrar: &Registrar) -> Result<Vec<Record>, RegistrarError> {
    let reader = registrar.store.reader();
    let (roles, groups) = (reader.roles().await?, reader.groups().await?);
    let roles_first = roles.iter().map(|role| Record::Role(RoleRecord::of(role)));
    let mut records: Vec<Record> = roles_first.collect();
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
    let group = |group| Record::Group(GroupRecord::of(group, &groups, &roles));
    records.extend(written.into_iter().map(group));
    Ok(records)
}

/// The APIs.
pub async fn resources(registrar: &Registrar) -> Result<Vec<Record>, RegistrarError> {
    let servers = registrar.store.reader().resource_servers().await?;
    Ok(servers.into_iter().map(Record::Resource).collect())
}

/// A page of the applications, in the order of their identifiers.
pub async fn clients(
    registrar: &Registrar,
    page: &Page,
    secrets: Secrets,
) -> Result<Vec<Client>, RegistrarError> {
    let mut clients = registrar.store.reader().clients(page).await?;
    if secrets == Secrets::Omitted {
        for client in &mut clients {
            // By its registration access token a client gives itself a new secret: it is one.
            client.registration = None;
            if let Some(secrets) = client.authentication.secrets_mut() {
                secrets.clear();
            }
        }
    }
    Ok(clients)
}

/// A page of the users, in the order of their usernames.
pub async fn users(
    registrar: &Registrar,
    page: &Page,
    passwords: Secrets,
) -> Result<Vec<UserRecord>, RegistrarError> {
    let reader = registrar.store.reader();
    let groups = reader.groups().await?;
    let mut records = Vec::new();
    for user in reader.users(page).await? {
        let membership = reader.membership(&user.id).await?;
        let hash = match passwords {
            Secrets::Omitted => None,
            Secrets::Included => {
                let found = reader.user_by_login(user.username.as_str()).await?;
                found.and_then(|(_, hash)| hash)
            }
        };
        let named = groups
            .iter()
            .filter(|it| membership.groups.contains(&it.id));
        records.push(UserRecord {
            roles: membership.roles,
            claims: membership.claims,
            groups: named.map(|group| group.name.clone()).collect(),
            password_hash: hash.map(|hash| hash.as_str().to_owned()),
            ..plain(&user)
        });
    }
    Ok(records)
}

fn plain(user: &User) -> UserRecord {
    let known = profile::claims(&user.profile);
    UserRecord {
        id: Some(user.id.to_string()),
        username: user.username.to_string(),
        email: user.email.as_ref().map(ToString::to_string),
        email_verified: user.email_verified,
        active: user.is_active(),
        profile: known
            .map(|(claim, value)| (claim.to_owned(), value))
            .collect(),
        created_at: Some(user.created_at.0),
        ..UserRecord::default()
    }
}
