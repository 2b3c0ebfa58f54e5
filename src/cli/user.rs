//! `user`: accounts.

mod change;
mod sessions;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use clap::Subcommand;
use serde_json::{Value, json};

use self::change::Changes;
use super::{
    CliError, Global,
    confirm::Confirm,
    output::moment,
    registrar::{self, PasswordSource},
};
use crate::{
    application::{
        commands::{
            assign_role::{Assignment, assign_role},
            change_user::{set_password, set_user_status, unlock},
            delete_user::delete_user,
            edit_user::{edit_user, end_sessions},
            invite::invitation,
            register_user::{EmailProof, RegisterUser, register_user},
        },
        ports::Page,
        registrar::{Registrar, RegistrarError},
    },
    domain::{
        role::Authority,
        user::{PasswordHash, Profile, User, UserStatus, canonical_login_name},
    },
};

/// Users read at once.
const PAGE: u64 = 500;

#[derive(Debug, Subcommand)]
pub(super) enum UserVerb {
    /// Make an account
    ///
    /// Asks for the password. Example:
    /// countersign user add alice --email alice@example.com --given-name Alice --role admin
    Add(AddUser),
    /// List all accounts
    List,
    /// Show one account with its roles and permissions
    Show {
        /// Username or email address
        user: String,
    },
    /// Change names, address and standard claims; sessions and tokens stay
    ///
    /// Example: `countersign user change alice --email alice@example.org --set phone_number=+41446681800`
    Change {
        /// Username or email address
        user: String,
        #[command(flatten)]
        changes: Changes,
    },
    /// Show where a user is signed in
    Sessions {
        /// Username or email address
        user: String,
    },
    /// End all sessions and tokens of a user; the account stays as it is
    ///
    /// Running servers follow within a second.
    EndSessions {
        /// Username or email address
        user: String,
    },
    /// Remove an account for good, with roles, consents and sessions; its tokens die
    ///
    /// To lock somebody out and keep the account: countersign user disable. Example:
    /// countersign user delete alice --yes
    Delete {
        /// Username or email address
        user: String,
        #[command(flatten)]
        confirm: Confirm,
    },
    /// Set a password; ends all sessions and tokens of the user
    SetPassword {
        /// Username or email address
        user: String,
        #[command(flatten)]
        password: PasswordSource,
    },
    /// Print a link with which the user chooses a password: once, within an hour
    ///
    /// Hand it over as you would a password. Setting it ends all sessions and tokens of the user.
    Invite {
        /// Username or email address
        user: String,
    },
    /// Let a user try passwords again at once, after too many wrong ones
    ///
    /// Every running server sees it with the next attempt. Sessions and tokens stay as they are.
    Unlock {
        /// Username or email address
        user: String,
    },
    /// Lock a user out; ends all sessions and tokens
    Disable {
        /// Username or email address
        user: String,
    },
    /// Let a user in again
    Enable {
        /// Username or email address
        user: String,
    },
    /// Show, give or take roles
    ///
    /// Example: countersign user roles alice --add editor --remove viewer
    Roles {
        /// Username or email address
        user: String,
        /// Give this role; may be repeated
        #[arg(long, value_name = "ROLE")]
        add: Vec<String>,
        /// Take this role away; may be repeated
        #[arg(long, value_name = "ROLE")]
        remove: Vec<String>,
    },
}

/// What `user add` takes.
#[derive(Debug, clap::Args)]
pub(super) struct AddUser {
    /// The name to log in with
    username: String,
    /// The email address; the user can log in with it too
    #[arg(long)]
    email: Option<String>,
    /// Vouch for the address: `email_verified` is true
    #[arg(long, requires = "email")]
    email_verified: bool,
    /// `given_name`
    #[arg(long)]
    given_name: Option<String>,
    /// `family_name`
    #[arg(long)]
    family_name: Option<String>,
    /// `name`, where it is not given and family name together
    #[arg(long)]
    name: Option<String>,
    /// `phone_number`, such as +49301234567
    #[arg(long)]
    phone_number: Option<String>,
    /// Standard claims (OIDC Core 5.1) as JSON, such as
    /// {"birthdate": "1990-10-31", "address": {"locality": "Berlin"}}; the options above win
    #[arg(long, value_name = "FILE")]
    claims: Option<PathBuf>,
    /// A role to give; may be repeated
    #[arg(long, value_name = "ROLE")]
    role: Vec<String>,
    /// Set no password yet: the user cannot log in
    #[arg(long, conflicts_with = "password_stdin")]
    no_password: bool,
    #[command(flatten)]
    password: PasswordSource,
}

