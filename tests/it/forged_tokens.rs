//! Forged and malformed JWTs over HTTP (security.md 61–63, 67–69, 85–87, 89): as assertions of a client,
//! and as tokens of our own. Most assertions are signed properly, so that the one thing wrong with each
//! is what refuses it.

use std::net::TcpListener;

use axum::http::StatusCode;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::{
    application::ports::Clock as _,
    domain::client::{AssertionAudience, ClientAuthentication},
};
use hmac::{Hmac, KeyInit as _, Mac};
use josekit::{
    jwk::{
        Jwk, KeyPair as _,
        alg::{
            ec::{EcCurve, EcKeyPair},
            rsa::RsaKeyPair,
        },
    },
    jws::{self, JwsSigner},
};
use serde_json::{Value, json};
use sha2::{Sha256, Sha384, Sha512};

use super::support::app::{Answer, Browser, CALLBACK, ISSUER, TestApp, claims, encode, on_both};

const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A key pair that signs.
struct Pair {
    signer: Box<dyn JwsSigner>,
    public: Jwk,
    pem: Vec<u8>,
}

impl Pair {
    fn ec() -> Self {
        let pair = EcKeyPair::generate(EcCurve::P256).unwrap();
        let signer = jws::ES256.signer_from_jwk(&pair.to_jwk_private_key());
        Self {
            signer: Box::new(signer.unwrap()),
            public: pair.to_jwk_public_key(),
            pem: pair.to_pem_public_key(),
        }
    }

    fn rsa() -> Self {
        let pair = RsaKeyPair::generate(2048).unwrap();
        let signer = jws::RS256.signer_from_jwk(&pair.to_jwk_private_key());
        Self {
            signer: Box::new(signer.unwrap()),
            public: pair.to_jwk_public_key(),
            pem: pair.to_pem_public_key(),
        }
    }

    fn algorithm(&self) -> &str {
        self.signer.algorithm().name()
    }

    /// Signs any two texts.
    fn sign(&self, header: &str, payload: &str) -> String {
        let message = format!("{}.{}", encoded(header), encoded(payload));
        let signature = self.signer.sign(message.as_bytes()).unwrap();
        format!("{message}.{}", encoded(signature))
    }
}

/// The client `web` with keys instead of a secret.
struct Holder<'a> {
    app: &'a TestApp,
    pairs: [Pair; 2],
}

impl<'a> Holder<'a> {
    async fn new(app: &'a TestApp) -> Self {
        let pairs = [Pair::ec(), Pair::rsa()];
        let keys: Vec<Value> = pairs
            .iter()
            .map(|pair| {
                let mut key: Value = serde_json::from_str(&pair.public.to_string()).unwrap();
                key["kid"] = json!(pair.algorithm());
                key
            })
            .collect();
        app.change_client("web", |client| {
            client.authentication = ClientAuthentication::PrivateKeyJwt {
                jwks: json!({ "keys": keys }),
                algorithm: None,
                audience: AssertionAudience::Issuer,
            };
        })
        .await;
        Self { app, pairs }
    }

    /// Proper claims, never the same twice.
    fn claims(&self) -> Value {
        let now = self.app.clock.now().0;
        let jti = uuid::Uuid::new_v4().to_string();
        json!({ "iss": "web", "sub": "web", "aud": ISSUER, "jti": jti, "iat": now, "exp": now + 60 })
    }

    async fn present(&self, assertion: &str) -> Answer {
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", TYPE),
            ("client_assertion", assertion),
        ];
        self.app.post("/oauth2/token", &fields).await
    }

    async fn assert_refused(&self, assertion: &str, why: &str) {
        let answer = self.present(assertion).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{why}");
        answer.assert_error(401, "invalid_client");
        assert!(!answer.body.contains("access_token"), "{why}");
    }

    /// What is proper passes, and the trail knows of what did not.
    async fn assert_otherwise_fine(&self) {
        for pair in &self.pairs {
            let header = json!({ "alg": pair.algorithm(), "kid": pair.algorithm() });
            let token = pair.sign(&header.to_string(), &self.claims().to_string());
            let answer = self.present(&token).await;
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        }
        assert!(self.app.events().await.contains(&"client.rejected"));
    }
}

/// What a public key could be taken for by whoever wants a secret.
fn as_secrets(public: &Jwk, pem: &[u8]) -> Vec<Vec<u8>> {
    let member = |name: &str| {
        let text = public.parameter(name).and_then(Value::as_str);
        text.map(|text| URL_SAFE_NO_PAD.decode(text).unwrap())
    };
    let mut secrets = vec![public.to_string().into_bytes(), pem.to_vec()];
    secrets.extend(["n", "x", "y"].iter().filter_map(|name| member(name)));
    if let (Some(x), Some(y)) = (member("x"), member("y")) {
        secrets.push([x.clone(), y.clone()].concat());
        secrets.push([vec![4], x, y].concat());
    }
    secrets
}

