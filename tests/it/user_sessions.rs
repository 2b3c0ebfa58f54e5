//! Where a user is signed in: shown on the account page, ended one by one.

use std::time::Duration;

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use countersign::{
    application::upkeep::sweep_once,
    domain::{
        client::{AccessTokenFormat, ConsentPolicy},
        client_rights::FirstPartyLogin,
    },
};
use serde_json::{Value, json};

use super::support::app::{Answer, Browser, PASSWORD, TestApp, USERNAME, hidden_fields, on_both};

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";
const IPHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 \
                      (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1";
const OFFLINE: &str = "openid offline_access";

/// A browser that says what it is, signed in through `client`, and what the client got.
async fn signed_in<'a>(app: &'a TestApp, agent: &str, client: &str) -> (Browser<'a>, Value) {
    let mut browser = Browser::new(app).saying(agent);
    let code = browser.code(client, &[("scope", OFFLINE)]).await;
    let tokens = app.redeem(client, &code).await;
    assert_eq!(tokens.status, StatusCode::OK, "{}", tokens.body);
    (browser, tokens.json())
}

async fn account(browser: &mut Browser<'_>) -> Answer {
    let page = browser.get("/account").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    page
}

/// The hidden fields of the form that ends the session of the device with this name.
fn form_of(page: &str, device: &str) -> Vec<(String, String)> {
    let (_, section) = page
        .split_once(&format!("<h3><bdi>{device}</bdi>"))
        .expect(device);
    let form = section.split("</form>").next().unwrap();
    hidden_fields(form)
}

async fn end(browser: &mut Browser<'_>, fields: &[(String, String)]) -> Answer {
    let fields: Vec<_> = fields
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    browser.post("/account/end-session", &fields).await
}

fn text<'a>(tokens: &'a Value, name: &str) -> &'a str {
    tokens[name].as_str().unwrap()
}

/// Whether the browser is signed in, and what its tokens are good for.
async fn stands(
    app: &TestApp,
    browser: &mut Browser<'_>,
    client: &str,
    tokens: &Value,
) -> [bool; 4] {
    let silent = browser
        .authorize(client, &[("prompt", "none"), ("scope", OFFLINE)])
        .await;
    let access = text(tokens, "access_token");
    let introspected = app
        .post_as(client, "/oauth2/introspect", &[("token", access)])
        .await;
    let refreshed = app.refresh(client, text(tokens, "refresh_token")).await;
    [
        silent.location_param("code").is_some(),
        app.get_with("/oauth2/userinfo", access).await.status == StatusCode::OK,
        introspected.json()["active"] == true,
        refreshed.status == StatusCode::OK,
    ]
}