pub(super) async fn run(global: &Global, verb: UserVerb) -> Result<(), CliError> {
    let (registrar, config) = registrar::open(global).await?;
    match verb {
        UserVerb::Invite { user } => {
            let (user, link) = invitation(&registrar, &user).await?;
            let link = link.under(&config.issuer);
            let json = json!({ "username": user.username, "link": link });
            global.output().print(&json, link)
        }
        UserVerb::Add(add) => self::add(global, &registrar, add).await,
        UserVerb::List => list(global, &registrar).await,
        UserVerb::Show { user } => show(global, &registrar, &user).await,
        UserVerb::Change { user, changes } => {
            let user = edit_user(&registrar, &user, changes.edit()?).await?;
            show(global, &registrar, user.username.as_str()).await
        }
        UserVerb::Sessions { user } => {
            let user = find(&registrar, &user).await?;
            sessions::sessions(global, &registrar, &user).await
        }
        UserVerb::EndSessions { user } => {
            let user = end_sessions(&registrar, &user).await?;
            done(global, &user, "is signed out everywhere")
        }
        UserVerb::Delete { user, confirm } => {
            let found = find(&registrar, &user).await?;
            let what = format!("Remove {} ({}) for good?", found.username, found.id);
            confirm.ask(&what)?;
            let user = delete_user(&registrar, &user).await?;
            done(global, &user, "is removed")
        }
        UserVerb::SetPassword { user, password } => {
            let password = password.read()?;
            let user = set_password(&registrar, &user, &password).await?;
            done(global, &user, "has a new password")
        }
        UserVerb::Unlock { user } => {
            let user = unlock(&registrar, &user).await?;
            done(global, &user, "may try passwords again")
        }
        UserVerb::Disable { user } => {
            let user = set_user_status(&registrar, &user, UserStatus::Inactive).await?;
            done(global, &user, "is locked out")
        }
        UserVerb::Enable { user } => {
            let user = set_user_status(&registrar, &user, UserStatus::Active).await?;
            done(global, &user, "can log in")
        }
        UserVerb::Roles { user, add, remove } => {
            for role in &add {
                assign_role(&registrar, &user, role, Assignment::Give).await?;
            }
            for role in &remove {
                assign_role(&registrar, &user, role, Assignment::Take).await?;
            }
            show(global, &registrar, &user).await
        }
    }
}

async fn add(global: &Global, registrar: &Registrar, add: AddUser) -> Result<(), CliError> {
    // A role that does not exist is found before the account is made.
    for role in &add.role {
        let found = registrar.store.reader().role_by_name(role).await;
        if found.map_err(RegistrarError::from)?.is_none() {
            return Err(RegistrarError::NotFound("role", role.clone()).into());
        }
    }
    let claims = match &add.claims {
        Some(file) => read_claims(file)?,
        None => Profile::default(),
    };
    let password = if add.no_password {
        None
    } else {
        Some(add.password.read()?)
    };
    let proof = if add.email_verified {
        EmailProof::Verified
    } else {
        EmailProof::Unverified
    };
    let command = RegisterUser {
        username: add.username,
        email: add.email.map(|email| (email, proof)),
        profile: Profile {
            first_name: add.given_name.or(claims.first_name),
            last_name: add.family_name.or(claims.last_name),
            full_name: add.name.or(claims.full_name),
            phone_number: add.phone_number.or(claims.phone_number),
            ..claims
        },
        password,
    };
    let user = register_user(registrar, command).await?;
    for role in &add.role {
        assign_role(registrar, user.username.as_str(), role, Assignment::Give).await?;
    }
    done(global, &user, "is registered")
}

