//! `/api/admin/users`: accounts.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    body::Bytes,
    extract::State,
    http::{StatusCode, request::Parts},
    response::Response,
};
use secrecy::SecretString;
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use super::{
    call::{At, MAX_BODY, call, call_on_version, created, done, origin, segment, versioned},
    idempotency,
    page::{Listing, Query},
    views::UserView,
};
use crate::{
    application::{
        administration::{Account, Version},
        commands::{
            change_user::{
                set_password as change_password, set_user_status, unlock as unlock_user,
            },
            delete_user::delete_user,
            edit_user::{UserEdit, edit_user},
            invite::invite as send_invitation,
            register_user::{EmailProof, RegisterUser, register_user},
            reset_password::{AskForReset, ask_for_reset},
        },
        queries::administration::{self, UserPage},
        registrar::Registrar,
    },
    domain::{
        administration::Right,
        id::UserId,
        profile::ProfileField,
        user::{Profile, User, UserStatus},
    },
    protocol::metadata::paths,
    web::{
        Web,
        api::{
            json, ok,
            problem::{Kind, Problem},
        },
    },
};

/// Standard claims by name (OIDC Core §5.1); null or an empty text removes one.
type Claims = BTreeMap<String, Option<String>>;

/// An account to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewUser {
    /// The name to log in with.
    username: String,
    /// The address to log in and be reached with.
    email: Option<String>,
    /// Whether you vouch for the address.
    #[serde(default)]
    email_verified: bool,
    /// Standard claims by name (OIDC Core §5.1).
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, String>)]
    profile: Claims,
    /// The password; without one the user cannot log in before they chose one by invitation or reset.
    #[schema(value_type = Option<String>, format = Password, write_only, min_length = 8, max_length = 128)]
    password: Option<SecretString>,
}

/// What is to be another. What is absent stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UserChange {
    /// The name to log in with.
    username: Option<String>,
    /// The address; null removes it. Another one is not verified, unless `email_verified` says so.
    #[serde(default, deserialize_with = "or_null")]
    #[schema(value_type = Option<String>)]
    #[expect(clippy::option_option, reason = "absent is another thing than null")]
    email: Option<Option<String>>,
    /// Whether you vouch for the address.
    email_verified: Option<bool>,
    /// Standard claims by name (OIDC Core §5.1); null removes one.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, Option<String>>)]
    profile: Claims,
}

/// A password to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPassword {
    /// 8 to 128 characters, not a common or stolen one, none made of the user's names.
    #[schema(value_type = String, format = Password, write_only, min_length = 8, max_length = 128)]
    password: SecretString,
}

/// Tells null from absent.
#[expect(clippy::option_option, reason = "absent is another thing than null")]
fn or_null<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Option<String>>, D::Error> {
    Option::<String>::deserialize(value).map(Some)
}

fn fields(claims: Claims) -> Result<Vec<(ProfileField, String)>, Problem> {
    claims
        .into_iter()
        .map(|(claim, value)| {
            let field = ProfileField::of_claim(&claim);
            let field = field.ok_or_else(|| {
                let known: Vec<_> = ProfileField::ALL.iter().map(|f| f.claim()).collect();
                Problem::new(Kind::InvalidMember)
                    .detail(format!("the claims are {}", known.join(", ")))
                    .at("/profile")
            })?;
            Ok((field, value.unwrap_or_default()))
        })
        .collect()
}

/// A page of users, however they were found.
pub(super) fn listed(query: &Query, found: UserPage) -> Response {
    ok(&Listing {
        items: found.users.iter().map(UserView::from).collect(),
        next: query.cursor(found.next),
    })
}

fn shown(status: StatusCode, user: &User) -> Response {
    versioned(status, &Version::of(user), &UserView::from(user))
}

/// All users, or those whose username, address, first or last name begins with `search`
#[utoipa::path(get, path = "/api/admin/users", tag = "Users",
    params(
        ("search" = Option<String>, Query, description = "The beginning of a username, email address, first or last name"),
        ("limit" = Option<u64>, Query, minimum = 1, maximum = 500, description = "Items of the page; 50 if absent"),
        ("after" = Option<String>, Query, description = "The `next` of the page before"),
    ),
    responses((status = 200, body = Listing<UserView>)))]
