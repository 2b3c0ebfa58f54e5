//! When the user is asked, and when not (OIDC Core §3.1.2.1).

use std::time::Duration;

use crate::support::{
    browser::Browser,
    now, random,
    request::{Flow, Request},
    rp::{Login, Rp},
};

/// What prompt=none fails with where a user would have to be asked (OIDC Core §3.1.2.6).
pub(crate) const ASKS_USER: [&str; 4] = [
    "login_required",
    "interaction_required",
    "consent_required",
    "account_selection_required",
];

/// Parameters that a provider may use, and must not stumble over.
async fn accepts(flow: Flow, parameters: &[(&str, &str)]) {
    let rp = Rp::register(flow).await;
    let mut request = rp.request();
    for (name, value) in parameters {
        request = request.with(name, value);
    }
    rp.log_in(request).await;
    rp.unregister().await;
}

pub(crate) async fn oidcc_display_page(flow: Flow) {
    accepts(flow, &[("display", "page")]).await;
}

pub(crate) async fn oidcc_display_popup(flow: Flow) {
    accepts(flow, &[("display", "popup")]).await;
}

pub(crate) async fn oidcc_ui_locales(flow: Flow) {
    accepts(flow, &[("ui_locales", "se fr-CA")]).await;
}

pub(crate) async fn oidcc_claims_locales(flow: Flow) {
    accepts(flow, &[("claims_locales", "se")]).await;
}

pub(crate) async fn oidcc_login_hint(flow: Flow) {
    accepts(flow, &[("login_hint", "buffy@rp.example")]).await;
}

pub(crate) async fn oidcc_ensure_request_with_unknown_parameter_succeeds(flow: Flow) {
    accepts(flow, &[("extra", "foobar")]).await;
}

pub(crate) async fn oidcc_prompt_none_not_logged_in(flow: Flow) {
    let rp = Rp::register(flow).await;
    assert_asks_user(&rp, &mut Browser::new(rp.op)).await;
    rp.unregister().await;
}

/// prompt=none fails: nobody is signed in. The whole state comes back, however long it is.
pub(crate) async fn assert_asks_user(rp: &Rp, browser: &mut Browser) {
    let request = rp
        .request()
        .with("state", &random(128))
        .with("prompt", "none");
    let response = rp.authorize(browser, &request).await;
    response.assert_error(&ASKS_USER, &request, rp.op.issuer());
}

/// Logs in twice with one browser: both logins, and how often the user was asked.
async fn twice(
    rp: &Rp,
    first: Request,
    second: impl FnOnce(Request, &Login) -> Request,
) -> (Login, Login, usize) {
    let mut browser = Browser::new(rp.op);
    let first = rp.log_in_with(&mut browser, first).await;
    let request = second(rp.request(), &first);
    let second = rp.log_in_with(&mut browser, request).await;
    assert_eq!(first.id_token.claims["sub"], second.id_token.claims["sub"]);
    (first, second, browser.logins)
}

/// The second time nobody is asked, and it is still the same login.
async fn same_login(rp: Rp, first: Request, second: impl FnOnce(Request, &Login) -> Request) {
    let (first, second, logins) = twice(&rp, first, second).await;
    assert_eq!(logins, 1);
    let times = [&first, &second].map(|login| &login.id_token.claims["auth_time"]);
    assert_eq!(times[0], times[1]);
    rp.unregister().await;
}

pub(crate) async fn oidcc_prompt_none_logged_in(flow: Flow) {
    let rp = Rp::register(flow).await;
    let first = rp.request();
    same_login(rp, first, |request, _| request.with("prompt", "none")).await;
}

pub(crate) async fn oidcc_id_token_hint(flow: Flow) {
    let rp = Rp::register(flow).await;
    let first = rp.request();
    same_login(rp, first, |request, first| {
        let hint = &first.id_token.raw;
        request.with("prompt", "none").with("id_token_hint", hint)
    })
    .await;
}

/// No new login, but `auth_time`, because of `max_age` (OIDC Core §2).
pub(crate) async fn oidcc_max_age_10000(flow: Flow) {
    let rp = Rp::register(flow).await;
    let first = rp.request().with("max_age", "15000");
    let (first, second, logins) =
        twice(&rp, first, |request, _| request.with("max_age", "10000")).await;
    assert_eq!(logins, 1);
    let times = [first, second].map(|login| login.id_token.number("auth_time"));
    assert_eq!(times[0], times[1]);
    rp.unregister().await;
}

pub(crate) async fn oidcc_prompt_login(flow: Flow) {
    let rp = Rp::register(flow).await;
    let first = rp.request();
    let (first, second, logins) =
        twice(&rp, first, |request, _| request.with("prompt", "login")).await;
    assert_eq!(logins, 2);
    let times = [first, second].map(|login| login.id_token.claims["auth_time"].as_u64());
    if let [Some(first), Some(second)] = times {
        assert!(first <= second && second.abs_diff(now()) < 60);
    }
    rp.unregister().await;
}

pub(crate) async fn oidcc_max_age_1(flow: Flow) {
    let rp = Rp::register(flow).await;
    let mut browser = Browser::new(rp.op);
    let first = rp.log_in_with(&mut browser, rp.request()).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let request = rp.request().with("max_age", "1");
    let second = rp.log_in_with(&mut browser, request).await;
    assert_eq!(browser.logins, 2);
    let time = second.id_token.number("auth_time");
    assert!(time.abs_diff(now()) < 60);
    if let Some(first) = first.id_token.claims["auth_time"].as_u64() {
        assert!(first < time);
    }
    rp.unregister().await;
}
