//! What a request may look like before anybody looks at what it asks: callers behind proxies,
//! doubled headers and cookies, bodies that are no forms (security.md 18, 60, 74, 138, 139, 152).

use std::net::SocketAddr;

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{HeaderValue, Method, Request, StatusCode, header},
};
use countersign::{application::ports::Page, config::ServerConfig, domain::event::EventKind};

use super::support::app::{
    Browser, SECRET, TestApp, authorize_uri, basic, encode, hidden_fields, on_both, send,
};

const FORM: &str = "application/x-www-form-urlencoded";
const SESSION: &str = "__Host-countersign";

fn behind_proxy(app: &TestApp) -> Router {
    app.app.guarded_router(&ServerConfig {
        trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
        ..super::guard::server_config()
    })
}

/// Fails to authenticate behind these proxies, and returns whose address the trail has.
async fn address_of(app: &TestApp, router: &Router, peer: &str, forwarded: &[&[u8]]) -> String {
    // Events of one second have no order, and refusals of one minute share a line (ADR 33).
    app.clock.advance(std::time::Duration::from_mins(1));
    let mut request = Request::post("/oauth2/token")
        .header(header::CONTENT_TYPE, FORM)
        .header(header::AUTHORIZATION, basic("nobody", SECRET))
        .body(Body::from("grant_type=client_credentials"))
        .unwrap();
    for line in forwarded {
        let line = HeaderValue::from_bytes(line).unwrap();
        request.headers_mut().append("x-forwarded-for", line);
    }
    let peer: SocketAddr = peer.parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(peer));
    send(router, request)
        .await
        .assert_error(401, "invalid_client");
    let page = Page {
        after: None,
        limit: 1000,
    };
    let events = app.ports().store.reader().events(&page).await.unwrap();
    let rejected = events
        .iter()
        .rfind(|event| event.kind == EventKind::ClientRejected);
    rejected.unwrap().address.clone().unwrap()
}

/// The cookies of a browser as one line, with one of them a second time.
fn doubled(browser: &Browser<'_>, name: &str, value: &str) -> String {
    let mut cookies: Vec<String> = browser
        .cookies
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    cookies.insert(0, format!("{name}={value}"));
    cookies.join("; ")
}

fn clears(answer: &super::support::app::Answer, name: &str) -> bool {
    answer
        .headers
        .get_all(header::SET_COOKIE)
        .iter()
        .any(|line| {
            let line = line.to_str().unwrap();
            line.starts_with(&format!("{name}=;"))
                && line.contains("Max-Age=0")
                && line.contains("Secure")
        })
}

