//! Nobody gives what they do not hold, touches who holds more, or leaves the provider without an owner.

use axum::http::StatusCode;
use serde_json::json;

use super::{Desk, api, assert_problem, make_known, prepare, service_token, user_token, user_with};
use crate::support::app::{Stage, TestApp, on_both, random_offset};

/// An administrator of users and roles, who is no owner.
const LESSER: [&str; 6] = [
    "users:read",
    "users:write",
    "roles:read",
    "roles:write",
    "consents:write",
    "document:*",
];

on_both! {
    async fn c168_a_lesser_administrator_gives_and_takes_only_what_they_hold(app: TestApp) {
        prepare(&app).await;
        let lesser = user_with(&app, "lesser", &LESSER).await;
        user_with(&app, "owner", &["*"]).await;
        let somebody = app.add_user("somebody").await;
        let desk = Desk::new(&app, user_token(&app, "lesser").await);
        let owners = json!({ "permissions": [{ "name": "*" }] });
        let documents = json!({ "permissions": [{ "name": "document:read" }] });

        // Roles: neither made, changed, removed nor given beyond what is held.
        let named = |name: &str, rest: &serde_json::Value| {
            let mut role = rest.clone();
            role["name"] = name.into();
            role
        };
        assert_problem(&desk.post("/roles", &named("mine", &owners)).await, 403, "forbidden");
        assert_eq!(desk.post("/roles", &named("reader", &documents)).await.status, 201);
        for (path, body) in [
            ("/roles/reader", &owners),
            ("/roles/role-of-owner", &documents),
            ("/roles/role-of-lesser", &owners),
        ] {
            assert_problem(&desk.put(path, Some(body)).await, 403, "forbidden");
        }
        assert_problem(&desk.delete("/roles/role-of-owner").await, 403, "forbidden");
        for user in [&lesser, &somebody] {
            let path = format!("/users/{user}/roles/role-of-owner");
            assert_problem(&desk.put(&path, None).await, 403, "forbidden");
        }
        let give = format!("/users/{somebody}/roles/reader");
        assert_eq!(desk.put(&give, None).await.status, 204);
        assert_eq!(desk.delete(&give).await.status, 204);

        // Groups: nor through them, or through those around them.
        let group = |name: &str, roles: &[&str], parent: Option<&str>| {
            json!({ "name": name, "roles": roles, "parent": parent })
        };
        let owning = group("owning", &["role-of-owner"], None);
        assert_problem(&desk.post("/groups", &owning).await, 403, "forbidden");
        let owner = Desk::new(&app, user_token(&app, "owner").await);
        assert_eq!(owner.post("/groups", &owning).await.status, 201);
        let within = group("within", &[], Some("owning"));
        assert_problem(&desk.post("/groups", &within).await, 403, "forbidden");
        assert_eq!(desk.post("/groups", &group("plain", &["reader"], None)).await.status, 201);
        let nested = json!({ "roles": [], "parent": "owning" });
        assert_problem(&desk.put("/groups/plain", Some(&nested)).await, 403, "forbidden");
        let join = format!("/users/{lesser}/groups/owning");
        assert_problem(&desk.put(&join, None).await, 403, "forbidden");
        assert_problem(&desk.delete("/groups/owning").await, 403, "forbidden");

        // What was refused stands in the trail, and changed nothing.
        let refused = owner.get("/audit?kind=administration.refused&order=oldest").await.json();
        let first = &refused["items"][0];
        assert_eq!(first["actor"], format!("user:{lesser}"));
        assert_eq!(first["detail"]["path"], "/api/admin/roles");
        let access = owner.get(&format!("/users/{lesser}/access")).await.json();
        assert_eq!(access["roles"], json!(["role-of-lesser"]));
        assert_eq!(access["groups"], json!([]));
    }

    async fn c168_a_lesser_administrator_touches_nobody_who_holds_more(app: TestApp) {
        prepare(&app).await;
        user_with(&app, "lesser", &LESSER).await;
        let owner = user_with(&app, "owner", &["*"]).await;
        let billing = user_with(&app, "clerk", &["billing"]).await;
        let reader = user_with(&app, "reader", &["document:read:42"]).await;
        let desk = Desk::new(&app, user_token(&app, "lesser").await);
        let owners = user_token(&app, "owner").await;
        for above in [&owner, &billing] {
            let user = format!("/users/{above}");
            let password = json!({ "password": "a password of the lesser one" });
            let refused = [
                desk.put(&format!("{user}/password"), Some(&password)).await,
                desk.patch(&user, &json!({ "email": "lesser@id.example" })).await,
                desk.delete(&user).await,
                desk.post(&format!("{user}/deactivate"), &json!(null)).await,
                desk.post(&format!("{user}/unlock"), &json!(null)).await,
                desk.post(&format!("{user}/invitation"), &json!(null)).await,
                desk.post(&format!("{user}/password-reset"), &json!(null)).await,
                desk.delete(&format!("{user}/sessions")).await,
                desk.delete(&format!("{user}/sessions/any")).await,
                desk.delete(&format!("{user}/consents/web")).await,
                desk.delete(&format!("{user}/grants/any")).await,
                desk.put(&format!("{user}/claims/office"), Some(&json!({ "value": 1 }))).await,
            ];
            for answer in refused {
                assert_problem(&answer, 403, "forbidden");
            }
            assert_eq!(desk.get(&user).await.status, StatusCode::OK, "reading is another right");
        }
        let beneath = format!("/users/{reader}/deactivate");
        assert_eq!(desk.post(&beneath, &json!(null)).await.status, StatusCode::OK);
        let me = Desk::new(&app, owners);
        assert_eq!(me.get("/users").await.status, StatusCode::OK, "the owner is as before");
    }

    async fn c168_no_client_gives_its_administrator_more_than_they_hold(app: TestApp) {
        prepare(&app).await;
        user_with(&app, "owner", &["*"]).await;
        user_with(&app, "lesser", &["clients:read", "clients:write", "users:read", "document:*"]).await;
        let desk = Desk::new(&app, user_token(&app, "lesser").await);
        let here = api();
        let service = |id: &str, scope: &str, at: &str| {
            json!({ "kind": "service", "client_name": "S", "client_id": id, "scope": scope, "resources": [at] })
        };
        let web = |scope: &str, consent: &str| json!({
            "kind": "web", "client_name": "W", "redirect_uris": ["https://lesser.example/cb"],
            "scope": scope, "resources": [here], "consent": consent,
        });
        // Neither by a service that would do it, nor by an application that an owner signs in to.
        let mut released = service("released", "permissions", &here);
        released["rights"] = json!({ "permissions": ["*"] });
        for beyond in [
            service("everything", "*", &here),
            service("writer", "users:read users:write", &here),
            service("elsewhere", "billing", "https://api.example"),
            service("checker", "authorize:check", "https://api.example"),
            web("openid users:write", "implied"),
            web("openid *", "remember"),
            released,
        ] {
            make_known(&app, "https://api.example").await;
            let answer = desk.post("/clients", &beyond).await;
            assert_problem(&answer, 403, "forbidden");
        }
        assert_eq!(desk.post("/clients", &service("reader", "users:read", &here)).await.status, 201);
        assert_eq!(desk.post("/clients", &service("editor", "document:write", "https://api.example")).await.status, 201);
        assert_eq!(desk.post("/clients", &web("openid users:read", "remember")).await.status, 201);
        // Nor by changing one that they may have.
        for change in [
            json!({ "scope": "users:read users:write" }),
            json!({ "scope": "*" }),
            json!({ "scope": "permissions", "rights": { "permissions": ["*"] } }),
        ] {
            assert_problem(&desk.patch("/clients/reader", &change).await, 403, "forbidden");
        }
        // Nor by the secret of one that holds more, which they cannot stop either.
        let owner = Desk::new(&app, user_token(&app, "owner").await);
        assert_eq!(owner.post("/clients", &service("root", "*", &here)).await.status, 201);
        for answer in [
            desk.post("/clients/root/secrets", &json!({})).await,
            desk.post("/clients/root/disable", &json!(null)).await,
            desk.post("/clients/root/enable", &json!(null)).await,
            desk.patch("/clients/root", &json!({ "client_name": "Mine" })).await,
            desk.delete("/clients/root").await,
        ] {
            assert_problem(&answer, 403, "forbidden");
        }
        assert_eq!(owner.get("/clients/root").await.json()["status"], "active");
        // What the administration API is, the server says itself.
        let own = format!("/resources/{}", here.replace(':', "%3A").replace('/', "%2F"));
        let change = json!({ "name": "Mine", "scope": "" });
        assert_problem(&owner.put(&own, Some(&change)).await, 403, "forbidden");
    }

    async fn a_refusal_names_the_scope_that_would_do(app: TestApp) {
        prepare(&app).await;
        let desk = Desk::new(&app, service_token(&app, "users:read").await);
        let answer = desk.get("/clients").await;
        assert_problem(&answer, 403, "forbidden");
        let challenge = answer.header("www-authenticate");
        assert!(challenge.contains("error=\"insufficient_scope\""), "{challenge}");
        assert!(challenge.contains("scope=\"clients:read\""), "{challenge}");
    }

    async fn the_last_owner_cannot_be_removed_in_any_way(app: TestApp) {
        prepare(&app).await;
        let owner = user_with(&app, "owner", &["*"]).await;
        let desk = Desk::new(&app, user_token(&app, "owner").await);
        let user = format!("/users/{owner}");
        let role = "/roles/role-of-owner";
        let last = [
            desk.delete(&user).await,
            desk.post(&format!("{user}/deactivate"), &json!(null)).await,
            desk.delete(&format!("{user}/roles/role-of-owner")).await,
            desk.put(role, Some(&json!({ "permissions": [{ "name": "users:read" }] }))).await,
            desk.delete(role).await,
        ];
        for answer in last {
            assert_problem(&answer, 409, "conflict");
        }
        // A service that may do everything is no owner, and cannot remove the last one either.
        let service = Desk::new(&app, service_token(&app, "*").await);
        assert_problem(&service.delete(&user).await, 409, "conflict");
        // With a second one the first may go; then the second stays.
        let second = user_with(&app, "second", &["*"]).await;
        assert_eq!(desk.delete(&user).await.status, StatusCode::NO_CONTENT);
        assert_problem(&service.delete(&format!("/users/{second}")).await, 409, "conflict");
    }

    async fn who_loses_a_role_cannot_give_it_any_more(app: TestApp) {
        prepare(&app).await;
        let owner = user_with(&app, "owner", &["*"]).await;
        user_with(&app, "other", &["*"]).await;
        let desk = Desk::new(&app, user_token(&app, "owner").await);
        let other = Desk::new(&app, user_token(&app, "other").await);
        let taken = format!("/users/{owner}/roles/role-of-owner");
        assert_eq!(other.delete(&taken).await.status, 204);
        assert_problem(&desk.put(&taken, None).await, 403, "forbidden");
        assert_problem(&desk.get("/users").await, 403, "forbidden");
    }
}

