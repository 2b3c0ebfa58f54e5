//! What a request of the administration API must look like, and what it must not do.

use axum::{
    body::Body,
    http::{Method, Request, StatusCode, header},
};
use serde_json::{Value, json};

use super::{Desk, all_rights, assert_problem, prepare, service_token};
use crate::support::app::{Browser, Stage, TestApp, encode, on_both, send};

/// The usernames that a search finds, page by page.
async fn found(desk: &Desk, search: &str, limit: usize) -> Vec<String> {
    let search = encode(&[("search", search)]);
    let (mut names, mut after) = (Vec::new(), String::new());
    for _ in 0..12 {
        let page = format!("/users?{search}&limit={limit}{after}");
        let page = desk.get(&page).await.json();
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= limit);
        names.extend(
            items
                .iter()
                .map(|user| user["username"].as_str().unwrap().to_owned()),
        );
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return names,
        }
    }
    panic!("the pages do not end");
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names
}

on_both! {
    async fn c167_members_that_nobody_asked_for_are_refused(app: TestApp) {
        prepare(&app).await;
        let desk = Desk::new(&app, service_token(&app, "*").await);
        for member in ["id", "roles", "status", "password_hash", "security_version", "created_at"] {
            let mut body = json!({ "username": "new" });
            body[member] = json!("x");
            assert_problem(&desk.post("/users", &body).await, 400, "invalid-member");
            let change = json!({ member: "x" });
            let path = format!("/users/{}", app.user);
            assert_problem(&desk.patch(&path, &change).await, 400, "invalid-member");
        }
        for member in ["secret", "client_secret", "owner", "grant_types", "not_before"] {
            let mut body = json!({ "kind": "web", "client_name": "New", "redirect_uris": ["https://new.example/cb"] });
            body[member] = json!("x");
            assert_problem(&desk.post("/clients", &body).await, 400, "invalid-member");
        }
        let profile = json!({ "username": "new", "profile": { "sub": "x" } });
        assert_problem(&desk.post("/users", &profile).await, 400, "invalid-member");
        assert_problem(&desk.get("/users?search=new&sort=id").await, 400, "invalid-request");
        assert_eq!(desk.get("/users?search=new").await.json()["items"], json!([]));
    }

    async fn c169_no_answer_list_or_event_holds_a_secret(app: TestApp) {
        prepare(&app).await;
        let desk = Desk::new(&app, service_token(&app, &format!("{} *", all_rights())).await);
        let new = json!({ "username": "new", "email": "new@id.example", "password": "Zebra canary 31 lamp" });
        let user = desk.post("/users", &new).await.json()["id"].as_str().unwrap().to_owned();
        let password = json!({ "password": "Other canary 32 lamp" });
        assert_eq!(desk.put(&format!("/users/{user}/password"), Some(&password)).await.status, 204);
        let web = json!({ "kind": "web", "client_name": "New", "client_id": "new", "redirect_uris": ["https://new.example/cb"] });
        let made = desk.post("/clients", &web).await.json();
        let rotated = desk.post("/clients/new/secrets", &json!({ "overlap": 60 })).await.json();
        let secrets = [&made, &rotated].map(|it| it["client_secret"].as_str().unwrap().to_owned());
        assert_ne!(secrets[0], secrets[1]);
        let hidden = [secrets[0].as_str(), &secrets[1], "canary", "$argon2", "digest"];
        for path in [
            "/users", "/clients", "/clients/new", "/audit?limit=500", "/keys", "/outbox", "/roles",
            &format!("/users/{user}"), &format!("/users/{user}/access"), "/resources",
        ] {
            let answer = desk.get(path).await;
            assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
            for secret in hidden {
                assert!(!answer.body.contains(secret), "{path} holds {secret}");
            }
        }
        let client = desk.get("/clients/new").await.json();
        let ends = client["secrets_expire_at"].as_array().unwrap();
        assert_eq!(ends.iter().filter(|end| end.is_null()).count(), 1, "{ends:?}");
        assert_eq!(ends.len(), 2, "the old one works for a minute");
    }

    async fn c170_where_a_page_begins_cannot_be_made_up(app: TestApp) {
        prepare(&app).await;
        for name in ["ada", "bob", "cleo", "dan", "eve"] {
            app.add_user(name).await;
        }
        let desk = Desk::new(&app, service_token(&app, "*").await);
        let (mut names, mut after) = (Vec::new(), String::new());
        loop {
            let page = desk.get(&format!("/users?limit=2{after}")).await.json();
            let items = page["items"].as_array().unwrap();
            names.extend(items.iter().map(|user| user["username"].as_str().unwrap().to_owned()));
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
        assert_eq!(names, ["ada", "alice", "bob", "cleo", "dan", "eve"]);
        let next = desk.get("/users?limit=2").await.json()["next"].as_str().unwrap().to_owned();
        let searched = format!("/users?search=a&after={next}");
        let elsewhere = format!("/clients?after={next}");
        for forged in ["/users?after=bob", "/users?after=n:bob", "/users?after=AAAA", &searched, &elsewhere] {
            assert_problem(&desk.get(forged).await, 400, "invalid-request");
        }
        for sort in ["/users?order=id;drop%20table%20users", "/audit?order=id%20desc"] {
            assert_problem(&desk.get(sort).await, 400, "invalid-request");
        }
    }

    async fn users_are_found_by_the_beginning_of_either_name_each_once(app: TestApp) {
        prepare(&app).await;
        let desk = Desk::new(&app, service_token(&app, "*").await);
        for (name, email) in [
            ("grace", Some("grace@navy.example")), ("gray", Some("x@navy.example")),
            ("hopper", Some("grand@navy.example")), ("grant", None), ("zoe", Some("gravel@navy.example")),
        ] {
            let user = json!({ "username": name, "email": email });
            assert_eq!(desk.post("/users", &user).await.status, 201);
        }
        for limit in 1..=6 {
            let found = found(&desk, "GRA", limit).await;
            assert_eq!(found, ["grace", "grant", "gray", "hopper", "zoe"], "limit {limit}");
        }
        assert_eq!(desk.get("/users?search=%25").await.json()["items"], json!([]));
    }

    async fn users_are_found_by_the_beginning_of_their_own_names_each_once(app: TestApp) {
        prepare(&app).await;
        let desk = Desk::new(&app, service_token(&app, "*").await);
        for (name, first, last) in [
            ("u1", "Zoë Maria", "Müller"), ("u2", "Zoë", "Zöllner"), ("u3", "Anna", "Zöllner"),
            ("u4", "Anna", "Zöllner"), ("u5", "Zoë", "Adler"), ("zo-6", "Zoë", "Zoellick"),
        ] {
            let profile = json!({ "given_name": first, "family_name": last });
            let user = json!({ "username": name, "profile": profile });
            assert_eq!(desk.post("/users", &user).await.status, 201);
        }
        for limit in 1..=7 {
            assert_eq!(sorted(found(&desk, "ZO", limit).await), ["u1", "u2", "u5", "zo-6"], "limit {limit}");
            assert_eq!(sorted(found(&desk, "zö", limit).await), ["u2", "u3", "u4"], "limit {limit}");
            assert_eq!(sorted(found(&desk, "zoë  m", limit).await), ["u1"], "limit {limit}");
            assert_eq!(sorted(found(&desk, "anna", limit).await), ["u3", "u4"], "limit {limit}");
        }
        assert!(found(&desk, " ", 5).await.is_empty());
    }

    async fn c171_deep_filters_and_bodies_are_refused(app: TestApp) {
        prepare(&app).await;
        let desk = Desk::new(&app, service_token(&app, "*").await);
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        let deep: Value = json!({ "username": "new", "profile": { "name": deep } });
        assert_problem(&desk.post("/users", &deep).await, 400, "invalid-member");
        let raw = format!("{{\"username\":\"new\",\"profile\":{}1{}}}", "{\"a\":".repeat(5_000), "}".repeat(5_000));
        let request = Request::post("/api/admin/users")
            .header(header::AUTHORIZATION, format!("Bearer {}", desk.token))
            .header(header::CONTENT_TYPE, "application/json");
        let answer = app.send(request.body(Body::from(raw)).unwrap()).await;
        assert_problem(&answer, 400, "invalid-member");
    }

    async fn c172_no_other_spelling_of_an_address_reaches_the_api(app: TestApp) {
        prepare(&app).await;
        let token = service_token(&app, "*").await;
        for path in [
            "/api/admin;x/users", "/api/admin/users;x", "//api/admin/users", "/api//admin/users",
            "/api/admin//users", "/api/%61dmin/users", "/api/admin/%75sers", "/api/admin%2Fusers",
            "/api/x/../admin/users", "/api/admin/users/", "/API/ADMIN/USERS", "/api/admin/./users",
        ] {
            let request = Request::get(path).header(header::AUTHORIZATION, format!("Bearer {token}"));
            let answer = app.send(request.body(Body::empty()).unwrap()).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}: {}", answer.body);
        }
        let desk = Desk::new(&app, token);
        let escaped = format!("/users/{}%2Faccess", app.user);
        assert_problem(&desk.get(&escaped).await, 404, "not-found");
        assert_problem(&desk.get("/users/%ff").await, 404, "not-found");
        assert_problem(&desk.get("/users/%00").await, 404, "not-found");
    }

    async fn c173_a_page_has_a_size_within_bounds(app: TestApp) {
        prepare(&app).await;
        let desk = Desk::new(&app, service_token(&app, "*").await);
        for limit in ["0", "1000000000", "501", "-1", "1.5", "ten", "18446744073709551616"] {
            for list in ["users", "clients", "audit", "outbox"] {
                let answer = desk.get(&format!("/{list}?limit={limit}")).await;
                assert_problem(&answer, 400, "invalid-request");
            }
        }
        assert_eq!(desk.get("/users?limit=500").await.status, StatusCode::OK);
        assert_problem(&desk.get("/users?limit=1&limit=2").await, 400, "invalid-request");
        for days in ["from=2026-01-01&to=2025-01-01", "from=1900-01-01", "from=2026-13-01", "to=x"] {
            let answer = desk.get(&format!("/statistics/logins?{days}")).await;
            assert_problem(&answer, 400, "invalid-request");
        }
    }

    async fn c174_cookies_open_nothing_and_only_json_is_read(app: TestApp) {
        prepare(&app).await;
        let mut browser = Browser::new(&app);
        browser.code("web", &[]).await;
        assert_eq!(browser.get("/account").await.status, StatusCode::OK, "signed in");
        assert_problem(&browser.get("/api/admin/users").await, 401, "unauthenticated");
        assert_problem(&browser.post("/api/admin/users", &[("username", "x")]).await, 401, "unauthenticated");
        let token = service_token(&app, "*").await;
        for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/json, text/plain"] {
            let request = Request::post("/api/admin/users")
                .header(header::AUTHORIZATION, format!("Bearer {token}"))
                .header(header::CONTENT_TYPE, content_type);
            let answer = app.send(request.body(Body::from("{\"username\":\"x\"}")).unwrap()).await;
            assert_problem(&answer, 415, "unsupported-media-type");
        }
        let twice = Request::get("/api/admin/users?access_token=x")
            .header(header::AUTHORIZATION, format!("Bearer {token}"));
        let answer = app.send(twice.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.body);
    }

    async fn what_makes_something_can_be_sent_again_under_its_key(app: TestApp) {
        prepare(&app).await;
        let desk = Desk::new(&app, service_token(&app, "*").await);
        let client = json!({ "kind": "service", "client_name": "Importer" });
        let key = [("idempotency-key", "6f0c")];
        let first = desk.send(Method::POST, "/clients", &key, Some(&client)).await;
        let again = desk.send(Method::POST, "/clients", &key, Some(&client)).await;
        assert_eq!((first.status, again.status), (StatusCode::CREATED, StatusCode::CREATED));
        assert_eq!(first.json(), again.json(), "with the secret that is shown once");
        assert_eq!(first.header("location"), again.header("location"));
        assert_eq!(first.header("etag"), again.header("etag"));
        assert_eq!(again.header("idempotency-replayed"), "true");
        let other = json!({ "kind": "service", "client_name": "Other" });
        let twice = desk.send(Method::POST, "/clients", &key, Some(&other)).await;
        assert_problem(&twice, 422, "idempotency-key-reused");
        // Somebody else's key of the same name is another one, and a refusal keeps none.
        let bad = json!({ "kind": "service", "client_name": "" });
        let key = [("idempotency-key", "second")];
        let refused = desk.send(Method::POST, "/clients", &key, Some(&bad)).await;
        assert_problem(&refused, 400, "invalid-member");
        let mended = desk.send(Method::POST, "/clients", &key, Some(&client)).await;
        assert_eq!(mended.status, StatusCode::CREATED);
        assert_ne!(mended.json()["client_id"], first.json()["client_id"]);
        // Who lost the right is not shown a secret again.
        app.change_client("service", |client| client.scope = "clients:read *".parse().unwrap()).await;
        let lesser = Desk::new(&app, service_token(&app, "clients:read").await);
        let key = [("idempotency-key", "6f0c")];
        let again = lesser.send(Method::POST, "/clients", &key, Some(&client)).await;
        assert_problem(&again, 403, "forbidden");
        for wrong in ["", "with space", &"x".repeat(256)] {
            let answer = desk.send(Method::POST, "/clients", &[("idempotency-key", wrong)], Some(&client)).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong:?}");
        }
    }
}

