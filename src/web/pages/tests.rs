//! Every page as a snapshot, and every page against hostile text.

use askama::Template;

use super::*;
use crate::web::assets::{LOGO, PASSWORD_SCRIPT, STYLESHEET};
use crate::web::csp::Nonce;

const HOSTILE: &str = "</title></script>\"'><script>alert(1)</script><img src=x onerror=alert(1)>";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

fn reader() -> ClientView<'static> {
    ClientView::new("Evening Reader", "https://reader.example/callback").with_links(ClientLinks {
        home: HttpsUrl::parse("https://reader.example/about"),
        policy: HttpsUrl::parse("https://reader.example/privacy"),
        terms: HttpsUrl::parse("https://reader.example/terms"),
    })
}

fn login() -> LoginPage<'static> {
    LoginPage {
        action: "/login?interaction=int-1&client_id=reader",
        another: Some("/login?interaction=int-1&client_id=reader&account=another"),
        interaction: "int-1",
        csrf: "csrf-1",
        client: Some(reader()),
        username: "",
        remember: false,
        reason: LoginReason::SignIn,
        error: None,
        forgot: None,
        register: None,
        nonce: Nonce::from_random([1; 16]),
    }
}

fn consent() -> ConsentPage<'static> {
    let scopes = [
        "openid",
        "profile",
        "email",
        "offline_access",
        "library:borrow",
    ];
    ConsentPage {
        action: "/consent?interaction=int-1&client_id=reader",
        another: "/login?interaction=int-1&client_id=reader&account=another",
        interaction: "int-1",
        csrf: "csrf-1",
        client: reader(),
        user: "Ada Lovelace",
        scopes: ScopeText::by_meaning(scopes.into_iter()),
        claims: Vec::new(),
        logo: None,
    }
}

fn logout() -> LogoutPage<'static> {
    LogoutPage {
        interaction: "out-1",
        csrf: "csrf-1",
        user: "Ada Lovelace",
        client_name: Some("Evening Reader"),
        cancel_path: "/",
    }
}

fn form_post<'a>(fields: &'a [(&'a str, &'a str)]) -> FormPostPage<'a> {
    FormPostPage {
        action: FormAction::parse("https://reader.example/callback?tab=1&x=%22").unwrap(),
        fields,
        nonce: Nonce::from_random([1; 16]),
    }
}

fn step(title: &str, outcome: StepOutcome) -> Step {
    Step {
        title: title.to_owned(),
        explanation: "The client sends the browser to the authorization endpoint.".to_owned(),
        request: None,
        response: None,
        curl: None,
        decoded: Vec::new(),
        outcome,
    }
}

fn playground() -> PlaygroundPage {
    let mut first = step("Authorization request", StepOutcome::Ok);
    first.request =
        Some("GET /oauth2/authorize?response_type=code HTTP/1.1\nHost: localhost:8080".to_owned());
    first.response = Some("HTTP/1.1 303 See Other\nLocation: /login?interaction=int-1".to_owned());
    first.decoded.push((
        "ID token claims".to_owned(),
        "{\n  \"sub\": \"248289761001\"\n}".to_owned(),
    ));
    PlaygroundPage {
        nonce: Nonce::from_random([1; 16]),
        steps: vec![
            first,
            step("Token request", StepOutcome::Failed),
            step("Userinfo", StepOutcome::Pending),
        ],
        actions: vec![
            PlaygroundAction::Refresh,
            PlaygroundAction::Logout,
            PlaygroundAction::StartOver,
        ],
        choices: None,
        signed_in: true,
    }
}

/// The rendered page without the digests of static files, so that a new color does not change every snapshot.
fn rendered<P: Page>(page: &P) -> String {
    let mut text = String::new();
    for (index, part) in page.render().unwrap().split("?v=").enumerate() {
        let part = if index == 0 {
            part.to_owned()
        } else {
            format!("?v={}", &part[16..])
        };
        text.push_str(&part);
    }
    text
}

/// Nothing of the hostile text became an element or an attribute.
fn assert_inert<P: Page>(page: &P) {
    let text = page.render().unwrap();
    for mark in ["<script>", "</script>\"", "<img src=x", "\"'>"] {
        assert!(!text.contains(mark), "{mark} in {text}");
    }
    assert!(
        text.contains("&#60;script&#62;") || text.contains("&lt;script&gt;"),
        "the text is not on the page: {text}"
    );
}

