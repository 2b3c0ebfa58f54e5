//! Users over the administration API: what is made, changed and ended, and that it is so at once on every
//! node.

use axum::http::{Method, StatusCode};
use countersign::domain::client::AccessTokenFormat;
use serde_json::{Value, json};

use super::{Desk, assert_problem, prepare, service_token, user_token, user_with};
use crate::support::app::{Browser, Stage, TestApp, on_both, random_offset, send};

on_both! {
    async fn the_users_of_a_role_and_a_group_are_listed_page_by_page(app: TestApp) {
        prepare(&app).await;
        let desk = Desk::new(&app, service_token(&app, "*").await);
        assert_eq!(desk.post("/roles", &json!({ "name": "crew" })).await.status, 201);
        assert_eq!(desk.post("/groups", &json!({ "name": "deck" })).await.status, 201);
        let mut ids = Vec::new();
        for number in 0..5 {
            let made = desk.post("/users", &json!({ "username": format!("sailor-{number}") })).await;
            let id = made.json()["id"].as_str().unwrap().to_owned();
            for place in ["roles/crew", "groups/deck"] {
                let put = desk.put(&format!("/users/{id}/{place}"), None).await;
                assert!(put.status.is_success(), "{}", put.body);
            }
            ids.push(id);
        }
        ids.sort();
        for listing in ["/roles/crew/users", "/groups/deck/users"] {
            let (mut found, mut next) = (Vec::new(), String::new());
            loop {
                let page = desk.get(&format!("{listing}?limit=2{next}")).await.json();
                let items = page["items"].as_array().unwrap().iter();
                found.extend(items.map(|user| user["id"].as_str().unwrap().to_owned()));
                let Some(after) = page["next"].as_str() else { break };
                next = format!("&after={after}");
            }
            assert_eq!(found, ids, "{listing}");
        }
        let nobody = Desk::new(&app, service_token(&app, "roles:read").await);
        assert_problem(&nobody.get("/roles/crew/users").await, 403, "forbidden");
        assert_problem(&desk.get("/roles/none/users").await, 404, "not-found");
    }

    async fn a_user_is_made_read_changed_and_removed(app: TestApp) {
        prepare(&app).await;
        let desk = Desk::new(&app, service_token(&app, "users:read users:write").await);
        let new = json!({
            "username": " Grace ", "email": "Grace@Navy.example", "email_verified": true,
            "profile": { "given_name": "Grace", "locale": "en_US" }, "password": "compilers are fun",
        });
        let made = desk.post("/users", &new).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
        let user = made.json();
        assert_eq!(user["username"], "grace");
        assert_eq!(user["email"], "grace@navy.example");
        assert_eq!(user["profile"], json!({ "given_name": "Grace", "locale": "en-US" }));
        let path = made.header("location").strip_prefix("/api/admin").unwrap().to_owned();
        let read = desk.get(&path).await;
        assert_eq!((read.json(), read.header("etag")), (user, made.header("etag")));
        assert_problem(&desk.post("/users", &new).await, 409, "conflict");

        let change = json!({ "email": null, "profile": { "given_name": null, "family_name": "Hopper" } });
        let unsaid = desk.send(Method::PATCH, &path, &[], Some(&change)).await;
        assert_problem(&unsaid, 428, "precondition-required");
        let tag = read.header("etag").to_owned();
        let matching = [("if-match", tag.as_str())];
        let changed = desk.send(Method::PATCH, &path, &matching, Some(&change)).await;
        assert_eq!(changed.status, StatusCode::OK, "{}", changed.body);
        let user = changed.json();
        assert_eq!((&user["email"], &user["email_verified"]), (&Value::Null, &json!(false)));
        assert_eq!(user["profile"], json!({ "family_name": "Hopper", "locale": "en-US" }));
        let weak = format!("W/{}", changed.header("etag"));
        for stale in [tag.as_str(), "\"\"", "x", &weak] {
            let answer = desk.send(Method::PATCH, &path, &[("if-match", stale)], Some(&change)).await;
            assert_problem(&answer, 412, "precondition-failed");
        }
        for (member, value) in [("profile", json!({ "phone_number": "12" })), ("username", json!("a@b")), ("email", json!("x"))] {
            let answer = desk.patch(&path, &json!({ member: value })).await;
            assert_problem(&answer, 400, "invalid-member");
            assert!(answer.json()["pointer"].is_string());
        }
        assert_eq!(desk.delete(&path).await.status, StatusCode::NO_CONTENT);
        assert_problem(&desk.get(&path).await, 404, "not-found");
        assert_problem(&desk.delete(&path).await, 404, "not-found");
    }

    async fn the_trail_names_the_administrator_and_what_was_before(app: TestApp) {
        prepare(&app).await;
        let admin = user_with(&app, "admin", &["*"]).await;
        let desk = Desk::new(&app, user_token(&app, "admin").await);
        let somebody = app.add_user("somebody").await;
        desk.patch(&format!("/users/{somebody}"), &json!({ "profile": { "name": "Some Body" } })).await;
        desk.delete(&format!("/users/{somebody}/sessions")).await;
        let events = desk.get(&format!("/audit?user_id={somebody}")).await.json();
        let events = events["items"].as_array().unwrap();
        let of = |kind: &str| events.iter().find(|event| event["kind"] == kind).unwrap();
        assert_eq!(of("session.ended")["detail"]["sessions"], "all");
        assert_eq!(events.len(), 2);
        for event in events {
            assert_eq!(event["actor"], format!("user:{admin}"));
        }
        assert_eq!(of("user.changed")["detail"]["after"]["profile"]["full_name"], "Some Body");
    }

    async fn c166_sessions_and_grants_of_somebody_else_are_not_found(app: TestApp) {
        prepare(&app).await;
        let bob = app.add_user("bob").await;
        let mut browser = Browser::new(&app);
        let code = browser.code("web", &[("scope", "openid offline_access")]).await;
        let tokens = app.redeem("web", &code).await.json();
        let desk = Desk::new(&app, service_token(&app, "*").await);
        let alice = format!("/users/{}", app.user);
        let session = desk.get(&format!("{alice}/sessions")).await.json()["items"][0]["id"].as_str().unwrap().to_owned();
        let grants = desk.get(&format!("{alice}/grants?client_id=web")).await.json();
        let grant = grants["items"][0]["id"].as_str().unwrap().to_owned();
        for path in [format!("/users/{bob}/sessions/{session}"), format!("/users/{bob}/grants/{grant}"), format!("/users/{bob}/consents/web")] {
            assert_problem(&desk.delete(&path).await, 404, "not-found");
        }
        let refreshed = app.refresh("web", tokens["refresh_token"].as_str().unwrap()).await;
        assert_eq!(refreshed.status, StatusCode::OK, "nothing ended");
        // By its own user each ends.
        assert_eq!(desk.delete(&format!("{alice}/grants/{grant}")).await.status, 204);
        let refresh_token = refreshed.json()["refresh_token"].as_str().unwrap().to_owned();
        app.refresh("web", &refresh_token).await.assert_error(400, "invalid_grant");
        assert_eq!(browser.get("/account").await.status, StatusCode::OK);
        assert_eq!(desk.delete(&format!("{alice}/sessions/{session}")).await.status, 204);
        assert_eq!(browser.get("/account").await.status, StatusCode::SEE_OTHER);
    }

    async fn roles_groups_claims_and_consents_follow_at_once(app: TestApp) {
        prepare(&app).await;
        let desk = Desk::new(&app, service_token(&app, "*").await);
        let alice = format!("/users/{}", app.user);
        let role = json!({ "name": "editor", "permissions": [{ "name": "document:write" }] });
        assert_eq!(desk.post("/roles", &role).await.status, 201);
        assert_eq!(desk.post("/groups", &json!({ "name": "staff", "roles": ["editor"] })).await.status, 201);
        assert_eq!(desk.put(&format!("{alice}/groups/staff"), None).await.status, 204);
        let office = json!({ "value": { "floor": 3 } });
        assert_eq!(desk.put(&format!("{alice}/claims/office"), Some(&office)).await.status, 204);
        let access = desk.get(&format!("{alice}/access")).await.json();
        assert_eq!(access["roles"], json!(["editor"]));
        assert_eq!(access["claims"]["office"]["floor"], 3);
        assert_eq!(access["permissions"][0]["roles"], json!(["editor"]));
        let known = desk.get("/permissions").await.json();
        let mut known = known["items"].as_array().unwrap().iter();
        assert!(known.any(|it| it["name"] == "document:write" && it["roles"] == json!(["editor"])));
        // Two who read the role before: the second learns that it changed.
        let tag = desk.get("/roles/editor").await.header("etag").to_owned();
        let changes = [json!({ "permissions": [] }), json!({ "description": "x", "permissions": [] })];
        let matching = [("if-match", tag.as_str())];
        let first = desk.send(Method::PUT, "/roles/editor", &matching, Some(&changes[0])).await;
        let second = desk.send(Method::PUT, "/roles/editor", &matching, Some(&changes[1])).await;
        assert_eq!((first.status.as_u16(), second.status.as_u16()), (200, 412));
        assert_eq!(desk.delete("/groups/staff").await.status, 204);
        assert_eq!(desk.delete(&format!("{alice}/claims/office")).await.status, 204);
        let access = desk.get(&format!("{alice}/access")).await.json();
        assert_eq!((&access["roles"], &access["claims"]), (&json!([]), &json!({})));
    }

    async fn applications_keys_outbox_and_statistics_are_managed(app: TestApp) {
        prepare(&app).await;
        let desk = Desk::new(&app, service_token(&app, "*").await);
        let new = json!({
            "kind": "web", "client_name": "Shop", "client_id": "shop", "redirect_uris": ["https://shop.example/cb"],
            "scope": "openid email", "requests_per_minute": 600,
        });
        let made = desk.post("/clients", &new).await;
        assert_eq!(made.status, 201, "{}", made.body);
        assert_eq!(made.json()["token_endpoint_auth_method"], "client_secret_basic");
        let tag = desk.get("/clients/shop").await.header("etag").to_owned();
        let matching = [("if-match", tag.as_str())];
        let limited = desk.send(Method::PATCH, "/clients/shop", &matching, Some(&json!({ "requests_per_minute": 5 }))).await;
        assert_eq!(limited.json()["requests_per_minute"], 5);
        let stale = desk.send(Method::PATCH, "/clients/shop", &matching, Some(&json!({}))).await;
        assert_problem(&stale, 412, "precondition-failed");
        assert_eq!(desk.post("/clients/shop/disable", &json!(null)).await.json()["status"], "inactive");
        assert_eq!(desk.delete("/clients/shop").await.status, 204);
        assert_problem(&desk.get("/clients/shop").await, 404, "not-found");

        let keys = desk.get("/keys").await.json()["items"].as_array().unwrap().len();
        let rotated = desk.post("/keys/rotate", &json!(null)).await.json();
        assert!(rotated["items"].as_array().unwrap().len() > keys, "{rotated}");
        // Not the one that signed the token with which this is asked.
        let mut items = rotated["items"].as_array().unwrap().iter();
        let key = items.find(|key| key["alg"] == "EdDSA").unwrap();
        let kid = key["kid"].as_str().unwrap();
        let retired = desk.post(&format!("/keys/{kid}/retire"), &json!(null)).await.json();
        let mut left = retired["items"].as_array().unwrap().iter();
        assert!(left.all(|key| key["kid"] != kid), "{retired}");
        assert_problem(&desk.post("/keys/none/retire", &json!(null)).await, 404, "not-found");
        assert_eq!(desk.post("/outbox/retry", &json!({})).await.json(), json!({ "messages": 0 }));
        assert_problem(&desk.post("/outbox/retry", &json!({ "id": "none" })).await, 404, "not-found");
        assert_eq!(desk.get("/statistics/logins").await.status, 200);
        let resource = json!({ "identifier": "https://new.example", "name": "New", "scope": "a b" });
        let made = desk.post("/resources", &resource).await;
        assert_eq!(made.status, 201, "{}", made.body);
        assert_problem(&desk.post("/resources", &resource).await, 409, "conflict");
        let path = made.header("location").strip_prefix("/api/admin").unwrap().to_owned();
        let read = desk.get(&path).await;
        assert_eq!((read.json(), read.header("etag")), (made.json(), made.header("etag")));
        let (tag, change) = (read.header("etag").to_owned(), json!({ "name": "Newer", "scope": "a" }));
        let matching = [("if-match", tag.as_str())];
        let changed = desk.send(Method::PUT, &path, &matching, Some(&change)).await;
        assert_eq!((changed.status.as_u16(), &changed.json()["scope"]), (200, &json!("a")));
        let stale = desk.send(Method::PUT, &path, &matching, Some(&change)).await;
        assert_problem(&stale, 412, "precondition-failed");
        assert_problem(&desk.put("/resources/https%3A%2F%2Fother.example", Some(&change)).await, 404, "not-found");
        let resources = desk.get("/resources").await.json();
        let mut resources = resources["items"].as_array().unwrap().iter();
        assert!(resources.any(|it| it["identifier"] == "https://new.example"));
        let stale = desk.send(Method::DELETE, &path, &matching, None).await;
        assert_problem(&stale, 412, "precondition-failed");
        let matching = [("if-match", changed.header("etag"))];
        assert_eq!(desk.send(Method::DELETE, &path, &matching, None).await.status, 204);
        assert_problem(&desk.get(&path).await, 404, "not-found");
        let own = desk.get("/resources/https%3A%2F%2Fid.example%2Fapi%2Fadmin").await;
        let matching = [("if-match", own.header("etag"))];
        let path = "/resources/https%3A%2F%2Fid.example%2Fapi%2Fadmin";
        assert_problem(&desk.send(Method::DELETE, path, &matching, None).await, 403, "forbidden");
        let unfit = json!({ "identifier": "x", "name": "x" });
        assert_problem(&desk.post("/resources", &unfit).await, 400, "invalid-member");
    }

    async fn every_setting_of_an_application_is_set_shown_taken_back_and_bounded(app: TestApp) {
        prepare(&app).await;
        let desk = Desk::new(&app, service_token(&app, "*").await);
        let new = json!({
            "kind": "web", "client_name": "Shop", "client_id": "shop", "redirect_uris": ["https://shop.example/cb"],
            "access_token_lifetime": 60, "policy_uri": "https://shop.example/privacy",
        });
        let made = desk.post("/clients", &new).await.json();
        assert_eq!((&made["access_token_lifetime"], &made["policy_uri"]), (&new["access_token_lifetime"], &new["policy_uri"]));
        // Each member: a value that is taken, values that are refused, and whether null takes it back.
        let members = [
            ("client_name", json!("Other"), vec![json!(""), json!("x".repeat(101)), json!(1)], false),
            ("redirect_uris", json!(["https://shop.example/other"]), vec![json!([]), json!(["http://shop.example"]), json!("x")], false),
            ("post_logout_redirect_uris", json!(["https://shop.example/bye"]), vec![json!(["x"])], false),
            ("scope", json!("openid"), vec![json!("open id\""), json!(["openid"])], false),
            ("resources", json!([crate::admin_api::api()]), vec![json!(["x"])], false),
            ("allowed_origins", json!(["https://shop.example"]), vec![json!(["https://shop.example/x"])], false),
            ("response_modes", json!(["query"]), vec![json!(["web"])], false),
            ("pkce", json!("optional"), vec![json!("none")], false),
            ("consent", json!("implied"), vec![json!("never")], false),
            ("access_token_format", json!("opaque"), vec![json!("saml")], false),
            ("id_token_signed_response_alg", json!("ES256"), vec![json!("HS1"), json!("HS256")], false),
            ("refresh_rotation", json!("keep"), vec![json!("no")], false),
            ("access_token_lifetime", json!(300), vec![json!(29), json!(86_401), json!(-1), json!(1.5)], true),
            ("id_token_lifetime", json!(300), vec![json!(0)], true),
            ("refresh_idle", json!(3600), vec![json!(0)], true),
            ("refresh_absolute", json!(86_400), vec![json!(1)], true),
            ("refresh_grace", json!(0), vec![json!(301)], true),
            ("default_max_age", json!(900), vec![json!("900")], true),
            ("client_uri", json!("https://shop.example"), vec![json!("http://shop.example"), json!("javascript:alert(1)")], true),
            ("logo_uri", json!("https://shop.example/l.svg"), vec![json!("data:image/svg+xml,x")], true),
            ("policy_uri", json!("https://shop.example/p"), vec![json!("//shop.example")], true),
            ("tos_uri", json!("https://shop.example/t"), vec![json!("x")], true),
            ("requests_per_minute", json!(60), vec![json!(0)], true),
        ];
        for (member, value, refused, is_taken_back) in members {
            let set = desk.patch("/clients/shop", &json!({ member: value })).await;
            assert_eq!(set.status, StatusCode::OK, "{member}: {}", set.body);
            assert_eq!(set.json()[member], value, "{member}");
            for bad in refused {
                let answer = desk.patch("/clients/shop", &json!({ member: bad })).await;
                assert_problem(&answer, 400, "invalid-member");
            }
            assert_eq!(desk.get("/clients/shop").await.json()[member], value, "{member} after refusals");
            if is_taken_back {
                let taken = desk.patch("/clients/shop", &json!({ member: null })).await;
                assert_eq!(taken.json()[member], Value::Null, "{member}");
            }
        }
        let unknown = desk.patch("/clients/shop", &json!({ "resources": ["https://unknown.example"] })).await;
        assert_problem(&unknown, 404, "not-found");
        let rights = json!({ "rights": { "permissions": ["order:*"] } });
        assert_eq!(desk.patch("/clients/shop", &rights).await.json()["rights"]["permissions"], json!(["order:*"]));
        let keys = desk.patch("/clients/shop", &json!({ "jwks": { "keys": [] } })).await;
        assert_problem(&keys, 400, "invalid-member");
        assert_eq!(keys.json()["pointer"], "/jwks");
        let changed = desk.get("/audit?kind=client.changed&client_id=shop&limit=500").await.json();
        let changed = changed["items"].as_array().unwrap();
        assert!(changed.iter().any(|it| it["detail"]["after"]["name"] == "Other"), "before and after");
    }

    async fn an_invitation_and_a_reset_are_mailed_and_refused_where_no_mail_arrives(app: TestApp) {
        prepare(&app).await;
        let desk = Desk::new(&app, service_token(&app, "*").await);
        let alice = format!("/users/{}", app.user);
        for action in ["invitation", "password-reset"] {
            assert_eq!(desk.post(&format!("{alice}/{action}"), &json!(null)).await.status, 204);
        }
        let waiting = desk.get("/outbox").await.json();
        let templates: Vec<_> = waiting["items"].as_array().unwrap().iter().map(|mail| mail["template"].clone()).collect();
        assert_eq!(templates.len(), 2, "{templates:?}");
        let bob = app.add_user("bob").await;
        assert_problem(&desk.post(&format!("/users/{bob}/invitation"), &json!(null)).await, 409, "conflict");
    }
}

