//! RFC 7523 client assertions over HTTP: `private_key_jwt` and the attacks on it (security.md B, 61–69).

use std::time::Duration;

use axum::http::StatusCode;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::{
    application::ports::{
        Clock as _,
        state::{Kind, StateKey},
    },
    domain::client::{AssertionAudience, ClientAuthentication},
};
use curve25519_dalek::constants::EIGHT_TORSION;
use josekit::{
    jwk::{
        KeyPair as _,
        alg::ec::{EcCurve, EcKeyPair},
    },
    jws::{self, JwsSigner, alg::ecdsa::EcdsaJwsSigner},
};
use serde_json::{Value, json};

use super::support::app::{Answer, ISSUER, TestApp, on_both};

const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The client `web` with a key instead of a secret.
struct KeyHolder<'a> {
    app: &'a TestApp,
    signer: EcdsaJwsSigner,
}

impl<'a> KeyHolder<'a> {
    async fn new(app: &'a TestApp) -> Self {
        let pair = EcKeyPair::generate(EcCurve::P256).unwrap();
        let mut key: Value = serde_json::from_str(&pair.to_jwk_public_key().to_string()).unwrap();
        key["kid"] = json!("k");
        app.change_client("web", |client| {
            client.authentication = ClientAuthentication::PrivateKeyJwt {
                jwks: json!({ "keys": [key] }),
                algorithm: None,
                audience: AssertionAudience::Issuer,
            };
        })
        .await;
        let signer = jws::ES256
            .signer_from_jwk(&pair.to_jwk_private_key())
            .unwrap();
        Self { app, signer }
    }

    /// Proper claims with this identifier.
    fn claims(&self, jti: &str) -> Value {
        let now = self.app.clock.now().0;
        json!({ "iss": "web", "sub": "web", "aud": ISSUER, "jti": jti, "iat": now, "exp": now + 60 })
    }

