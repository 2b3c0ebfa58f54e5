//! An authorization request (a query): whatever it says, the answer goes to the registered address or
//! nowhere, as one line of printable ASCII; and what is accepted is within what the client may.
#![no_main]

use std::sync::LazyLock;

use countersign::{
    domain::{
        client::{
            AccessTokenFormat, Client, ClientAuthentication, ClientKind, ClientLinks, ClientStatus,
            ConsentPolicy, GrantType, PkcePolicy, RefreshRotation, ResponseMode, ResponseType,
            TokenPolicy,
        },
        client_rights::ClientRights,
        id::ClientId,
        algorithm::SigningAlgorithm,
        redirect_uri::RedirectUri,
        time::Timestamp,
    },
    protocol::{
        authorization::RawAuthorization, capability::Features, issuer::Issuer, params::Params,
        response_mode::Delivery,
    },
};
use libfuzzer_sys::fuzz_target;

const CALLBACK: &str = "https://rp.example/callback";

struct Site {
    client: Client,
    features: Features,
    issuer: Issuer,
}

static SITE: LazyLock<Site> = LazyLock::new(|| Site {
    client: client(),
    features: Features::all(SigningAlgorithm::ALL.iter().copied()),
    issuer: Issuer::parse("https://id.example").expect("an issuer"),
});

fuzz_target!(|query: &[u8]| {
    let Site {
        client,
        features,
        issuer,
    } = &*SITE;
    let request = RawAuthorization::parse(Params::parse(query));
    let Ok(bound) = request.bind(client) else {
        return;
    };
    assert_eq!(bound.target.uri(), CALLBACK);
    let delivery = match bound.accept(client, features) {
        Ok(accepted) => {
            assert!(accepted.scope.is_subset(&client.scope));
            assert!(
                accepted
                    .resources
                    .iter()
                    .all(|uri| client.resources.contains(uri))
            );
            assert!(accepted.challenge.is_some(), "the client must use PKCE");
            bound.target.success("code", issuer)
        }
        Err(error) => bound.target.failure(&error, issuer),
    };
    match delivery {
        Delivery::Redirect(uri) => {
            let rest = uri.strip_prefix(CALLBACK).expect("the registered address");
            assert!(rest.starts_with(['?', '#']));
            assert!(uri.bytes().all(|byte| byte.is_ascii_graphic()));
            assert!(uri.ends_with("iss=https%3A%2F%2Fid.example"));
        }
        Delivery::FormPost { action, .. } => assert_eq!(action, CALLBACK),
    }
});

fn client() -> Client {
    Client {
        id: ClientId::new("web"),
        name: "web".to_owned(),
        kind: ClientKind::Spa,
        status: ClientStatus::Active,
        authentication: ClientAuthentication::None,
        redirect_uris: [RedirectUri::parse(CALLBACK).expect("a URI")].into(),
        post_logout_redirect_uris: [].into(),
        grant_types: GrantType::ALL.iter().copied().collect(),
        response_types: ResponseType::ALL.iter().copied().collect(),
        response_modes: ResponseMode::ALL.iter().copied().collect(),
        scope: "openid email offline_access".parse().expect("a scope"),
        resources: ["https://api.example".to_owned()].into(),
        pkce: PkcePolicy::Required,
        consent: ConsentPolicy::Remember,
        tokens: TokenPolicy {
            access_token_format: AccessTokenFormat::Jwt,
            access_token_lifetime: None,
            id_token_lifetime: None,
            id_token_algorithm: SigningAlgorithm::Rs256.into(),
            refresh_rotation: RefreshRotation::Rotate,
            refresh_idle: None,
            refresh_absolute: None,
            refresh_grace: None,
        },
        default_max_age: None,
        allowed_origins: [].into(),
        links: ClientLinks::default(),
        requests_per_minute: None,
        rights: ClientRights::default(),
        not_before: Timestamp(0),
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
    }
}