#[test]
fn the_login_page_looks_as_recorded() {
    insta::assert_snapshot!("login", rendered(&login()));
    let mut page = login();
    page.username = "ada@example.org";
    page.error = Some(LoginError::WrongCredentials);
    page.remember = true;
    insta::assert_snapshot!("login_failed", rendered(&page));
    page.client = None;
    page.error = None;
    let user = "Ada Lovelace";
    page.reason = LoginReason::Confirm { user };
    insta::assert_snapshot!("login_own", rendered(&page));
    let mut page = login();
    page.reason = LoginReason::Another { user };
    insta::assert_snapshot!("login_another", rendered(&page));
}

fn choose() -> ChoosePage<'static> {
    ChoosePage {
        action: "/choose-account?interaction=int-1&client_id=reader",
        another: "/login?interaction=int-1&client_id=reader&account=another",
        interaction: "int-1",
        csrf: "csrf-1",
        client: reader(),
        account: "248289761001",
        user: "Ada Lovelace",
        username: "ada",
    }
}

#[test]
fn the_page_of_accounts_looks_as_recorded() {
    insta::assert_snapshot!("choose", rendered(&choose()));
}

#[test]
fn the_consent_page_looks_as_recorded() {
    insta::assert_snapshot!("consent", rendered(&consent()));
}

#[test]
fn the_logout_pages_look_as_recorded() {
    insta::assert_snapshot!("logout", rendered(&logout()));
    insta::assert_snapshot!("logged_out", rendered(&LoggedOutPage::default()));
    let page = LoggedOutPage {
        told: &["Ledger".to_owned(), "<b>Reader</b>".to_owned()],
        frames: HttpsUrl::parse("https://reader.example/frontchannel_logout?sid=1&iss=x")
            .into_iter()
            .collect(),
        next: ReturnUrl::parse("https://reader.example/bye?state=1&x=2"),
    };
    insta::assert_snapshot!("logged_out_with_frames", rendered(&page));
}

#[test]
fn the_form_post_page_looks_as_recorded() {
    let fields = [
        ("code", "SplxlOBeZQQYbYS6WxSbIA"),
        ("state", "af0ifjsldkj"),
        ("iss", "https://op.example"),
    ];
    insta::assert_snapshot!("form_post", rendered(&form_post(&fields)));
}

#[test]
fn the_front_page_looks_as_recorded() {
    let page = IndexPage {
        issuer: "http://localhost:8080",
        mode: ServerMode::Development,
    };
    insta::assert_snapshot!("index", rendered(&page));
    let page = IndexPage {
        issuer: "https://op.example",
        mode: ServerMode::Production,
    };
    assert!(!page.render().unwrap().contains("/playground"));
}

