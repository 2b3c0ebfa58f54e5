//! The JSON login of first-party applications: the same rules as the pages, in another form.

use axum::{
    Router,
    body::Body,
    http::{Method, Request, StatusCode, header},
};
use countersign::{
    application::ports::Clock as _,
    domain::{
        client::{AccessTokenFormat, ClientStatus, ConsentPolicy},
        client_rights::{ClientRights, FirstPartyLogin},
        id::RoleId,
        role::Role,
    },
};
use serde_json::{Value, json};

use super::{
    guard::server_config,
    support::app::{Answer, Browser, CALLBACK, PASSWORD, SECRET, TestApp, claims, on_both, send},
};

const LOGIN: &str = "/api/auth/login";
const REFRESH: &str = "/api/auth/refresh";
const LOGOUT: &str = "/api/auth/logout";
const ME: &str = "/api/auth/me";

/// Lets the browser script `spa` take names and passwords.
async fn register(app: &TestApp, id: &str) {
    app.change_client(id, |client| {
        client.consent = ConsentPolicy::Implied;
        client.rights = ClientRights {
            first_party_login: FirstPartyLogin::Allowed,
            ..ClientRights::default()
        };
    })
    .await;
}

fn request(uri: &str, body: &Value) -> Request<Body> {
    Request::post(uri)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body.to_string()))
        .unwrap()
}

async fn post(app: &TestApp, uri: &str, body: &Value) -> Answer {
    app.send(request(uri, body)).await
}

async fn log_in(app: &TestApp, username: &str, password: &str) -> Answer {
    let body = json!({ "client_id": "spa", "username": username, "password": password });
    post(app, LOGIN, &body).await
}

async fn enter(app: &TestApp) -> Value {
    let answer = log_in(app, "alice", PASSWORD).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    answer.json()
}

async fn refresh(app: &TestApp, token: &Value) -> Answer {
    post(
        app,
        REFRESH,
        &json!({ "client_id": "spa", "refresh_token": token }),
    )
    .await
}

async fn me(app: &TestApp, tokens: &Value) -> Answer {
    app.get_with(ME, tokens["access_token"].as_str().unwrap())
        .await
}

#[track_caller]
fn assert_problem(answer: &Answer, status: u16, kind: &str) {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.body);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(answer.header("cache-control"), "no-store");
    let body = answer.json();
    assert_eq!(
        body["type"],
        format!("urn:countersign:problem:{kind}"),
        "{body}"
    );
    assert_eq!(body["status"], status);
    assert!(
        body["title"].is_string() && body["trace_id"].is_string(),
        "{body}"
    );
    if status == 401 {
        assert_ne!(answer.header("www-authenticate"), "", "RFC 9110 §15.5.2");
    }
}

fn guarded(app: &TestApp) -> Router {
    app.app.guarded_router(&server_config())
}

async fn count(app: &TestApp, kind: &str) -> u64 {
    let events = app.events().await;
    events.into_iter().filter(|event| *event == kind).count() as u64
}

