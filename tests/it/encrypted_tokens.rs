//! RFC 7516, OIDC Core §10.2 — encrypted ID tokens, userinfo and request objects, and the attacks on them
//! (security.md C, 78–82).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::domain::{
    algorithm::{ContentEncryption, Encryption, EncryptionKey, KeyManagement, SigningAlgorithm},
    id::ClientId,
};
use josekit::{
    jwe::{self, JweDecrypter, JweEncrypter, JweHeader},
    jwk::{
        Jwk, KeyPair as _,
        alg::{
            ec::{EcCurve, EcKeyPair},
            rsa::RsaKeyPair,
        },
    },
};
use serde_json::{Value, json};

use super::support::{
    app::{Answer, Browser, Stage, TestApp, claims, on_both},
    keys::Key,
};

/// Every way to encrypt.
fn every() -> impl Iterator<Item = Encryption> {
    KeyManagement::ALL.iter().flat_map(|alg| {
        ContentEncryption::ALL.iter().map(|enc| Encryption {
            alg: *alg,
            enc: *enc,
        })
    })
}

/// The keys of a client for encryption.
struct Keys {
    rsa: RsaKeyPair,
    ec: EcKeyPair,
}

impl Keys {
    fn new() -> Self {
        Self {
            rsa: RsaKeyPair::generate(2048).unwrap(),
            ec: EcKeyPair::generate(EcCurve::P384).unwrap(),
        }
    }

    fn set(&self) -> Value {
        let public = |jwk: Jwk, kid: &str| {
            let mut jwk: Value = serde_json::from_str(&jwk.to_string()).unwrap();
            (jwk["kid"], jwk["use"]) = (json!(kid), json!("enc"));
            jwk
        };
        let rsa = public(self.rsa.to_jwk_public_key(), "rsa");
        json!({ "keys": [rsa, public(self.ec.to_jwk_public_key(), "ec")] })
    }

    fn decrypter(&self, algorithm: KeyManagement) -> Box<dyn JweDecrypter> {
        let (rsa, ec) = (self.rsa.to_jwk_private_key(), self.ec.to_jwk_private_key());
        match algorithm {
            KeyManagement::RsaOaep => Box::new(jwe::RSA_OAEP.decrypter_from_jwk(&rsa).unwrap()),
            KeyManagement::RsaOaep256 => {
                Box::new(jwe::RSA_OAEP_256.decrypter_from_jwk(&rsa).unwrap())
            }
            KeyManagement::EcdhEs => Box::new(jwe::ECDH_ES.decrypter_from_jwk(&ec).unwrap()),
            KeyManagement::EcdhEsA128Kw => {
                Box::new(jwe::ECDH_ES_A128KW.decrypter_from_jwk(&ec).unwrap())
            }
            KeyManagement::EcdhEsA256Kw => {
                Box::new(jwe::ECDH_ES_A256KW.decrypter_from_jwk(&ec).unwrap())
            }
        }
    }

    /// The content of a token, after its header was looked at.
    fn open(&self, token: &str, encryption: Encryption, cty: Option<&str>) -> String {
        let decrypter = self.decrypter(encryption.alg);
        let (content, header) = jwe::deserialize_compact(token, &*decrypter).unwrap();
        assert_eq!(header.algorithm(), Some(encryption.alg.as_str()));
        assert_eq!(header.content_encryption(), Some(encryption.enc.as_str()));
        assert_eq!(header.content_type(), cty);
        let kid = match encryption.alg.key() {
            EncryptionKey::Rsa => "rsa",
            EncryptionKey::Ec => "ec",
        };
        assert_eq!(header.key_id(), Some(kid));
        String::from_utf8(content).unwrap()
    }
}

on_both! {
    async fn an_encrypted_id_token_holds_a_signed_one_in_every_way_of_encryption(app: TestApp) {
        let keys = Keys::new();
        app.change_client("web", |client| client.keys.jwks = Some(keys.set())).await;
        for encryption in every() {
            app.change_client("web", |client| client.encryption.id_token = Some(encryption)).await;
            let tokens = app.tokens("web", "openid").await;
            let signed = keys.open(tokens["id_token"].as_str().unwrap(), encryption, Some("JWT"));
            assert!(app.ports().signer.verify("JWT", &signed).await.is_ok());
            assert_eq!(claims(&signed)["aud"], "web");
        }
    }
}

