//! A Redis server that comes back empty, or with what it held a while ago: what was ended stays ended
//! (issue of the fault runs; security.md I3, I6). Two nodes, both token formats.

use axum::{Router, body::Body, http::Request, http::header};
use countersign::domain::client::AccessTokenFormat;
use serde_json::Value;

use super::support::{
    app::{
        Answer, Browser, CALLBACK, SECRET, Stage, TestApp, VERIFIER, authorize_uri, basic, encode,
        send, settings,
    },
    redis::RedisServer,
};

const SCOPE: (&str, &str) = ("scope", "openid offline_access");

/// How the server loses its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    /// It restarts with nothing.
    Empty,
    /// It restarts with what it held before anything was ended.
    Behind,
    /// Somebody flushes it while everybody is connected.
    Flushed,
}

struct Rig {
    app: TestApp,
    nodes: [Router; 2],
    server: tokio::sync::Mutex<RedisServer>,
}

impl Rig {
    async fn start() -> Self {
        let server = tokio::task::spawn_blocking(RedisServer::start)
            .await
            .unwrap();
        let app = TestApp::start_on(Stage::Servers, Some(server.url()), settings(), |_| ()).await;
        app.change_client("other", |client| {
            client.tokens.access_token_format = AccessTokenFormat::Opaque;
        })
        .await;
        let other = app.another_node().await;
        Self {
            nodes: [app.router.clone(), other.router()],
            app,
            server: tokio::sync::Mutex::new(server),
        }
    }

    async fn lose(&self, loss: Loss) {
        match loss {
            Loss::Empty | Loss::Behind => self.server.lock().await.restart(),
            Loss::Flushed => {
                let client = redis::Client::open(self.server.lock().await.url()).unwrap();
                let mut connection = client.get_multiplexed_async_connection().await.unwrap();
                let flush = redis::cmd("FLUSHALL");
                let _: () = flush.query_async(&mut connection).await.unwrap();
            }
        }
        // A lost connection may cost each node one answer: 503, never a wrong one.
        for node in &self.nodes {
            send(node, post("web", "/oauth2/introspect", &[("token", "x")])).await;
        }
    }

    async fn is_active(&self, client: &str, token: &str) -> bool {
        let mut active = Vec::new();
        for node in &self.nodes {
            let answer = send(
                node,
                post(client, "/oauth2/introspect", &[("token", token)]),
            )
            .await;
            assert_eq!(answer.status, 200, "{}", answer.body);
            let says = answer.json()["active"].as_bool().unwrap();
            let request = Request::get("/oauth2/userinfo")
                .header(header::AUTHORIZATION, format!("Bearer {token}"))
                .body(Body::empty());
            let userinfo = send(node, request.unwrap()).await.status == 200;
            assert_eq!(says, userinfo);
            active.push(says);
        }
        assert_eq!(active[0], active[1], "the nodes disagree");
        active[0]
    }
}

fn post(client: &str, uri: &str, fields: &[(&str, &str)]) -> Request<Body> {
    Request::post(uri)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::AUTHORIZATION, basic(client, SECRET))
        .body(Body::from(encode(fields)))
        .unwrap()
}

async fn refresh(node: &Router, client: &str, token: &str) -> Answer {
    let fields = [("grant_type", "refresh_token"), ("refresh_token", token)];
    send(node, post(client, "/oauth2/token", &fields)).await
}

fn text<'a>(tokens: &'a Value, name: &str) -> &'a str {
    tokens[name].as_str().unwrap()
}

