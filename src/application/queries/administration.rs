//! What administrators look at. Every query asks for its right first.

use crate::{
    application::{
        administration::Account,
        ports::{DailyLogins, LoginCount, Order, OutboxFilter, Page, UserName},
        queries::{
            audit::{AuditFilter, AuditPage, audit},
            outbox::{WaitingMessage, outbox},
            sessions,
        },
        registrar::{Registrar, RegistrarError},
    },
    domain::{
        administration::Right,
        client::Client,
        consent::Consent,
        grant::GrantRecord,
        id::{ClientId, UserId},
        key::SigningKey,
        resource::ResourceServer,
        role::{Authority, Group, Role},
        time::Day,
        user::{User, canonical_login_name},
        user_session::UserSession,
    },
    protocol::jwks::is_forgotten,
};

/// Users in the order of their usernames, or, of those who were searched for, in the order of usernames
/// and then of addresses.
#[derive(Clone, Debug)]
pub struct UserPage {
    /// The users.
    pub users: Vec<User>,
    /// Where the next page begins; absent after the last.
    pub next: Option<String>,
}

/// A page of all users, or of those whose username or email address begins with `search`.
pub async fn users(
    registrar: &Registrar,
    search: Option<&str>,
    page: Page,
) -> Result<UserPage, RegistrarError> {
    registrar.may(Right::UsersRead)?;
    let reader = registrar.store.reader();
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let Some(search) = search else {
        let users = reader.users(&page).await?;
        let next = last_of(&users, limit, |user| user.username.as_str().to_owned());
        return Ok(UserPage { users, next });
    };
    let Ok(search) = canonical_login_name(search) else {
        return Ok(UserPage {
            users: Vec::new(),
            next: None,
        });
    };
    let (mut users, mut next) = (Vec::new(), None);
    let by_email = page
        .after
        .as_deref()
        .and_then(|at| at.strip_prefix(BY_EMAIL));
    if by_email.is_none() {
        let after = page.after.as_deref();
        let page = Page {
            after: after
                .and_then(|at| at.strip_prefix(BY_NAME))
                .map(str::to_owned),
            limit: page.limit,
        };
        users = reader
            .users_by_name(UserName::Username, &search, &page)
            .await?;
        next = last_of(&users, limit, |user| format!("{BY_NAME}{}", user.username));
    }
    if next.is_none() {
        let rest = Page {
            after: by_email.map(str::to_owned),
            limit: page.limit - users.len() as u64,
        };
        let found = reader
            .users_by_name(UserName::Email, &search, &rest)
            .await?;
        let left = limit - users.len();
        next = last_of(&found, left, |user| {
            let email = user.email.as_ref().map_or("", |email| email.as_str());
            format!("{BY_EMAIL}{email}")
        });
        // Who has both names has been seen.
        let is_new = |user: &User| !user.username.as_str().starts_with(&search);
        users.extend(found.into_iter().filter(is_new));
    }
    Ok(UserPage { users, next })
}

/// Marks of the two parts of a search in its cursor.
const BY_NAME: &str = "n:";
const BY_EMAIL: &str = "e:";

/// A page of the users who were given a role themselves.
pub async fn users_with_role(
    registrar: &Registrar,
    role: &str,
    page: &Page,
) -> Result<UserPage, RegistrarError> {
    registrar.may(Right::UsersRead)?;
    let reader = registrar.store.reader();
    let found = reader.role_by_name(role).await?;
    let role = found.ok_or_else(|| RegistrarError::NotFound("role", role.to_owned()))?;
    let users = reader.users_with_role(&role.id, page).await?;
    Ok(UserPage::by_id(users, page))
}

/// A page of the users who are in a group itself.
pub async fn users_in_group(
    registrar: &Registrar,
    group: &str,
    page: &Page,
) -> Result<UserPage, RegistrarError> {
    registrar.may(Right::UsersRead)?;
    let reader = registrar.store.reader();
    let found = reader.group_by_name(group).await?;
    let group = found.ok_or_else(|| RegistrarError::NotFound("group", group.to_owned()))?;
    let users = reader.users_in_group(&group.id, page).await?;
    Ok(UserPage::by_id(users, page))
}

impl UserPage {
    fn by_id(users: Vec<User>, page: &Page) -> Self {
        let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
        let next = last_of(&users, limit, |user| user.id.to_string());
        Self { users, next }
    }
}

/// Where to go on after a full page.
fn last_of<T>(items: &[T], limit: usize, name: impl Fn(&T) -> String) -> Option<String> {
    items.last().filter(|_| items.len() >= limit).map(name)
}

/// One user.
pub async fn user(registrar: &Registrar, id: &UserId) -> Result<User, RegistrarError> {
    registrar.may(Right::UsersRead)?;
    Account::Id(id).find(registrar.store.reader()).await
}

/// What a user is allowed, and why.
pub async fn authority(registrar: &Registrar, id: &UserId) -> Result<Authority, RegistrarError> {
    registrar.may(Right::RolesRead)?;
    let reader = registrar.store.reader();
    Account::Id(id).find(reader).await?;
    Ok(reader.authority(id).await?)
}