on_both! {
    async fn c152_the_trail_names_the_caller_and_never_a_proxy(app: TestApp) {
        let router = behind_proxy(&app);
        for (peer, forwarded, address) in [
            ("192.0.2.1:4000", &[&b"203.0.113.9"[..]][..], "192.0.2.1"),
            ("10.0.0.1:4000", &[b"203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1:4000", &[b"198.51.100.4, 203.0.113.9:51234"], "203.0.113.9"),
            ("10.0.0.1:4000", &[b"[2001:db8:1:2::7]:51234, 10.2.2.2"], "2001:db8:1:2::/64"),
            ("10.0.0.1:4000", &[b"198.51.100.4", b"fe80::1%eth0"], "fe80:0:0:0::/64"),
            ("10.0.0.1:4000", &[b"unreadable, 203.0.113.9"], "203.0.113.9"),
        ] {
            assert_eq!(address_of(&app, &router, peer, forwarded).await, address);
        }
        let mut found = std::collections::BTreeSet::new();
        for entry in [&b"unknown"[..], b"_hidden", b"\xff\xfe", b"203.0.113.9 evil"] {
            let line = [b"198.51.100.4, ", entry].concat();
            let address = address_of(&app, &router, "10.0.0.1:4000", &[&line]).await;
            assert!(address.starts_with("100:0:0:"), "{address}");
            found.insert(address);
        }
        assert_eq!(found.len(), 4, "strangers who cannot be told apart share with nobody else");
    }

    async fn c138_two_session_cookies_are_both_ignored_and_cleared(app: TestApp) {
        let mut browser = Browser::new(&app);
        browser.code("web", &[]).await;
        let silent = authorize_uri("web", &[("prompt", "none")]);
        let once = Request::get(&silent).header(header::COOKIE, format!("{SESSION}={}", browser.cookies[SESSION]));
        assert!(app.send(once.body(Body::empty()).unwrap()).await.location_param("code").is_some());
        let mut attacker = Browser::new(&app);
        attacker.code("web", &[]).await;
        for other in [attacker.cookies[SESSION].as_str(), "x", ""] {
            let cookies = doubled(&browser, SESSION, other);
            let request = Request::get(&silent).header(header::COOKIE, cookies);
            let answer = app.send(request.body(Body::empty()).unwrap()).await;
            answer.assert_redirected_error("login_required");
            assert!(clears(&answer, SESSION), "{:?}", answer.headers);
            // In two lines it is the same.
            let request = Request::get(&silent)
                .header(header::COOKIE, format!("{SESSION}={}", browser.cookies[SESSION]))
                .header(header::COOKIE, format!("{SESSION}={other}"));
            let answer = app.send(request.body(Body::empty()).unwrap()).await;
            answer.assert_redirected_error("login_required");
        }
        // Browsers bind only the literal name to this host: another spelling of it is nobody's.
        for name in ["%5F_Host-countersign", "__Host-%63ountersign"] {
            let request = Request::get(&silent).header(header::COOKIE, format!("{name}={}", browser.cookies[SESSION]));
            let answer = app.send(request.body(Body::empty()).unwrap()).await;
            answer.assert_redirected_error("login_required");
        }
    }

    async fn c139_two_cookies_of_one_interaction_open_no_form(app: TestApp) {
        let mut browser = Browser::new(&app);
        let answer = browser.authorize("web", &[]).await;
        let location = answer.location().to_owned();
        let page = browser.get(&location).await;
        let name = browser.cookies.keys().find(|name| name.contains("-flow-")).unwrap().clone();
        let fields = hidden_fields(&page.body);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        for uri in ["/login", "/consent", "/oauth2/logout/confirm"] {
            let request = Request::post(uri)
                .header(header::CONTENT_TYPE, FORM)
                .header(header::COOKIE, doubled(&browser, &name, "planted"));
            let answer = app.send(request.body(Body::from(encode(&fields))).unwrap()).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{uri}");
            assert!(clears(&answer, &name), "{uri}: {:?}", answer.headers);
        }
    }

    async fn c018_and_c074_only_forms_in_utf_8_are_read(app: TestApp) {
        let endpoints = ["/oauth2/token", "/oauth2/introspect", "/oauth2/revoke", "/oauth2/userinfo"];
        let pages = ["/oauth2/authorize", "/oauth2/logout", "/oauth2/logout/confirm", "/login", "/consent"];
        for content_type in [
            "", "application/json", "text/plain", "multipart/form-data; boundary=x",
            "application/x-www-form-urlencoded; charset=iso-8859-1",
            "application/x-www-form-urlencoded;charset=\"utf-16\"",
            "application/x-www-form-urlencoded; charset=utf-8; charset=iso-8859-1",
            "application/x-www-form-urlencoded, application/json",
        ] {
            let post = |uri: &str| Request::builder().method(Method::POST).uri(uri)
                .header(header::CONTENT_TYPE, content_type)
                .body(Body::from("token=x&grant_type=client_credentials")).unwrap();
            for uri in endpoints {
                app.send(post(uri)).await.assert_error(400, "invalid_request");
            }
            for uri in pages {
                app.send(post(uri)).await.assert_page(400);
            }
        }
        let twice = Request::post("/oauth2/token").header(header::CONTENT_TYPE, FORM).header(header::CONTENT_TYPE, FORM);
        app.send(twice.body(Body::from("grant_type=x")).unwrap()).await.assert_error(400, "invalid_request");
        for content_type in [FORM, "Application/X-WWW-Form-Urlencoded; charset=UTF-8", "application/x-www-form-urlencoded;charset=\"utf-8\""] {
            let request = Request::post("/oauth2/token").header(header::CONTENT_TYPE, content_type)
                .header(header::AUTHORIZATION, basic("service", SECRET));
            let answer = app.send(request.body(Body::from("grant_type=client_credentials")).unwrap()).await;
            assert_eq!(answer.status, StatusCode::OK, "{content_type}: {}", answer.body);
        }
    }

    async fn c060_two_authorization_headers_are_an_invalid_request(app: TestApp) {
        for uri in ["/oauth2/token", "/oauth2/introspect", "/oauth2/revoke", "/oauth2/userinfo"] {
            let request = Request::post(uri)
                .header(header::CONTENT_TYPE, FORM)
                .header(header::AUTHORIZATION, basic("web", SECRET))
                .header(header::AUTHORIZATION, basic("web", SECRET));
            let answer = app.send(request.body(Body::from("grant_type=client_credentials&token=x")).unwrap()).await;
            answer.assert_error(400, "invalid_request");
        }
        assert!(!app.events().await.contains(&"client.rejected"));
    }

    async fn two_origins_are_refused(app: TestApp) {
        let router = behind_proxy(&app);
        for (uri, is_page) in [("/oauth2/token", false), ("/.well-known/openid-configuration", false), ("/login", true)] {
            let request = Request::post(uri)
                .header(header::CONTENT_TYPE, FORM)
                .header(header::ORIGIN, "https://rp.example")
                .header(header::ORIGIN, "https://id.example");
            let answer = send(&router, request.body(Body::from("a=b")).unwrap()).await;
            assert_eq!(answer.header("access-control-allow-origin"), "");
            if is_page { answer.assert_page(400) } else { answer.assert_error(400, "invalid_request") }
        }
    }
}
