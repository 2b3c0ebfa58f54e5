//! How sessions end, and who hears of it.

use serde_json::{Value, json};
use url::Url;

use crate::support::{
    Answer,
    browser::{Browser, Landing},
    http,
    listener::Listener,
    page::Page,
    random,
    request::Flow,
    rp::{Login, Rp},
    token::{Verified, sha256},
};

use super::prompts::assert_asks_user;

/// Where the browser goes after the logout. Nobody listens.
const GOODBYE: &str = "https://rp.example/goodbye";

/// A client, and a browser that is logged in there.
struct Visit {
    rp: Rp,
    browser: Browser,
    login: Login,
}

/// The parameters of a logout request.
type Parameters<'a> = Vec<(&'a str, String)>;

impl Visit {
    async fn begin(flow: Flow, extra: Value) -> Self {
        let mut metadata = json!({ "post_logout_redirect_uris": [GOODBYE] });
        let members = metadata.as_object_mut().unwrap();
        members.extend(extra.as_object().unwrap().clone());
        let rp = Rp::register_as(flow, metadata).await;
        let mut browser = Browser::new(rp.op);
        let login = rp.log_in_with(&mut browser, rp.request()).await;
        Self { rp, browser, login }
    }

    /// RP-Initiated Logout §2, with everything.
    fn parameters(&self) -> Parameters<'static> {
        vec![
            ("id_token_hint", self.login.id_token.raw.clone()),
            ("post_logout_redirect_uri", GOODBYE.to_owned()),
            ("state", random(128)),
        ]
    }

    async fn log_out(&mut self, parameters: &Parameters<'_>) -> Landing {
        let endpoint = self.rp.op.endpoint("end_session_endpoint");
        let url = Url::parse_with_params(endpoint, parameters).unwrap();
        self.browser.visit(url.as_str()).await
    }

    /// Nobody is signed in any more.
    async fn end(mut self) {
        assert_asks_user(&self.rp, &mut self.browser).await;
        self.rp.unregister().await;
    }

    /// The session is still there.
    async fn end_signed_in(mut self) {
        let request = self.rp.request().with("prompt", "none");
        self.rp.log_in_with(&mut self.browser, request).await;
        self.rp.unregister().await;
    }
}

/// The parameters with which the browser came back to the client.
fn came_back(url: &str) -> Vec<(String, String)> {
    let url = Url::parse(url).unwrap();
    assert_eq!(&url[..url::Position::AfterPath], GOODBYE);
    url.query_pairs().into_owned().collect()
}

/// What brings the browser back, without or with frames before.
fn way_back(landing: Landing) -> String {
    match landing {
        Landing::Redirected(url) => url.into(),
        Landing::Page(page) => {
            assert!(page.has("logged-out"), "{page:?}");
            let [refresh] = &page
                .attributes("meta", "content")
                .into_iter()
                .filter(|c| c.contains("url="))
                .collect::<Vec<_>>()[..]
            else {
                panic!("{page:?}");
            };
            refresh.split_once("url=").unwrap().1.to_owned()
        }
        landing @ Landing::Posted(..) => panic!("{landing:?}"),
    }
}

fn assert_back_with(landing: Landing, parameters: &Parameters<'_>) {
    let expected: Vec<_> = parameters
        .iter()
        .filter(|(name, _)| *name == "state")
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    assert_eq!(came_back(&way_back(landing)), expected);
}

fn without(mut parameters: Parameters<'static>, gone: &[&str]) -> Parameters<'static> {
    parameters.retain(|(name, _)| !gone.contains(name));
    parameters
}

fn with(parameters: Parameters<'static>, name: &'static str, value: String) -> Parameters<'static> {
    let mut parameters = without(parameters, &[name]);
    parameters.push((name, value));
    parameters
}

/// Logged out, and back at the client with the state, if there was one, and nothing else.
async fn comes_back(flow: Flow, gone: &[&str]) {
    let mut visit = Visit::begin(flow, json!({})).await;
    let parameters = without(visit.parameters(), gone);
    let landing = visit.log_out(&parameters).await;
    assert_back_with(landing, &parameters);
    visit.end().await;
}

