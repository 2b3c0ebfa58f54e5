//! Pictures of applications come from this server, which asks theirs.

use axum::http::StatusCode;
use std::time::Duration;

use super::support::{
    app::{Browser, PASSWORD, Stage, TestApp, USERNAME},
    listener::Listener,
};

const SVG: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\"/>";
const ADDRESS: &str = "/client-logo?client_id=web";

async fn app(stage: Stage, listener: &Listener) -> TestApp {
    let networks = ["127.0.0.0/8", "::1/128"];
    let app = TestApp::start_reaching(stage, &networks, listener.authority.path()).await;
    app.change_client("web", |client| {
        client.links.logo = Some(listener.url("/logo.png"));
    })
    .await;
    app
}

#[tokio::test]
async fn a_picture_is_fetched_once_and_shown_as_what_it_is() {
    for stage in [Stage::Embedded, Stage::Servers] {
        let listener = Listener::start().await;
        let app = app(stage, &listener).await;
        listener.serves(SVG);
        for _ in 0..5 {
            let picture = app.get(ADDRESS).await;
            assert_eq!(picture.status.as_u16(), 200);
            assert_eq!(picture.header("content-type"), "image/svg+xml");
            assert_eq!(picture.header("x-content-type-options"), "nosniff");
            assert!(
                picture
                    .header("content-security-policy")
                    .contains("sandbox")
            );
        }
        assert_eq!(listener.asked(), 1);
        let mut browser = Browser::new(&app);
        let answer = browser.authorize("web", &[]).await;
        let page = browser.get(answer.location()).await;
        let answer = browser.log_in(&page.body, USERNAME, PASSWORD).await;
        let answer = browser.get(answer.location()).await;
        let page = browser.get(answer.location()).await;
        assert!(
            page.body.contains("src=\"/client-logo?client_id=web\""),
            "{}",
            page.body
        );
        assert!(!page.body.contains(&listener.origin));
    }
}

#[tokio::test]
async fn c114_what_is_no_picture_or_lives_inside_is_not_shown() {
    let listener = Listener::start().await;
    let app = app(Stage::Embedded, &listener).await;
    listener.serves("<html><script>alert(1)</script></html>");
    let letter = app.get(ADDRESS).await;
    assert!(letter.body.contains(">T</text>"), "{}", letter.body);
    assert_eq!(letter.header("cache-control"), "private, max-age=60");
    listener.serves(SVG);
    let again = app.get(ADDRESS).await;
    assert_eq!(again.body, letter.body, "not asked again at once");
    assert_eq!(listener.asked(), 1);
    app.clock.advance(Duration::from_mins(6));
    assert_eq!(app.get(ADDRESS).await.body, SVG);
    listener.answers(StatusCode::INTERNAL_SERVER_ERROR);
    app.clock.advance(Duration::from_hours(2));
    assert_eq!(app.get(ADDRESS).await.body, SVG, "the one that is known");
    for address in [
        "/client-logo",
        "/client-logo?client_id=none",
        "/client-logo?client_id=post",
    ] {
        assert_eq!(app.get(address).await.status.as_u16(), 404, "{address}");
    }
    let closed = TestApp::start_reaching(Stage::Embedded, &[], listener.authority.path()).await;
    closed
        .change_client("web", |client| {
            client.links.logo = Some(listener.url("/logo.png"));
        })
        .await;
    listener.asked();
    assert!(closed.get(ADDRESS).await.body.contains(">T</text>"));
    assert_eq!(listener.asked(), 0);
}