on_both! {
    async fn the_account_page_shows_each_session_with_device_and_network(app: TestApp) {
        let (mut firefox, _) = signed_in(&app, FIREFOX, "web").await;
        app.clock.advance(Duration::from_mins(10));
        signed_in(&app, IPHONE, "web").await;
        let page = account(&mut firefox).await.body;
        for text in ["Firefox on Linux", "Safari on iPhone", "This browser", "Sign out everywhere else"] {
            assert!(page.contains(text), "{text}: {page}");
        }
        assert!(page.find("Firefox on Linux") < page.find("Safari on iPhone"), "this browser first");
        assert_eq!(page.matches("This browser").count(), 1);
        // The identifier lets nobody in, and the cookie's secret is nowhere on the page.
        for (name, secret) in &firefox.cookies {
            assert!(!page.contains(secret), "{name}");
        }
    }

    async fn a_session_ended_from_elsewhere_ends_with_all_that_stands_on_it(app: TestApp) {
        app.change_client("other", |client| {
            client.tokens.access_token_format = AccessTokenFormat::Opaque;
        })
        .await;
        for client in ["web", "other"] {
            let (mut mine, _) = signed_in(&app, FIREFOX, "web").await;
            let (mut theirs, tokens) = signed_in(&app, IPHONE, client).await;
            assert_eq!(stands(&app, &mut theirs, client, &tokens).await, [true; 4], "{client}");
            let (mut theirs, tokens) = signed_in(&app, "curl/8", client).await;
            let page = account(&mut mine).await.body;
            let answer = end(&mut mine, &form_of(&page, "curl/8")).await;
            assert_eq!(answer.location(), "/account?done=session-ended");
            assert_eq!(stands(&app, &mut theirs, client, &tokens).await, [false; 4], "{client}");
            let told = mine.get(answer.location()).await.body;
            assert!(told.contains("That session has ended"), "{told}");
            assert!(!told.contains("curl/8"), "{told}");
            // Long after its codes are over its cookie is still worthless.
            let mut patient = theirs;
            app.clock.advance(Duration::from_hours(1));
            assert!(patient.get("/account").await.location().starts_with("/login"));
            mine.get("/account").await;
        }
    }

    async fn all_other_sessions_end_at_once_and_this_one_goes_on(app: TestApp) {
        let (mut mine, tokens) = signed_in(&app, FIREFOX, "web").await;
        let (mut one, _) = signed_in(&app, IPHONE, "web").await;
        let (mut two, _) = signed_in(&app, "curl/8", "web").await;
        let page = account(&mut mine).await.body;
        let fields = form_of(&page, "curl/8");
        let answer = {
            let fields: Vec<_> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            mine.post("/account/end-others", &fields).await
        };
        assert_eq!(answer.location(), "/account?done=others-ended");
        for browser in [&mut one, &mut two] {
            assert!(browser.get("/account").await.location().starts_with("/login"));
        }
        assert_eq!(stands(&app, &mut mine, "web", &tokens).await, [true; 4]);
        let page = account(&mut mine).await.body;
        assert!(!page.contains("iPhone") && !page.contains("everywhere else"), "{page}");
    }

    async fn c166_nobody_ends_a_session_of_somebody_else(app: TestApp) {
        app.add_user("mallory").await;
        let (mut alice, _) = signed_in(&app, FIREFOX, "web").await;
        signed_in(&app, IPHONE, "web").await;
        let page = account(&mut alice).await.body;
        let (_, session) = form_of(&page, "Safari on iPhone")
            .into_iter()
            .find(|(name, _)| name == "session")
            .unwrap();
        let mut mallory = Browser::new(&app);
        mallory.code_as("mallory", "web").await;
        let theirs = account(&mut mallory).await.body;
        assert!(!theirs.contains(&session));
        let (_, csrf) = hidden_fields(&theirs).into_iter().find(|(name, _)| name == "csrf").unwrap();
        let fields = [("csrf".to_owned(), csrf), ("session".to_owned(), session)];
        assert_eq!(end(&mut mallory, &fields).await.location(), "/account");
        // And without the token of the page nobody ends anything.
        let forged = [("csrf".to_owned(), "x".to_owned()), fields[1].clone()];
        assert_eq!(end(&mut alice, &forged).await.status, StatusCode::FORBIDDEN);
        assert!(account(&mut alice).await.body.contains("Safari on iPhone"));
    }

    async fn what_ends_all_sessions_empties_the_list_and_time_does_too(app: TestApp) {
        signed_in(&app, IPHONE, "web").await;
        app.change_user(|user| user.end_everything(user.updated_at)).await;
        let (mut mine, _) = signed_in(&app, FIREFOX, "web").await;
        let page = account(&mut mine).await.body;
        assert!(!page.contains("iPhone"), "{page}");
        mine.get("/oauth2/logout").await;
        app.clock.advance(Duration::from_hours(24 * 60));
        sweep_once(app.ports()).await;
        let rows = app.ports().store.reader().sessions_of(&app.user, 10).await.unwrap();
        assert_eq!(rows, []);
    }

    async fn a_session_that_is_used_says_so_once_an_hour(app: TestApp) {
        let (mut mine, _) = signed_in(&app, FIREFOX, "web").await;
        let rows = async || app.ports().store.reader().sessions_of(&app.user, 10).await.unwrap();
        let began = rows().await.remove(0);
        app.clock.advance(Duration::from_mins(30));
        account(&mut mine).await;
        assert_eq!(rows().await, std::slice::from_ref(&began));
        app.clock.advance(Duration::from_mins(31));
        account(&mut mine).await;
        let row = rows().await.remove(0);
        assert_eq!(row.seen_at.since(began.seen_at), Duration::from_mins(61));
        assert_eq!((row.started_at, row.agent), (began.started_at, Some(FIREFOX.to_owned())));
    }

    async fn a_json_login_is_a_session_of_its_application(app: TestApp) {
        app.change_client("spa", |client| {
            client.consent = ConsentPolicy::Implied;
            client.rights.first_party_login = FirstPartyLogin::Allowed;
        })
        .await;
        let body = json!({ "client_id": "spa", "username": USERNAME, "password": PASSWORD });
        let request = Request::post("/api/auth/login")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, "okhttp/4.12 (Android 15)");
        let answer = app.send(request.body(Body::from(body.to_string())).unwrap()).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        let tokens = answer.json();
        let (mut mine, _) = signed_in(&app, FIREFOX, "other").await;
        let page = account(&mut mine).await.body;
        let name = page.split("<h3><bdi>").find(|part| part.contains("Android")).expect("listed");
        let name = name.split("</bdi>").next().unwrap().to_owned();
        end(&mut mine, &form_of(&page, &name)).await;
        let access = text(&tokens, "access_token");
        assert_eq!(app.get_with("/oauth2/userinfo", access).await.status, StatusCode::UNAUTHORIZED);
    }
}
