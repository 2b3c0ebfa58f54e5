//! The real provider behind its guard, in this process, on SQLite and the embedded store.

use std::{collections::BTreeMap, path::Path};

use axum::{
    Router,
    body::Body,
    http::{HeaderValue, Request, StatusCode, header},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign::{
    app::App,
    application::{
        administration::Acting,
        commands::{
            edit_client::ClientEdit,
            register_client::{RegisterClient, register_client},
            register_user::{EmailProof, RegisterUser, register_user},
        },
        registrar::Registrar,
    },
    config::{Config, Sources},
    domain::{
        algorithm::SigningAlgorithm,
        client::{AccessTokenFormat, ClientKind, ConsentPolicy},
        user::Profile,
    },
};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use crate::{form, pkce};

const ISSUER: &str = "http://localhost:8080";
const CALLBACK: &str = "http://127.0.0.1:9/callback";
const PASSWORD: &str = "correct horse battery staple";
const SECRET: &str = "a-secret-of-the-bench-that-is-long-enough";

/// A provider, a browser with a session, and the tokens that requests need.
pub(crate) struct Provider {
    router: Router,
    /// Keeps the stores open.
    _app: App,
    cookies: BTreeMap<String, String>,
    refresh_token: String,
    opaque: String,
    jwt: String,
    verifiers: Vec<pkce::Pkce>,
}

/// A whole answer.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    headers: axum::http::HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    fn member(&self, name: &str) -> String {
        let value: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        value[name].as_str().unwrap_or_default().to_owned()
    }

    fn location(&self) -> String {
        let location = self.headers.get(header::LOCATION).unwrap();
        location.to_str().unwrap().to_owned()
    }
}

impl Provider {
    pub(crate) async fn start(folder: &Path) -> Self {
        let home = folder.display();
        let text = format!(
            "issuer = \"{ISSUER}\"\n\
             [database]\nurl = \"sqlite://{home}/countersign.db?mode=rwc\"\n\
             [state]\ndirectory = \"{home}/state\"\n\
             [keys]\ndirectory = \"{home}/keys\"\n\
             [passwords]\nmemory_kib = 19456\n"
        );
        let config = Config::load(&Sources::of_text(&text)).unwrap();
        let app = App::open(&config).await.unwrap();
        let registrar = Registrar::of(app.ports(), Acting::Operator);
        register(&registrar).await;
        let mut provider = Self {
            router: app.guarded_router(&config.server),
            _app: app,
            cookies: BTreeMap::new(),
            refresh_token: String::new(),
            opaque: String::new(),
            jwt: String::new(),
            verifiers: pkce::pairs(0),
        };
        provider.log_in().await;
        let code = provider.code().await;
        let tokens = provider.redeem(&code);
        let tokens = provider.send(tokens).await;
        provider.refresh_token = tokens.member("refresh_token");
        provider.opaque = tokens.member("access_token");
        let request = client_credentials("service");
        provider.jwt = provider.send(request).await.member("access_token");
        provider
    }

    /// A request to this endpoint and the status that it has. Whatever comes before it is done here.
    pub(crate) async fn request(&mut self, endpoint: &str) -> (Request<Body>, StatusCode) {
        let ok = StatusCode::OK;
        match endpoint {
            "discovery" => (get("/.well-known/openid-configuration"), ok),
            "jwks" => (get("/oauth2/jwks.json"), ok),
            "client_credentials_jwt" => (client_credentials("service"), ok),
            "client_credentials_opaque" => (client_credentials("service-opaque"), ok),
            "authorize" => (self.authorize(), StatusCode::SEE_OTHER),
            "code" => {
                let code = self.code().await;
                (self.redeem(&code), ok)
            }
            "refresh" => {
                let fields = [
                    ("grant_type", "refresh_token"),
                    ("refresh_token", &self.refresh_token),
                ];
                (post("web", "/oauth2/token", &fields), ok)
            }
            "introspection_opaque" => {
                let fields = [("token", self.opaque.as_str())];
                (post("web", "/oauth2/introspect", &fields), ok)
            }
            "introspection_jwt" => {
                let fields = [("token", self.jwt.as_str())];
                (post("service", "/oauth2/introspect", &fields), ok)
            }
            "userinfo" => {
                let mut request = get("/oauth2/userinfo");
                let bearer = format!("Bearer {}", self.opaque).parse().unwrap();
                request.headers_mut().insert(header::AUTHORIZATION, bearer);
                (request, ok)
            }
            "revocation" => {
                let fresh = self.send(client_credentials("service-opaque")).await;
                let token = fresh.member("access_token");
                let fields = [("token", token.as_str())];
                (post("service-opaque", "/oauth2/revoke", &fields), ok)
            }
            _ => panic!("no such endpoint: {endpoint}"),
        }
    }

