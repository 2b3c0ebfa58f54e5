//! Copies of the directory: nothing on the warm path reads SQL, and what one node ends the other
//! refuses on its next request.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, http::Request, http::header};
use countersign::{
    application::ports::{Clock as _, Store as _},
    domain::{
        client::{AccessTokenFormat, Client, ClientSecret, ClientStatus},
        id::{ClientId, RoleId},
        resource::ResourceServer,
        role::Role,
        secret::SecretDigest,
        user::UserStatus,
    },
    infrastructure::sql::{SqlOptions, connect},
};
use tokio_util::sync::CancellationToken;

use super::support::app::{
    Answer, Browser, SECRET, Stage, TestApp, authorize_uri, basic, claims, encode, on_both, send,
    settings,
};

const OFFLINE: &str = "openid offline_access";

fn post(client: &str, secret: &str, uri: &str, fields: &[(&str, &str)]) -> Request<Body> {
    Request::post(uri)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::AUTHORIZATION, basic(client, secret))
        .body(Body::from(encode(fields)))
        .unwrap()
}

async fn userinfo(node: &Router, token: &str) -> u16 {
    let request = Request::get("/oauth2/userinfo")
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .body(Body::empty());
    send(node, request.unwrap()).await.status.as_u16()
}

async fn introspect(node: &Router, client: &str, token: &str) -> Answer {
    let fields = [("token", token)];
    send(node, post(client, SECRET, "/oauth2/introspect", &fields)).await
}

async fn own_token(node: &Router, client: &str) -> Answer {
    let fields = [("grant_type", "client_credentials")];
    send(node, post(client, SECRET, "/oauth2/token", &fields)).await
}

async fn refreshed(node: &Router, client: &str, token: &str) -> Answer {
    let fields = [("grant_type", "refresh_token"), ("refresh_token", token)];
    send(node, post(client, SECRET, "/oauth2/token", &fields)).await
}

/// The statements that a provider of this stage runs.
async fn counted(stage: Stage) -> (TestApp, Arc<AtomicUsize>) {
    let statements = Arc::new(AtomicUsize::new(0));
    let counter = statements.clone();
    let app = TestApp::start_on(stage, None, settings(), |options| {
        options.sql = SqlOptions {
            observer: Some(Arc::new(move |_| {
                counter.fetch_add(1, Ordering::Relaxed);
            })),
            ..SqlOptions::default()
        };
    })
    .await;
    (app, statements)
}

async fn the_warm_path_reads_no_sql(stage: Stage) {
    let (app, statements) = counted(stage).await;
    app.change_client("other", |client| {
        client.tokens.access_token_format = AccessTokenFormat::Opaque;
    })
    .await;
    for client in ["web", "other"] {
        let tokens = app.tokens(client, "openid offline_access roles").await;
        let (access, refresh) = (&tokens["access_token"], &tokens["refresh_token"]);
        let (access, refresh) = (access.as_str().unwrap(), refresh.as_str().unwrap());
        let node = &app.router;
        // Once to warm up.
        own_token(node, client).await;
        userinfo(node, access).await;
        introspect(node, client, access).await;
        let next = refreshed(node, client, refresh).await.json();
        let next = next["refresh_token"].as_str().unwrap();
        let before = statements.load(Ordering::Relaxed);
        assert_eq!(own_token(node, client).await.status, 200);
        assert_eq!(userinfo(node, access).await, 200);
        let answer = introspect(node, client, access).await;
        assert_eq!(answer.json()["active"], true);
        assert_eq!(refreshed(node, client, next).await.status, 200);
        assert_eq!(statements.load(Ordering::Relaxed), before, "{client}");
    }
}

#[tokio::test]
async fn the_warm_path_reads_no_sql_on_sqlite_and_the_embedded_store() {
    the_warm_path_reads_no_sql(Stage::Embedded).await;
}

#[tokio::test]
async fn the_warm_path_reads_no_sql_on_postgres_and_redis() {
    the_warm_path_reads_no_sql(Stage::Servers).await;
}