on_both! {
    async fn userinfo_is_encrypted_with_and_without_a_signature(app: TestApp) {
        let keys = Keys::new();
        let encryption = Encryption { alg: KeyManagement::EcdhEs, enc: ContentEncryption::A256Gcm };
        for algorithm in [None, Some(SigningAlgorithm::Es256.into())] {
            app.change_client("web", |client| {
                client.keys.jwks = Some(keys.set());
                client.userinfo_algorithm = algorithm;
                client.encryption.userinfo = Some(encryption);
            }).await;
            let tokens = app.tokens("web", "openid email").await;
            let answer = app.get_with("/oauth2/userinfo", tokens["access_token"].as_str().unwrap()).await;
            assert_eq!(answer.header("content-type"), "application/jwt");
            let content = keys.open(&answer.body, encryption, algorithm.map(|_| "JWT"));
            let told = if algorithm.is_some() {
                assert!(app.ports().signer.verify("JWT", &content).await.is_ok());
                claims(&content)
            } else {
                serde_json::from_str(&content).unwrap()
            };
            assert_eq!(told["sub"], app.user.as_str());
            assert!(told["email"].is_string());
        }
    }
}

on_both! {
    async fn without_a_key_of_the_client_nothing_goes_out_in_the_clear(app: TestApp) {
        let keys = Key::new("signs-only");
        let encryption = Encryption { alg: KeyManagement::RsaOaep, enc: ContentEncryption::A128Gcm };
        app.change_client("web", |client| {
            client.keys.jwks = Some(keys.set());
            client.encryption.id_token = Some(encryption);
        }).await;
        let code = Browser::new(&app).code("web", &[("scope", "openid")]).await;
        let answer = app.redeem("web", &code).await;
        assert_eq!(answer.status, 503);
        assert!(!answer.body.contains("id_token"), "{}", answer.body);
    }
}

/// What clients encrypt with: the server's key of this kind, as it is published.
async fn server_key(app: &TestApp, kty: &str) -> Jwk {
    let jwks = app.get("/oauth2/jwks.json").await.json();
    let mut keys = jwks["keys"].as_array().unwrap().iter();
    let key = keys
        .find(|key| key["use"] == "enc" && key["kty"] == kty)
        .unwrap();
    Jwk::from_map(key.as_object().unwrap().clone()).unwrap()
}

fn encrypter(algorithm: KeyManagement, jwk: &Jwk) -> Box<dyn JweEncrypter> {
    match algorithm {
        KeyManagement::RsaOaep => Box::new(jwe::RSA_OAEP.encrypter_from_jwk(jwk).unwrap()),
        KeyManagement::RsaOaep256 => Box::new(jwe::RSA_OAEP_256.encrypter_from_jwk(jwk).unwrap()),
        KeyManagement::EcdhEs => Box::new(jwe::ECDH_ES.encrypter_from_jwk(jwk).unwrap()),
        KeyManagement::EcdhEsA128Kw => {
            Box::new(jwe::ECDH_ES_A128KW.encrypter_from_jwk(jwk).unwrap())
        }
        KeyManagement::EcdhEsA256Kw => {
            Box::new(jwe::ECDH_ES_A256KW.encrypter_from_jwk(jwk).unwrap())
        }
    }
}

fn encrypted(
    content: &str,
    encryption: Encryption,
    jwk: &Jwk,
    change: impl FnOnce(&mut JweHeader),
) -> String {
    let mut header = JweHeader::new();
    header.set_content_encryption(encryption.enc.as_str());
    header.set_content_type("JWT");
    change(&mut header);
    jwe::serialize_compact(
        content.as_bytes(),
        &header,
        &*encrypter(encryption.alg, jwk),
    )
    .unwrap()
}

/// A server with keys for encryption, and `web` with one for signatures.
async fn start(stage: Stage) -> (TestApp, Key) {
    let app = TestApp::start_with_keys(stage, SigningAlgorithm::USUAL).await;
    let key = Key::new("a");
    app.change_client("web", |client| client.keys.jwks = Some(key.set()))
        .await;
    (app, key)
}

fn asked() -> Value {
    json!({ "client_id": "web", "response_type": "code", "state": "inside" })
}

async fn ask(app: &TestApp, object: &str) -> Answer {
    let mut browser = Browser::new(app);
    let answer = browser.authorize("web", &[("request", object)]).await;
    browser.finish(answer).await
}

async fn is_taken(app: &TestApp, object: &str) -> bool {
    ask(app, object).await.location_param("state").as_deref() == Some("inside")
}