/// Two owners who remove each other at the same moment: one of them stays.
async fn one_of_two_owners_stays(stage: Stage) {
    let app = TestApp::start(stage).await;
    prepare(&app).await;
    let service = service_token(&app, "*").await;
    let mut nodes = vec![app.router.clone()];
    if matches!(stage, Stage::Servers) {
        nodes.push(app.another_node().await.router());
    }
    for round in 0..100_usize {
        let names = [format!("left-{round}"), format!("right-{round}")];
        let mut owners = Vec::new();
        for name in &names {
            owners.push(user_with(&app, name, &["*"]).await);
        }
        let remove = async |at: usize| {
            let desk = Desk {
                router: nodes[at % nodes.len()].clone(),
                token: service.clone(),
            };
            tokio::time::sleep(random_offset()).await;
            let user = format!("/users/{}", owners[at]);
            match round % 3 {
                0 => desk.delete(&user).await.status,
                1 => {
                    desk.post(&format!("{user}/deactivate"), &json!(null))
                        .await
                        .status
                }
                _ => {
                    let role = format!("{user}/roles/role-of-{}", names[at]);
                    desk.delete(&role).await.status
                }
            }
        };
        let (left, right) = tokio::join!(remove(0), remove(1));
        assert_ne!(left.is_success(), right.is_success(), "{left} {right}");
        assert!(app.ports().store.reader().has_owner().await.unwrap());
        // The next round begins without an owner of this one.
        for name in &names {
            let registrar = app.registrar();
            let _ = countersign::application::commands::delete_user::delete_user(&registrar, name)
                .await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_owners_who_are_removed_at_once_one_stays_on_sqlite() {
    one_of_two_owners_stays(Stage::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_owners_who_are_removed_at_once_one_stays_on_postgres() {
    one_of_two_owners_stays(Stage::Servers).await;
}
