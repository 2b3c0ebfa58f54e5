//! Who changes users, roles and clients, and how far they may go (ADR 51).
//!
//! The operator at the command line may do everything. Whoever comes over the network is an
//! [`Administrator`]: they need the [`Right`] of each use case, they give nobody what they do not hold
//! themselves, and they touch nobody who holds more than they do. All of it is asked inside the unit of
//! work that makes the change, of what is true at that moment.

use std::collections::BTreeSet;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{
    ports::{Roles, StoreError, UnitOfWork, Users},
    registrar::{Registrar, RegistrarError},
    trail::Origin,
};
use crate::domain::{
    administration::{Right, holds, powers},
    client::Client,
    event::Actor,
    id::UserId,
    role::Permission,
    user::{User, canonical_login_name},
};

/// Who is at work.
#[derive(Clone, Debug)]
pub enum Acting {
    /// Somebody at the command line.
    Operator,
    /// Somebody with an access token.
    Administrator(Box<Administrator>),
}

/// A caller of the administration API.
#[derive(Clone, Debug)]
pub struct Administrator {
    /// Who it is: a user, or a client for itself.
    pub actor: Actor,
    /// What the token lets them do, of what they may do.
    pub rights: BTreeSet<Right>,
    /// What a client holds that acts for itself. What a user holds is read when it is asked.
    pub granted: BTreeSet<Permission>,
    /// The audience of the administration API.
    pub here: String,
    /// Where the request comes from.
    pub origin: Origin,
    /// Which versions of the record the change is meant for; any where absent.
    pub expected: Option<Vec<Version>>,
}

/// What a record is called as long as it is as it is (the opaque part of an entity tag, RFC 9110 §8.8.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(String);

impl Version {
    /// The version of a record.
    pub fn of(record: &impl Serialize) -> Self {
        let bytes = serde_json::to_vec(record).unwrap_or_default();
        let digest = Sha256::digest(bytes);
        let (short, _) = digest.split_at(16);
        Self(URL_SAFE_NO_PAD.encode(short))
    }

    /// The version that somebody says.
    pub fn named(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Its text: base64url.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How an account is named.
#[derive(Clone, Copy, Debug)]
pub enum Account<'a> {
    /// By username or email address, as typed.
    LoginName(&'a str),
    /// By its identifier.
    Id(&'a UserId),
}

impl<'a> From<&'a str> for Account<'a> {
    fn from(name: &'a str) -> Self {
        Self::LoginName(name)
    }
}

impl<'a> From<&'a String> for Account<'a> {
    fn from(name: &'a String) -> Self {
        Self::LoginName(name)
    }
}

impl<'a> From<&'a UserId> for Account<'a> {
    fn from(id: &'a UserId) -> Self {
        Self::Id(id)
    }
}

impl Account<'_> {
    /// The user of this account.
    pub(super) async fn find<U: Users + ?Sized>(self, users: &U) -> Result<User, RegistrarError> {
        let (found, name) = match self {
            Self::Id(id) => (users.user(id).await?, id.as_str()),
            Self::LoginName(name) => match canonical_login_name(name) {
                Ok(canonical) => {
                    let found = users.user_by_login(&canonical).await?;
                    (found.map(|(user, _)| user), name)
                }
                Err(_) => (None, name),
            },
        };
        found.ok_or_else(|| RegistrarError::NotFound("user", name.to_owned()))
    }
}

impl Registrar {
    /// A user whom whoever is at work may touch, for what is done to them elsewhere than in SQL.
    pub async fn reach(&self, right: Right, account: Account<'_>) -> Result<User, RegistrarError> {
        self.may(right)?;
        let reader = self.store.reader();
        let user = account.find(reader).await?;
        self.reaches(reader, &user.id).await?;
        Ok(user)
    }

    /// Whoever comes over the network; not the operator.
    pub(super) fn administrator(&self) -> Option<&Administrator> {
        match &self.acting {
            Acting::Operator => None,
            Acting::Administrator(administrator) => Some(administrator),
        }
    }

    /// Refuses whoever may not do this.
    pub fn may(&self, right: Right) -> Result<(), RegistrarError> {
        match self.administrator() {
            Some(who) if !who.rights.contains(&right) => Err(RegistrarError::Lacks(right)),
            Some(_) | None => Ok(()),
        }
    }