async fn encrypted_request_objects_are_read_in_every_way(stage: Stage) {
    let (app, key) = start(stage).await;
    let jwks = [server_key(&app, "RSA").await, server_key(&app, "EC").await];
    for encryption in every() {
        let jwk = match encryption.alg.key() {
            EncryptionKey::Rsa => &jwks[0],
            EncryptionKey::Ec => &jwks[1],
        };
        for named in [true, false] {
            let object = encrypted(&key.sign(&asked()), encryption, jwk, |header| {
                if named {
                    header.set_key_id(jwk.key_id().unwrap());
                }
            });
            assert!(is_taken(&app, &object).await, "{encryption:?} {named}");
        }
    }
    // As registered, or not at all; and never without the signature inside.
    let (one, other) = (
        Encryption {
            alg: KeyManagement::EcdhEs,
            enc: ContentEncryption::A128Gcm,
        },
        Encryption {
            alg: KeyManagement::EcdhEs,
            enc: ContentEncryption::A256Gcm,
        },
    );
    app.change_client("web", |client| {
        client.request_objects.encryption = Some(one);
    })
    .await;
    assert!(is_taken(&app, &encrypted(&key.sign(&asked()), one, &jwks[1], |_| ())).await);
    let object = encrypted(&key.sign(&asked()), other, &jwks[1], |_| ());
    ask(&app, &object)
        .await
        .assert_redirected_error("invalid_request_object");
    for content in [
        asked().to_string(),
        Key::new("a").sign(&asked()),
        encrypted(&key.sign(&asked()), one, &jwks[1], |_| ()),
    ] {
        let object = encrypted(&content, one, &jwks[1], |_| ());
        ask(&app, &object)
            .await
            .assert_redirected_error("invalid_request_object");
    }
}

#[tokio::test]
async fn encrypted_request_objects_are_read_in_every_way_on_sqlite_and_the_embedded_store() {
    encrypted_request_objects_are_read_in_every_way(Stage::Embedded).await;
}

#[tokio::test]
async fn encrypted_request_objects_are_read_in_every_way_on_postgres_and_redis() {
    encrypted_request_objects_are_read_in_every_way(Stage::Servers).await;
}

/// The parts of a token, its header read.
fn parts(token: &str) -> (Value, Vec<String>) {
    let parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    let header = URL_SAFE_NO_PAD.decode(&parts[0]).unwrap();
    (serde_json::from_slice(&header).unwrap(), parts)
}

/// The token with another header.
fn with_header(token: &str, change: impl FnOnce(&mut Value)) -> String {
    let (mut header, mut parts) = parts(token);
    change(&mut header);
    parts[0] = URL_SAFE_NO_PAD.encode(header.to_string());
    parts.join(".")
}

/// The token with another part.
fn with_part(token: &str, part: usize, change: impl FnOnce(&mut Vec<u8>)) -> String {
    let (_, mut parts) = parts(token);
    let mut bytes = URL_SAFE_NO_PAD.decode(&parts[part]).unwrap();
    change(&mut bytes);
    parts[part] = URL_SAFE_NO_PAD.encode(bytes);
    parts.join(".")
}

/// C 81, C 82: every part cut, longer, empty or changed. Changed content and tag fail alike. And C 78.
fn damaged(signed: &str, rsa: &Jwk, ec: &Jwk) -> Vec<String> {
    let mut refused = Vec::new();
    for encryption in every() {
        let jwk = if encryption.alg.key() == EncryptionKey::Rsa {
            rsa
        } else {
            ec
        };
        let good = encrypted(signed, encryption, jwk, |_| ());
        for part in 1..=4 {
            refused.push(with_part(&good, part, |bytes| {
                if bytes.pop().is_none() {
                    bytes.push(7);
                }
            }));
            refused.push(with_part(&good, part, |bytes| bytes.push(0)));
            refused.push(with_part(&good, part, |bytes| bytes.extend([0; 16])));
            refused.push(with_part(&good, part, |bytes| {
                bytes.truncate(usize::from(bytes.len() > 1));
                bytes.push(1);
            }));
            refused.push(with_part(&good, part, |bytes| match bytes.last_mut() {
                Some(last) => *last ^= 1,
                None => bytes.push(1),
            }));
        }
        refused.push(with_header(&good, |header| header["zip"] = json!("DEF")));
    }
    refused
}

