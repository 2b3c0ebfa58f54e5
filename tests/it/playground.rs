//! The playground over real HTTP: a browser walks through it, on a server that talks to itself.

use std::sync::Arc;

use axum::http::{StatusCode, header};
use countersign::{
    app::{AppOptions, StateOptions},
    domain::{
        client::{Client, ClientAuthentication, ClientKind, ConsentPolicy},
        id::ClientId,
        redirect_uri::RedirectUri,
    },
    infrastructure::clock::TestClock,
    protocol::issuer::Issuer,
    web::pages::{
        ServerMode,
        playground::{CALLBACK, PATH, PlaygroundClient},
    },
};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::support::{
    app::{self, PASSWORD, SECRET, USERNAME, hidden_fields},
    sql::TestDatabase,
};

#[tokio::test]
async fn a_whole_walk_through_the_playground_succeeds() {
    let server = Server::start(ServerMode::Development).await;
    let browser = Browser::new(&server);

    let page = browser.sign_in().await;
    assert_eq!(outcomes(&page), (7, 0, 4), "{page}");
    for check in [
        "✓ state is that of the request",
        "✓ signature: RS256 with key",
        "✓ nonce is that of the authorization request",
        "✓ at_hash is that of the access token",
        "✓ signature: ES256 with key",
        "✓ typ is at+jwt",
        "✓ client_id is this application",
        "authorization: Basic ",
        "You are signed in to it.",
    ] {
        assert!(page.contains(check), "{check} is not in {page}");
    }

    let page = browser.press("userinfo").await;
    assert_eq!(outcomes(&page), (8, 0, 3), "{page}");
    assert!(page.contains("Alice M. Example"), "{page}");

    let page = browser.press("introspect").await;
    assert_eq!(outcomes(&page), (9, 0, 2), "{page}");
    assert!(page.contains("&#34;active&#34;: true"), "{page}");

    // The refresh step, and both tokens verified again.
    let page = browser.press("refresh").await;
    assert_eq!(outcomes(&page), (12, 0, 1), "{page}");
    assert!(page.contains("The refresh token was replaced."), "{page}");
    assert!(page.contains("✓ sub is the same as before"), "{page}");

    // The rotated token is the one that is kept.
    let page = browser.press("refresh").await;
    assert_eq!(outcomes(&page), (15, 0, 1), "{page}");

    let page = browser.press("logout").await;
    assert_eq!(outcomes(&page), (16, 0, 0), "{page}");
    assert!(!page.contains("You are signed in to it."), "{page}");
    let page = browser.press("start").await;
    assert!(
        page.contains("action=\"/login"),
        "the session goes on: {page}"
    );
}

#[tokio::test]
async fn what_was_chosen_is_what_is_asked_for() {
    let server = Server::start(ServerMode::Development).await;
    let browser = Browser::new(&server);
    let fields = [
        ("client", "spa"),
        ("scope", "openid email"),
        ("prompt", "login"),
        ("resource", "https://api.example"),
    ];
    let page = browser.post(&format!("{PATH}/start"), &fields).await;
    let page = browser.log_in(&page).await;
    let page = browser
        .submit(&page, "/consent", &[("decision", "approve")])
        .await;
    assert_eq!(outcomes(&page), (7, 0, 4), "{page}");
    for part in [
        "client_id = playground-spa",
        "scope = openid email\n",
        "prompt = login",
        "resource = https://api.example",
        "curl --include --request POST",
    ] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
    assert!(
        !page.contains("authorization: Basic"),
        "a script has no secret: {page}"
    );
}

#[tokio::test]
async fn a_service_gets_a_token_of_its_own() {
    let server = Server::start(ServerMode::Development).await;
    let browser = Browser::new(&server);
    let fields = [("resource", "https://other.example")];
    let page = browser
        .post(&format!("{PATH}/client-credentials"), &fields)
        .await;
    assert_eq!(outcomes(&page), (4, 0, 8), "{page}");
    assert!(page.contains("grant_type = client_credentials"), "{page}");
    assert!(page.contains("https://other.example"), "{page}");
}

#[tokio::test]
async fn a_refusal_is_shown_with_its_error_code() {
    let server = Server::start(ServerMode::Development).await;
    let browser = Browser::new(&server);
    let page = browser.press("start").await;
    let page = browser.log_in(&page).await;
    let page = browser
        .submit(&page, "/consent", &[("decision", "cancel")])
        .await;
    assert_eq!(outcomes(&page), (3, 1, 7), "{page}");
    assert!(page.contains("access_denied"), "{page}");
    assert!(!page.contains("You are signed in to it."), "{page}");
}

#[tokio::test]
async fn an_answer_with_another_state_or_in_another_browser_is_refused() {
    let server = Server::start(ServerMode::Development).await;
    let browser = Browser::new(&server);
    browser.press("start").await;
    let answer = format!("{CALLBACK}?code=stolen&state=forged&iss={}", server.issuer);
    for browser in [&browser, &Browser::new(&server)] {
        let response = browser.get(&answer).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        let page = response.text().await.unwrap();
        assert!(
            page.contains("data-cause=\"expired_interaction\""),
            "{page}"
        );
    }
}