/// Deactivation ends sessions, refresh families, userinfo, introspection and opaque tokens at once, at every
/// node.
async fn deactivation_ends_everything(stage: Stage) {
    let app = TestApp::start(stage).await;
    prepare(&app).await;
    let mut nodes = vec![app.router.clone()];
    if matches!(stage, Stage::Servers) {
        nodes.push(app.another_node().await.router());
    }
    let desk = Desk::new(&app, service_token(&app, "*").await);
    for format in [AccessTokenFormat::Jwt, AccessTokenFormat::Opaque] {
        app.change_client("web", |client| client.tokens.access_token_format = format)
            .await;
        let mut browser = Browser::new(&app);
        let code = browser
            .code("web", &[("scope", "openid offline_access")])
            .await;
        let tokens = app.redeem("web", &code).await.json();
        let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
        let (access, refresh) = (text("access_token"), text("refresh_token"));
        let user = format!("/users/{}", app.user);
        let locked = desk.post(&format!("{user}/deactivate"), &json!(null)).await;
        assert_eq!(locked.json()["status"], "inactive");
        for node in &nodes {
            let request = axum::http::Request::get("/oauth2/userinfo")
                .header("authorization", format!("Bearer {access}"))
                .body(axum::body::Body::empty())
                .unwrap();
            assert_eq!(send(node, request).await.status, StatusCode::UNAUTHORIZED);
            for (path, fields) in [
                ("/oauth2/introspect", vec![("token", access.as_str())]),
                (
                    "/oauth2/token",
                    vec![("grant_type", "refresh_token"), ("refresh_token", &refresh)],
                ),
            ] {
                let request = crate::support::app::form(path, &fields)
                    .header(
                        "authorization",
                        crate::support::app::basic("web", crate::support::app::SECRET),
                    )
                    .body(axum::body::Body::from(crate::support::app::encode(&fields)))
                    .unwrap();
                let answer = send(node, request).await;
                if path.ends_with("introspect") {
                    assert_eq!(answer.json(), json!({ "active": false }));
                } else {
                    answer.assert_error(400, "invalid_grant");
                }
            }
        }
        assert_eq!(
            browser.get("/account").await.status,
            StatusCode::SEE_OTHER,
            "the browser's session is over"
        );
        let unlocked = desk.post(&format!("{user}/activate"), &json!(null)).await;
        assert_eq!(unlocked.json()["status"], "active");
    }
}

