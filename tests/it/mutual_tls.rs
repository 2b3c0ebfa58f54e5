//! RFC 8705 — clients that prove themselves, and hold their tokens, by a TLS certificate; RFC 9440 behind a
//! proxy (security.md C, 98–100).

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use axum::{
    body::Body,
    extract::ConnectInfo,
    http::{Request, header},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign::{
    app::AppOptions,
    application::commands::edit_client::{ClientEdit, edit_client},
    config::ServerConfig,
    domain::{
        certificate::{CertificateSubject, PresentedCertificate},
        client::{AccessTokenFormat, ClientAuthentication},
        id::ClientId,
    },
    infrastructure::outbound::OutboundOptions,
    protocol::capability::CertificateFeatures,
    web::{
        context::ClientCertificate,
        server::{Server, ServerOptions, TlsFiles},
    },
};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::support::{
    app::{Answer, Browser, Stage, TestApp, claims, encode, form, send, settings},
    listener::Listener,
};
use super::{guard::server_config, shutdown::options as server_options};

/// An authority, and certificates of it.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: TempDir,
}

/// A certificate of a client, as it presents it and as it has it.
struct Own {
    presented: PresentedCertificate,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        std::fs::write(folder.path().join("ca.pem"), pem).unwrap();
        Self {
            issuer: Issuer::new(params, key),
            folder,
        }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    fn issue(&self, name: &str) -> Own {
        let mut params = CertificateParams::new(vec![format!("{name}.example")]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        own(certificate.der().to_vec(), &certificate.pem(), &key)
    }
}

fn self_signed() -> Own {
    let made = rcgen::generate_simple_self_signed(vec!["shop.example".to_owned()]).unwrap();
    own(
        made.cert.der().to_vec(),
        &made.cert.pem(),
        &made.signing_key,
    )
}

fn own(der: Vec<u8>, pem: &str, key: &KeyPair) -> Own {
    Own {
        presented: PresentedCertificate {
            own: der,
            chain: Vec::new(),
        },
        pem: format!("{pem}{}", key.serialize_pem()),
    }
}

/// A JWK Set with this certificate.
fn registered(own: &Own) -> Value {
    let mut key = super::support::keys::Key::new("tls").public;
    key["x5c"] = json!([STANDARD.encode(&own.presented.own)]);
    json!({ "keys": [key] })
}

/// A provider that knows certificates of this authority.
async fn start(stage: Stage, authority: &Authority) -> TestApp {
    start_with(stage, authority, |_| ()).await
}

async fn start_with(
    stage: Stage,
    authority: &Authority,
    change: impl FnOnce(&mut AppOptions),
) -> TestApp {
    let mut settings = settings();
    settings.features = settings
        .features
        .with_certificates(Some(CertificateFeatures {
            authorities: true,
            url: Some("https://mtls.id.example".to_owned()),
        }));
    TestApp::start_on(stage, None, settings, |options| {
        options.mtls.ca_file = Some(authority.file());
        change(options);
    })
    .await
}

async fn post(app: &TestApp, uri: &str, fields: &[(&str, &str)], own: Option<&Own>) -> Answer {
    let mut request = form(uri, fields).body(Body::from(encode(fields))).unwrap();
    let certificate = own.map(|own| own.presented.clone());
    request
        .extensions_mut()
        .insert(ClientCertificate(certificate));
    app.send(request).await
}

async fn token(app: &TestApp, own: Option<&Own>) -> Answer {
    let fields = [("grant_type", "client_credentials"), ("client_id", "web")];
    post(app, "/oauth2/token", &fields, own).await
}

async fn by(app: &TestApp, authentication: ClientAuthentication) {
    app.change_client("web", |client| client.authentication = authentication)
        .await;
}

fn named(kind: &str, name: &str) -> ClientAuthentication {
    let subject = CertificateSubject::parse(kind, name).unwrap();
    ClientAuthentication::TlsClientAuth { subject }
}

async fn both(test: impl AsyncFn(Stage)) {
    test(Stage::Embedded).await;
    test(Stage::Servers).await;
}

#[tokio::test]
async fn c099_tls_client_auth_takes_the_registered_name_of_our_authority_and_no_other() {
    both(async |stage| {
        let (authority, other) = (Authority::new(), Authority::new());
        let app = start(stage, &authority).await;
        let shop = authority.issue("shop");
        for (kind, name) in [("subject_dn", "CN=shop"), ("san_dns", "shop.example")] {
            by(&app, named(kind, name)).await;
            assert_eq!(token(&app, Some(&shop)).await.status, 200, "{kind}");
            for (what, own) in [
                ("another name", authority.issue("shopping")),
                ("another authority", other.issue("shop")),
                ("no authority", self_signed()),
            ] {
                token(&app, Some(&own))
                    .await
                    .assert_error(401, "invalid_client");
                let _ = what;
            }
            token(&app, None).await.assert_error(401, "invalid_client");
        }
        // The method that is registered, and no other: no secret, and no secret besides.
        let with_secret = [
            ("grant_type", "client_credentials"),
            ("client_id", "web"),
            ("client_secret", "x"),
        ];
        post(&app, "/oauth2/token", &with_secret, Some(&shop))
            .await
            .assert_error(401, "invalid_client");
        // At introspection and revocation too.
        let fields = [("token", "x"), ("client_id", "web")];
        assert_eq!(
            post(&app, "/oauth2/introspect", &fields, Some(&shop))
                .await
                .json(),
            json!({ "active": false })
        );
        post(&app, "/oauth2/introspect", &fields, None)
            .await
            .assert_error(401, "invalid_client");
        assert_eq!(
            post(&app, "/oauth2/revoke", &fields, Some(&shop))
                .await
                .status,
            200
        );
        post(&app, "/oauth2/revoke", &fields, None)
            .await
            .assert_error(401, "invalid_client");
        // Another node, for whom the client is new.
        if let Stage::Servers = stage {
            let node = app.another_node().await;
            let fields = [("grant_type", "client_credentials"), ("client_id", "web")];
            let mut request = form("/oauth2/token", &fields)
                .body(Body::from(encode(&fields)))
                .unwrap();
            request
                .extensions_mut()
                .insert(ClientCertificate(Some(shop.presented.clone())));
            assert_eq!(send(&node.router(), request).await.status, 200);
        }
    })
    .await;
}

#[tokio::test]
async fn a_self_signed_certificate_counts_if_it_is_registered_by_value_or_at_the_clients_address() {
    both(async |stage| {
        let server = Listener::start().await;
        let app = start_with(stage, &Authority::new(), |options| {
            options.outbound = OutboundOptions {
                allowed_networks: ["127.0.0.0/8", "::1/128"]
                    .map(|it| it.parse().unwrap())
                    .into(),
                ca_file: Some(server.authority.path().to_owned()),
            };
        })
        .await;
        let (one, two) = (self_signed(), self_signed());
        by(&app, ClientAuthentication::SelfSignedTlsClientAuth).await;
        app.change_client("web", |client| client.keys.jwks = Some(registered(&one)))
            .await;
        assert_eq!(token(&app, Some(&one)).await.status, 200);
        token(&app, Some(&two))
            .await
            .assert_error(401, "invalid_client");
        token(&app, None).await.assert_error(401, "invalid_client");
        server.serves(registered(&one).to_string());
        app.change_client("web", |client| {
            client.keys.jwks = None;
            client.keys.jwks_uri = Some(server.url("/jwks"));
        })
        .await;
        assert_eq!(token(&app, Some(&one)).await.status, 200);
        token(&app, Some(&two))
            .await
            .assert_error(401, "invalid_client");
        // The client renews its certificate: the set is fetched again for one that is not in it.
        server.serves(registered(&two).to_string());
        app.clock.advance(Duration::from_secs(16));
        assert_eq!(token(&app, Some(&two)).await.status, 200);
        token(&app, Some(&one))
            .await
            .assert_error(401, "invalid_client");
    })
    .await;
}

#[tokio::test]
async fn c100_a_bound_token_is_its_certificates_alone_in_both_formats() {
    both(async |stage| {
        let authority = Authority::new();
        let app = start(stage, &authority).await;
        let (own, other) = (authority.issue("shop"), authority.issue("other"));
        for format in [AccessTokenFormat::Jwt, AccessTokenFormat::Opaque] {
            app.change_client("web", |client| {
                client.authentication = named("subject_dn", "CN=shop");
                client.tokens.certificate_bound = true;
                client.tokens.access_token_format = format;
            })
            .await;
            let code = Browser::new(&app)
                .code("web", &[("scope", "openid email offline_access")])
                .await;
            let fields = [
                ("grant_type", "authorization_code"),
                ("client_id", "web"),
                ("code", code.as_str()),
                ("redirect_uri", super::support::app::CALLBACK),
                ("code_verifier", super::support::app::VERIFIER),
            ];
            let mut tokens = post(&app, "/oauth2/token", &fields, Some(&own))
                .await
                .json();
            for _ in 0..2 {
                let access = tokens["access_token"].as_str().unwrap().to_owned();
                if format == AccessTokenFormat::Jwt {
                    assert_eq!(
                        claims(&access)["cnf"]["x5t#S256"],
                        own.presented.thumbprint()
                    );
                }
                for (certificate, status) in [(Some(&own), 200), (Some(&other), 401), (None, 401)] {
                    let request = Request::get("/oauth2/userinfo")
                        .header(header::AUTHORIZATION, format!("Bearer {access}"));
                    let mut request = request.body(Body::empty()).unwrap();
                    request.extensions_mut().insert(ClientCertificate(
                        certificate.map(|it| it.presented.clone()),
                    ));
                    assert_eq!(app.send(request).await.status, status);
                }
                // At the JSON interfaces it is nobody's.
                assert_eq!(app.get_with("/api/auth/me", &access).await.status, 401);
                let asked = [("token", access.as_str()), ("client_id", "web")];
                let told = post(&app, "/oauth2/introspect", &asked, Some(&own))
                    .await
                    .json();
                assert_eq!(told["cnf"]["x5t#S256"], own.presented.thumbprint());
                let refresh = tokens["refresh_token"].as_str().unwrap().to_owned();
                let fields = [
                    ("grant_type", "refresh_token"),
                    ("client_id", "web"),
                    ("refresh_token", refresh.as_str()),
                ];
                post(&app, "/oauth2/token", &fields, None)
                    .await
                    .assert_error(401, "invalid_client");
                tokens = post(&app, "/oauth2/token", &fields, Some(&own))
                    .await
                    .json();
            }
        }
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_bound_or_proved_is_refused_at_registration() {
    let authority = Authority::new();
    let app = start(Stage::Embedded, &authority).await;
    let registrar = app.registrar();
    let bound = || ClientEdit {
        certificate_bound: Some(true),
        ..ClientEdit::default()
    };
    let refused = edit_client(&registrar, &ClientId::new("spa"), bound())
        .await
        .unwrap_err();
    assert!(
        refused.to_string().contains("prove who they are"),
        "{refused}"
    );
    let refused = edit_client(&registrar, &ClientId::new("web"), bound())
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("browser"), "{refused}");
    let named = ClientEdit {
        certificate_subject: "san_dns=x.example".parse().ok(),
        ..ClientEdit::default()
    };
    let refused = edit_client(&registrar, &ClientId::new("web"), named)
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("tls_client_auth"), "{refused}");
    // A client with a secret whose tokens are bound needs a certificate all the same.
    app.change_client("web", |client| client.tokens.certificate_bound = true)
        .await;
    let answer = app
        .token("web", &[("grant_type", "client_credentials")])
        .await;
    answer.assert_error(400, "invalid_request");
    let metadata = app.get("/.well-known/openid-configuration").await.json();
    assert_eq!(metadata["tls_client_certificate_bound_access_tokens"], true);
    let aliases = metadata["mtls_endpoint_aliases"].as_object().unwrap();
    assert_eq!(
        aliases["token_endpoint"],
        "https://mtls.id.example/oauth2/token"
    );
    assert!(
        aliases.keys().all(|name| metadata.get(name).is_some()),
        "only what there is without it"
    );
}

#[tokio::test]
async fn c098_only_a_trusted_proxy_tells_of_certificates() {
    let authority = Authority::new();
    let own = authority.issue("shop");
    let header = format!(":{}:", STANDARD.encode(&own.presented.own));
    for on in [true, false] {
        let app = start_with(Stage::Embedded, &authority, |options| {
            options.mtls.proxy_header = on;
        })
        .await;
        by(&app, named("subject_dn", "CN=shop")).await;
        let config = ServerConfig {
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
            ..server_config()
        };
        let guarded = app.app.guarded_router(&config);
        for (peer, is_trusted) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("192.0.2.1", false),
        ] {
            let fields = [("grant_type", "client_credentials"), ("client_id", "web")];
            let mut request = form("/oauth2/token", &fields)
                .header("client-cert", &header)
                .body(Body::from(encode(&fields)))
                .unwrap();
            request
                .extensions_mut()
                .insert(ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 1)));
            let status = if on && is_trusted { 200 } else { 401 };
            assert_eq!(send(&guarded, request).await.status, status, "{on} {peer}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_listener_asks_for_certificates_and_the_first_does_not() {
    let authority = Authority::new();
    let app = start(Stage::Embedded, &authority).await;
    by(&app, named("subject_dn", "CN=shop")).await;
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let files = TlsFiles {
        certificate: folder.path().join("cert.pem"),
        key: folder.path().join("key.pem"),
    };
    std::fs::write(&files.certificate, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    let free = || {
        std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
    };
    let (public, mutual) = (free(), free());
    let server = Server::bind(ServerOptions {
        listen: public,
        mutual: Some(mutual),
        tls: Some(files),
        ..server_options()
    })
    .unwrap();
    let stop = CancellationToken::new();
    let config = server_config();
    let serving = async { app.app.serve(server, &config, stop.clone()).await.unwrap() };
    let asking = async {
        let client = |own: Option<&Own>| {
            let trusted = reqwest::Certificate::from_pem(made.cert.pem().as_bytes()).unwrap();
            let mut builder = reqwest::Client::builder().add_root_certificate(trusted);
            if let Some(own) = own {
                builder =
                    builder.identity(reqwest::Identity::from_pem(own.pem.as_bytes()).unwrap());
            }
            builder.build().unwrap()
        };
        let known = authority.issue("shop");
        for (own, port, status) in [
            (Some(&known), mutual.port(), 200),
            (Some(&authority.issue("other")), mutual.port(), 401),
            (Some(&self_signed()), mutual.port(), 401),
            (None, mutual.port(), 401),
            (Some(&known), public.port(), 401),
        ] {
            let fields = [("grant_type", "client_credentials"), ("client_id", "web")];
            let request = client(own).post(format!("https://localhost:{port}/oauth2/token"));
            let request = request
                .header("content-type", "application/x-www-form-urlencoded")
                .body(encode(&fields));
            assert_eq!(
                request.send().await.unwrap().status().as_u16(),
                status,
                "port {port}"
            );
        }
        stop.cancel();
    };
    tokio::join!(serving, asking);
}