pub(crate) async fn oidcc_rp_initiated_logout(flow: Flow) {
    comes_back(flow, &[]).await;
}

pub(crate) async fn oidcc_rp_initiated_logout_no_state(flow: Flow) {
    comes_back(flow, &["state"]).await;
}

/// The browser stays with us: on an error page, and still signed in.
async fn is_refused(flow: Flow, change: impl FnOnce(&Visit) -> Parameters<'static>) {
    let mut visit = Visit::begin(flow, json!({})).await;
    let parameters = change(&visit);
    let page = visit.log_out(&parameters).await.page();
    page.assert_error();
    visit.end_signed_in().await;
}

pub(crate) async fn oidcc_rp_initiated_logout_bad_post_logout_redirect_uri(flow: Flow) {
    is_refused(flow, |visit| {
        let wrong = format!("{GOODBYE}/{}", random(10));
        with(visit.parameters(), "post_logout_redirect_uri", wrong)
    })
    .await;
}

pub(crate) async fn oidcc_rp_initiated_logout_query_added_to_post_logout_redirect_uri(flow: Flow) {
    is_refused(flow, |visit| {
        let wrong = format!("{GOODBYE}?foo=bar");
        with(visit.parameters(), "post_logout_redirect_uri", wrong)
    })
    .await;
}

/// The same ID token without its signature, by `alg` none.
pub(crate) async fn oidcc_rp_initiated_logout_modified_id_token_hint(flow: Flow) {
    is_refused(flow, |visit| {
        use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
        let payload = visit.login.id_token.raw.split('.').nth(1).unwrap();
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
        let hint = format!("{header}.{payload}.");
        with(visit.parameters(), "id_token_hint", hint)
    })
    .await;
}

/// The same claims, signed by the client.
pub(crate) async fn oidcc_rp_initiated_logout_bad_id_token_hint(flow: Flow) {
    is_refused(flow, |visit| {
        let hint = visit.rp.key.sign(&visit.login.id_token.claims);
        with(visit.parameters(), "id_token_hint", hint)
    })
    .await;
}

pub(crate) async fn oidcc_rp_initiated_logout_no_id_token_hint(flow: Flow) {
    is_refused(flow, |visit| {
        without(visit.parameters(), &["id_token_hint"])
    })
    .await;
}

/// The user is asked, and sees that the session has ended.
async fn is_asked(flow: Flow, gone: &[&str]) {
    let mut visit = Visit::begin(flow, json!({})).await;
    let parameters = without(visit.parameters(), gone);
    let page = visit.log_out(&parameters).await.page();
    let form = page.form_of("logout");
    let page = visit.browser.submit(&page, form, &[]).await.page();
    assert!(page.status == 200 && page.has("logged-out"), "{page:?}");
    visit.end().await;
}

pub(crate) async fn oidcc_rp_initiated_logout_no_params(flow: Flow) {
    is_asked(
        flow,
        &["id_token_hint", "post_logout_redirect_uri", "state"],
    )
    .await;
}

pub(crate) async fn oidcc_rp_initiated_logout_only_state(flow: Flow) {
    is_asked(flow, &["id_token_hint", "post_logout_redirect_uri"]).await;
}

pub(crate) async fn oidcc_rp_initiated_logout_no_post_logout_redirect_uri(flow: Flow) {
    let mut visit = Visit::begin(flow, json!({})).await;
    let parameters = without(visit.parameters(), &["post_logout_redirect_uri"]);
    let page = visit.log_out(&parameters).await.page();
    assert!(page.status == 200 && page.has("logged-out"), "{page:?}");
    visit.end().await;
}