    /// Refuses a change that was meant for another version of this record.
    pub(super) fn expects(&self, record: &impl Serialize) -> Result<(), RegistrarError> {
        let expected = self.administrator().and_then(|who| who.expected.as_ref());
        match expected {
            Some(expected) if !expected.contains(&Version::of(record)) => {
                Err(RegistrarError::Stale)
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The user of an account, to be changed: held until the unit of work ends, in the expected version,
    /// and nobody who holds more than whoever is at work.
    pub(super) async fn take(
        &self,
        work: &dyn UnitOfWork,
        account: Account<'_>,
    ) -> Result<User, RegistrarError> {
        let user = account.find(work).await?;
        self.reaches(work, &user.id).await?;
        self.expects(&user)?;
        Ok(user)
    }

    /// Refuses to touch somebody who holds more than whoever is at work.
    async fn reaches<R: Roles + Sync + ?Sized>(
        &self,
        work: &R,
        user: &UserId,
    ) -> Result<(), RegistrarError> {
        let Some(who) = self.administrator() else {
            return Ok(());
        };
        if who.actor == Actor::User(user.clone()) {
            return Ok(());
        }
        let authority = work.authority(user).await?;
        let permissions = authority.permissions.into_keys().collect();
        self.must_hold(work, &permissions).await
    }

    /// Refuses to give, or to take, what whoever is at work does not hold.
    pub(super) async fn must_hold<R: Roles + Sync + ?Sized>(
        &self,
        work: &R,
        permissions: &BTreeSet<Permission>,
    ) -> Result<(), RegistrarError> {
        let Some(who) = self.administrator() else {
            return Ok(());
        };
        if permissions.is_empty() {
            return Ok(());
        }
        let held = held(work, who).await?;
        match permissions.iter().find(|other| !holds(held.iter(), other)) {
            Some(beyond) => Err(RegistrarError::Beyond(format!(
                "you do not hold {} yourself",
                beyond.name
            ))),
            None => Ok(()),
        }
    }

    /// Refuses to decide over a client through which more can be reached than whoever is at work holds.
    pub(super) async fn commands(
        &self,
        work: &dyn UnitOfWork,
        client: &Client,
    ) -> Result<(), RegistrarError> {
        match self.administrator() {
            Some(who) => self.must_hold(work, &powers(client, &who.here)).await,
            None => Ok(()),
        }
    }

    /// Refuses to touch the administration API among the resource servers: what that is, the server says
    /// itself. Without its scope nobody could ask for it.
    pub(super) fn refuse_own(&self, identifier: &str) -> Result<(), RegistrarError> {
        match self.administrator() {
            Some(who) if who.here == identifier => {
                let what = "the administration API is the server's own".to_owned();
                Err(RegistrarError::Beyond(what))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// A unit of work that is alone: nothing that decides who may do what changes meanwhile but by it.
    pub(super) async fn alone(&self) -> Result<Alone, RegistrarError> {
        let work = self.store.begin().await?;
        work.alone().await?;
        // The operator may leave the provider without an owner, and make one again.
        let had_owner = self.administrator().is_some() && work.has_owner().await?;
        Ok(Alone { work, had_owner })
    }
}

/// See [`Registrar::alone`].
pub(super) struct Alone {
    work: Box<dyn UnitOfWork>,
    had_owner: bool,
}

impl Alone {
    /// The repositories.
    pub(super) fn work(&self) -> &dyn UnitOfWork {
        &*self.work
    }

    /// Makes all of it durable, unless it leaves nobody who may do everything.
    pub(super) async fn commit(self) -> Result<(), RegistrarError> {
        if self.had_owner && !self.work.has_owner().await? {
            self.work.rollback().await?;
            return Err(RegistrarError::LastOwner);
        }
        Ok(self.work.commit().await?)
    }
}

/// What an administrator holds at this moment.
async fn held<R: Roles + Sync + ?Sized>(
    work: &R,
    who: &Administrator,
) -> Result<BTreeSet<Permission>, StoreError> {
    let Actor::User(id) = &who.actor else {
        return Ok(who.granted.clone());
    };
    Ok(work.authority(id).await?.permissions.into_keys().collect())
}
