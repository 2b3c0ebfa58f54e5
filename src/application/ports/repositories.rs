//! Repositories: a reading trait for each kind of record, and one that changes it.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use serde_json::Value;

use super::StoreError;
use crate::domain::{
    client::Client,
    consent::Consent,
    event::AuditEvent,
    grant::{Grant, GrantRecord},
    id::{ClientId, GrantId, GroupId, RoleId, SessionId, UserId},
    resource::ResourceServer,
    role::{Authority, Group, Role},
    time::Timestamp,
    user::{PasswordHash, User, folded_name},
};

/// A page of a listing: at most `limit` rows whose key comes after `after`, in key order.
#[derive(Clone, Debug)]
pub struct Page {
    /// The last key of the page before.
    pub after: Option<String>,
    /// Rows at most.
    pub limit: u64,
}

/// Users, reading.
#[async_trait]
pub trait Users {
    /// The user with this identifier.
    async fn user(&self, id: &UserId) -> Result<Option<User>, StoreError>;

    /// The user who logs in with this canonical name: username, or email address if it has an `@`.
    /// With the password hash, if there is one.
    async fn user_by_login(
        &self,
        name: &str,
    ) -> Result<Option<(User, Option<PasswordHash>)>, StoreError>;

    /// Users in the order of their usernames.
    async fn users(&self, page: &Page) -> Result<Vec<User>, StoreError>;

    /// Users whose name of this kind begins with `beginning`, in the order of these names, which is what
    /// the page goes on after.
    async fn users_by_name(
        &self,
        name: UserName,
        beginning: &str,
        page: &Page,
    ) -> Result<Vec<User>, StoreError>;
}

/// By which name users are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserName {
    /// The username.
    Username,
    /// The email address.
    Email,
    /// The first name, folded.
    FirstName,
    /// The last name, folded.
    LastName,
}

impl UserName {
    /// The name of this kind as users are looked for by it.
    pub fn of(self, user: &User) -> Option<String> {
        match self {
            Self::Username => Some(user.username.to_string()),
            Self::Email => user.email.as_ref().map(ToString::to_string),
            Self::FirstName => user.profile.first_name.as_deref().map(folded_name),
            Self::LastName => user.profile.last_name.as_deref().map(folded_name),
        }
    }

    /// What a page goes on after, after this user. Names of people are not unique.
    pub fn place(self, user: &User) -> String {
        let name = self.of(user).unwrap_or_default();
        match self {
            Self::Username | Self::Email => name,
            Self::FirstName | Self::LastName => format!("{name}\n{}", user.id),
        }
    }
}

/// Users, changing.
#[async_trait]
pub trait UsersMut {
    /// Adds a user. Conflict: `username` or `email`.
    async fn add_user(&self, user: &User) -> Result<(), StoreError>;

    /// Stores all properties of a user who exists. Conflict: `username` or `email`.
    async fn update_user(&self, user: &User) -> Result<(), StoreError>;

    /// Users whose accounts are to be removed by now, the longest due first; each is held, and looked at
    /// again once it is.
    async fn take_due_for_deletion(
        &self,
        now: Timestamp,
        limit: u64,
    ) -> Result<Vec<User>, StoreError>;

    /// Removes a user with everything that is about them alone; false if there was none.
    async fn delete_user(&self, user: &UserId) -> Result<bool, StoreError>;

    /// Sets or replaces the password.
    async fn set_password(
        &self,
        user: &UserId,
        hash: &PasswordHash,
        now: Timestamp,
    ) -> Result<(), StoreError>;
}

/// What a user was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Membership {
    /// Names of roles.
    pub roles: BTreeSet<String>,
    /// Groups.
    pub groups: BTreeSet<GroupId>,
    /// Direct claims, by name.
    pub claims: BTreeMap<String, Value>,
}

/// Roles, groups and assignments, reading.
#[async_trait]
pub trait Roles {
    /// The role with this name, with its permissions.
    async fn role_by_name(&self, name: &str) -> Result<Option<Role>, StoreError>;

    /// All roles in the order of their names.
    async fn roles(&self) -> Result<Vec<Role>, StoreError>;

    /// The group with this name.
    async fn group_by_name(&self, name: &str) -> Result<Option<Group>, StoreError>;

    /// All groups in the order of their names.
    async fn groups(&self) -> Result<Vec<Group>, StoreError>;

    /// All that a user is allowed, through own roles, through groups and those around them, and the
    /// user's direct claims.
    async fn authority(&self, user: &UserId) -> Result<Authority, StoreError>;