#[tokio::test]
async fn c139_another_site_cannot_press_the_buttons_of_the_playground() {
    let server = Server::start(ServerMode::Development).await;
    let browser = Browser::new(&server);
    browser.sign_in().await;
    for action in [
        "start",
        "client-credentials",
        "userinfo",
        "introspect",
        "refresh",
        "logout",
        "start-over",
    ] {
        let request = browser
            .http
            .post(server.url(&format!("{PATH}/{action}")))
            .header(header::ORIGIN, "https://evil.example");
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{action}");
    }
    let page = browser.get(PATH).await.text().await.unwrap();
    assert_eq!(outcomes(&page), (7, 0, 4), "{page}");
}

#[tokio::test]
async fn starting_over_forgets_the_tokens() {
    let server = Server::start(ServerMode::Development).await;
    let browser = Browser::new(&server);
    browser.sign_in().await;
    let page = browser.press("start-over").await;
    assert_eq!(outcomes(&page), (0, 0, 11), "{page}");
    let page = browser.press("userinfo").await;
    assert_eq!(outcomes(&page), (0, 0, 11), "{page}");
}

#[tokio::test]
async fn a_production_server_has_no_playground() {
    let server = Server::start(ServerMode::Production).await;
    let response = Browser::new(&server).get(PATH).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
}

/// How many steps of a page are done, failed and still to come.
fn outcomes(page: &str) -> (usize, usize, usize) {
    let count = |outcome: &str| {
        page.matches(&format!(" class=\"{outcome}\"><section"))
            .count()
    };
    (count("ok"), count("failed"), count("pending"))
}

/// A provider on a free port of this machine.
struct Server {
    issuer: String,
    task: JoinHandle<()>,
    _database: TestDatabase,
    _folder: TempDir,
}

impl Server {
    async fn start(mode: ServerMode) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let database = TestDatabase::sqlite();
        let mut settings = app::settings();
        settings.issuer = Issuer::parse(&issuer).unwrap();
        let state = StateOptions::Embedded(folder.path().join("state"));
        let options = AppOptions {
            mode,
            playground: Some(PlaygroundClient {
                client_id: "playground".to_owned(),
                client_secret: SECRET.into(),
                public: Some("playground-spa".to_owned()),
                service: Some(("service".to_owned(), SECRET.into())),
            }),
            ..app::options(&folder, &database, state, settings)
        };
        let clock = Arc::new(TestClock::at(app::start()));
        let provider = app::build(&options, &clock).await;
        app::seed(provider.ports()).await;
        let work = provider.ports().store.begin().await.unwrap();
        work.add_client(&client(&issuer)).await.unwrap();
        work.add_client(&script(&issuer)).await.unwrap();
        work.commit().await.unwrap();
        let router = provider.router();
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            issuer,
            task,
            _database: database,
            _folder: folder,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.issuer)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn client(issuer: &str) -> Client {
    let address = |path: &str| RedirectUri::parse(&format!("{issuer}{path}")).unwrap();
    Client {
        redirect_uris: [address(CALLBACK)].into(),
        post_logout_redirect_uris: [address(PATH)].into(),
        consent: ConsentPolicy::Always,
        ..app::client("playground")
    }
}

/// The same without a secret.
fn script(issuer: &str) -> Client {
    Client {
        id: ClientId::new("playground-spa"),
        kind: ClientKind::Spa,
        authentication: ClientAuthentication::None,
        ..client(issuer)
    }
}

/// A browser that follows redirects and keeps cookies.
struct Browser<'a> {
    server: &'a Server,
    http: reqwest::Client,
}

impl<'a> Browser<'a> {
    fn new(server: &'a Server) -> Self {
        let http = reqwest::Client::builder().cookie_store(true).no_proxy();
        Self {
            server,
            http: http.build().unwrap(),
        }
    }

    async fn get(&self, path: &str) -> reqwest::Response {
        self.http.get(self.server.url(path)).send().await.unwrap()
    }

    /// Presses one of the playground's buttons: the page where that ends.
    async fn press(&self, action: &str) -> String {
        self.post(&format!("{PATH}/{action}"), &[]).await
    }

    /// From the first button to the page with the tokens.
    async fn sign_in(&self) -> String {
        let page = self.press("start").await;
        let page = self.log_in(&page).await;
        self.submit(&page, "/consent", &[("decision", "approve")])
            .await
    }

    async fn log_in(&self, page: &str) -> String {
        let fields = [("username", USERNAME), ("password", PASSWORD)];
        self.submit(page, "/login", &fields).await
    }

    /// Submits the form of a page with its hidden fields and these.
    async fn submit(&self, page: &str, action: &str, fields: &[(&str, &str)]) -> String {
        assert!(page.contains(&format!("action=\"{action}")), "{page}");
        let hidden = hidden_fields(page);
        let mut all: Vec<(&str, &str)> = hidden
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        all.extend(fields);
        self.post(action, &all).await
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> String {
        let request = self
            .http
            .post(self.server.url(path))
            .header(header::ORIGIN, &self.server.issuer)
            .header("sec-fetch-site", "same-origin")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(app::encode(fields));
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        response.text().await.unwrap()
    }
}
