//! Who and what is in every test: settings, the user, the clients.

use std::sync::OnceLock;

use countersign::{
    application::{
        Ports,
        ports::Clock as _,
        settings::{Lifetimes, LoginLimits, RequestLimits, Settings},
    },
    domain::{
        algorithm::SigningAlgorithm,
        client::{
            AccessTokenFormat, Client, ClientAuthentication, ClientKind, ClientLinks, ClientSecret,
            ClientStatus, ConsentPolicy, GrantType, PkcePolicy, RefreshRotation, ResponseMode,
            TokenPolicy,
        },
        client_keys::ClientKeys,
        client_logout::ClientLogout,
        id::{ClientId, UserId},
        redirect_uri::RedirectUri,
        request_objects::RequestObjects,
        response_type::ResponseType,
        secret::SecretDigest,
        time::Timestamp,
        user::{Address, Email, Profile, User, UserStatus, Username},
    },
    infrastructure::clock::SystemClock,
    protocol::{capability::Features, issuer::Issuer},
};

/// The issuer of every test.
pub(crate) const ISSUER: &str = "https://id.example";
/// The redirect URI of the test clients.
pub(crate) const CALLBACK: &str = "https://rp.example/callback";
/// The user of every test.
pub(crate) const USERNAME: &str = "alice";
/// And her password.
pub(crate) const PASSWORD: &str = "correct horse battery staple";
/// The secret of the confidential test clients.
pub(crate) const SECRET: &str =
    "a-secret-of-the-test-clients-that-is-long-enough-for-every-mac-there-is";
/// When tests begin: now, because cookies expire by the browser's clock, whatever ours says.
pub(crate) fn start() -> Timestamp {
    static START: OnceLock<Timestamp> = OnceLock::new();
    *START.get_or_init(|| SystemClock.now())
}

/// The settings of every test.
pub(crate) fn settings() -> Settings {
    Settings {
        issuer: Issuer::parse(ISSUER).unwrap(),
        features: Features::all(SigningAlgorithm::USUAL.iter().copied())
            .with_response_types([ResponseType::CODE]),
        lifetimes: Lifetimes::default(),
        access_token_algorithm: SigningAlgorithm::Es256,
        login_limits: LoginLimits::default(),
        audit_retention: None,
        branding: std::sync::Arc::default(),
        deletion_grace: std::time::Duration::from_hours(14 * 24),
        request_limits: RequestLimits::OFF,
        registration: countersign::application::settings::Registration::Off,
    }
}

/// PKCE of every test (RFC 7636 Appendix B).
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// Its challenge.
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A client with everything allowed, for tests to cut down.
pub(crate) fn client(id: &str) -> Client {
    let secret = ClientSecret {
        digest: SecretDigest::of(SECRET),
        expires_at: None,
        sealed: None,
    };
    Client {
        id: ClientId::new(id),
        name: format!("The {id} client"),
        kind: ClientKind::Web,
        status: ClientStatus::Active,
        authentication: ClientAuthentication::ClientSecretBasic { secrets: vec![secret] },
        redirect_uris: [RedirectUri::parse(CALLBACK).unwrap()].into(),
        post_logout_redirect_uris: [RedirectUri::parse("https://rp.example/bye").unwrap()].into(),
        grant_types: GrantType::ALL.iter().copied().collect(),
        response_types: ResponseType::ALL.iter().copied().collect(),
        response_modes: ResponseMode::ALL.iter().copied().collect(),
        scope: "openid profile email address phone offline_access roles groups permissions reports:read reports:write"
            .parse()
            .unwrap(),
        resources: ["https://api.example".to_owned(), "https://other.example".to_owned()].into(),
        pkce: PkcePolicy::Optional,
        consent: ConsentPolicy::Remember,
        tokens: TokenPolicy {
            access_token_format: AccessTokenFormat::Jwt,
            access_token_lifetime: None,
            id_token_lifetime: None,
            id_token_algorithm: SigningAlgorithm::Rs256.into(),
            certificate_bound: false,
            refresh_rotation: RefreshRotation::Rotate,
            refresh_idle: None,
            refresh_absolute: None,
            refresh_grace: None,
        },
        default_max_age: None,
        allowed_origins: ["https://rp.example".to_owned()].into(),
        links: ClientLinks::default(),
        requests_per_minute: None,
        rights: countersign::domain::client_rights::ClientRights::default(),
        keys: ClientKeys::default(),
        request_objects: RequestObjects::default(),
        userinfo_algorithm: None,
        encryption: countersign::domain::client_encryption::ClientEncryption::default(),
        logout: ClientLogout::default(),
        registration: None,
        not_before: Timestamp(0),
        created_at: start(),
        updated_at: start(),
    }
}

/// A user with every standard claim.
pub(crate) fn user(id: &UserId) -> User {
    let text = |value: &str| Some(value.to_owned());
    User {
        id: id.clone(),
        username: Username::parse(USERNAME).unwrap(),
        email: Some(Email::parse("alice@id.example").unwrap()),
        email_verified: true,
        profile: Profile {
            first_name: text("Alice"),
            last_name: text("Example"),
            full_name: text("Alice M. Example"),
            middle_name: text("Maria"),
            nickname: text("Al"),
            profile: text("https://id.example/alice"),
            picture: text("https://id.example/alice.png"),
            website: text("https://alice.example"),
            gender: text("female"),
            birthdate: text("1990-10-31"),
            zoneinfo: text("Europe/Berlin"),
            locale: text("de-DE"),
            phone_number: text("+49 30 1234567"),
            phone_number_verified: true,
            address: Some(Address {
                formatted: text("Example Street 1\n10115 Berlin"),
                ..Address::default()
            }),
        },
        status: UserStatus::Active,
        not_before: Timestamp(0),
        security_version: 0,
        created_at: start().minus(std::time::Duration::from_hours(1)),
        updated_at: start().minus(std::time::Duration::from_hours(1)),
        login_epoch: 0,
        deletion_due: None,
    }
}

/// Adds the user and the clients of every test.
pub(crate) async fn seed(ports: &Ports) -> UserId {
    let id = UserId::new(uuid::Uuid::new_v4().to_string());
    let hash = ports.passwords.hash(PASSWORD).await.unwrap();
    let work = ports.store.begin().await.unwrap();
    work.add_user(&user(&id)).await.unwrap();
    work.set_password(&id, &hash, ports.clock.now())
        .await
        .unwrap();
    let spa = Client {
        kind: ClientKind::Spa,
        authentication: ClientAuthentication::None,
        ..client("spa")
    };
    let post = {
        let client = client("post");
        let secrets = client.authentication.secrets().to_vec();
        Client {
            authentication: ClientAuthentication::ClientSecretPost { secrets },
            ..client
        }
    };
    let service = Client {
        kind: ClientKind::Service,
        ..client("service")
    };
    for client in [client("web"), spa, post, service, client("other")] {
        work.add_client(&client).await.unwrap();
    }
    work.commit().await.unwrap();
    id
}
