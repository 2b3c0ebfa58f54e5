//! The API against a stand-in for the provider that publishes whatever keys a test wants.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::{Json, Router, extract::State, routing::get};
use jsonwebtoken::{
    Algorithm, EncodingKey, Header, encode, get_current_timestamp,
    jwk::{Jwk, PublicKeyUse},
};
use reqwest::{StatusCode, header::WWW_AUTHENTICATE};
use serde_json::{Value, json};

use crate::{api, jwks::Jwks, token::Verifier};

const AUDIENCE: &str = "https://api.example";

/// A signing key with the id under which it is published.
struct Signer {
    kid: &'static str,
    key: EncodingKey,
}

impl Signer {
    fn new(kid: &'static str) -> Self {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        Self {
            kid,
            key: EncodingKey::from_ec_der(&pair.serialize_der()),
        }
    }

    fn jwk(&self) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.key, Algorithm::ES256).unwrap();
        jwk.common.key_id = Some(self.kid.to_owned());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        serde_json::to_value(jwk).unwrap()
    }

    fn header(&self) -> Header {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some("at+jwt".to_owned());
        header.kid = Some(self.kid.to_owned());
        header
    }

    fn sign(&self, claims: &Value) -> String {
        encode(&self.header(), claims, &self.key).unwrap()
    }
}

/// What the stand-in publishes, and how often it was asked.
#[derive(Default)]
struct Provider {
    issuer: Mutex<String>,
    keys: Mutex<Vec<Value>>,
    fetches: AtomicUsize,
}

impl Provider {
    async fn start(keys: Vec<Value>) -> Arc<Self> {
        let provider = Arc::new(Self {
            keys: Mutex::new(keys),
            ..Self::default()
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(metadata))
            .route("/keys", get(keys_document))
            .with_state(Arc::clone(&provider));
        *provider.issuer.lock().unwrap() = serve(router).await;
        provider
    }

    fn claims(&self) -> Value {
        let now = get_current_timestamp();
        json!({
            "iss": *self.issuer.lock().unwrap(), "aud": AUDIENCE, "sub": "alice", "client_id": "spa",
            "iat": now, "exp": now + 600, "jti": "1", "scope": "openid email reports:read",
            "permissions": ["reports:read"],
        })
    }

    /// The API under test, which accepts tokens of this provider.
    async fn api(&self, min_interval: Duration) -> Api {
        let jwks = Jwks::new(self.issuer.lock().unwrap().clone(), min_interval).unwrap();
        Api(serve(api::router(Arc::new(Verifier::new(jwks, AUDIENCE)))).await)
    }
}

async fn metadata(State(provider): State<Arc<Provider>>) -> Json<Value> {
    let issuer = provider.issuer.lock().unwrap().clone();
    Json(json!({ "issuer": issuer, "jwks_uri": format!("{issuer}/keys") }))
}

async fn keys_document(State(provider): State<Arc<Provider>>) -> Json<Value> {
    provider.fetches.fetch_add(1, SeqCst);
    Json(json!({ "keys": *provider.keys.lock().unwrap() }))
}

async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

struct Api(String);

impl Api {
    /// Status, challenge and body of a request with this token.
    async fn get(&self, path: &str, token: &str) -> (StatusCode, String, Value) {
        let request = reqwest::Client::new()
            .get(format!("{}{path}", self.0))
            .bearer_auth(token);
        let response = request.send().await.unwrap();
        let challenge = response
            .headers()
            .get(WWW_AUTHENTICATE)
            .map_or("", |value| value.to_str().unwrap())
            .to_owned();
        (response.status(), challenge, response.json().await.unwrap())
    }