/// A code flow of a browser that is logged in reads no SQL: only the grant and its event are written.
async fn a_code_in_a_session_only_writes(stage: Stage) {
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = seen.clone();
    let app = TestApp::start_on(stage, None, settings(), |options| {
        options.sql.observer = Some(Arc::new(move |statement| {
            log.lock().unwrap().push(statement.sql.to_owned());
        }));
    })
    .await;
    let mut browser = Browser::new(&app);
    for round in 0..3 {
        seen.lock().unwrap().clear();
        let code = browser.code("web", &[("scope", OFFLINE)]).await;
        let before_token = seen.lock().unwrap().len();
        assert_eq!(app.redeem("web", &code).await.status, 200);
        let statements = std::mem::take(&mut *seen.lock().unwrap());
        if round > 0 {
            assert_eq!(before_token, 0, "{statements:#?}");
            let writes = |table| {
                let begins = format!("INSERT INTO \"{table}\"");
                statements
                    .iter()
                    .filter(|sql| sql.starts_with(&begins))
                    .count()
            };
            assert_eq!(
                (writes("grants"), writes("audit_events")),
                (1, 1),
                "{statements:#?}"
            );
            assert_eq!(statements.len(), 2, "{statements:#?}");
        }
    }
}

#[tokio::test]
async fn a_code_in_a_session_only_writes_on_sqlite_and_the_embedded_store() {
    a_code_in_a_session_only_writes(Stage::Embedded).await;
}

#[tokio::test]
async fn a_code_in_a_session_only_writes_on_postgres_and_redis() {
    a_code_in_a_session_only_writes(Stage::Servers).await;
}

/// Two nodes with warm copies, and what each of them was given.
struct Pair {
    app: TestApp,
    other: Router,
}

impl Pair {
    async fn start() -> Self {
        let app = TestApp::start(Stage::Servers).await;
        app.change_client("other", |client| {
            client.tokens.access_token_format = AccessTokenFormat::Opaque;
        })
        .await;
        let other = app.another_node().await.router();
        Self { app, other }
    }