    /// Keeps what the next request needs.
    pub(crate) fn keep(&mut self, endpoint: &str, answer: &Answer) {
        if endpoint == "refresh" {
            self.refresh_token = answer.member("refresh_token");
        }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).unwrap_or_default(),
        }
    }

    fn redeem(&self, code: &str) -> Request<Body> {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", &self.verifiers[0].verifier),
        ];
        post("web", "/oauth2/token", &fields)
    }

    fn authorize(&self) -> Request<Body> {
        let fields = [
            ("client_id", "web"),
            ("response_type", "code"),
            ("redirect_uri", CALLBACK),
            ("scope", "openid profile email offline_access"),
            ("state", "the-state"),
            ("nonce", "the-nonce"),
            ("code_challenge", &self.verifiers[0].challenge),
            ("code_challenge_method", "S256"),
        ];
        let path = format!("/oauth2/authorize?{}", form::encode(&fields));
        self.with_cookies(get(&path))
    }

    async fn code(&self) -> String {
        let location = self.send(self.authorize()).await.location();
        let query = location.strip_prefix(CALLBACK).expect("a session");
        let query = query.trim_start_matches('?').as_bytes();
        let code = url::form_urlencoded::parse(query).find(|(name, _)| name == "code");
        code.unwrap().1.into_owned()
    }

    async fn log_in(&mut self) {
        let mut answer = self.send(self.authorize()).await;
        for _ in 0..8 {
            self.take_cookies(&answer);
            if answer.status.is_redirection() {
                let location = answer.location();
                if location.starts_with(CALLBACK) {
                    return;
                }
                answer = self.send(self.with_cookies(get(&location))).await;
            } else {
                let page = form::Form::parse(&answer.body).unwrap();
                let mut fields: Vec<(&str, &str)> = Vec::new();
                fields.extend(page.hidden.iter().map(|(n, v)| (n.as_str(), v.as_str())));
                fields.extend([("username", "una"), ("password", PASSWORD)]);
                let mut request = post("", &page.action, &fields);
                request.headers_mut().remove(header::AUTHORIZATION);
                let origin = HeaderValue::from_static(ISSUER);
                request.headers_mut().insert(header::ORIGIN, origin);
                answer = self.send(self.with_cookies(request)).await;
            }
        }
        panic!("the login does not end: {}", answer.body);
    }

    fn with_cookies(&self, mut request: Request<Body>) -> Request<Body> {
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(n, v)| format!("{n}={v}"))
            .collect();
        if !cookies.is_empty() {
            let value = cookies.join("; ").parse().unwrap();
            request.headers_mut().insert(header::COOKIE, value);
        }
        request
    }

    fn take_cookies(&mut self, answer: &Answer) {
        for line in answer.headers.get_all(header::SET_COOKIE) {
            let line = line.to_str().unwrap();
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            if line.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

async fn register(registrar: &Registrar) {
    let user = RegisterUser {
        username: "una".to_owned(),
        email: Some(("una@example.com".to_owned(), EmailProof::Verified)),
        profile: Profile::default(),
        password: Some(PASSWORD.to_owned().into()),
    };
    register_user(registrar, user).await.unwrap();
    let clients = [
        ("service", ClientKind::Service, AccessTokenFormat::Jwt),
        (
            "service-opaque",
            ClientKind::Service,
            AccessTokenFormat::Opaque,
        ),
        ("web", ClientKind::Web, AccessTokenFormat::Opaque),
    ];
    for (id, kind, access_token_format) in clients {
        let is_web = kind == ClientKind::Web;
        let scope = if is_web {
            "openid profile email offline_access"
        } else {
            "reports:read"
        };
        let settings = ClientEdit {
            name: Some(id.to_owned()),
            redirect_uris: is_web.then(|| vec![CALLBACK.to_owned()]),
            scope: Some(scope.parse().unwrap()),
            consent: Some(ConsentPolicy::Implied),
            access_token_format: Some(access_token_format),
            id_token_algorithm: Some(SigningAlgorithm::Es256.into()),
            ..ClientEdit::default()
        };
        let client = RegisterClient {
            id: Some(id.to_owned()),
            secret: Some(SECRET.to_owned().into()),
            ..RegisterClient::with(kind, settings)
        };
        register_client(registrar, client).await.unwrap();
    }
}

fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

fn post(client: &str, path: &str, fields: &[(&str, &str)]) -> Request<Body> {
    let credentials = STANDARD.encode(format!("{client}:{SECRET}"));
    Request::post(path)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::AUTHORIZATION, format!("Basic {credentials}"))
        .body(Body::from(form::encode(fields)))
        .unwrap()
}

fn client_credentials(client: &str) -> Request<Body> {
    post(
        client,
        "/oauth2/token",
        &[("grant_type", "client_credentials")],
    )
}
