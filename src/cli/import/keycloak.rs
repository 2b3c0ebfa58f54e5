//! A realm as Keycloak exports it (`kc.sh export`), as records of ours.
//!
//! Taken over are realm roles, groups with their nesting, and users with names, address, attributes of
//! standard claims, roles, groups and hashes of passwords (argon2id, PBKDF2). Identifiers stay, so that
//! `sub` is what it was. What is not taken over is noted: clients, roles of clients, second factors,
//! identity providers.

use std::collections::{BTreeMap, BTreeSet};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use serde::Deserialize;

use crate::{
    application::records::{GroupRecord, Record, RoleRecord, UserRecord},
    cli::CliError,
};

/// A realm, read.
pub(super) struct Realm {
    /// What is taken over, in an order in which it can be.
    pub(super) records: Vec<Record>,
    /// What is not.
    pub(super) notes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Export {
    roles: Roles,
    groups: Vec<Group>,
    users: Vec<User>,
    clients: Vec<serde::de::IgnoredAny>,
    identity_providers: Vec<serde::de::IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Roles {
    realm: Vec<Role>,
}

#[derive(Deserialize)]
struct Role {
    name: String,
    description: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    name: String,
    #[serde(default)]
    realm_roles: Vec<String>,
    #[serde(default)]
    sub_groups: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct User {
    id: Option<String>,
    username: String,
    email: Option<String>,
    #[serde(default)]
    email_verified: bool,
    enabled: Option<bool>,
    first_name: Option<String>,
    last_name: Option<String>,
    /// Milliseconds.
    created_timestamp: Option<i64>,
    #[serde(default)]
    attributes: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    credentials: Vec<Credential>,
    #[serde(default)]
    realm_roles: Vec<String>,
    #[serde(default)]
    groups: Vec<String>,
    service_account_client_id: Option<String>,
}

#[derive(Deserialize)]
struct Credential {
    r#type: String,
    #[serde(rename = "secretData")]
    secret: Option<String>,
    #[serde(rename = "credentialData")]
    data: Option<String>,
}

#[derive(Deserialize)]
struct SecretData {
    value: String,
    salt: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CredentialData {
    algorithm: String,
    hash_iterations: u32,
    #[serde(default)]
    additional_parameters: BTreeMap<String, Vec<String>>,
}

/// Reads an export.
pub(super) fn read(text: &str) -> Result<Realm, CliError> {
    let export: Export = serde_json::from_str(text).map_err(|error| {
        CliError::usage(format!("this is no realm of Keycloak: {error}"))
            .hint("kc.sh export --realm NAME --file realm.json writes one")
    })?;
    let mut notes = Vec::new();
    let mut note = |count: usize, what: &str| {
        if count > 0 {
            notes.push(format!("{count} {what}"));
        }
    };
    note(
        export.clients.len(),
        "clients are not taken over: register them anew",
    );
    note(
        export.identity_providers.len(),
        "identity providers are not taken over",
    );
    let mut records: Vec<Record> = export.roles.realm.into_iter().map(role).collect();
    let mut names = BTreeMap::new();
    groups(&export.groups, ("", None), &mut names, &mut records);
    let (mut without, mut others) = (0, 0);
    for user in export.users {
        if user.service_account_client_id.is_some() {
            continue;
        }
        let is_password = |it: &&Credential| it.r#type == "password";
        let password = user.credentials.iter().find(is_password);
        let hash = password.and_then(hash);
        without += usize::from(hash.is_none());
        others += user
            .credentials
            .iter()
            .filter(|it| !is_password(it))
            .count();
        records.push(Record::User(Box::new(record(user, hash, &names))));
    }
    let mut note = |count: usize, what: &str| {
        if count > 0 {
            notes.push(format!("{count} {what}"));
        }
    };
    note(
        without,
        "users have no password that can be checked: they need a reset",
    );
    note(
        others,
        "credentials other than passwords are not taken over",
    );
    Ok(Realm { records, notes })
}

fn role(role: Role) -> Record {
    // A reference to a text of Keycloak's own.
    let own = |text: &String| !text.starts_with("${");
    Record::Role(RoleRecord {
        name: role.name,
        description: role.description.filter(own),
        permissions: Vec::new(),
    })
}

/// Groups by their paths. Here names are unique: one that stands in two places is named by its path.
fn groups(
    all: &[Group],
    (path, parent): (&str, Option<&str>),
    names: &mut BTreeMap<String, String>,
    records: &mut Vec<Record>,
) {
    for group in all {
        let whole = format!("{path}/{}", group.name);
        let is_taken = names.values().any(|name| *name == group.name);
        let name = if is_taken {
            whole.clone()
        } else {
            group.name.clone()
        };
        names.insert(whole.clone(), name.clone());
        records.push(Record::Group(GroupRecord {
            name: name.clone(),
            roles: group.realm_roles.iter().cloned().collect(),
            parent: parent.map(str::to_owned),
        }));
        groups(&group.sub_groups, (&whole, Some(&name)), names, records);
    }
}

fn record(
    user: User,
    password_hash: Option<String>,
    names: &BTreeMap<String, String>,
) -> UserRecord {
    let mut profile = BTreeMap::new();
    let attribute = |name: &str| user.attributes.get(name).and_then(|values| values.first());
    for (claim, attributes) in CLAIMS {
        if let Some(value) = attributes.iter().find_map(|name| attribute(name)) {
            profile.insert((*claim).to_owned(), value.clone());
        }
    }
    let known = [
        ("given_name", &user.first_name),
        ("family_name", &user.last_name),
    ];
    for (claim, value) in known {
        if let Some(value) = value.as_ref().filter(|value| !value.trim().is_empty()) {
            profile.insert(claim.to_owned(), value.clone());
        }
    }
    let groups: BTreeSet<String> = user
        .groups
        .iter()
        .map(|path| names.get(path).unwrap_or(path).clone())
        .collect();
    UserRecord {
        id: user.id,
        username: user.username,
        email: user.email.filter(|email| !email.is_empty()),
        email_verified: user.email_verified,
        active: user.enabled.unwrap_or(true),
        profile,
        password_hash,
        roles: user.realm_roles.into_iter().collect(),
        groups,
        claims: BTreeMap::new(),
        created_at: user.created_timestamp.map(|millis| millis.div_euclid(1000)),
    }
}

/// Claims and the attributes in which realms keep them.
const CLAIMS: [(&str, &[&str]); 6] = [
    ("locale", &["locale"]),
    ("zoneinfo", &["zoneinfo"]),
    ("phone_number", &["phone_number", "phoneNumber"]),
    ("birthdate", &["birthdate"]),
    ("nickname", &["nickname"]),
    ("website", &["website"]),
];

/// A password as a PHC string; none if it is of a kind that is not known.
fn hash(credential: &Credential) -> Option<String> {
    let secret: SecretData = serde_json::from_str(credential.secret.as_ref()?).ok()?;
    let data: CredentialData = serde_json::from_str(credential.data.as_ref()?).ok()?;
    let plain = |text: &str| Some(STANDARD_NO_PAD.encode(STANDARD.decode(text).ok()?));
    let (salt, value) = (plain(&secret.salt)?, plain(&secret.value)?);
    let rounds = data.hash_iterations;
    match data.algorithm.as_str() {
        "pbkdf2" | "pbkdf2-sha256" | "pbkdf2-sha512" => {
            Some(format!("${}$i={rounds}${salt}${value}", data.algorithm))
        }
        "argon2" => {
            let parameter = |name: &str| data.additional_parameters.get(name)?.first();
            let is_known = parameter("type").is_none_or(|kind| kind == "id")
                && parameter("version").is_none_or(|version| version == "1.3");
            let (memory, lanes) = (parameter("memory")?, parameter("parallelism")?);
            is_known
                .then(|| format!("$argon2id$v=19$m={memory},t={rounds},p={lanes}${salt}${value}"))
        }
        _ => None,
    }
}