    /// Tokens of both formats, used on both nodes, so that everything about them is warm.
    async fn tokens(&self) -> [(&'static str, serde_json::Value); 2] {
        let tokens = [
            ("web", self.app.tokens("web", OFFLINE).await),
            ("other", self.app.tokens("other", OFFLINE).await),
        ];
        for (client, tokens) in &tokens {
            for node in [&self.app.router, &self.other] {
                let access = tokens["access_token"].as_str().unwrap();
                assert_eq!(userinfo(node, access).await, 200);
                let answer = introspect(node, client, access).await;
                assert_eq!(answer.json()["active"], true);
                assert_eq!(own_token(node, client).await.status, 200);
            }
        }
        tokens
    }

    /// The other node's very next requests refuse all of it.
    async fn assert_refused(&self, client: &str, tokens: &serde_json::Value) {
        let access = tokens["access_token"].as_str().unwrap();
        assert_eq!(userinfo(&self.other, access).await, 401, "{client}");
        let refresh = tokens["refresh_token"].as_str().unwrap();
        let answer = refreshed(&self.other, client, refresh).await;
        assert!(answer.status.is_client_error(), "{}", answer.body);
    }
}

#[tokio::test]
async fn a_user_deactivated_on_one_node_is_refused_by_the_next_request_on_the_other() {
    let pair = Pair::start().await;
    let tokens = pair.tokens().await;
    let now = pair.app.clock.now();
    pair.app.change_user(|user| user.deactivate(now)).await;
    for (client, tokens) in &tokens {
        pair.assert_refused(client, tokens).await;
    }
    // And stays out when the account is opened again.
    pair.app.change_user(|user| user.activate(now)).await;
    for (client, tokens) in &tokens {
        pair.assert_refused(client, tokens).await;
        assert_eq!(own_token(&pair.other, client).await.status, 200);
    }
    assert_eq!(
        pair.app.tokens("web", OFFLINE).await["token_type"],
        "Bearer",
        "a login in the very second of the end works"
    );
}

#[tokio::test]
async fn a_client_disabled_on_one_node_is_refused_by_the_next_request_on_the_other() {
    let pair = Pair::start().await;
    let tokens = pair.tokens().await;
    pair.app
        .change_client("web", |client| client.status = ClientStatus::Inactive)
        .await;
    assert_eq!(own_token(&pair.other, "web").await.status, 401);
    for (client, tokens) in &tokens {
        if *client == "web" {
            pair.assert_refused(client, tokens).await;
        } else {
            let access = tokens["access_token"].as_str().unwrap();
            assert_eq!(userinfo(&pair.other, access).await, 200);
        }
    }
}

#[tokio::test]
async fn a_secret_replaced_on_one_node_is_refused_by_the_next_request_on_the_other() {
    let pair = Pair::start().await;
    pair.tokens().await;
    let replace = |client: &mut Client| {
        let secret = ClientSecret {
            digest: SecretDigest::of("another secret that is long enough to be one"),
            expires_at: None,
            sealed: None,
        };
        client.authentication =
            countersign::domain::client::ClientAuthentication::ClientSecretBasic {
                secrets: vec![secret],
            };
    };
    pair.app.change_client("web", replace).await;
    assert_eq!(own_token(&pair.other, "web").await.status, 401);
}

#[tokio::test]
async fn a_session_ended_on_one_node_is_refused_by_the_next_request_on_the_other() {
    let pair = Pair::start().await;
    let mut browser = Browser::new(&pair.app);
    let code = browser.code("web", &[("scope", OFFLINE)]).await;
    let tokens = pair.app.redeem("web", &code).await.json();
    let access = tokens["access_token"].as_str().unwrap();
    assert_eq!(userinfo(&pair.other, access).await, 200);
    let cookies: Vec<String> = browser
        .cookies
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let hint = [("id_token_hint", tokens["id_token"].as_str().unwrap())];
    browser
        .get(&format!("/oauth2/logout?{}", encode(&hint)))
        .await;
    pair.assert_refused("web", &tokens).await;
    let silent = Request::get(authorize_uri("web", &[("prompt", "none")]))
        .header(header::COOKIE, cookies.join("; "))
        .body(Body::empty());
    let answer = send(&pair.other, silent.unwrap()).await;
    assert_eq!(
        answer.location_param("error").as_deref(),
        Some("login_required")
    );
}

#[tokio::test]
async fn a_role_given_on_one_node_is_in_the_next_token_of_the_other() {
    let pair = Pair::start().await;
    let tokens = pair.app.tokens("web", "openid offline_access roles").await;
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let first = refreshed(&pair.other, "web", refresh).await.json();
    assert_eq!(
        claims(first["access_token"].as_str().unwrap())["roles"],
        serde_json::Value::Null
    );
    let role = Role {
        id: RoleId::new("r"),
        name: "auditor".to_owned(),
        description: None,
        permissions: [].into(),
    };
    let work = pair.app.begin().await;
    work.add_role(&role).await.unwrap();
    work.assign_role(&pair.app.user, &role.id).await.unwrap();
    work.commit().await.unwrap();
    let refresh = first["refresh_token"].as_str().unwrap();
    let next = refreshed(&pair.other, "web", refresh).await.json();
    let roles = &claims(next["access_token"].as_str().unwrap())["roles"];
    assert_eq!(roles, &serde_json::json!(["auditor"]));
}

#[tokio::test]
async fn a_resource_changed_on_one_node_changes_the_next_token_of_the_other() {
    let pair = Pair::start().await;
    let api = |format| ResourceServer {
        identifier: "https://api.example".to_owned(),
        name: "API".to_owned(),
        scope: "reports:read".parse().unwrap(),
        access_token_format: Some(format),
        introspection_client: None,
    };
    let put = async |format| {
        let work = pair.app.begin().await;
        work.put_resource_server(&api(format)).await.unwrap();
        work.commit().await.unwrap();
    };
    let is_opaque = async || {
        let fields = [
            ("grant_type", "client_credentials"),
            ("resource", "https://api.example"),
        ];
        let answer = send(&pair.other, post("web", SECRET, "/oauth2/token", &fields)).await;
        answer.json()["access_token"]
            .as_str()
            .unwrap()
            .starts_with("cs_at_")
    };
    put(AccessTokenFormat::Jwt).await;
    assert!(!is_opaque().await);
    put(AccessTokenFormat::Opaque).await;
    assert!(is_opaque().await);
}

on_both! {
    async fn what_the_command_line_changes_is_seen_by_itself(app: TestApp) {
        let tokens = app.tokens("web", OFFLINE).await;
        let access = tokens["access_token"].as_str().unwrap();
        assert_eq!(userinfo(&app.router, access).await, 200);
        let stop = CancellationToken::new();
        let app = Arc::new(app);
        let following = {
            let (app, stop) = (app.clone(), stop.clone());
            tokio::spawn(async move { app.ports().directory.follow(stop).await })
        };
        // Another process with the database alone: nobody announces what it does.
        let store = connect(app.database_url(), &SqlOptions::default()).await.unwrap();
        let work = store.begin().await.unwrap();
        let mut user = work.user(&app.user).await.unwrap().unwrap();
        user.status = UserStatus::Inactive;
        work.update_user(&user).await.unwrap();
        let mut client = work.client(&ClientId::new("service")).await.unwrap().unwrap();
        client.status = ClientStatus::Inactive;
        work.update_client(&client).await.unwrap();
        work.commit().await.unwrap();
        // Twice a second it looks; a busy machine may take longer.
        for _ in 0..200 {
            if userinfo(&app.router, access).await == 401 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(userinfo(&app.router, access).await, 401);
        assert_eq!(own_token(&app.router, "service").await.status, 401);
        stop.cancel();
        following.await.unwrap();
    }
}