/// However often one key is sent at once, on whatever node: it makes one thing.
async fn one_key_makes_one_thing(stage: Stage) {
    let app = TestApp::start(stage).await;
    prepare(&app).await;
    let token = service_token(&app, "*").await;
    let mut nodes = vec![app.router.clone()];
    if matches!(stage, Stage::Servers) {
        nodes.push(app.another_node().await.router());
    }
    for round in 0..50 {
        let mut tasks = tokio::task::JoinSet::new();
        for at in 0..6 {
            let request = Request::post("/api/admin/clients")
                .header(header::AUTHORIZATION, format!("Bearer {token}"))
                .header("idempotency-key", format!("round-{round}"))
                .header(header::CONTENT_TYPE, "application/json")
                .body(Body::from(
                    json!({ "kind": "service", "client_name": format!("Round {round}") })
                        .to_string(),
                ))
                .unwrap();
            let node = nodes[at % nodes.len()].clone();
            tasks.spawn(async move { send(&node, request).await });
        }
        let answers = tasks.join_all().await;
        let mut made: Vec<String> = Vec::new();
        for answer in answers {
            match answer.status.as_u16() {
                201 => made.push(answer.json()["client_id"].as_str().unwrap().to_owned()),
                409 => assert!(!answer.header("retry-after").is_empty()),
                status => panic!("{status} {}", answer.body),
            }
        }
        assert!(!made.is_empty());
        made.dedup();
        assert_eq!(made.len(), 1, "{made:?}");
    }
    let page = countersign::application::ports::Page {
        after: None,
        limit: 500,
    };
    let clients = app.ports().store.reader().clients(&page).await.unwrap();
    let rounds = clients
        .iter()
        .filter(|client| client.name.starts_with("Round"));
    assert_eq!(rounds.count(), 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_that_is_sent_at_once_makes_one_thing_on_sqlite() {
    one_key_makes_one_thing(Stage::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_that_is_sent_at_once_makes_one_thing_on_postgres_and_two_nodes() {
    one_key_makes_one_thing(Stage::Servers).await;
}