fn read_claims(file: &Path) -> Result<Profile, CliError> {
    let wrong =
        |error: &dyn std::fmt::Display| CliError::usage(format!("{}: {error}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| wrong(&error))?;
    serde_json::from_str(&text).map_err(|error| wrong(&error))
}

fn done(global: &Global, user: &User, what: &str) -> Result<(), CliError> {
    let text = format!("{} ({}) {what}", user.username, user.id);
    global.output().print(&json(user), text)
}

fn json(user: &User) -> Value {
    json!(user)
}

async fn list(global: &Global, registrar: &Registrar) -> Result<(), CliError> {
    let mut all: Vec<User> = Vec::new();
    loop {
        let page = Page {
            after: all.last().map(|user| user.username.as_str().to_owned()),
            limit: PAGE,
        };
        let users = registrar.store.reader().users(&page).await;
        let users = users.map_err(RegistrarError::from)?;
        if users.is_empty() {
            break;
        }
        all.extend(users);
    }
    let line = |user: &User| {
        let status = match user.status {
            UserStatus::Active => "active",
            UserStatus::Inactive => "inactive",
        };
        let email = user.email.as_ref().map_or("", |email| email.as_str());
        format!(
            "{:24} {status:9} {} {email}",
            user.username.as_str(),
            user.id
        )
    };
    let lines: Vec<_> = all.iter().map(line).collect();
    global.output().print(&json!(all), lines.join("\n"))
}

/// The account with this login name, and its password's hash.
async fn account(
    registrar: &Registrar,
    name: &str,
) -> Result<(User, Option<PasswordHash>), CliError> {
    let not_found = || RegistrarError::NotFound("user", name.to_owned());
    let canonical = canonical_login_name(name).map_err(|_| not_found())?;
    let found = registrar.store.reader().user_by_login(&canonical).await;
    Ok(found.map_err(RegistrarError::from)?.ok_or_else(not_found)?)
}

async fn find(registrar: &Registrar, name: &str) -> Result<User, CliError> {
    Ok(account(registrar, name).await?.0)
}

async fn show(global: &Global, registrar: &Registrar, name: &str) -> Result<(), CliError> {
    let (user, hash) = account(registrar, name).await?;
    let reader = registrar.store.reader();
    let authority = reader.authority(&user.id).await;
    let authority = authority.map_err(RegistrarError::from)?;
    let mut json = json(&user);
    if let Some(members) = json.as_object_mut() {
        members.insert("roles".into(), json!(authority.roles));
        members.insert("groups".into(), json!(authority.groups));
        let permissions: Vec<_> = authority.permissions.keys().collect();
        members.insert("permissions".into(), json!(permissions));
        members.insert("claims".into(), json!(authority.claims));
        members.insert("has_password".into(), json!(hash.is_some()));
    }
    global.output().print(&json, describe(&user, &authority))
}

fn describe(user: &User, authority: &Authority) -> String {
    let list = |values: &BTreeSet<String>| values.iter().cloned().collect::<Vec<_>>().join(" ");
    let permissions = authority.permissions.keys().map(|p| match &p.resource {
        Some(resource) => format!("{} at {resource}", p.name),
        None => p.name.clone(),
    });
    let status = match (user.status, user.deletion_due) {
        (UserStatus::Active, _) => "active".to_owned(),
        (UserStatus::Inactive, None) => "inactive".to_owned(),
        (UserStatus::Inactive, Some(due)) => {
            format!(
                "inactive, removed at {} as its user wishes; user enable keeps it",
                moment(due)
            )
        }
    };
    [
        ("username", user.username.to_string()),
        ("sub", user.id.to_string()),
        ("status", status),
        (
            "email",
            user.email
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
        ),
        ("name", user.full_name().unwrap_or_default()),
        ("roles", list(&authority.roles)),
        ("groups", list(&authority.groups)),
        ("permissions", permissions.collect::<Vec<_>>().join(", ")),
    ]
    .map(|(name, value)| format!("{name:12} {value}"))
    .join("\n")
}