pub(super) async fn list(State(web): State<Arc<Web>>, parts: Parts) -> Response {
    let work = async |registrar: Registrar| {
        let query = Query::read(&web, &parts, &["search", "limit", "after"])?;
        let page = query.page()?;
        let found = administration::users(&registrar, query.get("search"), page).await?;
        Ok(listed(&query, found))
    };
    call(&web, &parts, work).await
}

/// Make an account
#[utoipa::path(post, path = "/api/admin/users", tag = "Users",
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$", description = "Sent again with the same content it makes nothing twice")),
    request_body = NewUser,
    responses((status = 201, body = UserView, headers(("ETag" = String), ("Location" = String)))))]
pub(super) async fn create(State(web): State<Arc<Web>>, parts: Parts, body: Bytes) -> Response {
    let work = async |registrar: Registrar| {
        let making = make(&parts, &body, &registrar);
        idempotency::once(
            &web,
            (&parts, &body),
            (&registrar, Right::UsersWrite),
            making,
        )
        .await
    };
    call(&web, &parts, work).await
}

async fn make(parts: &Parts, body: &Bytes, registrar: &Registrar) -> Result<Response, Problem> {
    let new: NewUser = json::read(&parts.headers, body, MAX_BODY)?;
    let mut profile = Profile::default();
    for (field, value) in fields(new.profile)? {
        field.set(&mut profile, Some(value));
    }
    if new.email_verified && new.email.is_none() {
        return Err(Problem::new(Kind::InvalidMember)
            .detail("there is no address to vouch for")
            .at("/email_verified"));
    }
    let proof = if new.email_verified {
        EmailProof::Verified
    } else {
        EmailProof::Unverified
    };
    let command = RegisterUser {
        username: new.username,
        email: new.email.map(|email| (email, proof)),
        profile,
        password: new.password,
    };
    let user = register_user(registrar, command).await?;
    let location = format!(
        "{}/users/{}",
        paths::ADMINISTRATION,
        segment(user.id.as_str())
    );
    Ok(created(
        &location,
        &Version::of(&user),
        &UserView::from(&user),
    ))
}

/// One user
#[utoipa::path(get, path = "/api/admin/users/{id}", tag = "Users",
    params(("id" = String, Path)),
    responses((status = 200, body = UserView, headers(("ETag" = String)))))]
pub(super) async fn read(
    State(web): State<Arc<Web>>,
    At(id): At<String>,
    parts: Parts,
) -> Response {
    let work = async |registrar: Registrar| {
        let user = administration::user(&registrar, &UserId::new(id)).await?;
        Ok(shown(StatusCode::OK, &user))
    };
    call(&web, &parts, work).await
}

/// Change what is known of a user
#[utoipa::path(patch, path = "/api/admin/users/{id}", tag = "Users",
    params(("id" = String, Path), ("If-Match" = String, Header)),
    request_body = UserChange,
    responses((status = 200, body = UserView, headers(("ETag" = String)))))]
pub(super) async fn change(
    State(web): State<Arc<Web>>,
    At(id): At<String>,
    parts: Parts,
    body: Bytes,
) -> Response {
    let work = async |registrar: Registrar| {
        let change: UserChange = json::read(&parts.headers, &body, MAX_BODY)?;
        let edit = UserEdit {
            username: change.username,
            email: change.email,
            email_verified: change.email_verified,
            profile: fields(change.profile)?,
        };
        let user = edit_user(&registrar, &UserId::new(id), edit).await?;
        Ok(shown(StatusCode::OK, &user))
    };
    call_on_version(&web, &parts, work).await
}

/// Remove an account, with sessions, tokens, roles and consents
#[utoipa::path(delete, path = "/api/admin/users/{id}", tag = "Users",
    params(("id" = String, Path), ("If-Match" = String, Header)),
    responses((status = 204)))]
pub(super) async fn remove(
    State(web): State<Arc<Web>>,
    At(id): At<String>,
    parts: Parts,
) -> Response {
    let work = async |registrar: Registrar| {
        delete_user(&registrar, &UserId::new(id)).await?;
        Ok(done())
    };
    call_on_version(&web, &parts, work).await
}

/// Let a user log in again
#[utoipa::path(post, path = "/api/admin/users/{id}/activate", tag = "Users",
    params(("id" = String, Path)),
    responses((status = 200, body = UserView, headers(("ETag" = String)))))]
