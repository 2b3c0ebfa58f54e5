//! RFC 7518, OIDC Core §10.1 — what secures tokens for clients: every signature, the client's secret, nothing.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::{
    application::{
        commands::{
            change_client::rotate_client_secret,
            edit_client::{ClientEdit, edit_client},
        },
        ports::Clock as _,
    },
    domain::{
        algorithm::{Hash, MacAlgorithm, SigningAlgorithm, TokenAlgorithm},
        client::{AssertionAudience, ClientAuthentication},
        id::ClientId,
    },
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use super::support::{
    app::{Browser, ISSUER, SECRET, Stage, TestApp, claims, on_both},
    keys::Key,
};

const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

fn mac(algorithm: MacAlgorithm, secret: &str, message: &str) -> String {
    macro_rules! mac {
        ($hash:ty) => {{
            let mac = Hmac::<$hash>::new_from_slice(secret.as_bytes()).unwrap();
            URL_SAFE_NO_PAD.encode(mac.chain_update(message).finalize().into_bytes())
        }};
    }
    match algorithm {
        MacAlgorithm::Hs256 => mac!(Sha256),
        MacAlgorithm::Hs384 => mac!(Sha384),
        MacAlgorithm::Hs512 => mac!(Sha512),
    }
}

/// A JWT under a secret.
fn sealed(algorithm: MacAlgorithm, secret: &str, claims: &Value) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = json!({ "alg": algorithm, "typ": "JWT" });
    let message = format!("{}.{}", encode(&header), encode(claims));
    format!("{message}.{}", mac(algorithm, secret, &message))
}

fn header(token: &str) -> Value {
    let header = token.split('.').next().unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap()
}

fn half_hash(text: &str, hash: Hash) -> String {
    let hash = match hash {
        Hash::Sha256 => Sha256::digest(text).to_vec(),
        Hash::Sha384 => Sha384::digest(text).to_vec(),
        Hash::Sha512 => Sha512::digest(text).to_vec(),
    };
    URL_SAFE_NO_PAD.encode(&hash[..hash.len() / 2])
}

async fn every_algorithm_secures_an_id_token(stage: Stage) {
    let app = TestApp::start_with_keys(stage, SigningAlgorithm::ALL).await;
    app.make_secret_readable("web").await;
    for algorithm in TokenAlgorithm::every(SigningAlgorithm::ALL.iter().copied()) {
        app.change_client("web", |client| client.tokens.id_token_algorithm = algorithm)
            .await;
        let tokens = app.tokens("web", "openid").await;
        let token = tokens["id_token"].as_str().unwrap();
        assert_eq!(header(token)["alg"], algorithm.as_str());
        let at_hash = half_hash(tokens["access_token"].as_str().unwrap(), algorithm.hash());
        assert_eq!(claims(token)["at_hash"], at_hash, "{algorithm}");
        let (message, signature) = token.rsplit_once('.').unwrap();
        match algorithm {
            TokenAlgorithm::Signature(_) => {
                assert!(
                    app.ports().signer.verify("JWT", token).await.is_ok(),
                    "{algorithm}"
                );
            }
            TokenAlgorithm::Mac(algorithm) => {
                assert_eq!(signature, mac(algorithm, SECRET, message));
                assert!(header(token).get("kid").is_none(), "a secret has no name");
            }
            TokenAlgorithm::None => assert_eq!(signature, ""),
        }
    }
    let jwks = app.get("/oauth2/jwks.json").await.json();
    let keys = jwks["keys"].as_array().unwrap();
    assert_eq!(keys.len(), SigningAlgorithm::ALL.len() + 2);
    for key in keys {
        assert!(key.get("d").is_none() && key.get("k").is_none(), "{key}");
        assert_eq!(key["use"] == "enc", key.get("alg").is_none(), "{key}");
    }
}

#[tokio::test]
async fn every_algorithm_secures_an_id_token_on_sqlite_and_the_embedded_store() {
    every_algorithm_secures_an_id_token(Stage::Embedded).await;
}

#[tokio::test]
async fn every_algorithm_secures_an_id_token_on_postgres_and_redis() {
    every_algorithm_secures_an_id_token(Stage::Servers).await;
}