#[test]
fn the_playground_looks_as_recorded() {
    insta::assert_snapshot!("playground", rendered(&playground()));
    let mut page = playground();
    page.choices = Some(PlaygroundChoices {
        client: "spa",
        scope: "openid email".to_owned(),
        prompt: "login".to_owned(),
        resource: String::new(),
    });
    page.steps.clear();
    page.actions.clear();
    let text = page.render().unwrap();
    for part in [
        "<option value=\"spa\" selected>",
        "<option value=\"web\">",
        "<option value=\"login\" selected>",
        "value=\"openid email\"",
        "formaction=\"/playground/client-credentials\"",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[test]
fn the_error_page_looks_as_recorded() {
    insta::assert_snapshot!(
        "error",
        rendered(&ErrorPage::new(ErrorCause::InvalidRedirectUri, TRACE))
    );
}

#[test]
fn c154_scripts_in_client_metadata_are_inert() {
    let client = ClientView::new(HOSTILE, "https://rp.example/cb").with_links(ClientLinks {
        home: HttpsUrl::parse("https://rp.example/\"onerror=\"alert(1)<script>"),
        ..ClientLinks::default()
    });
    let mut page = login();
    page.client = Some(client.clone());
    assert_inert(&page);
    let mut page = consent();
    page.client = client;
    page.scopes = vec![ScopeText::of(HOSTILE)];
    assert_inert(&page);
    assert!(!page.render().unwrap().contains("\"onerror"));
    let mut page = logout();
    page.client_name = Some(HOSTILE);
    assert_inert(&page);
}

#[test]
fn c154_scripts_in_a_display_name_are_inert() {
    let mut page = choose();
    page.user = HOSTILE;
    page.username = HOSTILE;
    assert_inert(&page);
    for reason in [
        LoginReason::Confirm { user: HOSTILE },
        LoginReason::Another { user: HOSTILE },
    ] {
        let mut page = login();
        page.reason = reason;
        assert_inert(&page);
    }
    let mut page = consent();
    page.user = HOSTILE;
    assert_inert(&page);
    let mut page = logout();
    page.user = HOSTILE;
    assert_inert(&page);
}

#[test]
fn c155_scripts_in_a_login_hint_are_inert() {
    let mut page = login();
    page.username = HOSTILE;
    assert_inert(&page);
    page.username = "";
    page.interaction = HOSTILE;
    assert_inert(&page);
}

#[test]
fn c012_scripts_in_a_form_post_response_are_inert() {
    assert_inert(&form_post(&[("state", HOSTILE)]));
    assert_inert(&form_post(&[(HOSTILE, "x")]));
    let mut page = form_post(&[]);
    page.action = FormAction::parse("https://rp.example/cb?x=\"'><script>").unwrap();
    assert_inert(&page);
    assert!(page.policy().to_string().contains("script-src 'nonce-"));
}

#[test]
fn the_playground_shows_messages_without_running_them() {
    let mut page = playground();
    page.steps[0].response = Some(HOSTILE.to_owned());
    page.steps[0].decoded[0].0 = HOSTILE.to_owned();
    assert_inert(&page);
    page.choices = Some(PlaygroundChoices {
        client: "web",
        scope: HOSTILE.to_owned(),
        prompt: HOSTILE.to_owned(),
        resource: HOSTILE.to_owned(),
    });
    page.steps[0].curl = Some(HOSTILE.to_owned());
    assert_inert(&page);
}

#[test]
fn c156_an_error_page_shows_no_foreign_text() {
    for foreign in [
        HOSTILE,
        "call 0900 666 now",
        "Your account is locked",
        "",
        &"a".repeat(65),
    ] {
        let text = ErrorPage::new(ErrorCause::ServerError, foreign)
            .render()
            .unwrap();
        assert!(!text.contains("trace-id"), "{foreign}");
    }
    let text = ErrorPage::new(ErrorCause::ServerError, TRACE)
        .render()
        .unwrap();
    assert!(text.contains(&format!("<dd id=\"trace-id\">{TRACE}</dd>")));
}

#[test]
fn the_whole_login_page_stays_under_30_kilobytes() {
    let mut page = login();
    page.error = Some(LoginError::TooManyAttempts { minutes: 14 });
    let total = page.render().unwrap().len()
        + STYLESHEET.bytes().len()
        + LOGO.bytes().len()
        + PASSWORD_SCRIPT.bytes().len();
    assert!(total < 30_000, "{total} bytes");
}

#[test]
fn every_form_works_without_scripts() {
    let login = login().render().unwrap();
    assert!(login.contains("<form method=\"post\" action=\"/login?"));
    for id in ["username", "password", "remember", "login"] {
        assert!(login.contains(&format!("id=\"{id}\"")), "{id}");
    }
    let consent = consent().render().unwrap();
    assert!(consent.contains("id=\"approve\" name=\"decision\" value=\"approve\""));
    assert!(consent.contains("id=\"cancel\" name=\"decision\" value=\"cancel\""));
    let logout = logout().render().unwrap();
    assert!(logout.contains("<button type=\"submit\" id=\"logout\">"));
    assert!(
        ![consent, logout]
            .iter()
            .any(|page| page.contains("<script"))
    );
    // Nothing in it waits for the script that can show the password.
    assert_eq!(login.matches("<script").count(), 1);
}

#[test]
fn a_consent_page_loads_nothing_from_outside() {
    let mut page = consent();
    page.logo = Some("/client-logo?client_id=reader");
    let html = rendered(&page);
    assert!(html.contains("<img src=\"/client-logo?client_id=reader\""));
    assert!(page.policy().to_string().contains("img-src 'self';"));
}
