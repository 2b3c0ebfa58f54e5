//! What administrators look at. Every query asks for its right first.

use crate::{
    application::{
        administration::Account,
        ports::{DailyLogins, LoginCount, Order, OutboxFilter, Page, Reader, UserName},
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
        key::ServerKey,
        resource::ResourceServer,
        role::{Authority, Group, Role},
        time::Day,
        user::{User, canonical_login_name, folded_name},
        user_session::UserSession,
    },
    protocol::jwks::is_forgotten,
};

/// Users in the order of their usernames, or, of those who were searched for, in the order of usernames,
/// then of addresses, then of first and last names.
#[derive(Clone, Debug)]
pub struct UserPage {
    /// The users.
    pub users: Vec<User>,
    /// Where the next page begins; absent after the last.
    pub next: Option<String>,
}

/// A page of all users, or of those whose username, email address, first or last name begins with `search`.
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
    find(reader, &Search::of(search), page).await
}

/// What is looked for, as each kind of name has it.
struct Search {
    /// Nothing where no account can have such a name.
    login: Option<String>,
    person: String,
}

/// The parts of a search in their order, and their marks in its cursor.
const PARTS: [(UserName, &str); 4] = [
    (UserName::Username, "n:"),
    (UserName::Email, "e:"),
    (UserName::FirstName, "f:"),
    (UserName::LastName, "l:"),
];

impl Search {
    fn of(text: &str) -> Self {
        Self {
            login: canonical_login_name(text).ok(),
            person: folded_name(text),
        }
    }

    /// What a name of this kind has to begin with.
    fn beginning(&self, name: UserName) -> Option<&str> {
        let beginning = match name {
            UserName::Username | UserName::Email => self.login.as_deref(),
            UserName::FirstName | UserName::LastName => Some(self.person.as_str()),
        };
        beginning.filter(|beginning| !beginning.is_empty())
    }

    /// Whether this user's name of this kind is found.
    fn finds(&self, name: UserName, user: &User) -> bool {
        let beginning = self.beginning(name);
        beginning.is_some_and(|it| name.of(user).is_some_and(|name| name.starts_with(it)))
    }
}

/// One part after the other; whom an earlier part finds has been seen.
async fn find(
    reader: &dyn Reader,
    search: &Search,
    page: Page,
) -> Result<UserPage, RegistrarError> {
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let place = page.after.as_deref().unwrap_or_default();
    let marked = |mark: &str| place.strip_prefix(mark).map(str::to_owned);
    let first = PARTS.iter().position(|(_, mark)| marked(mark).is_some());
    let (mut users, mut next) = (Vec::new(), None);
    for (at, (name, mark)) in PARTS.into_iter().enumerate().skip(first.unwrap_or(0)) {
        let Some(beginning) = search.beginning(name) else {
            continue;
        };
        let rest = Page {
            after: marked(mark),
            limit: page.limit - users.len() as u64,
        };
        let found = reader.users_by_name(name, beginning, &rest).await?;
        let left = limit - users.len();
        next = last_of(&found, left, |user| format!("{mark}{}", name.place(user)));
        let is_new = |user: &User| {
            let mut earlier = PARTS.into_iter().take(at);
            !earlier.any(|(name, _)| search.finds(name, user))
        };
        users.extend(found.into_iter().filter(is_new));
        if next.is_some() {
            break;
        }
    }
    Ok(UserPage { users, next })
}

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
pub async fn keys(registrar: &Registrar) -> Result<Vec<ServerKey>, RegistrarError> {
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