    async fn refuses(&self, token: &str, description: &str) {
        let (status, challenge, body) = self.get("/whoami", token).await;
        assert_eq!(
            (status, body["error"].as_str()),
            (StatusCode::UNAUTHORIZED, Some("invalid_token"))
        );
        assert_eq!(body["error_description"], description);
        assert_eq!(
            challenge,
            format!(r#"Bearer error="invalid_token", error_description="{description}""#)
        );
    }
}

#[tokio::test]
async fn a_token_with_scope_and_permission_opens_every_door() {
    let signer = Signer::new("k1");
    let provider = Provider::start(vec![signer.jwk()]).await;
    let api = provider.api(Duration::ZERO).await;
    let token = signer.sign(&provider.claims());
    for path in ["/whoami", "/contact", "/reports"] {
        assert_eq!(api.get(path, &token).await.0, StatusCode::OK, "{path}");
    }
    assert_eq!(provider.fetches.load(SeqCst), 1, "the keys are cached");
}

#[tokio::test]
async fn no_token_gets_a_challenge_without_an_error_code() {
    let api = Provider::start(vec![]).await.api(Duration::ZERO).await;
    let response = reqwest::get(format!("{}/whoami", api.0)).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(response.headers()[WWW_AUTHENTICATE], "Bearer");
}

#[tokio::test]
async fn scope_and_permission_are_both_needed() {
    let signer = Signer::new("k1");
    let provider = Provider::start(vec![signer.jwk()]).await;
    let api = provider.api(Duration::ZERO).await;

    let mut claims = provider.claims();
    claims["scope"] = json!("openid email_verified");
    let (status, challenge, _) = api.get("/contact", &signer.sign(&claims)).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(
        challenge.contains(r#"error="insufficient_scope""#)
            && challenge.contains(r#"scope="email""#),
        "{challenge}"
    );

    let mut claims = provider.claims();
    claims["permissions"] = json!(["reports:write"]);
    let (status, challenge, _) = api.get("/reports", &signer.sign(&claims)).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(
        challenge.contains("the user lacks a permission") && !challenge.contains("scope="),
        "{challenge}"
    );
}

#[tokio::test]
async fn claims_of_another_purpose_are_refused() {
    let signer = Signer::new("k1");
    let provider = Provider::start(vec![signer.jwk()]).await;
    let api = provider.api(Duration::ZERO).await;
    let now = get_current_timestamp();
    for (claim, value, description) in [
        ("iss", json!("https://evil.example"), "from another issuer"),
        (
            "aud",
            json!("https://other.example"),
            "meant for another audience",
        ),
        ("exp", json!(now - 60), "expired"),
        ("nbf", json!(now + 60), "not valid yet"),
        ("client_id", Value::Null, "malformed"),
    ] {
        let mut claims = provider.claims();
        claims[claim] = value;
        api.refuses(&signer.sign(&claims), description).await;
    }
    for claim in ["iss", "aud", "exp", "sub", "client_id", "jti", "iat"] {
        let mut claims = provider.claims();
        claims.as_object_mut().unwrap().remove(claim);
        api.refuses(&signer.sign(&claims), "malformed").await;
    }
}

#[tokio::test]
async fn headers_of_another_purpose_are_refused() {
    let signer = Signer::new("k1");
    let provider = Provider::start(vec![signer.jwk()]).await;
    let api = provider.api(Duration::ZERO).await;
    let claims = provider.claims();
    let sign = |header: &Header| encode(header, &claims, &signer.key).unwrap();

    let mut id_token = signer.header();
    id_token.typ = Some("JWT".to_owned());
    api.refuses(&sign(&id_token), "not an access token").await;

    let mut without_key = signer.header();
    without_key.kid = None;
    api.refuses(&sign(&without_key), "no key id").await;

    let mut shared_secret = signer.header();
    shared_secret.alg = Algorithm::HS256;
    let forged = encode(
        &shared_secret,
        &claims,
        &EncodingKey::from_secret(b"public key"),
    )
    .unwrap();
    api.refuses(&forged, "signature algorithm not accepted")
        .await;

    let other = Signer::new("k1");
    api.refuses(&other.sign(&claims), "the signature does not match")
        .await;
    api.refuses("not.a.token", "not a signed JWT").await;
}

#[tokio::test]
async fn a_rotated_key_is_found_and_the_old_one_forgotten() {
    let (old, new) = (Signer::new("k1"), Signer::new("k2"));
    let provider = Provider::start(vec![old.jwk()]).await;
    let api = provider.api(Duration::ZERO).await;
    let claims = provider.claims();
    assert_eq!(
        api.get("/whoami", &old.sign(&claims)).await.0,
        StatusCode::OK
    );

    *provider.keys.lock().unwrap() = vec![new.jwk()];
    assert_eq!(
        api.get("/whoami", &new.sign(&claims)).await.0,
        StatusCode::OK
    );
    api.refuses(&old.sign(&claims), "unknown key").await;
}

#[tokio::test]
async fn forged_key_ids_do_not_reach_the_provider() {
    let (signer, forger) = (Signer::new("k1"), Signer::new("k2"));
    let provider = Provider::start(vec![signer.jwk()]).await;
    let api = provider.api(Duration::from_hours(1)).await;
    let claims = provider.claims();
    assert_eq!(
        api.get("/whoami", &signer.sign(&claims)).await.0,
        StatusCode::OK
    );
    for _ in 0..5 {
        api.refuses(&forger.sign(&claims), "unknown key").await;
    }
    assert_eq!(provider.fetches.load(SeqCst), 1);
}

#[tokio::test]
async fn keys_for_other_uses_verify_nothing() {
    let signer = Signer::new("k1");
    let mut encryption = signer.jwk();
    encryption["use"] = json!("enc");
    let mut unspecific = signer.jwk();
    unspecific.as_object_mut().unwrap().remove("alg");
    for jwk in [encryption, unspecific] {
        let provider = Provider::start(vec![jwk]).await;
        let api = provider.api(Duration::ZERO).await;
        api.refuses(&signer.sign(&provider.claims()), "unknown key")
            .await;
    }
}

#[tokio::test]
async fn without_keys_the_answer_is_try_again() {
    let signer = Signer::new("k1");
    let jwks = Jwks::new("http://127.0.0.1:1".to_owned(), Duration::ZERO).unwrap();
    let api = Api(serve(api::router(Arc::new(Verifier::new(jwks, AUDIENCE)))).await);
    let (status, challenge, body) = api.get("/whoami", &signer.sign(&json!({}))).await;
    assert_eq!(
        (status, challenge.as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "")
    );
    assert_eq!(body["error"], "temporarily_unavailable");
}