/// `payload` with a MAC under `secret`: under each header that a careless verifier might take it for.
fn with_mac(secret: &[u8], header: &Value, payload: &str) -> Vec<String> {
    ["HS256", "HS384", "HS512", header["alg"].as_str().unwrap()]
        .iter()
        .map(|name| {
            let mut header = header.clone();
            header["alg"] = json!(name);
            let message = format!("{}.{}", encoded(header.to_string()), encoded(payload));
            let mac = match *name {
                "HS384" => mac(Hmac::<Sha384>::new_from_slice(secret).unwrap(), &message),
                "HS512" => mac(Hmac::<Sha512>::new_from_slice(secret).unwrap(), &message),
                _ => mac(Hmac::<Sha256>::new_from_slice(secret).unwrap(), &message),
            };
            format!("{message}.{}", encoded(mac))
        })
        .collect()
}

fn mac(key: impl Mac, message: &str) -> Vec<u8> {
    let tag = key.chain_update(message).finalize();
    tag.into_bytes().to_vec()
}

/// Signatures that a careless verifier might take for this one.
fn near(signature: &[u8]) -> Vec<Vec<u8>> {
    let length = signature.len();
    vec![
        Vec::new(),
        vec![0; length],
        vec![0; length - 1],
        vec![0; length + 1],
        vec![0xFF; length],
        signature[..length - 1].to_vec(),
        [signature, &[0]].concat(),
        [&[0], signature].concat(),
        signature[..length / 2].to_vec(),
    ]
}

const UNSIGNED: [&str; 6] = ["none", "None", "NONE", "nOnE", "", "ES256"];