    /// The roles, groups and direct claims that a user was given, not what follows from them.
    async fn membership(&self, user: &UserId) -> Result<Membership, StoreError>;

    /// Whether there is an active user who holds every permission everywhere, by own roles or through
    /// groups.
    async fn has_owner(&self) -> Result<bool, StoreError>;
}

/// Roles, groups and assignments, changing.
#[async_trait]
pub trait RolesMut {
    /// Adds a role with its permissions. Conflict: `role`.
    async fn add_role(&self, role: &Role) -> Result<(), StoreError>;

    /// Replaces description and permissions of a role.
    async fn update_role(&self, role: &Role) -> Result<(), StoreError>;

    /// Removes a role from whoever has it; false if there was none.
    async fn delete_role(&self, role: &RoleId) -> Result<bool, StoreError>;

    /// Adds a group with its roles. Conflict: `group`.
    async fn add_group(&self, group: &Group) -> Result<(), StoreError>;

    /// Replaces name, roles and place of a group. Conflict: `group`.
    async fn update_group(&self, group: &Group) -> Result<(), StoreError>;

    /// Removes a group; false if there was none. Those within it remain.
    async fn delete_group(&self, group: &GroupId) -> Result<bool, StoreError>;

    /// Gives a user a role; nothing happens if they have it.
    async fn assign_role(&self, user: &UserId, role: &RoleId) -> Result<(), StoreError>;

    /// Takes a role from a user; nothing happens if they do not have it.
    async fn unassign_role(&self, user: &UserId, role: &RoleId) -> Result<(), StoreError>;

    /// Puts a user into a group; nothing happens if they are in it.
    async fn join_group(&self, user: &UserId, group: &GroupId) -> Result<(), StoreError>;

    /// Takes a user out of a group; nothing happens if they are not in it.
    async fn leave_group(&self, user: &UserId, group: &GroupId) -> Result<(), StoreError>;

    /// Says something of a user, in place of what was said under this name.
    async fn put_claim(&self, user: &UserId, name: &str, value: &Value) -> Result<(), StoreError>;

    /// Forgets what was said under this name; false if nothing was.
    async fn delete_claim(&self, user: &UserId, name: &str) -> Result<bool, StoreError>;
}

/// Clients and resource servers, reading.
#[async_trait]
pub trait Clients {
    /// The client with this identifier.
    async fn client(&self, id: &ClientId) -> Result<Option<Client>, StoreError>;

    /// Clients in the order of their identifiers.
    async fn clients(&self, page: &Page) -> Result<Vec<Client>, StoreError>;

    /// The resource server with this indicator.
    async fn resource_server(&self, identifier: &str)
    -> Result<Option<ResourceServer>, StoreError>;

    /// All resource servers in the order of their indicators.
    async fn resource_servers(&self) -> Result<Vec<ResourceServer>, StoreError>;
}

/// Clients and resource servers, changing.
#[async_trait]
pub trait ClientsMut {
    /// Adds a client. Conflict: `client_id`.
    async fn add_client(&self, client: &Client) -> Result<(), StoreError>;

    /// Stores all properties of a client that exists.
    async fn update_client(&self, client: &Client) -> Result<(), StoreError>;

    /// Removes a client with its consents; false if there was none.
    async fn delete_client(&self, id: &ClientId) -> Result<bool, StoreError>;

    /// Adds a resource server or replaces the one with its identifier.
    async fn put_resource_server(&self, server: &ResourceServer) -> Result<(), StoreError>;

    /// Removes a resource server; false if there was none.
    async fn delete_resource_server(&self, identifier: &str) -> Result<bool, StoreError>;
}

/// Consents, reading.
#[async_trait]
pub trait Consents {
    /// What a user allowed a client.
    async fn consent(
        &self,
        user: &UserId,
        client: &ClientId,
    ) -> Result<Option<Consent>, StoreError>;

    /// All that a user allowed, in the order of the clients' identifiers.
    async fn consents_of(&self, user: &UserId) -> Result<Vec<Consent>, StoreError>;
}

/// Consents, changing.
#[async_trait]
pub trait ConsentsMut {
    /// Stores a consent in place of an earlier one of this user and client.
    async fn put_consent(&self, consent: &Consent) -> Result<(), StoreError>;

    /// Forgets a consent; false if there was none.
    async fn delete_consent(&self, user: &UserId, client: &ClientId) -> Result<bool, StoreError>;
}

