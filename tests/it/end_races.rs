//! Everything that ends something against everything that makes something (security.md 136, 57, 75):
//! hundreds of rounds with random offsets, on both stages, with two nodes where there are servers.
//! Whatever the order, nothing that was made on the old footing is alive once both have answered.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header},
};
use countersign::{
    application::{
        commands::{
            change_client::set_client_status, change_user, withdraw_consent::withdraw_consent,
        },
        registrar::Registrar,
        trail::Origin,
    },
    domain::{
        client::{AccessTokenFormat, ClientStatus},
        id::{ClientId, GrantId},
        user::UserStatus,
    },
};

use super::support::app::{
    Answer, Browser, CALLBACK, PASSWORD, SECRET, Stage, TestApp, USERNAME, VERIFIER, authorize_uri,
    basic, claims, encode, random_offset, send,
};

const ROUNDS: usize = 300;
const SCOPE: (&str, &str) = ("scope", "openid offline_access");

/// What ends something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Logout,
    Deactivation,
    PasswordChanged,
    ClientDisabled,
    ConsentWithdrawn,
    Revocation,
}

impl End {
    /// Whether it ends what `client` got in the session, given whether it came of the family that was
    /// revoked.
    fn covers(self, client: &str, is_of_family: bool) -> bool {
        match self {
            Self::Logout | Self::Deactivation | Self::PasswordChanged => true,
            Self::ClientDisabled | Self::ConsentWithdrawn => client == "web",
            Self::Revocation => is_of_family,
        }
    }

    /// Whether the browser's session ends with it.
    fn ends_the_session(self) -> bool {
        matches!(
            self,
            Self::Logout | Self::Deactivation | Self::PasswordChanged
        )
    }
}

struct Rig {
    app: TestApp,
    /// The routers of all nodes.
    nodes: Vec<Router>,
    registrar: Registrar,
}

impl Rig {
    async fn start(stage: Stage) -> Self {
        let app = TestApp::start_with(stage, |settings| {
            settings.login_limits.per_account = 1_000_000;
            settings.login_limits.per_address = 1_000_000;
        })
        .await;
        app.change_client("other", |client| {
            client.tokens.access_token_format = AccessTokenFormat::Opaque;
        })
        .await;
        let mut nodes = vec![app.router.clone()];
        if matches!(stage, Stage::Servers) {
            nodes.push(app.another_node().await.router());
        }
        let registrar = app.registrar();
        Self {
            app,
            nodes,
            registrar,
        }
    }

    fn node(&self, at: usize) -> Router {
        self.nodes[at % self.nodes.len()].clone()
    }

    /// Does it, after a random while.
    async fn end(&self, end: End, logout: Request<Body>, revocation: Request<Body>) {
        tokio::time::sleep(random_offset()).await;
        let (ports, origin) = (self.app.ports(), Origin::default());
        let web = ClientId::new("web");
        match end {
            End::Logout => {
                let answer = send(&self.node(0), logout).await;
                assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
            }
            End::Revocation => {
                let answer = send(&self.node(0), revocation).await;
                assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
            }
            End::Deactivation => {
                let inactive = UserStatus::Inactive;
                change_user::set_user_status(&self.registrar, USERNAME, inactive)
                    .await
                    .unwrap();
            }
            End::PasswordChanged => {
                change_user::set_password(&self.registrar, USERNAME, &PASSWORD.to_owned().into())
                    .await
                    .unwrap();
            }
            End::ClientDisabled => {
                let inactive = ClientStatus::Inactive;
                set_client_status(&self.registrar, &web, inactive)
                    .await
                    .unwrap();
            }
            End::ConsentWithdrawn => {
                withdraw_consent(ports, &self.app.user, &web, &origin)
                    .await
                    .unwrap();
            }
        }
    }

    /// Lets user and client work again: what was ended must stay so.
    async fn restore(&self, end: End) {
        match end {
            End::Deactivation => {
                change_user::set_user_status(&self.registrar, USERNAME, UserStatus::Active)
                    .await
                    .unwrap();
            }
            End::ClientDisabled => {
                let web = ClientId::new("web");
                set_client_status(&self.registrar, &web, ClientStatus::Active)
                    .await
                    .unwrap();
                // What is granted in the very second of the end counts as older.
                self.app.clock.advance(Duration::from_secs(1));
            }
            End::Logout | End::PasswordChanged | End::ConsentWithdrawn | End::Revocation => {}
        }
    }