async fn nothing_ended_comes_back(loss: Loss) {
    let rig = Rig::start().await;
    let app = &rig.app;
    // What will be ended by itself, with its grant, with its session; and what stays.
    let (jwt, opaque) = (
        app.tokens("web", SCOPE.1).await,
        app.tokens("other", SCOPE.1).await,
    );
    let family = app.tokens("web", SCOPE.1).await;
    let mut browser = Browser::new(app);
    let code = browser.code("web", &[SCOPE]).await;
    let session = app.redeem("web", &code).await.json();
    let kept = (
        app.tokens("web", SCOPE.1).await,
        app.tokens("other", SCOPE.1).await,
    );
    let mut staying = Browser::new(app);
    staying.code("web", &[SCOPE]).await;
    let spent = browser.code("web", &[SCOPE]).await;
    if loss == Loss::Behind {
        rig.server.lock().await.keep().await;
    }
    let redeemed = app.redeem("web", &spent).await.json();
    for (client, token) in [
        ("web", text(&jwt, "access_token")),
        ("other", text(&opaque, "access_token")),
        ("web", text(&family, "refresh_token")),
    ] {
        let answer = app
            .post_as(client, "/oauth2/revoke", &[("token", token)])
            .await;
        assert_eq!(answer.status, 200);
    }
    let cookies = browser.cookies.clone();
    let hint = [("id_token_hint", text(&session, "id_token"))];
    let logout = format!("/oauth2/logout?{}", encode(&hint));
    assert_eq!(browser.get(&logout).await.status, 303);

    rig.lose(loss).await;

    for (client, tokens) in [
        ("web", &jwt),
        ("other", &opaque),
        ("web", &family),
        ("web", &session),
        ("web", &redeemed),
    ] {
        let token = text(tokens, "access_token");
        assert!(!rig.is_active(client, token).await, "{loss:?}: {tokens}");
    }
    for tokens in [&family, &session, &redeemed] {
        for node in &rig.nodes {
            let answer = refresh(node, "web", text(tokens, "refresh_token")).await;
            answer.assert_error(400, "invalid_grant");
        }
    }
    // The browser that was signed out stays signed out, though it kept its cookies.
    let mut thief = Browser::new(&rig.app);
    thief.cookies = cookies;
    let silent = authorize_uri("web", &[("prompt", "none")]);
    assert_eq!(thief.get(&silent).await.location_param("code"), None);
    // A code that was redeemed makes no second grant.
    let again = [
        ("grant_type", "authorization_code"),
        ("code", spent.as_str()),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    let answer = send(&rig.nodes[1], post("web", "/oauth2/token", &again)).await;
    answer.assert_error(400, "invalid_grant");
    // What nobody ended works, as far as it needs no record.
    assert!(rig.is_active("web", text(&kept.0, "access_token")).await);
    if loss == Loss::Behind {
        assert!(rig.is_active("other", text(&kept.1, "access_token")).await);
        let answer = refresh(&rig.nodes[1], "web", text(&kept.0, "refresh_token")).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let code = staying.authorize("web", &[("prompt", "none")]).await;
        assert!(code.location_param("code").is_some());
    }
}

#[tokio::test]
async fn nothing_that_was_ended_comes_back_with_an_empty_redis() {
    nothing_ended_comes_back(Loss::Empty).await;
}

#[tokio::test]
async fn nothing_that_was_ended_comes_back_with_a_redis_that_is_behind() {
    nothing_ended_comes_back(Loss::Behind).await;
}

#[tokio::test]
async fn nothing_that_was_ended_comes_back_after_a_flush() {
    nothing_ended_comes_back(Loss::Flushed).await;
}

/// The family may go with Redis; revoking a token of it must end the grant all the same.
#[tokio::test]
async fn a_refresh_token_that_redis_forgot_can_be_revoked() {
    let rig = Rig::start().await;
    let tokens = rig.app.tokens("web", SCOPE.1).await;
    rig.lose(Loss::Empty).await;
    assert!(rig.is_active("web", text(&tokens, "access_token")).await);
    let token = [("token", text(&tokens, "refresh_token"))];
    let foreign = send(&rig.nodes[0], post("other", "/oauth2/revoke", &token)).await;
    assert_eq!(foreign.status, 400, "{}", foreign.body);
    let answer = send(&rig.nodes[1], post("web", "/oauth2/revoke", &token)).await;
    assert_eq!(answer.status, 200);
    assert!(!rig.is_active("web", text(&tokens, "access_token")).await);
}

/// What changed in the directory while the store lost its memory is seen by a node whose copies are
/// warm, even where the record that it knows has come back.
#[tokio::test]
async fn a_rolled_back_pulse_does_not_bring_a_copy_back() {
    let rig = Rig::start().await;
    let tokens = rig.app.tokens("web", SCOPE.1).await;
    let access = text(&tokens, "access_token").to_owned();
    assert!(rig.is_active("web", &access).await);
    rig.server.lock().await.keep().await;
    let now = countersign::application::ports::Clock::now(&*rig.app.clock);
    rig.app.change_user(|user| user.deactivate(now)).await;
    // The second node has not looked since.
    rig.lose(Loss::Behind).await;
    assert!(!rig.is_active("web", &access).await);
}