on_both! {
    async fn an_id_token_under_the_secret_is_a_hint_and_one_without_security_is_not(app: TestApp) {
        app.make_secret_readable("web").await;
        for (algorithm, is_hint) in [("HS256", true), ("HS512", true), ("none", false)] {
            let algorithm: TokenAlgorithm = algorithm.parse().unwrap();
            app.change_client("web", |client| client.tokens.id_token_algorithm = algorithm).await;
            let tokens = app.tokens("web", "openid").await;
            let token = tokens["id_token"].as_str().unwrap();
            let asked = format!("/oauth2/logout?id_token_hint={token}");
            // Nobody is logged in here, so there is nothing to end.
            let status = if is_hint { 303 } else { 400 };
            assert_eq!(app.get(&asked).await.status.as_u16(), status, "{algorithm}");
            // Forged, with the same content.
            let (algorithm, forged) = (MacAlgorithm::Hs256, claims(token));
            let forged = sealed(algorithm, "another-secret-that-is-long-enough-to-be-one", &forged);
            app.get(&format!("/oauth2/logout?id_token_hint={forged}")).await.assert_page(400);
        }
    }
}

on_both! {
    async fn what_needs_a_readable_secret_is_refused_without_one(app: TestApp) {
        let (registrar, id) = (app.registrar(), ClientId::new("web"));
        let to = |text: &str| ClientEdit { id_token_algorithm: Some(text.parse().unwrap()), ..ClientEdit::default() };
        let refused = edit_client(&registrar, &id, to("HS256")).await.unwrap_err().to_string();
        assert!(refused.contains("--readable"), "{refused}");
        app.make_secret_readable("web").await;
        edit_client(&registrar, &id, to("HS256")).await.unwrap();
        let public = edit_client(&registrar, &ClientId::new("spa"), to("HS256")).await.unwrap_err();
        assert!(public.to_string().contains("clients with a secret"), "{public}");
        // One that is too short for the algorithm is refused (RFC 7518 §3.2).
        edit_client(&registrar, &id, to("HS512")).await.unwrap();
        let short = "a-secret-of-forty-eight-bytes-is-too-short-here!";
        let rotated = rotate_client_secret(&registrar, &id, Some(&short.into()), (Duration::ZERO, false)).await;
        assert!(rotated.err().unwrap().to_string().contains("too short"));
        edit_client(&registrar, &id, to("HS256")).await.unwrap();
        // A secret that was rotated without a word stays readable where it is needed.
        rotate_client_secret(&registrar, &id, Some(&SECRET.into()), (Duration::ZERO, false)).await.unwrap();
        let tokens = app.tokens("web", "openid").await;
        assert_eq!(header(tokens["id_token"].as_str().unwrap())["alg"], "HS256");
        // At rest it is sealed: neither the database's JSON nor the trail has it.
        let stored = app.ports().store.reader().client(&id).await.unwrap().unwrap();
        assert!(!serde_json::to_string(&stored).unwrap().contains(SECRET));
        assert!(stored.authentication.secrets().iter().all(|secret| secret.sealed.is_some()));
    }
}

on_both! {
    async fn an_unsecured_id_token_never_goes_through_the_browser(app: TestApp) {
        let (registrar, id) = (app.registrar(), ClientId::new("web"));
        let edit = ClientEdit { id_token_algorithm: Some(TokenAlgorithm::None), ..ClientEdit::default() };
        app.change_client("web", |client| client.response_types = ["code id_token".parse().unwrap()].into()).await;
        let refused = edit_client(&registrar, &id, edit).await.unwrap_err();
        assert!(refused.to_string().contains("token endpoint"), "{refused}");
    }
}

/// `web`, proving itself by assertions under its secret.
async fn with_assertions(app: &TestApp, algorithm: Option<MacAlgorithm>) {
    app.make_secret_readable("web").await;
    app.change_client("web", |client| {
        client.authentication = ClientAuthentication::ClientSecretJwt {
            secrets: client.authentication.secrets().to_vec(),
            algorithm,
            audience: AssertionAudience::Issuer,
        };
    })
    .await;
}

fn assertion(app: &TestApp, jti: &str) -> Value {
    let now = app.clock.now().0;
    json!({ "iss": "web", "sub": "web", "aud": ISSUER, "jti": jti, "iat": now, "exp": now + 60 })
}

async fn present(app: &TestApp, assertion: &str) -> u16 {
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", TYPE),
        ("client_assertion", assertion),
    ];
    let answer = app.post("/oauth2/token", &fields).await;
    if answer.status != 200 {
        answer.assert_error(401, "invalid_client");
    }
    answer.status.as_u16()
}