/// Headers that ask for what is not offered.
fn strange(good: &str) -> Vec<String> {
    let mut refused = Vec::new();
    // C 79, and RSA1_5, and what is not offered.
    for alg in [
        "PBES2-HS256+A128KW",
        "RSA1_5",
        "dir",
        "A128KW",
        "A256GCMKW",
        "ECDH-ES+A192KW",
        "none",
    ] {
        refused.push(with_header(good, |header| {
            header["alg"] = json!(alg);
            (header["p2c"], header["p2s"]) = (json!(1_000_000), json!("AAAAAAAAAAAAAAAA"));
        }));
    }
    for (name, value) in [
        ("enc", json!("A192GCM")),
        ("enc", Value::Null),
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
        ("kid", json!("../../etc/passwd")),
        ("kid", json!("k".repeat(1000))),
        ("kid", json!(7)),
        ("apu", json!("A".repeat(2000))),
        ("apu", json!("!")),
        ("apv", json!({})),
        ("typ", json!([])),
        // C 80: no point, one off the curve, infinity, another curve, coordinates of the wrong length.
        ("epk", Value::Null),
        ("epk", json!("x")),
        ("epk", json!({})),
        (
            "epk",
            json!({ "kty": "EC", "crv": "P-256", "x": URL_SAFE_NO_PAD.encode([1; 32]), "y": URL_SAFE_NO_PAD.encode([2; 32]) }),
        ),
        (
            "epk",
            json!({ "kty": "EC", "crv": "P-256", "x": URL_SAFE_NO_PAD.encode([0; 32]), "y": URL_SAFE_NO_PAD.encode([0; 32]) }),
        ),
        (
            "epk",
            json!({ "kty": "EC", "crv": "P-256", "x": "", "y": "" }),
        ),
        (
            "epk",
            json!({ "kty": "OKP", "crv": "X25519", "x": URL_SAFE_NO_PAD.encode([1; 32]) }),
        ),
        (
            "epk",
            serde_json::from_str(
                &EcKeyPair::generate(EcCurve::P384)
                    .unwrap()
                    .to_jwk_public_key()
                    .to_string(),
            )
            .unwrap(),
        ),
        // Another's point: another key.
        (
            "epk",
            serde_json::from_str(
                &EcKeyPair::generate(EcCurve::P256)
                    .unwrap()
                    .to_jwk_public_key()
                    .to_string(),
            )
            .unwrap(),
        ),
    ] {
        refused.push(with_header(good, |header| header[name] = value));
    }
    refused
}

#[tokio::test]
async fn c078_c079_c080_c081_c082_hostile_encrypted_objects_have_one_answer_and_the_server_lives() {
    let (app, key) = start(Stage::Embedded).await;
    let (rsa, ec) = (server_key(&app, "RSA").await, server_key(&app, "EC").await);
    let signed = key.sign(&asked());
    let mut descriptions = std::collections::BTreeSet::new();
    let encryption = Encryption {
        alg: KeyManagement::EcdhEs,
        enc: ContentEncryption::A128CbcHs256,
    };
    let good = encrypted(&signed, encryption, &ec, |_| ());
    let mut refused = damaged(&signed, &rsa, &ec);
    refused.extend(strange(&good));
    // C 86: a member twice. And a token that is too long.
    let (_, mut twice) = parts(&good);
    let header = String::from_utf8(URL_SAFE_NO_PAD.decode(&twice[0]).unwrap()).unwrap();
    twice[0] = URL_SAFE_NO_PAD.encode(header.replacen('{', r#"{"enc":"A128CBC-HS256","#, 1));
    refused.push(twice.join("."));
    refused.push(encrypted(&"x".repeat(20_000), encryption, &ec, |_| ()));
    // Encrypted to somebody else.
    let stranger = EcKeyPair::generate(EcCurve::P256)
        .unwrap()
        .to_jwk_public_key();
    refused.push(encrypted(&signed, encryption, &stranger, |_| ()));
    for object in &refused {
        let answer = Browser::new(&app)
            .authorize("web", &[("request", object.as_str())])
            .await;
        if answer.status == 303 {
            let (error, description) = (
                answer.location_param("error"),
                answer.location_param("error_description"),
            );
            if object.len() > 16 * 1024 {
                assert_eq!(
                    error.as_deref(),
                    Some("invalid_request"),
                    "too long for a parameter"
                );
            } else {
                assert_eq!(error.as_deref(), Some("invalid_request_object"));
                descriptions.insert(description.unwrap());
            }
        } else {
            assert_eq!(answer.status, 400, "too long for a parameter");
        }
    }
    assert_eq!(descriptions.len(), 1, "{descriptions:?}");
    assert!(is_taken(&app, &good).await);
}

on_both! {
    async fn a_server_without_keys_for_it_takes_no_encrypted_objects(app: TestApp) {
        let key = Key::new("a");
        app.change_client("web", |client| client.keys.jwks = Some(key.set())).await;
        let metadata = app.get("/.well-known/openid-configuration").await.json();
        assert!(metadata.get("request_object_encryption_alg_values_supported").is_none());
        let foreign = EcKeyPair::generate(EcCurve::P256).unwrap().to_jwk_public_key();
        let encryption = Encryption { alg: KeyManagement::EcdhEs, enc: ContentEncryption::A128Gcm };
        let object = encrypted(&key.sign(&asked()), encryption, &foreign, |_| ());
        ask(&app, &object).await.assert_redirected_error("invalid_request_object");
        assert!(app.ports().store.reader().client(&ClientId::new("web")).await.unwrap().is_some());
    }
}