on_both! {
    async fn c061_a_decoy_assertion_replaces_no_proof(app: TestApp) {
        let now = app.clock.now().0;
        for client in ["web", "post", "spa"] {
            let claims = json!({ "iss": client, "sub": client, "aud": ISSUER, "jti": client, "iat": now, "exp": now + 60 });
            for alg in UNSIGNED {
                let decoy = format!("{}.{}.", encoded(json!({ "alg": alg }).to_string()), encoded(claims.to_string()));
                let fields = [("grant_type", "client_credentials"), ("client_id", client), ("client_assertion_type", TYPE), ("client_assertion", decoy.as_str())];
                app.post("/oauth2/token", &fields).await.assert_error(401, "invalid_client");
            }
        }
    }

    async fn c062_no_mac_under_a_public_key_authenticates(app: TestApp) {
        let client = Holder::new(&app).await;
        for pair in &client.pairs {
            for secret in as_secrets(&pair.public, &pair.pem) {
                let header = json!({ "alg": pair.algorithm(), "kid": pair.algorithm() });
                for token in with_mac(&secret, &header, &client.claims().to_string()) {
                    client.assert_refused(&token, "a MAC").await;
                }
            }
        }
        client.assert_otherwise_fine().await;
    }

    async fn c063_no_unsigned_assertion_authenticates(app: TestApp) {
        let client = Holder::new(&app).await;
        for alg in UNSIGNED {
            let message = format!("{}.{}", encoded(json!({ "alg": alg, "kid": "ES256" }).to_string()), encoded(client.claims().to_string()));
            for ending in ["", ".", ".AAAA", ".."] {
                client.assert_refused(&format!("{message}{ending}"), alg).await;
            }
        }
        let properly = &client.pairs[0];
        for header in ["{}", r#"{"alg":["ES256"]}"#, r#"{"alg":null}"#, r#"{"alg":"es256"}"#, "[]", ""] {
            client.assert_refused(&properly.sign(header, &client.claims().to_string()), header).await;
        }
        client.assert_otherwise_fine().await;
    }

    async fn c067_keys_in_headers_authenticate_nobody_and_are_not_fetched(app: TestApp) {
        let client = Holder::new(&app).await;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let here = format!("http://{}/keys", listener.local_addr().unwrap());
        let thief = Pair::ec();
        let own: Value = serde_json::from_str(&thief.public.to_string()).unwrap();
        for (name, value) in [("jwk", own.clone()), ("jku", json!(here)), ("x5u", json!(here)), ("x5c", json!([encoded(&thief.pem)])), ("x5t", json!("AAAA"))] {
            for kid in ["ES256", "thief"] {
                let header = json!({ "alg": "ES256", "kid": kid, name: value });
                client.assert_refused(&thief.sign(&header.to_string(), &client.claims().to_string()), name).await;
            }
            let header = json!({ "alg": "ES256", name: value });
            client.assert_refused(&thief.sign(&header.to_string(), &client.claims().to_string()), name).await;
            // Whoever has the right key is not harmed by the same member.
            let token = client.pairs[0].sign(&header.to_string(), &client.claims().to_string());
            assert_eq!(client.present(&token).await.status, StatusCode::OK, "{name}");
        }
        assert_eq!(listener.accept().map(drop).unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "somebody fetched");
        client.assert_otherwise_fine().await;
    }

    async fn c068_no_hostile_kid_authenticates(app: TestApp) {
        let client = Holder::new(&app).await;
        for kid in [json!("other"), json!("../../../dev/null"), json!("ES256' OR '1'='1"), json!("ES256\u{0}"), json!(""), json!("k".repeat(9_000)), json!(1), json!(null), json!(["ES256"])] {
            let header = json!({ "alg": "ES256", "kid": kid });
            let token = client.pairs[0].sign(&header.to_string(), &client.claims().to_string());
            client.assert_refused(&token, "kid").await;
        }
        // A megabyte does not even become a parameter.
        let header = json!({ "alg": "ES256", "kid": "k".repeat(1_000_000) });
        let token = client.pairs[0].sign(&header.to_string(), &client.claims().to_string());
        client.present(&token).await.assert_error(400, "invalid_request");
        client.assert_otherwise_fine().await;
    }

    async fn c069_an_assertion_speaks_for_its_subject_only(app: TestApp) {
        let client = Holder::new(&app).await;
        let header = json!({ "alg": "ES256", "kid": "ES256" }).to_string();
        for (iss, sub) in [("web", "other"), ("other", "web"), ("other", "other"), ("", ""), ("web ", "web"), ("WEB", "WEB")] {
            let mut claims = client.claims();
            (claims["iss"], claims["sub"]) = (json!(iss), json!(sub));
            client.assert_refused(&client.pairs[0].sign(&header, &claims.to_string()), iss).await;
        }
        let token = client.pairs[0].sign(&header, &client.claims().to_string());
        let fields = [("grant_type", "client_credentials"), ("client_id", "other"), ("client_assertion_type", TYPE), ("client_assertion", token.as_str())];
        app.post("/oauth2/token", &fields).await.assert_error(401, "invalid_client");
        client.assert_otherwise_fine().await;
    }

    async fn c085_critical_extensions_are_refused_at_the_endpoint(app: TestApp) {
        let client = Holder::new(&app).await;
        for (name, value) in [
            ("crit", json!(["exp"])), ("crit", json!(["b64"])), ("crit", json!([])), ("crit", json!([""])), ("crit", json!("exp")), ("crit", json!(null)),
            ("b64", json!(false)), ("b64", json!(true)), ("zip", json!("DEF")), ("enc", json!("A128GCM")),
        ] {
            for pair in &client.pairs {
                let header = json!({ "alg": pair.algorithm(), "kid": pair.algorithm(), name: value });
                client.assert_refused(&pair.sign(&header.to_string(), &client.claims().to_string()), name).await;
            }
        }
        client.assert_otherwise_fine().await;
    }

    async fn c086_members_that_come_twice_are_refused_at_the_endpoint(app: TestApp) {
        let client = Holder::new(&app).await;
        let now = app.clock.now().0;
        let rest = |jti: &str| format!(r#""aud":"{ISSUER}","jti":"{jti}","iat":{now},"exp":{}"#, now + 60);
        for (n, (header, names)) in [
            (r#"{"alg":"ES256","alg":"ES256"}"#, r#""iss":"web","sub":"web""#),
            (r#"{"alg":"none","alg":"ES256"}"#, r#""iss":"web","sub":"web""#),
            (r#"{"alg":"ES256","kid":"ES256","\u006bid":"ES256"}"#, r#""iss":"web","sub":"web""#),
            (r#"{"alg":"ES256"}"#, r#""iss":"web","sub":"other","sub":"web""#),
            (r#"{"alg":"ES256"}"#, r#""iss":"web","sub":"web","sub":"other""#),
            (r#"{"alg":"ES256"}"#, r#""iss":"web","sub":"web","\u0073ub":"web""#),
            (r#"{"alg":"ES256"}"#, r#""iss":"web","sub":"web","a":{"b":1,"b":1}"#),
            (r#"{"alg":"ES256"}"#, r#""iss":"web","sub":"web","a":[{"b":1},{"b":1,"b":2}]"#),
        ].into_iter().enumerate() {
            let payload = format!("{{{names},{}}}", rest(&n.to_string()));
            client.assert_refused(&client.pairs[0].sign(header, &payload), header).await;
        }
        let sound = format!(r#"{{"iss":"web","sub":"web",{}}}"#, rest("sound"));
        assert_eq!(client.present(&client.pairs[0].sign(r#"{"alg":"ES256"}"#, &sound)).await.status, StatusCode::OK);
        client.assert_otherwise_fine().await;
    }

    async fn c089_no_signature_of_zeros_or_of_another_length_authenticates(app: TestApp) {
        let client = Holder::new(&app).await;
        for pair in &client.pairs {
            let header = json!({ "alg": pair.algorithm(), "kid": pair.algorithm() }).to_string();
            let token = pair.sign(&header, &client.claims().to_string());
            let (message, signature) = token.rsplit_once('.').unwrap();
            for wrong in near(&URL_SAFE_NO_PAD.decode(signature).unwrap()) {
                client.assert_refused(&format!("{message}.{}", encoded(wrong)), pair.algorithm()).await;
            }
            for ending in ["=", "==", " ", ".", "A", "é"] {
                client.assert_refused(&format!("{token}{ending}"), ending).await;
            }
            // None of that used the assertion up.
            assert_eq!(client.present(&token).await.status, StatusCode::OK);
        }
        client.assert_otherwise_fine().await;
    }

    async fn c062_c063_c067_c089_no_forgery_passes_for_a_token_of_ours(app: TestApp) {
        let mut browser = Browser::new(&app);
        let code = browser.code("web", &[]).await;
        let tokens = app.redeem("web", &code).await.json();
        let (access, id) = (tokens["access_token"].as_str().unwrap(), tokens["id_token"].as_str().unwrap());
        assert_eq!(app.get_with("/oauth2/userinfo", access).await.status, StatusCode::OK);
        let (access, id) = (forgeries(&app, access).await, forgeries(&app, id).await);
        for token in access.iter().chain([&tokens["id_token"].as_str().unwrap().to_owned()]) {
            app.get_with("/oauth2/userinfo", token).await.assert_error(401, "invalid_token");
            let answer = app.post_as("web", "/oauth2/introspect", &[("token", token)]).await;
            assert_eq!((answer.status, answer.json()), (StatusCode::OK, json!({ "active": false })), "{token}");
        }
        for token in &id {
            let uri = format!("/oauth2/logout?{}", encode(&[("id_token_hint", token)]));
            browser.get(&uri).await.assert_page(400);
            browser.authorize("web", &[("prompt", "none"), ("id_token_hint", token)]).await.assert_redirected_error("invalid_request");
        }
        assert!(browser.authorize("web", &[("prompt", "none")]).await.location().starts_with(CALLBACK));
        assert!(!app.events().await.contains(&"session.ended"));
    }

    async fn c087_our_tokens_are_no_assertions(app: TestApp) {
        let tokens = app.tokens("web", "openid").await;
        let client = Holder::new(&app).await;
        for name in ["access_token", "id_token"] {
            client.assert_refused(tokens[name].as_str().unwrap(), name).await;
        }
        client.assert_otherwise_fine().await;
    }
}

/// This token of ours with everything kept but what proves that it is ours.
async fn forgeries(app: &TestApp, token: &str) -> Vec<String> {
    let mut parts = token.split('.');
    let (header, payload, signature) = (
        parts.next().unwrap(),
        parts.next().unwrap(),
        parts.next().unwrap(),
    );
    let said: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    let typ = said["typ"].clone();
    let claims = claims(token).to_string();
    let jwks = app.get("/oauth2/jwks.json").await.json();
    let ours = jwks["keys"].as_array().unwrap();
    let ours = ours.iter().find(|key| key["kid"] == said["kid"]).unwrap();
    let ours = Jwk::from_map(ours.as_object().unwrap().clone()).unwrap();
    let mut forged = Vec::new();
    for none in UNSIGNED {
        let header = encoded(json!({ "alg": none, "typ": typ, "kid": said["kid"] }).to_string());
        forged.extend(["", "."].map(|ending| format!("{header}.{payload}{ending}")));
    }
    for secret in as_secrets(&ours, b"") {
        if !secret.is_empty() {
            forged.extend(with_mac(&secret, &said, &claims));
        }
    }
    let thief = Pair::ec();
    let own: Value = serde_json::from_str(&thief.public.to_string()).unwrap();
    for kid in [
        said["kid"].clone(),
        json!("thief"),
        json!("../x"),
        Value::Null,
    ] {
        let header = json!({ "alg": "ES256", "typ": typ, "kid": kid, "jwk": own });
        forged.push(thief.sign(&header.to_string(), &claims));
    }
    let near = near(&URL_SAFE_NO_PAD.decode(signature).unwrap());
    let resigned = near
        .iter()
        .map(|wrong| format!("{header}.{payload}.{}", encoded(wrong)));
    forged.extend(resigned);
    let mut changed: Value = serde_json::from_str(&claims).unwrap();
    changed["sub"] = json!("somebody else");
    forged.push(format!(
        "{header}.{}.{signature}",
        encoded(changed.to_string())
    ));
    forged
}
