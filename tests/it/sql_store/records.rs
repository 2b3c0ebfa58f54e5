//! Records for the tests, with every property set to something.

use std::time::Duration;

use countersign::{
    application::ports::{Page, Store as _, UnitOfWork},
    domain::{
        algorithm::SigningAlgorithm,
        claim_demand::{Demand, GrantedClaims},
        client::{
            AccessTokenFormat, Client, ClientAuthentication, ClientKind, ClientLinks, ClientSecret,
            ClientStatus, ConsentPolicy, GrantType, PkcePolicy, RefreshRotation, ResponseMode,
            TokenPolicy,
        },
        client_keys::ClientKeys,
        client_logout::ClientLogout,
        grant::{Authentication, Grant, ResourceOwner},
        id::{ClientId, GrantId, GroupId, RoleId, SessionId, UserId},
        redirect_uri::RedirectUri,
        request_objects::RequestObjects,
        response_type::ResponseType,
        role::{Group, Permission, Role},
        secret::SecretDigest,
        time::Timestamp,
        user::{Address, Email, Profile, User, UserStatus, Username},
    },
    infrastructure::sql::SqlStore,
};

pub(super) const NOW: Timestamp = Timestamp(1_800_000_000);

/// Runs statements on a unit of work and commits them.
macro_rules! commit {
    ($store:expr, |$unit:ident| $body:expr) => {{
        let $unit = $crate::sql_store::records::begin(&$store).await;
        let result = $body;
        $unit.commit().await.unwrap();
        result
    }};
}
pub(super) use commit;

pub(super) async fn begin(store: &SqlStore) -> Box<dyn UnitOfWork> {
    store.begin().await.unwrap()
}

pub(super) fn page(after: Option<&str>, limit: u64) -> Page {
    Page {
        after: after.map(str::to_owned),
        limit,
    }
}

pub(super) fn later(seconds: i64) -> Timestamp {
    Timestamp(NOW.0 + seconds)
}

pub(super) fn user_id(name: &str) -> UserId {
    UserId::new(format!("id-of-{name}"))
}

pub(super) fn user(name: &str) -> User {
    User {
        id: user_id(name),
        username: Username::parse(name).unwrap(),
        email: Some(Email::parse(&format!("{name}@example.com")).unwrap()),
        email_verified: true,
        profile: profile(),
        status: UserStatus::Active,
        not_before: Timestamp(11),
        security_version: 7,
        created_at: Timestamp(12),
        updated_at: Timestamp(13),
        login_epoch: 14,
        deletion_due: Some(Timestamp(1_800_000_015)),
    }
}

fn profile() -> Profile {
    let text = |value: &str| Some(value.to_owned());
    Profile {
        first_name: text("Grace"),
        last_name: text("Hopper"),
        full_name: text("Grace Brewster Hopper"),
        middle_name: text("Brewster"),
        nickname: text("Amazing Grace"),
        profile: text("https://example.com/grace"),
        picture: text("https://example.com/grace.png"),
        website: text("https://grace.example"),
        gender: text("female"),
        birthdate: text("1906-12-09"),
        zoneinfo: text("America/New_York"),
        locale: text("en-US"),
        phone_number: text("+15555550100"),
        phone_number_verified: true,
        address: Some(Address {
            formatted: text("1 Main St\nArlington"),
            street_address: text("1 Main St"),
            locality: text("Arlington"),
            region: text("VA"),
            postal_code: text("22201"),
            country: text("US"),
        }),
    }
}

pub(super) fn permission(name: &str, resource: Option<&str>) -> Permission {
    Permission {
        name: name.to_owned(),
        resource: resource.map(str::to_owned),
    }
}

pub(super) fn role(name: &str) -> Role {
    Role {
        id: RoleId::new(format!("id-of-{name}")),
        name: name.to_owned(),
        description: Some(format!("The role {name}")),
        permissions: [
            permission("reports:read", None),
            permission("reports:read", Some("https://api.example")),
            permission(&format!("{name}:write"), Some("https://api.example")),
        ]
        .into(),
    }
}

pub(super) fn group(name: &str, roles: &[&Role]) -> Group {
    Group {
        id: GroupId::new(format!("id-of-{name}")),
        name: name.to_owned(),
        roles: roles.iter().map(|role| role.id.clone()).collect(),
        parent: None,
    }
}

pub(super) fn client(id: &str) -> Client {
    let uri = |uri: &str| RedirectUri::parse(uri).unwrap();
    Client {
        id: ClientId::new(id),
        name: "Reports".to_owned(),
        kind: ClientKind::Web,
        status: ClientStatus::Active,
        authentication: ClientAuthentication::ClientSecretBasic {
            secrets: vec![ClientSecret {
                digest: SecretDigest::of("secret"),
                expires_at: Some(NOW),
                sealed: None,
            }],
        },
        redirect_uris: [uri("https://app.example/callback")].into(),
        post_logout_redirect_uris: [uri("https://app.example/bye")].into(),
        grant_types: [GrantType::AuthorizationCode].into(),
        response_types: [ResponseType::CODE].into(),
        response_modes: [ResponseMode::Query].into(),
        scope: "openid reports:read".parse().unwrap(),
        resources: ["https://api.example".to_owned()].into(),
        pkce: PkcePolicy::Required,
        consent: ConsentPolicy::Remember,
        tokens: token_policy(),
        default_max_age: Some(3600),
        allowed_origins: ["https://app.example".to_owned()].into(),
        links: ClientLinks::default(),
        requests_per_minute: Some(600),
        rights: countersign::domain::client_rights::ClientRights::default(),
        keys: ClientKeys::default(),
        request_objects: RequestObjects::default(),
        userinfo_algorithm: None,
        encryption: countersign::domain::client_encryption::ClientEncryption::default(),
        logout: ClientLogout::default(),
        registration: None,
        not_before: Timestamp(21),
        created_at: Timestamp(22),
        updated_at: Timestamp(23),
    }
}

fn token_policy() -> TokenPolicy {
    TokenPolicy {
        access_token_format: AccessTokenFormat::Jwt,
        access_token_lifetime: Some(Duration::from_mins(5)),
        id_token_lifetime: None,
        id_token_algorithm: SigningAlgorithm::Rs256.into(),
        certificate_bound: false,
        refresh_rotation: RefreshRotation::Rotate,
        refresh_idle: None,
        refresh_absolute: None,
        refresh_grace: Some(Duration::from_secs(10)),
    }
}

pub(super) fn grant(id: &str, user: &str, client: &str) -> Grant {
    Grant {
        id: GrantId::new(id),
        client: ClientId::new(client),
        owner: Some(ResourceOwner {
            subject: user_id(user),
            authentication: Authentication {
                time: Timestamp(31),
                acr: "1".to_owned(),
                amr: vec!["pwd".to_owned()],
                session: SessionId::new(format!("session-of-{user}")),
                version: 0,
            },
            nonce: Some("n\0once".to_owned()),
        }),
        scope: "openid".parse().unwrap(),
        resources: vec!["https://api.example".to_owned()],
        claims: GrantedClaims {
            userinfo: [("name".to_owned(), Demand::default())].into(),
            ..GrantedClaims::default()
        },
        granted_at: NOW,
    }
}
