//! Taking in users, roles, groups and applications by the hundred: each batch in one unit of work, each line for itself.
//!
//! What exists already, by its name, is left as it is: an import that was interrupted can simply be run
//! again.

use std::collections::BTreeMap;

use super::{
    define_role::{check_name, check_permissions},
    import_client::{import_client, import_resource},
    set_claim::check_value,
};
use crate::{
    application::{
        ports::{StoreError, UnitOfWork},
        records::{GroupRecord, Record, RoleRecord, UserRecord},
        registrar::{Registrar, RegistrarError},
        trail::About,
    },
    domain::{
        claim_name,
        event::EventKind,
        id::{GroupId, RoleId, UserId},
        profile::ProfileField,
        role::{Group, Permission, Role, check_nesting},
        time::Timestamp,
        user::{Email, PasswordHash, Profile, User, UserStatus, Username},
    },
};

/// What came of a line.
#[derive(Debug)]
pub enum Outcome {
    /// It was made, or would have been.
    Made,
    /// There is one of this name.
    Present,
    /// It cannot be accepted.
    Refused(RegistrarError),
}

/// Whether anything is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// Everything is.
    Import,
    /// Nothing is: everything is tried, and forgotten.
    DryRun,
}

/// An import, batch by batch, for the operator alone: a file says nothing of what whoever wrote it holds.
pub struct Import<'a> {
    registrar: &'a Registrar,
    intent: Intent,
    /// What a dry run made and forgot, and what comes later stands on: made again before each batch.
    rehearsed: Vec<Record>,
}

impl<'a> Import<'a> {
    /// Begins.
    pub fn new(registrar: &'a Registrar, intent: Intent) -> Self {
        Self {
            registrar,
            intent,
            rehearsed: Vec::new(),
        }
    }

    /// Takes in a batch. What came of each line, in their order. The error is about the database.
    pub async fn take_in(&mut self, records: &[Record]) -> Result<Vec<Outcome>, RegistrarError> {
        if self.registrar.administrator().is_some() {
            let what = "an import is the operator's matter".to_owned();
            return Err(RegistrarError::Beyond(what));
        }
        let outcomes = match self.together(records).await {
            // Somebody else made one of them meanwhile; the others are none the worse for it.
            Err(RegistrarError::Exists(_)) if records.len() > 1 => self.one_by_one(records).await?,
            outcomes => outcomes?,
        };
        if self.intent == Intent::DryRun {
            let made = records.iter().zip(&outcomes);
            let made = made.filter(|(record, outcome)| {
                matches!(outcome, Outcome::Made) && !matches!(record, Record::User(_))
            });
            self.rehearsed
                .extend(made.map(|(record, _)| record.clone()));
        }
        Ok(outcomes)
    }