    fn sign(&self, claims: &Value) -> String {
        let header = json!({ "alg": "ES256", "kid": "k" });
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", encode(&header), encode(claims));
        let signature = self.signer.sign(message.as_bytes()).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    async fn present(&self, uri: &str, assertion: &str) -> Answer {
        let fields = [
            ("grant_type", "client_credentials"),
            ("token", "anything"),
            ("client_assertion_type", TYPE),
            ("client_assertion", assertion),
        ];
        self.app.post(uri, &fields).await
    }

    /// Presents proper claims with one member changed.
    async fn with(&self, name: &str, value: Value) -> Answer {
        let mut claims = self.claims(&format!("{name}-{value}"));
        claims[name] = value;
        self.present("/oauth2/token", &self.sign(&claims)).await
    }
}

/// Every encoding of an Ed25519 point whose order divides eight, the non-canonical ones too.
pub(crate) fn small_order_points() -> Vec<[u8; 32]> {
    let padded = |first: u8, rest: u8, last: u8| {
        let mut point = [rest; 32];
        (point[0], point[31]) = (first, last);
        point
    };
    let mut points = vec![
        padded(0, 0, 0),
        padded(1, 0, 0),
        padded(0xEC, 0xFF, 0x7F),
        padded(0xED, 0xFF, 0x7F),
        padded(0xEE, 0xFF, 0x7F),
    ];
    points.extend(EIGHT_TORSION.iter().map(|point| point.compress().0));
    let flipped: Vec<_> = points
        .iter()
        .map(|point| {
            let mut point = *point;
            point[31] ^= 0x80;
            point
        })
        .collect();
    points.extend(flipped);
    points
}

on_both! {
    async fn c083_one_fixed_signature_is_no_key_to_every_client(app: TestApp) {
        let client = KeyHolder::new(&app).await;
        for (number, point) in small_order_points().into_iter().enumerate() {
            // As if it had been registered before such keys were refused.
            app.change_client("web", |client| {
                let key = json!({ "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(point) });
                client.authentication = ClientAuthentication::PrivateKeyJwt { jwks: json!({ "keys": [key] }), algorithm: None, audience: AssertionAudience::Issuer };
            }).await;
            for r in [point, { let mut identity = [0; 32]; identity[0] = 1; identity }] {
                let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
                let message = format!("{}.{}", encode(&json!({ "alg": "EdDSA" })), encode(&client.claims(&format!("{number}"))));
                let forged = format!("{message}.{}", URL_SAFE_NO_PAD.encode([r, [0; 32]].concat()));
                client.present("/oauth2/token", &forged).await.assert_error(401, "invalid_client");
            }
        }
    }

    async fn c065_c179_a_store_that_forgot_takes_no_assertion_again_after_a_minute(app: TestApp) {
        let client = KeyHolder::new(&app).await;
        let now = app.clock.now().0;
        for (jti, iat) in [("fresh", json!(now + 10)), ("undated", Value::Null)] {
            let mut claims = client.claims(jti);
            claims["exp"] = json!(now + if iat.is_null() { 60 } else { 300 });
            claims["iat"] = iat.clone();
            if iat.is_null() {
                claims.as_object_mut().unwrap().remove("iat");
            }
            let assertion = client.sign(&claims);
            assert_eq!(client.present("/oauth2/token", &assertion).await.status, StatusCode::OK, "{jti}");
            let key = StateKey::new(Kind::Assertion, &format!("web\0{jti}"));
            app.ports().state.delete(&key).await.unwrap();
            app.clock.advance(Duration::from_secs(61));
            client.present("/oauth2/token", &assertion).await.assert_error(401, "invalid_client");
            app.clock.set(countersign::domain::time::Timestamp(now));
        }
    }

    async fn a_signed_assertion_authenticates_at_every_endpoint(app: TestApp) {
        let client = KeyHolder::new(&app).await;
        for uri in ["/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"] {
            let answer = client.present(uri, &client.sign(&client.claims(uri))).await;
            assert_eq!(answer.status, StatusCode::OK, "{uri}: {}", answer.body);
        }
    }

    async fn c064_only_the_issuer_alone_is_the_audience(app: TestApp) {
        let client = KeyHolder::new(&app).await;
        for aud in [
            json!(format!("{ISSUER}/oauth2/token")),
            json!(format!("{ISSUER}/oauth2/par")),
            json!(format!("{ISSUER}/")),
            json!([ISSUER]),
            json!([ISSUER, "https://other.example"]),
            json!("https://other.example"),
            Value::Null,
        ] {
            client.with("aud", aud).await.assert_error(401, "invalid_client");
        }
    }

    async fn a_client_that_registered_so_may_address_the_token_endpoint(app: TestApp) {
        let client = KeyHolder::new(&app).await;
        app.change_client("web", |client| {
            if let ClientAuthentication::PrivateKeyJwt { audience, .. } = &mut client.authentication {
                *audience = AssertionAudience::TokenEndpoint;
            }
        }).await;
        for aud in [ISSUER.to_owned(), format!("{ISSUER}/oauth2/token")] {
            let answer = client.with("aud", json!(aud)).await;
            assert_eq!(answer.status, StatusCode::OK, "{aud}: {}", answer.body);
        }
        for aud in [json!([format!("{ISSUER}/oauth2/token")]), json!(format!("{ISSUER}/oauth2/introspect")), json!("https://other.example/oauth2/token")] {
            client.with("aud", aud).await.assert_error(401, "invalid_client");
        }
    }

    async fn c065_an_assertion_is_good_once_at_whatever_endpoint(app: TestApp) {
        let client = KeyHolder::new(&app).await;
        let assertion = client.sign(&client.claims("once"));
        assert_eq!(client.present("/oauth2/token", &assertion).await.status, StatusCode::OK);
        for uri in ["/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"] {
            client.present(uri, &assertion).await.assert_error(401, "invalid_client");
        }
        let signed_again = client.sign(&client.claims("once"));
        client.present("/oauth2/token", &signed_again).await.assert_error(401, "invalid_client");
        assert!(app.events().await.contains(&"client.rejected"));
    }

    async fn c065_of_fifty_at_once_one_is_accepted(app: TestApp) {
        let client = KeyHolder::new(&app).await;
        let assertion = client.sign(&client.claims("race"));
        let answers = futures_util::future::join_all((0..50).map(|_| client.present("/oauth2/token", &assertion))).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == StatusCode::OK).count(), 1);
    }

    async fn c066_dates_must_be_there_and_near(app: TestApp) {
        let client = KeyHolder::new(&app).await;
        let now = app.clock.now().0;
        for (name, value) in [
            ("exp", json!(now)),
            ("exp", json!(now + 301)),
            ("exp", Value::Null),
            ("exp", json!(1e300)),
            ("iat", json!(now + 11)),
            ("iat", json!(now - 51)),
            ("nbf", json!(now + 61)),
        ] {
            client.with(name, value).await.assert_error(401, "invalid_client");
        }
        assert_eq!(client.with("nbf", json!(now + 8)).await.status, StatusCode::OK);
        assert_eq!(client.with("iat", json!(now + 8)).await.status, StatusCode::OK);
    }

    async fn c068_and_c069_neither_another_name_nor_another_key_will_do(app: TestApp) {
        let client = KeyHolder::new(&app).await;
        client.with("iss", json!("other")).await.assert_error(401, "invalid_client");
        client.with("sub", json!("other")).await.assert_error(401, "invalid_client");
        client.with("jti", json!("")).await.assert_error(401, "invalid_client");
        let stranger = KeyHolder { app: &app, signer: jws::ES256.signer_from_jwk(&EcKeyPair::generate(EcCurve::P256).unwrap().to_jwk_private_key()).unwrap() };
        let forged = stranger.sign(&client.claims("forged"));
        client.present("/oauth2/token", &forged).await.assert_error(401, "invalid_client");
        let assertion = client.sign(&client.claims("typed"));
        let wrong_type = [("grant_type", "client_credentials"), ("client_assertion", assertion.as_str()), ("client_assertion_type", "urn:x")];
        app.post("/oauth2/token", &wrong_type).await.assert_error(401, "invalid_client");
    }
}