on_both! {
    async fn client_secret_jwt_works_once_for_each_assertion_with_every_mac(app: TestApp) {
        with_assertions(&app, None).await;
        for algorithm in MacAlgorithm::ALL {
            let token = sealed(*algorithm, SECRET, &assertion(&app, algorithm.as_str()));
            assert_eq!(present(&app, &token).await, 200, "{algorithm}");
            assert_eq!(present(&app, &token).await, 401, "used before");
        }
    }
}

on_both! {
    async fn c061_c062_c063_an_assertion_that_the_secret_did_not_make_is_refused(app: TestApp) {
        with_assertions(&app, Some(MacAlgorithm::Hs256)).await;
        let key = Key::new("a");
        app.change_client("web", |client| client.keys.jwks = Some(key.set())).await;
        let good = sealed(MacAlgorithm::Hs256, SECRET, &assertion(&app, "good"));
        let (message, signature) = good.rsplit_once('.').unwrap();
        let none = format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), message.split_once('.').unwrap().1);
        for (what, token) in [
            ("another algorithm than registered", sealed(MacAlgorithm::Hs512, SECRET, &assertion(&app, "1"))),
            ("another secret", sealed(MacAlgorithm::Hs256, &SECRET.replace('a', "b"), &assertion(&app, "2"))),
            ("the secret's digest", {
                let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(SECRET));
                sealed(MacAlgorithm::Hs256, &digest, &assertion(&app, "3"))
            }),
            ("a signature of the client's own key", key.sign(&assertion(&app, "4"))),
            ("its public key as a secret", {
                sealed(MacAlgorithm::Hs256, &key.public.to_string(), &assertion(&app, "5"))
            }),
            ("no signature", none),
            ("an empty one", format!("{message}.")),
            ("a cut one", format!("{message}.{}", &signature[..20])),
            ("the secret itself", SECRET.to_owned()),
        ] {
            assert_eq!(present(&app, &token).await, 401, "{what}");
        }
        assert_eq!(present(&app, &good).await, 200);
    }
}

on_both! {
    async fn during_a_rotation_both_secrets_make_assertions_and_afterwards_the_new_one_alone(app: TestApp) {
        with_assertions(&app, None).await;
        let (registrar, id) = (app.registrar(), ClientId::new("web"));
        let newer = "another-secret-of-the-client-that-is-long-enough";
        let how = (Duration::from_mins(5), false);
        rotate_client_secret(&registrar, &id, Some(&newer.into()), how).await.unwrap();
        for (secret, jti) in [(SECRET, "1"), (newer, "2")] {
            assert_eq!(present(&app, &sealed(MacAlgorithm::Hs256, secret, &assertion(&app, jti))).await, 200);
        }
        app.clock.advance(Duration::from_mins(6));
        for (secret, jti, status) in [(SECRET, "3", 401), (newer, "4", 200)] {
            assert_eq!(present(&app, &sealed(MacAlgorithm::Hs256, secret, &assertion(&app, jti))).await, status);
        }
    }
}

on_both! {
    async fn a_request_object_is_secured_as_registered_and_in_no_other_way(app: TestApp) {
        app.make_secret_readable("web").await;
        let key = Key::new("a");
        app.change_client("web", |client| client.keys.jwks = Some(key.set())).await;
        let asked = json!({ "client_id": "web", "response_type": "code", "state": "inside" });
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let objects = [
            ("HS256", sealed(MacAlgorithm::Hs256, SECRET, &asked)),
            ("none", format!("{}.{}.", encode(&json!({ "alg": "none" })), encode(&asked))),
            ("ES256", key.sign(&asked)),
        ];
        for (registered, _) in &objects {
            let algorithm: TokenAlgorithm = registered.parse().unwrap();
            app.change_client("web", |client| client.request_objects.algorithm = Some(algorithm)).await;
            for (name, object) in &objects {
                let mut browser = Browser::new(&app);
                let answer = browser.authorize("web", &[("request", object.as_str())]).await;
                if name == registered {
                    let answer = browser.finish(answer).await;
                    assert_eq!(answer.location_param("state").as_deref(), Some("inside"), "{name}");
                } else {
                    answer.assert_redirected_error("invalid_request_object");
                }
            }
        }
    }
}