/// Where a user is signed in, the session that was used last first.
pub async fn sessions(
    registrar: &Registrar,
    id: &UserId,
) -> Result<Vec<UserSession>, RegistrarError> {
    let user = user(registrar, id).await?;
    let reader = registrar.store.reader();
    Ok(sessions::of(reader, &user, registrar.clock.now()).await?)
}

/// What a user allowed to applications.
pub async fn consents(registrar: &Registrar, id: &UserId) -> Result<Vec<Consent>, RegistrarError> {
    registrar.may(Right::ConsentsRead)?;
    let reader = registrar.store.reader();
    Account::Id(id).find(reader).await?;
    Ok(reader.consents_of(id).await?)
}

/// A page of the grants of a user at a client.
pub async fn grants(
    registrar: &Registrar,
    id: &UserId,
    client: &ClientId,
    page: &Page,
) -> Result<Vec<GrantRecord>, RegistrarError> {
    registrar.may(Right::ConsentsRead)?;
    let reader = registrar.store.reader();
    Account::Id(id).find(reader).await?;
    Ok(reader.grants_of(id, client, page).await?)
}

/// All roles.
pub async fn roles(registrar: &Registrar) -> Result<Vec<Role>, RegistrarError> {
    registrar.may(Right::RolesRead)?;
    Ok(registrar.store.reader().roles().await?)
}

/// One role.
pub async fn role(registrar: &Registrar, name: &str) -> Result<Role, RegistrarError> {
    registrar.may(Right::RolesRead)?;
    let found = registrar.store.reader().role_by_name(name).await?;
    found.ok_or_else(|| RegistrarError::NotFound("role", name.to_owned()))
}

/// All groups.
pub async fn groups(registrar: &Registrar) -> Result<Vec<Group>, RegistrarError> {
    registrar.may(Right::RolesRead)?;
    Ok(registrar.store.reader().groups().await?)
}

/// One group.
pub async fn group(registrar: &Registrar, name: &str) -> Result<Group, RegistrarError> {
    registrar.may(Right::RolesRead)?;
    let found = registrar.store.reader().group_by_name(name).await?;
    found.ok_or_else(|| RegistrarError::NotFound("group", name.to_owned()))
}

/// A page of the applications.
pub async fn clients(registrar: &Registrar, page: &Page) -> Result<Vec<Client>, RegistrarError> {
    registrar.may(Right::ClientsRead)?;
    Ok(registrar.store.reader().clients(page).await?)
}

/// One application.
pub async fn client(registrar: &Registrar, id: &ClientId) -> Result<Client, RegistrarError> {
    registrar.may(Right::ClientsRead)?;
    let found = registrar.store.reader().client(id).await?;
    found.ok_or_else(|| RegistrarError::NotFound("client", id.to_string()))
}

/// All APIs that tokens can be for.
pub async fn resources(registrar: &Registrar) -> Result<Vec<ResourceServer>, RegistrarError> {
    registrar.may(Right::ClientsRead)?;
    Ok(registrar.store.reader().resource_servers().await?)
}

/// One API.
pub async fn resource(
    registrar: &Registrar,
    identifier: &str,
) -> Result<ResourceServer, RegistrarError> {
    registrar.may(Right::ClientsRead)?;
    let found = registrar.store.reader().resource_server(identifier).await?;
    found.ok_or_else(|| RegistrarError::NotFound("resource", identifier.to_owned()))
}

/// The signing keys that are not forgotten.
pub async fn keys(registrar: &Registrar) -> Result<Vec<SigningKey>, RegistrarError> {
    registrar.may(Right::KeysRead)?;
    let mut keys = registrar.store.reader().signing_keys().await?;
    let now = registrar.clock.now();
    keys.retain(|key| !is_forgotten(key, now));
    Ok(keys)
}

/// A page of the messages that are not delivered.
pub async fn messages(
    registrar: &Registrar,
    filter: OutboxFilter,
    page: &Page,
) -> Result<Vec<WaitingMessage>, RegistrarError> {
    registrar.may(Right::OutboxRead)?;
    Ok(outbox(&*registrar.store, filter, page).await?)
}

/// A page of the audit trail.
pub async fn trail(
    registrar: &Registrar,
    filter: &AuditFilter,
    order: Order,
    page: &Page,
) -> Result<AuditPage, RegistrarError> {
    registrar.may(Right::AuditRead)?;
    let after = page.after.as_deref();
    Ok(audit(&*registrar.store, filter, order, after, page.limit).await?)
}

/// Logins of each day from `first` to `last`, both included.
pub async fn logins(
    registrar: &Registrar,
    first: Day,
    last: Day,
) -> Result<Vec<DailyLogins>, RegistrarError> {
    registrar.may(Right::StatisticsRead)?;
    Ok(registrar.store.reader().daily_logins(first, last).await?)
}

/// Logins of a user by day and application.
pub async fn logins_of(
    registrar: &Registrar,
    id: &UserId,
    first: Day,
    last: Day,
) -> Result<Vec<LoginCount>, RegistrarError> {
    registrar.may(Right::StatisticsRead)?;
    let reader = registrar.store.reader();
    Account::Id(id).find(reader).await?;
    Ok(reader.logins_of(id, first, last).await?)
}