on_both! {
    async fn a_login_answers_tokens_their_end_and_the_user(app: TestApp) {
        register(&app, "spa").await;
        let work = app.begin().await;
        let role = Role {
            id: RoleId::new("r"),
            name: "editor".into(),
            description: None,
            permissions: [].into(),
        };
        work.add_role(&role).await.unwrap();
        work.assign_role(&app.user, &role.id).await.unwrap();
        work.commit().await.unwrap();
        for format in [AccessTokenFormat::Jwt, AccessTokenFormat::Opaque] {
            app.change_client("spa", |client| client.tokens.access_token_format = format).await;
            let tokens = enter(&app).await;
            let person = json!({
                "id": app.user.as_str(), "username": "alice", "email": "alice@id.example",
                "email_verified": true, "first_name": "Alice", "last_name": "Example",
                "full_name": "Alice M. Example", "roles": ["editor"],
            });
            assert_eq!(tokens["user"], person);
            assert_eq!(tokens["token_type"], "Bearer");
            assert_eq!(tokens["expires_in"], 600);
            assert!(tokens["expires_at"].is_i64() && tokens["refresh_token"].is_string());
            assert_eq!(me(&app, &tokens).await.json(), person);
            let userinfo = app.get_with("/oauth2/userinfo", tokens["access_token"].as_str().unwrap()).await;
            assert_eq!(userinfo.json()["sub"], app.user.as_str(), "an ordinary token");
            let renewed = refresh(&app, &tokens["refresh_token"]).await;
            assert_eq!(renewed.status, StatusCode::OK, "{}", renewed.body);
            let renewed = renewed.json();
            assert_ne!(renewed["refresh_token"], tokens["refresh_token"], "rotated");
            assert_eq!(me(&app, &renewed).await.status, StatusCode::OK);
        }
    }

    async fn the_trail_tells_of_it_as_of_a_login_on_the_pages(app: TestApp) {
        register(&app, "spa").await;
        assert_problem(&log_in(&app, "alice", "wrong").await, 401, "wrong-credentials");
        enter(&app).await;
        // Of one second, so in any order.
        let mut events = app.events().await;
        events.sort_unstable();
        assert_eq!(events, ["grant.issued", "login.failed", "login.succeeded"]);
    }

    async fn only_a_client_that_is_registered_for_it_may(app: TestApp) {
        assert_problem(&log_in(&app, "alice", PASSWORD).await, 403, "forbidden");
        assert_eq!(app.events().await, [""; 0], "the password was not looked at");
        let tokens = app.tokens("spa", "openid offline_access").await;
        assert_problem(&refresh(&app, &tokens["refresh_token"]).await, 403, "forbidden");
        assert_problem(&me(&app, &tokens).await, 401, "invalid-token");
        register(&app, "spa").await;
        let unknown = json!({ "client_id": "nobody", "username": "alice", "password": PASSWORD });
        assert_problem(&post(&app, LOGIN, &unknown).await, 401, "invalid-client");
        app.change_client("spa", |client| client.status = ClientStatus::Inactive).await;
        assert_problem(&log_in(&app, "alice", PASSWORD).await, 401, "invalid-client");
    }

    async fn a_confidential_client_proves_who_it_is(app: TestApp) {
        register(&app, "post").await;
        let body = |secret: &str| json!({ "client_id": "post", "client_secret": secret, "username": "alice", "password": PASSWORD });
        assert_problem(&post(&app, LOGIN, &body("wrong")).await, 401, "invalid-client");
        assert_eq!(post(&app, LOGIN, &body(SECRET)).await.status, StatusCode::OK);
    }

    async fn it_is_not_the_password_grant(app: TestApp) {
        register(&app, "spa").await;
        let discovery = app.get("/.well-known/openid-configuration").await;
        let grants = discovery.json()["grant_types_supported"].clone();
        assert!(!grants.as_array().unwrap().contains(&json!("password")), "{grants}");
        let fields = [("grant_type", "password"), ("username", "alice"), ("password", PASSWORD)];
        app.token("spa", &fields).await.assert_error(400, "unsupported_grant_type");
    }

    async fn c141_whatever_is_wrong_with_the_account_the_answer_is_the_same(app: TestApp) {
        register(&app, "spa").await;
        let wrong = log_in(&app, "alice", "wrong").await;
        assert_problem(&wrong, 401, "wrong-credentials");
        let unknown = log_in(&app, "nobody", PASSWORD).await;
        let impossible = log_in(&app, "ali\u{200b}ce", PASSWORD).await;
        let now = app.clock.now();
        app.change_user(|user| user.deactivate(now)).await;
        let inactive = log_in(&app, "alice", PASSWORD).await;
        for other in [unknown, impossible, inactive] {
            assert_eq!((&other.headers, &other.body), (&wrong.headers, &wrong.body));
        }
    }

    async fn c143_a_hundred_parallel_guesses_hash_at_most_the_limit(app: TestApp) {
        register(&app, "spa").await;
        let limit = app.ports().settings.login_limits.per_account;
        let guesses: Vec<String> = (0..100).map(|n| format!("guess {n}")).collect();
        let attempts = guesses.iter().map(|guess| log_in(&app, "alice", guess));
        let answers = futures_util::future::join_all(attempts).await;
        let limited = answers.iter().filter(|answer| answer.status == 429).count() as u64;
        assert_eq!((count(&app, "login.failed").await, limited), (limit, 100 - limit));
        let answer = log_in(&app, "alice", PASSWORD).await;
        assert_problem(&answer, 429, "too-many-requests");
        assert!(answer.header("retry-after").parse::<u64>().unwrap() > 0);
    }

    async fn c144_it_shares_its_limit_with_the_pages_in_every_form_of_a_name(app: TestApp) {
        register(&app, "spa").await;
        let limit = app.ports().settings.login_limits.per_account;
        let forms = ["alice", "ALICE", " Alice ", "\u{ff21}\u{ff2c}\u{ff29}\u{ff23}\u{ff25}"];
        for n in 0..limit {
            let form = forms[usize::try_from(n).unwrap() % forms.len()];
            assert_eq!(log_in(&app, form, "wrong").await.status, 401, "{form}");
        }
        for form in forms {
            assert_eq!(log_in(&app, form, PASSWORD).await.status, 429, "{form}");
        }
        let mut browser = Browser::new(&app);
        let page = browser.authorize("web", &[]).await;
        let page = browser.get(page.location()).await;
        assert_eq!(browser.log_in(&page.body, "alice", PASSWORD).await.status, 429);
    }

    async fn c145_who_kept_the_device_enters_while_strangers_guess(app: TestApp) {
        register(&app, "spa").await;
        let device = enter(&app).await["device"].clone();
        for _ in 0..app.ports().settings.login_limits.per_account {
            log_in(&app, "alice", "wrong").await;
        }
        assert_eq!(log_in(&app, "alice", PASSWORD).await.status, 429);
        let body = json!({ "client_id": "spa", "username": "alice", "password": PASSWORD, "device": device });
        assert_eq!(post(&app, LOGIN, &body).await.status, StatusCode::OK);
    }

    async fn c148_a_password_of_a_megabyte_is_refused_before_it_is_hashed(app: TestApp) {
        register(&app, "spa").await;
        assert_problem(&log_in(&app, "alice", &"a".repeat(2000)).await, 400, "invalid-member");
        assert_problem(&log_in(&app, "alice", &"a".repeat(1 << 20)).await, 413, "too-large");
        assert_eq!(app.events().await, [""; 0]);
    }

    async fn the_body_is_read_strictly(app: TestApp) {
        register(&app, "spa").await;
        let good = format!("\"client_id\":\"spa\",\"username\":\"alice\",\"password\":\"{PASSWORD}\"");
        for (body, kind) in [
            (format!("{{{good},\"admin\":true}}"), "invalid-member"),
            (format!("{{{good},\"username\":\"bob\"}}"), "invalid-member"),
            (format!("{{{good},\"scope\":[]}}"), "invalid-member"),
            ("{\"client_id\":\"spa\"}".to_owned(), "invalid-member"),
            (format!("{{{good}"), "malformed-json"),
            (format!("[{{{good}}}]"), "invalid-member"),
        ] {
            let request = Request::post(LOGIN).header(header::CONTENT_TYPE, "application/json");
            let answer = app.send(request.body(Body::from(body.clone())).unwrap()).await;
            assert_problem(&answer, 400, kind);
            assert!(!answer.body.contains(PASSWORD), "c175: {}", answer.body);
        }
        for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1"] {
            let request = Request::post(LOGIN).header(header::CONTENT_TYPE, content_type);
            let answer = app.send(request.body(Body::from(format!("{{{good}}}"))).unwrap()).await;
            assert_problem(&answer, 415, "unsupported-media-type");
        }
        let answer = app.send(Request::get(LOGIN).body(Body::empty()).unwrap()).await;
        assert_problem(&answer, 405, "method-not-allowed");
    }

    async fn more_scope_than_the_client_has_is_refused(app: TestApp) {
        register(&app, "spa").await;
        let body = |scope: &str| json!({ "client_id": "spa", "username": "alice", "password": PASSWORD, "scope": scope });
        assert_problem(&post(&app, LOGIN, &body("openid admin")).await, 400, "invalid-request");
        let tokens = post(&app, LOGIN, &body("openid")).await.json();
        assert_eq!(tokens["scope"], "openid");
        assert!(tokens.get("refresh_token").is_none(), "no offline_access, no refresh token");
    }

    async fn deactivation_ends_it_at_once(app: TestApp) {
        register(&app, "spa").await;
        for format in [AccessTokenFormat::Jwt, AccessTokenFormat::Opaque] {
            app.change_client("spa", |client| client.tokens.access_token_format = format).await;
            let now = app.clock.now();
            app.change_user(|user| user.activate(now)).await;
            let tokens = enter(&app).await;
            app.change_user(|user| user.deactivate(now)).await;
            assert_problem(&me(&app, &tokens).await, 401, "invalid-token");
            assert_problem(&refresh(&app, &tokens["refresh_token"]).await, 401, "invalid-token");
        }
    }

    async fn a_replayed_refresh_token_revokes_everything(app: TestApp) {
        register(&app, "spa").await;
        let tokens = enter(&app).await;
        let second = refresh(&app, &tokens["refresh_token"]).await.json();
        app.clock.advance(std::time::Duration::from_secs(11));
        assert_problem(&refresh(&app, &tokens["refresh_token"]).await, 401, "invalid-token");
        assert_problem(&refresh(&app, &second["refresh_token"]).await, 401, "invalid-token");
        assert_problem(&me(&app, &second).await, 401, "invalid-token");
        assert_eq!(count(&app, "refresh.replayed").await, 1);
    }

    async fn a_logout_ends_the_session_and_all_its_tokens(app: TestApp) {
        register(&app, "spa").await;
        for format in [AccessTokenFormat::Jwt, AccessTokenFormat::Opaque] {
            app.change_client("spa", |client| client.tokens.access_token_format = format).await;
            let (first, other) = (enter(&app).await, enter(&app).await);
            let bearer = format!("Bearer {}", first["access_token"].as_str().unwrap());
            let request = Request::post(LOGOUT).header(header::AUTHORIZATION, bearer);
            let answer = app.send(request.body(Body::empty()).unwrap()).await;
            assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.body);
            assert_problem(&me(&app, &first).await, 401, "invalid-token");
            assert_problem(&refresh(&app, &first["refresh_token"]).await, 401, "invalid-token");
            assert_eq!(me(&app, &other).await.status, StatusCode::OK, "another session");
            let body = json!({ "client_id": "spa", "refresh_token": other["refresh_token"] });
            assert_eq!(post(&app, LOGOUT, &body).await.status, StatusCode::NO_CONTENT);
            assert_problem(&me(&app, &other).await, 401, "invalid-token");
            assert_eq!(post(&app, LOGOUT, &body).await.status, StatusCode::NO_CONTENT, "again");
        }
        assert_eq!(count(&app, "session.ended").await, 4);
        let nobody = Request::post(LOGOUT).body(Body::empty()).unwrap();
        assert_problem(&app.send(nobody).await, 401, "unauthenticated");
    }

    async fn a_grant_made_this_way_can_be_revoked_like_any_other(app: TestApp) {
        register(&app, "spa").await;
        let tokens = enter(&app).await;
        let fields = [("token", tokens["refresh_token"].as_str().unwrap()), ("client_id", "spa")];
        assert_eq!(app.post("/oauth2/revoke", &fields).await.status, StatusCode::OK);
        assert_problem(&me(&app, &tokens).await, 401, "invalid-token");
    }

    async fn a_token_says_how_its_user_logged_in_and_ends_with_its_client(app: TestApp) {
        register(&app, "spa").await;
        let tokens = enter(&app).await;
        let token = claims(tokens["access_token"].as_str().unwrap());
        assert_eq!(token["amr"], json!(["pwd"]));
        assert_eq!(token["client_id"], "spa");
        app.change_client("spa", |client| client.status = ClientStatus::Inactive).await;
        assert_problem(&me(&app, &tokens).await, 401, "invalid-token");
    }

    async fn scripts_of_registered_origins_may_and_others_may_not(app: TestApp) {
        register(&app, "spa").await;
        let router = guarded(&app);
        let from = |origin: &str, method: Method| {
            let body = json!({ "client_id": "spa", "username": "alice", "password": PASSWORD });
            Request::builder()
                .method(method)
                .uri(LOGIN)
                .header(header::ORIGIN, origin)
                .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
                .header(header::CONTENT_TYPE, "application/json")
                .body(Body::from(body.to_string()))
                .unwrap()
        };
        let asked = send(&router, from("https://rp.example", Method::OPTIONS)).await;
        assert_eq!(asked.header("access-control-allow-origin"), "https://rp.example");
        let done = send(&router, from("https://rp.example", Method::POST)).await;
        assert_eq!(done.status, StatusCode::OK, "{}", done.body);
        assert_eq!(done.header("access-control-allow-origin"), "https://rp.example");
        assert_eq!(done.header("access-control-allow-credentials"), "", "c130");
        assert_eq!(done.header("set-cookie"), "", "c174: nothing that a browser would send by itself");
        let asked = send(&router, from("https://evil.example", Method::OPTIONS)).await;
        assert_eq!(asked.header("access-control-allow-origin"), "");
        let done = send(&router, from("https://evil.example", Method::POST)).await;
        assert_problem(&done, 403, "forbidden");
        assert_eq!(done.json()["trace_id"], done.header("x-request-id"));
        assert!(CALLBACK.starts_with("https://rp.example"));
    }
}