#[tokio::test]
async fn deactivation_ends_everything_at_once_on_sqlite() {
    deactivation_ends_everything(Stage::Embedded).await;
}

#[tokio::test]
async fn deactivation_ends_everything_at_once_on_postgres_and_both_nodes() {
    deactivation_ends_everything(Stage::Servers).await;
}

/// Two writers with one entity tag: one wins.
async fn one_of_two_writers_wins(stage: Stage) {
    let app = TestApp::start(stage).await;
    prepare(&app).await;
    let token = service_token(&app, "*").await;
    let mut desks = vec![Desk::new(&app, &*token)];
    let second = match stage {
        Stage::Embedded => app.router.clone(),
        Stage::Servers => app.another_node().await.router(),
    };
    desks.push(Desk {
        router: second,
        token,
    });
    let path = format!("/users/{}", app.user);
    for round in 0..150 {
        let tag = desks[0].get(&path).await.header("etag").to_owned();
        let write = async |desk: &Desk, side: &str| {
            tokio::time::sleep(random_offset()).await;
            let change = json!({ "profile": { "nickname": format!("{side}-{round}") } });
            let headers = [("if-match", tag.as_str())];
            let answer = desk.send(Method::PATCH, &path, &headers, Some(&change));
            answer.await.status.as_u16()
        };
        let (left, right) = tokio::join!(write(&desks[0], "left"), write(&desks[1], "right"));
        let mut both = [left, right];
        both.sort_unstable();
        assert_eq!(both, [200, 412], "round {round}");
        let winner = if left == 200 { "left" } else { "right" };
        let nickname = desks[1].get(&path).await.json()["profile"]["nickname"].clone();
        assert_eq!(nickname, format!("{winner}-{round}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_writers_with_one_tag_one_wins_on_sqlite() {
    one_of_two_writers_wins(Stage::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_writers_with_one_tag_one_wins_on_postgres_and_two_nodes() {
    one_of_two_writers_wins(Stage::Servers).await;
}