    async fn one_by_one(&self, records: &[Record]) -> Result<Vec<Outcome>, RegistrarError> {
        let mut outcomes = Vec::with_capacity(records.len());
        for record in records {
            match self.together(std::slice::from_ref(record)).await {
                Ok(outcome) => outcomes.extend(outcome),
                Err(error @ RegistrarError::Exists(_)) => {
                    outcomes.push(Outcome::Refused(error));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(outcomes)
    }

    async fn together(&self, records: &[Record]) -> Result<Vec<Outcome>, RegistrarError> {
        let work = self.registrar.store.begin().await?;
        let is_user = |record: &Record| matches!(record, Record::User(_));
        if !records.iter().all(is_user) || !self.rehearsed.is_empty() {
            work.alone().await?;
        }
        let mut importer = Importer {
            registrar: self.registrar,
            roles: work.roles().await?,
            groups: work.groups().await?,
            work: &*work,
        };
        for record in &self.rehearsed {
            importer.take_in(record).await?;
        }
        let mut outcomes = Vec::with_capacity(records.len());
        for record in records {
            outcomes.push(match importer.take_in(record).await {
                Ok(outcome) => outcome,
                // The unit of work is spoiled.
                Err(error @ (RegistrarError::Store(_) | RegistrarError::Exists(_))) => {
                    return Err(error);
                }
                Err(error) => Outcome::Refused(error),
            });
        }
        match self.intent {
            Intent::Import => work.commit().await?,
            Intent::DryRun => work.rollback().await?,
        }
        Ok(outcomes)
    }
}

/// A batch on its way.
struct Importer<'a> {
    registrar: &'a Registrar,
    work: &'a dyn UnitOfWork,
    roles: Vec<Role>,
    groups: Vec<Group>,
}

impl Importer<'_> {
    async fn take_in(&mut self, record: &Record) -> Result<Outcome, RegistrarError> {
        let (registrar, work) = (self.registrar, self.work);
        match record {
            Record::Resource(server) => import_resource(registrar, work, server).await,
            Record::Client(client) => import_client(registrar, work, client).await,
            Record::Role(role) => self.role(role).await,
            Record::Group(group) => self.group(group).await,
            Record::User(user) => self.user(user).await,
        }
    }

    async fn role(&mut self, record: &RoleRecord) -> Result<Outcome, RegistrarError> {
        if self.roles.iter().any(|role| role.name == record.name) {
            return Ok(Outcome::Present);
        }
        check_name("role", &record.name)?;
        let permissions = record.permissions.iter().map(|held| Permission {
            name: held.name.clone(),
            resource: held.resource.clone(),
        });
        let role = Role {
            id: RoleId::new(self.registrar.uuid()),
            name: record.name.clone(),
            description: record.description.clone(),
            permissions: permissions.collect(),
        };
        check_permissions(&role.permissions)?;
        self.work.add_role(&role).await?;
        let detail = serde_json::json!({ "role": role.name, "change": "imported" });
        self.note(EventKind::RoleChanged, None, Some(detail))
            .await?;
        self.roles.push(role);
        Ok(Outcome::Made)
    }

    async fn group(&mut self, record: &GroupRecord) -> Result<Outcome, RegistrarError> {
        if self.groups.iter().any(|group| group.name == record.name) {
            return Ok(Outcome::Present);
        }
        check_name("group", &record.name)?;
        let mut group = Group {
            id: GroupId::new(self.registrar.uuid()),
            name: record.name.clone(),
            roles: [].into(),
            parent: None,
        };
        for name in &record.roles {
            group.roles.insert(self.role_id(name)?);
        }
        if let Some(name) = &record.parent {
            let parent = self.group_id(name)?;
            check_nesting(&self.groups, &group.id, &parent)
                .map_err(|error| RegistrarError::invalid("parent", error))?;
            group.parent = Some(parent);
        }
        self.work.add_group(&group).await?;
        let detail = serde_json::json!({ "group": group.name, "change": "imported" });
        self.note(EventKind::RoleChanged, None, Some(detail))
            .await?;
        self.groups.push(group);
        Ok(Outcome::Made)
    }

    async fn user(&mut self, record: &UserRecord) -> Result<Outcome, RegistrarError> {
        let user = self.read(record)?;
        let hash = record.password_hash.as_deref().map(PasswordHash::new);
        if let Some(hash) = &hash
            && !self.registrar.passwords.can_verify(hash)
        {
            let problem = "is of no kind that is known, or costs too much to check";
            return Err(RegistrarError::invalid("password_hash", problem));
        }
        let roles = record.roles.iter().map(|name| self.role_id(name));
        let roles = roles.collect::<Result<Vec<_>, _>>()?;
        let groups = record.groups.iter().map(|name| self.group_id(name));
        let groups = groups.collect::<Result<Vec<_>, _>>()?;
        for (name, value) in &record.claims {
            claim_name::check(name).map_err(|error| RegistrarError::invalid("claims", error))?;
            check_value(value)?;
        }
        if let Some(outcome) = self.present(&user).await? {
            return outcome;
        }
        let work = self.work;
        work.add_user(&user).await?;
        if let Some(hash) = &hash {
            work.set_password(&user.id, hash, user.updated_at).await?;
        }
        for role in &roles {
            work.assign_role(&user.id, role).await?;
        }
        for group in &groups {
            work.join_group(&user.id, group).await?;
        }
        for (name, value) in &record.claims {
            work.put_claim(&user.id, name, value).await?;
        }
        let detail = serde_json::json!({ "from": "import" });
        self.note(EventKind::UserCreated, Some(user.id), Some(detail))
            .await?;
        Ok(Outcome::Made)
    }

    /// An account of this name or identifier is there; an address that somebody else has is refused. Asked
    /// before anything is written: a conflict in the database would spoil the batch.
    async fn present(
        &self,
        user: &User,
    ) -> Result<Option<Result<Outcome, RegistrarError>>, StoreError> {
        let by_name = self.work.user_by_login(user.username.as_str()).await?;
        if by_name.is_some() || self.work.user(&user.id).await?.is_some() {
            return Ok(Some(Ok(Outcome::Present)));
        }
        if let Some(email) = &user.email
            && self.work.user_by_login(email.as_str()).await?.is_some()
        {
            let taken = RegistrarError::invalid("email", "belongs to another account");
            return Ok(Some(Err(taken)));
        }
        Ok(None)
    }

    fn read(&self, record: &UserRecord) -> Result<User, RegistrarError> {
        let id = match &record.id {
            Some(id) => uuid::Uuid::try_parse(id)
                .map(|id| id.to_string())
                .map_err(|_| RegistrarError::invalid("id", "must be a UUID"))?,
            None => self.registrar.uuid(),
        };
        let email = record.email.as_deref().map(Email::parse).transpose();
        let email = email.map_err(|error| RegistrarError::invalid("email", error))?;
        let now = self.registrar.clock.now();
        Ok(User {
            id: UserId::new(id),
            username: Username::parse(&record.username)
                .map_err(|error| RegistrarError::invalid("username", error))?,
            email_verified: record.email_verified && email.is_some(),
            email,
            profile: profile(&record.profile)?,
            status: if record.active {
                UserStatus::Active
            } else {
                UserStatus::Inactive
            },
            not_before: Timestamp(0),
            security_version: 0,
            created_at: record.created_at.map_or(now, Timestamp),
            updated_at: now,
            login_epoch: 0,
            deletion_due: None,
        })
    }

    fn role_id(&self, name: &str) -> Result<RoleId, RegistrarError> {
        let found = self.roles.iter().find(|role| role.name == name);
        let not_found = || RegistrarError::NotFound("role", name.to_owned());
        Ok(found.ok_or_else(not_found)?.id.clone())
    }

    fn group_id(&self, name: &str) -> Result<GroupId, RegistrarError> {
        let found = self.groups.iter().find(|group| group.name == name);
        let not_found = || RegistrarError::NotFound("group", name.to_owned());
        Ok(found.ok_or_else(not_found)?.id.clone())
    }

    async fn note(
        &self,
        kind: EventKind,
        user: Option<UserId>,
        detail: Option<serde_json::Value>,
    ) -> Result<(), StoreError> {
        let about = About {
            user,
            detail,
            ..About::default()
        };
        self.registrar.record_in(self.work, kind, about).await
    }
}

fn profile(claims: &BTreeMap<String, String>) -> Result<Profile, RegistrarError> {
    let mut profile = Profile::default();
    for (claim, typed) in claims {
        let field = ProfileField::of_claim(claim);
        let unknown = || RegistrarError::invalid("profile", "has a claim that is not known");
        let field = field.ok_or_else(unknown)?;
        let value = field.parse(typed);
        let value = value.map_err(|misfit| RegistrarError::invalid(field.claim(), misfit))?;
        field.set(&mut profile, value);
    }
    Ok(profile)
}
