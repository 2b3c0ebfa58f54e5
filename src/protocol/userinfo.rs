//! OIDC Core §5.3, §5.4 — claims about the user by scope.
//!
//! Absent claims are omitted, never null or empty (§5.3.2).

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::domain::{
    claim_demand::{Demands, serving},
    client_rights::Release,
    scope::Scope,
    user::User,
};

/// `typ` of a signed answer's header (§5.3.2).
pub const TYP: &str = "JWT";

/// Every claim that a scope can release, as discovery lists them.
pub const CLAIMS: &[&str] = &[
    "sub",
    "name",
    "given_name",
    "family_name",
    "middle_name",
    "nickname",
    "preferred_username",
    "profile",
    "picture",
    "website",
    "gender",
    "birthdate",
    "zoneinfo",
    "locale",
    "updated_at",
    "email",
    "email_verified",
    "address",
    "phone_number",
    "phone_number_verified",
    "roles",
    "groups",
    "permissions",
];

/// The claims that `scope` releases.
pub fn claims(user: &User, release: &Release, scope: &Scope) -> Map<String, Value> {
    let mut claims = Map::new();
    claims.insert("sub".into(), user.id.as_str().into());
    for value in scope.iter() {
        match value {
            "profile" => profile(user, &mut claims),
            "email" => email(user, &mut claims),
            "phone" => phone(user, &mut claims),
            "address" => address(user, &mut claims),
            "roles" => names("roles", &release.roles, &mut claims),
            "groups" => names("groups", &release.groups, &mut claims),
            "permissions" => names("permissions", &release.permissions, &mut claims),
            _ => {}
        }
    }
    claims
}

/// The scope that a claim about the user belongs to (OIDC Core §5.4).
pub fn scope_of(claim: &str) -> Option<&'static str> {
    match claim {
        "name" | "given_name" | "family_name" | "middle_name" | "nickname"
        | "preferred_username" | "profile" | "picture" | "website" | "gender" | "birthdate"
        | "zoneinfo" | "locale" | "updated_at" => Some("profile"),
        "email" | "email_verified" => Some("email"),
        "phone_number" | "phone_number_verified" => Some("phone"),
        "address" => Some("address"),
        "roles" => Some("roles"),
        "groups" => Some("groups"),
        "permissions" => Some("permissions"),
        _ => None,
    }
}

/// The claims that were asked for by name (§5.5), of those that a client which may ask for `allowed`
/// may see.
pub fn demanded(
    user: &User,
    release: &Release,
    (demands, allowed): (&Demands, &Scope),
) -> Map<String, Value> {
    let scopes = demands.keys().filter_map(|claim| scope_of(claim));
    let scopes: Vec<&str> = scopes.filter(|scope| allowed.contains(scope)).collect();
    let scope = scopes.join(" ").parse().unwrap_or_default();
    serving(demands, claims(user, release, &scope))
}

fn profile(user: &User, claims: &mut Map<String, Value>) {
    let profile = &user.profile;
    let full_name = user.full_name();
    for (name, value) in [
        ("name", &full_name),
        ("given_name", &profile.first_name),
        ("family_name", &profile.last_name),
        ("middle_name", &profile.middle_name),
        ("nickname", &profile.nickname),
        ("profile", &profile.profile),
        ("picture", &profile.picture),
        ("website", &profile.website),
        ("gender", &profile.gender),
        ("birthdate", &profile.birthdate),
        ("zoneinfo", &profile.zoneinfo),
        ("locale", &profile.locale),
    ] {
        text(name, value.as_deref(), claims);
    }
    text("preferred_username", Some(user.username.as_str()), claims);
    claims.insert("updated_at".into(), user.updated_at.0.into());
}

fn email(user: &User, claims: &mut Map<String, Value>) {
    if let Some(email) = &user.email {
        claims.insert("email".into(), email.as_str().into());
        claims.insert("email_verified".into(), user.email_verified.into());
    }
}

fn phone(user: &User, claims: &mut Map<String, Value>) {
    if let Some(number) = user
        .profile
        .phone_number
        .as_deref()
        .filter(|number| !number.is_empty())
    {
        claims.insert("phone_number".into(), number.into());
        claims.insert(
            "phone_number_verified".into(),
            user.profile.phone_number_verified.into(),
        );
    }
}

fn address(user: &User, claims: &mut Map<String, Value>) {
    if let Some(address) = &user.profile.address
        && let Ok(Value::Object(fields)) = serde_json::to_value(address)
        && !fields.is_empty()
    {
        claims.insert("address".into(), fields.into());
    }
}

fn text(name: &str, value: Option<&str>, claims: &mut Map<String, Value>) {
    if let Some(value) = value.filter(|value| !value.is_empty()) {
        claims.insert(name.to_owned(), value.into());
    }
}

fn names(name: &str, values: &BTreeSet<String>, claims: &mut Map<String, Value>) {
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    claims.insert(name.to_owned(), values.into());
}