    async fn round(&self, end: End, at: usize) {
        // What stands before.
        let mut browser = Browser::new(&self.app);
        let first = browser.code("web", &[SCOPE]).await;
        let first = self.app.redeem("web", &first).await.json();
        let code = browser.code("web", &[SCOPE]).await;
        let opaque = browser.code("other", &[SCOPE]).await;
        let refresh = first["refresh_token"].as_str().unwrap();
        let id_token = first["id_token"].as_str().unwrap();
        let logout = format!("/oauth2/logout?{}", encode(&[("id_token_hint", id_token)]));
        let logout = with_cookies(&browser, &logout);
        let revocation = token_request("web", "/oauth2/revoke", &[("token", refresh)]);
        let silent = authorize_uri("web", &[SCOPE, ("prompt", "none")]);
        let silent = with_cookies(&browser, &silent);
        // All at once.
        let make = |node: usize, request: Request<Body>| {
            let router = self.node(node);
            tokio::spawn(async move {
                tokio::time::sleep(random_offset()).await;
                send(&router, request).await
            })
        };
        let redeemed = make(at, exchange("web", &code));
        let referred = make(at + 1, exchange("other", &opaque));
        let refreshed = make(at, refreshing("web", refresh));
        let authorized = make(at + 1, silent);
        self.end(end, logout, revocation).await;
        let (redeemed, referred, refreshed, authorized) =
            tokio::try_join!(redeemed, referred, refreshed, authorized).unwrap();
        // What is left.
        self.restore(end).await;
        self.assert_dead(end, ("web", &redeemed), false).await;
        self.assert_dead(end, ("other", &referred), false).await;
        self.assert_dead(end, ("web", &refreshed), true).await;
        let before = Answer {
            status: StatusCode::OK,
            headers: header::HeaderMap::new(),
            body: first.to_string(),
        };
        self.assert_dead(end, ("web", &before), true).await;
        let issued = (authorized.status == StatusCode::SEE_OTHER)
            .then(|| authorized.location_param("code"))
            .flatten();
        if let Some(code) = issued {
            // Made before or after: redeemed now, it is on the old footing.
            let answer = send(&self.node(at), exchange("web", &code)).await;
            self.assert_dead(end, ("web", &answer), false).await;
        }
        if end.ends_the_session() {
            let silent = authorize_uri("web", &[("prompt", "none")]);
            let answer = send(&self.node(at + 1), with_cookies(&browser, &silent)).await;
            assert_eq!(answer.location_param("code"), None, "{end:?}, round {at}");
        }
    }

    /// Nothing of a token response is alive on any node, and the stores agree.
    async fn assert_dead(&self, end: End, (client, answer): (&str, &Answer), is_of_family: bool) {
        if answer.status != StatusCode::OK || !end.covers(client, is_of_family) {
            return;
        }
        let tokens = answer.json();
        let access = tokens["access_token"].as_str().unwrap();
        let refresh = tokens["refresh_token"].as_str().unwrap();
        for router in &self.nodes {
            let request = Request::get("/oauth2/userinfo")
                .header(header::AUTHORIZATION, format!("Bearer {access}"));
            let answer = send(router, request.body(Body::empty()).unwrap()).await;
            assert_eq!(answer.status, 401, "{end:?}: {client} reads userinfo");
            let fields = [("token", access)];
            let request = token_request(client, "/oauth2/introspect", &fields);
            let answer = send(router, request).await;
            assert_eq!(answer.body, r#"{"active":false}"#, "{end:?}: {client}");
            let answer = send(router, refreshing(client, refresh)).await;
            assert_eq!(answer.status, 400, "{end:?}: {client} refreshes");
        }
        if matches!(end, End::Logout | End::ConsentWithdrawn | End::Revocation) {
            let grant = GrantId::new(refresh.split('.').next().unwrap());
            let reader = self.app.ports().store.reader();
            let record = reader.grant(&grant).await.unwrap().unwrap();
            assert!(record.revoked_at.is_some(), "{end:?}: {client}");
        }
        if access.split('.').count() == 3 && !access.starts_with("cs_at_") {
            assert_eq!(claims(access)["client_id"], client);
        }
    }
}

fn with_cookies(browser: &Browser<'_>, uri: &str) -> Request<Body> {
    let cookies = browser.cookies.iter();
    let cookies: Vec<String> = cookies
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    Request::get(uri)
        .header(header::COOKIE, cookies.join("; "))
        .body(Body::empty())
        .unwrap()
}

fn exchange(client: &str, code: &str) -> Request<Body> {
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    token_request(client, "/oauth2/token", &fields)
}

fn refreshing(client: &str, token: &str) -> Request<Body> {
    let fields = [("grant_type", "refresh_token"), ("refresh_token", token)];
    token_request(client, "/oauth2/token", &fields)
}

fn token_request(client: &str, uri: &str, fields: &[(&str, &str)]) -> Request<Body> {
    Request::post(uri)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::AUTHORIZATION, basic(client, SECRET))
        .body(Body::from(encode(fields)))
        .unwrap()
}

async fn race(stage: Stage, end: End) {
    let rig = Arc::new(Rig::start(stage).await);
    for at in 0..ROUNDS {
        rig.round(end, at).await;
    }
}

macro_rules! races {
    ($($name:ident: $end:expr;)+) => {$(
        mod $name {
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite_and_the_embedded_store() {
                race(Stage::Embedded, $end).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres_and_redis() {
                race(Stage::Servers, $end).await;
            }
        }
    )+};
}

races! {
    c136_nothing_survives_a_logout: End::Logout;
    c057_nothing_survives_a_deactivation: End::Deactivation;
    c057_nothing_survives_a_password_change: End::PasswordChanged;
    c075_nothing_survives_the_disabling_of_its_client: End::ClientDisabled;
    c057_nothing_survives_the_withdrawal_of_its_consent: End::ConsentWithdrawn;
    c052_nothing_survives_the_revocation_of_its_family: End::Revocation;
}