/// Grants, reading.
#[async_trait]
pub trait Grants {
    /// The grant, unless it was never redeemed. A grant revoked before its redemption is absent.
    async fn grant(&self, id: &GrantId) -> Result<Option<GrantRecord>, StoreError>;

    /// What a user granted a client and was redeemed, the identifiers beyond `page.after`, in their order.
    async fn grants_of(
        &self,
        user: &UserId,
        client: &ClientId,
        page: &Page,
    ) -> Result<Vec<GrantRecord>, StoreError>;
}

/// A grant that was just revoked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RevokedGrant {
    /// Which.
    pub id: GrantId,
    /// Whose tokens stood on it.
    pub client: ClientId,
}

/// Grants, changing.
#[async_trait]
pub trait GrantsMut {
    /// Makes a grant exist. The identifier is derived from the code, so this is also the final
    /// single-use gate: false, and nothing written, if this grant was redeemed before. If a replay
    /// overtook us and revoked it already, it is stored as revoked and the answer is true.
    async fn redeem_grant(&self, grant: &Grant, expires_at: Timestamp) -> Result<bool, StoreError>;

    /// As [`GrantsMut::redeem_grant`] for each of several, in one statement. Of two with one identifier
    /// the first wins.
    async fn redeem_grants(&self, grants: &[(&Grant, Timestamp)]) -> Result<Vec<bool>, StoreError>;

    /// Revokes a grant for good; also one that is yet to be redeemed. False if it was revoked before.
    async fn revoke_grant(
        &self,
        id: &GrantId,
        client: &ClientId,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Revokes all grants of a user at a client, as when a consent is withdrawn, and names them.
    async fn revoke_grants_of(
        &self,
        user: &UserId,
        client: &ClientId,
        now: Timestamp,
    ) -> Result<Vec<RevokedGrant>, StoreError>;

    /// Revokes all grants that were given in a login session, as when it ends, and names them.
    async fn revoke_grants_of_session(
        &self,
        session: &SessionId,
        now: Timestamp,
    ) -> Result<Vec<RevokedGrant>, StoreError>;

    /// Removes at most `limit` grants that expired before `now`. How many there were.
    async fn sweep_grants(&self, now: Timestamp, limit: u64) -> Result<u64, StoreError>;
}

/// The audit trail, reading.
#[async_trait]
pub trait Audit {
    /// Events, oldest first, in the order of their identifiers.
    async fn events(&self, page: &Page) -> Result<Vec<AuditEvent>, StoreError>;

    /// Events since `since` that carry this trace id, oldest first; some `limit` if there are more. There is no index
    /// of traces, which every login would pay for: all events since then are looked at.
    async fn events_of_trace(
        &self,
        trace: &str,
        since: Timestamp,
        limit: u64,
    ) -> Result<Vec<AuditEvent>, StoreError>;

    /// A slice of the trail in the order of identifiers, which is that of time.
    async fn audit(&self, slice: &AuditSlice) -> Result<Vec<AuditEvent>, StoreError>;

    /// The events with these identifiers, oldest first. What is not there is left out.
    async fn events_by_id(&self, ids: &[String]) -> Result<Vec<AuditEvent>, StoreError>;
}

/// By what the trail is looked up.
#[derive(Clone, Debug)]
pub enum AuditKey {
    /// By time alone.
    All,
    /// What is about this user.
    User(UserId),
}

/// Which end comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As it happened.
    OldestFirst,
    /// The latest first.
    NewestFirst,
}

/// A part of the trail.
#[derive(Clone, Debug)]
pub struct AuditSlice {
    /// By what it is looked up.
    pub key: AuditKey,
    /// Identifiers from this on.
    pub from: Option<String>,
    /// Identifiers before this.
    pub before: Option<String>,
    /// Identifiers beyond this one, in the direction of `order`.
    pub after: Option<String>,
    /// Which end comes first.
    pub order: Order,
    /// Rows at most.
    pub limit: u64,
}

impl AuditSlice {
    /// The slice goes on beyond this identifier.
    pub fn go_on_after(&mut self, id: Option<String>) {
        self.after = id;
    }
}

/// The audit trail, which only grows, but for what is too old to keep.
#[async_trait]
pub trait AuditMut {
    /// Appends an event.
    async fn record(&self, event: &AuditEvent) -> Result<(), StoreError>;

    /// Appends several in one statement.
    async fn record_all(&self, events: &[AuditEvent]) -> Result<(), StoreError>;

    /// Removes at most `limit` events from before `moment`, the oldest first. How many there were.
    async fn sweep_events(&self, moment: Timestamp, limit: u64) -> Result<u64, StoreError>;
}