/// Front-Channel Logout §3 — the client's page is in a frame, with the session that its ID token names.
pub(crate) async fn oidcc_frontchannel_rp_initiated_logout(flow: Flow) {
    let frame = "https://rp.example/frontchannel_logout";
    let asked =
        json!({ "frontchannel_logout_uri": frame, "frontchannel_logout_session_required": true });
    let mut visit = Visit::begin(flow, asked).await;
    let parameters = visit.parameters();
    let landing = visit.log_out(&parameters).await;
    let Landing::Page(page) = &landing else {
        panic!("no frame: {landing:?}");
    };
    let [source] = &page.attributes("iframe", "src")[..] else {
        panic!("not one frame: {page:?}");
    };
    let source = Url::parse(source).unwrap();
    assert_eq!(&source[..url::Position::AfterPath], frame);
    let mut told: Vec<(String, String)> = source.query_pairs().into_owned().collect();
    told.sort_unstable();
    let sid = visit.login.id_token.text("sid").to_owned();
    let expected = [("iss", visit.rp.op.issuer().to_owned()), ("sid", sid)];
    assert_eq!(told, expected.map(|(name, value)| (name.to_owned(), value)));
    assert_back_with(landing, &parameters);
    visit.end().await;
}

/// Back-Channel Logout §2.4–2.6
pub(crate) async fn oidcc_backchannel_rp_initiated_logout(flow: Flow) {
    let listener = Listener::start().await;
    let asked = json!({
        "backchannel_logout_uri": listener.url("/backchannel_logout"),
        "backchannel_logout_session_required": true,
    });
    let mut visit = Visit::begin(flow, asked).await;
    let parameters = visit.parameters();
    let landing = visit.log_out(&parameters).await;
    assert_back_with(landing, &parameters);

    let body = listener.posted("/backchannel_logout").await;
    let fields: Vec<_> = url::form_urlencoded::parse(body.as_bytes())
        .into_owned()
        .collect();
    let [(name, token)] = &fields[..] else {
        panic!("something else than a logout token: {body}");
    };
    assert_eq!(name, "logout_token");
    let token = Verified::new(token, &visit.rp.jwks().await);
    assert_eq!(token.claims["iss"], visit.rp.op.issuer());
    let audience = &token.claims["aud"];
    assert!(*audience == visit.rp.id() || *audience == json!([visit.rp.id()]));
    let age = crate::support::now().abs_diff(token.number("iat"));
    assert!(age < 60 && token.text("jti").len() >= 16);
    let event = json!({ "http://schemas.openid.net/event/backchannel-logout": {} });
    assert_eq!(token.claims["events"], event);
    assert!(token.claims["nonce"].is_null());
    for name in ["sub", "sid"] {
        assert_eq!(
            token.claims[name], visit.login.id_token.claims[name],
            "{name}"
        );
    }
    visit.end().await;
}

/// Session Management §3.1, §3.2 — the frame finds the session unchanged, and changed after the logout.
pub(crate) async fn oidcc_session_management_rp_initiated_logout(flow: Flow) {
    let mut visit = Visit::begin(flow, json!({})).await;
    let told = visit
        .login
        .response
        .get("session_state")
        .unwrap()
        .to_owned();
    let frame = visit.rp.op.endpoint("check_session_iframe");
    let answer = Answer::of(http(&visit.rp.op.certificate).get(frame)).await;
    assert_eq!(answer.status, 200);
    // Anybody's page may hold it.
    assert!(answer.header("x-frame-options").is_empty());
    assert!(
        !answer
            .header("content-security-policy")
            .contains("frame-ancestors 'none'")
    );
    let page = Page {
        status: answer.status,
        url: frame.to_owned(),
        html: answer.body,
    };
    let cookie = page.attributes("script", "data-cookie").remove(0);
    let state = |visit: &Visit| {
        let (client, origin) = (visit.rp.id(), "https://rp.example");
        let (state, salt) = (
            visit.browser.cookie(&cookie),
            told.rsplit_once('.').unwrap().1,
        );
        format!(
            "{}.{salt}",
            sha256(&format!("{client} {origin} {state} {salt}"))
        )
    };
    assert_eq!(state(&visit), told);
    let parameters = visit.parameters();
    let landing = visit.log_out(&parameters).await;
    assert_back_with(landing, &parameters);
    assert_ne!(state(&visit), told);
    visit.end().await;
}