pub(super) async fn activate(
    State(web): State<Arc<Web>>,
    At(id): At<String>,
    parts: Parts,
) -> Response {
    set_status(&web, &parts, id, UserStatus::Active).await
}

/// Lock an account and end its sessions and tokens
#[utoipa::path(post, path = "/api/admin/users/{id}/deactivate", tag = "Users",
    params(("id" = String, Path)),
    responses((status = 200, body = UserView, headers(("ETag" = String)))))]
pub(super) async fn deactivate(
    State(web): State<Arc<Web>>,
    At(id): At<String>,
    parts: Parts,
) -> Response {
    set_status(&web, &parts, id, UserStatus::Inactive).await
}

async fn set_status(web: &Web, parts: &Parts, id: String, status: UserStatus) -> Response {
    let work = async |registrar: Registrar| {
        let user = set_user_status(&registrar, &UserId::new(id), status).await?;
        Ok(shown(StatusCode::OK, &user))
    };
    call(web, parts, work).await
}

/// Let a user try passwords again after too many wrong ones
#[utoipa::path(post, path = "/api/admin/users/{id}/unlock", tag = "Users",
    params(("id" = String, Path)),
    responses((status = 200, body = UserView, headers(("ETag" = String)))))]
pub(super) async fn unlock(
    State(web): State<Arc<Web>>,
    At(id): At<String>,
    parts: Parts,
) -> Response {
    let work = async |registrar: Registrar| {
        let user = unlock_user(&registrar, &UserId::new(id)).await?;
        Ok(shown(StatusCode::OK, &user))
    };
    call(&web, &parts, work).await
}

/// Set a password and end every session and token
#[utoipa::path(put, path = "/api/admin/users/{id}/password", tag = "Users",
    params(("id" = String, Path)),
    request_body = NewPassword,
    responses((status = 204)))]
pub(super) async fn set_password(
    State(web): State<Arc<Web>>,
    At(id): At<String>,
    parts: Parts,
    body: Bytes,
) -> Response {
    let work = async |registrar: Registrar| {
        let new: NewPassword = json::read(&parts.headers, &body, MAX_BODY)?;
        change_password(&registrar, &UserId::new(id), &new.password).await?;
        Ok(done())
    };
    call(&web, &parts, work).await
}

/// Send a mail with which the user sets a new password
#[utoipa::path(post, path = "/api/admin/users/{id}/password-reset", tag = "Users",
    params(("id" = String, Path)),
    responses((status = 204)))]
pub(super) async fn reset_password(
    State(web): State<Arc<Web>>,
    At(id): At<String>,
    parts: Parts,
) -> Response {
    let work = async |registrar: Registrar| {
        let user = mailable(&web, &registrar, &id).await?;
        let command = AskForReset {
            id: web.ports.identifier(),
            name: user.username.to_string(),
            way_on: None,
        };
        ask_for_reset(&web.ports, command, &origin(&registrar)).await?;
        Ok(done())
    };
    call(&web, &parts, work).await
}

/// Send a mail with which the user of a new account chooses a password
#[utoipa::path(post, path = "/api/admin/users/{id}/invitation", tag = "Users",
    params(("id" = String, Path)),
    responses((status = 204)))]
pub(super) async fn invite(
    State(web): State<Arc<Web>>,
    At(id): At<String>,
    parts: Parts,
) -> Response {
    let work = async |registrar: Registrar| {
        let user = mailable(&web, &registrar, &id).await?;
        send_invitation(&web.ports, &user, &origin(&registrar)).await?;
        Ok(done())
    };
    call(&web, &parts, work).await
}

/// A user whom mail reaches.
async fn mailable(web: &Web, registrar: &Registrar, id: &str) -> Result<User, Problem> {
    let id = UserId::new(id);
    let user = registrar.reach(Right::UsersWrite, Account::Id(&id)).await?;
    let lack = if !web.ports.can_mail() {
        "this server sends no mail"
    } else if user.email.is_none() {
        "the user has no address"
    } else if !user.is_active() {
        "the account is locked"
    } else {
        return Ok(user);
    };
    Err(Problem::new(Kind::Conflict).detail(lack))
}
