//! `POST /api/authorize/check`, and the same questions in the words of OpenID AuthZEN.

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use countersign::{
    application::ports::Clock as _,
    domain::{
        client::AccessTokenFormat,
        id::{ClientId, RoleId},
        resource::ResourceServer,
        role::{Permission, Role},
    },
};
use serde_json::{Value, json};

use super::{
    guard::server_config,
    support::app::{Answer, Browser, SECRET, TestApp, basic, on_both, send},
};

const CHECK: &str = "/api/authorize/check";
const EVALUATION: &str = "/access/v1/evaluation";
const EVALUATIONS: &str = "/access/v1/evaluations";
const API: &str = "https://api.example";

/// Alice may read all documents, write one, and read reports at the API only. `service` may ask about
/// everybody, `other` speaks for the API.
async fn prepare(app: &TestApp) {
    let permission = |name: &str, resource: Option<&str>| Permission {
        name: name.into(),
        resource: resource.map(Into::into),
    };
    let role = Role {
        id: RoleId::new("r"),
        name: "editor".into(),
        description: None,
        permissions: [
            permission("document:read", None),
            permission("document:write:42", None),
            permission("reports:read", Some(API)),
        ]
        .into(),
    };
    let api = ResourceServer {
        identifier: API.into(),
        name: "The API".into(),
        scope: "reports:read document:read document:write".parse().unwrap(),
        access_token_format: None,
        introspection_client: Some(ClientId::new("other")),
    };
    let work = app.begin().await;
    work.add_role(&role).await.unwrap();
    work.assign_role(&app.user, &role.id).await.unwrap();
    work.put_resource_server(&api).await.unwrap();
    work.commit().await.unwrap();
    app.change_client("service", |client| {
        client.scope = "authorize:check reports:read".parse().unwrap();
    })
    .await;
    app.change_client("web", |client| {
        let more = "document:read document:write:42 authorize:check"
            .parse()
            .unwrap();
        client.scope = client.scope.union(&more);
    })
    .await;
}

async fn ask(app: &TestApp, client: &str, uri: &str, body: &Value) -> Answer {
    let request = Request::post(uri)
        .header(header::AUTHORIZATION, basic(client, SECRET))
        .header(header::CONTENT_TYPE, "application/json");
    app.send(request.body(Body::from(body.to_string())).unwrap())
        .await
}

async fn ask_with(app: &TestApp, token: &str, uri: &str, body: &Value) -> Answer {
    let request = Request::post(uri)
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .header(header::CONTENT_TYPE, "application/json");
    app.send(request.body(Body::from(body.to_string())).unwrap())
        .await
}

/// What `service` is told about alice.
async fn about_alice(app: &TestApp, permission: &str, resource: Option<&str>) -> Value {
    let mut body = json!({ "subject": { "user": app.user.as_str() }, "permission": permission });
    if let Some(resource) = resource {
        body["resource"] = resource.into();
    }
    let answer = ask(app, "service", CHECK, &body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    answer.json()
}

#[track_caller]
fn assert_problem(answer: &Answer, status: u16) {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.body);
    assert_eq!(answer.header("content-type"), "application/problem+json");
}

fn evaluation(user: &str, action: &str, kind: &str, id: &str) -> Value {
    json!({
        "subject": { "type": "user", "id": user },
        "action": { "name": action },
        "resource": { "type": kind, "id": id },
    })
}

on_both! {
    async fn an_answer_names_the_permission_and_the_roles_that_grant_it(app: TestApp) {
        prepare(&app).await;
        let granted = json!({ "allowed": true, "reason": {
            "code": "granted", "permission": "document:read", "roles": ["editor"] } });
        assert_eq!(about_alice(&app, "document:read:7", None).await, granted);
        assert_eq!(about_alice(&app, "document:write:42", None).await["allowed"], true);
        for (permission, resource, code) in [
            ("document:write:7", None, "no_permission"),
            ("document:write", None, "no_permission"),
            ("reports:read", None, "no_permission"),
            ("reports:read", Some("https://other.example"), "no_permission"),
            ("", None, "no_such_permission"),
            ("a*", None, "no_such_permission"),
        ] {
            let answer = about_alice(&app, permission, resource).await;
            assert_eq!(answer, json!({ "allowed": false, "reason": { "code": code } }), "{permission}");
        }
        assert_eq!(about_alice(&app, "reports:read", Some(API)).await["reason"]["resource"], API);
    }

    async fn a_batch_is_answered_in_its_order(app: TestApp) {
        prepare(&app).await;
        let body = json!({ "subject": { "user": app.user.as_str() }, "checks": [
            { "permission": "document:write:7" },
            { "permission": "document:read" },
            { "permission": "reports:read", "resource": API },
        ]});
        let answer = ask(&app, "service", CHECK, &body).await.json();
        let allowed: Vec<_> = answer["results"].as_array().unwrap().iter().map(|r| &r["allowed"]).collect();
        assert_eq!(allowed, [false, true, true]);
        let many = |count| {
            let check = json!({ "permission": "document:read" });
            json!({ "subject": { "user": "u" }, "checks": vec![check; count] })
        };
        assert_eq!(ask(&app, "service", CHECK, &many(100)).await.status, StatusCode::OK);
        assert_problem(&ask(&app, "service", CHECK, &many(101)).await, 400);
        assert_problem(&ask(&app, "service", CHECK, &many(0)).await, 400);
    }

    async fn a_change_counts_for_the_next_question(app: TestApp) {
        prepare(&app).await;
        assert_eq!(about_alice(&app, "document:read", None).await["allowed"], true);
        let work = app.begin().await;
        work.unassign_role(&app.user, &RoleId::new("r")).await.unwrap();
        work.commit().await.unwrap();
        assert_eq!(about_alice(&app, "document:read", None).await["reason"]["code"], "no_permission");
        let now = app.clock.now();
        app.change_user(|user| user.deactivate(now)).await;
        assert_eq!(about_alice(&app, "document:read", None).await["reason"]["code"], "user_inactive");
        let body = json!({ "subject": { "user": "nobody" }, "permission": "document:read" });
        let answer = ask(&app, "service", CHECK, &body).await.json();
        assert_eq!(answer["reason"]["code"], "user_unknown");
    }

    async fn a_token_is_answered_for_what_user_and_client_both_may(app: TestApp) {
        prepare(&app).await;
        for format in [AccessTokenFormat::Jwt, AccessTokenFormat::Opaque] {
            app.change_client("web", |client| client.tokens.access_token_format = format).await;
            let mut browser = Browser::new(&app);
            let code = browser.code("web", &[("scope", "document:read reports:read"), ("resource", API)]).await;
            let tokens = app.redeem("web", &code).await.json();
            let token = tokens["access_token"].as_str().unwrap();
            let code_of = async |client: &str, permission: &str, resource: Option<&str>| {
                let mut body = json!({ "subject": { "access_token": token }, "permission": permission });
                if let Some(resource) = resource {
                    body["resource"] = resource.into();
                }
                ask(&app, client, CHECK, &body).await.json()["reason"]["code"].clone()
            };
            // The API that the token is for needs no scope to ask.
            assert_eq!(code_of("other", "document:read:7", None).await, "granted");
            assert_eq!(code_of("other", "reports:read", None).await, "granted");
            assert_eq!(code_of("other", "document:write:42", None).await, "beyond_token", "the user may, the client did not ask");
            assert_eq!(code_of("other", "users:delete", None).await, "no_permission");
            assert_eq!(code_of("other", "reports:read", Some("https://other.example")).await, "wrong_audience");
            assert_eq!(code_of("service", "reports:read", Some(API)).await, "granted");
            let fields = [("token", token)];
            app.post_as("web", "/oauth2/revoke", &fields).await;
            assert_eq!(code_of("other", "document:read:7", None).await, "token_inactive");
        }
    }

    async fn who_may_not_ask_is_told_nothing(app: TestApp) {
        prepare(&app).await;
        let user = json!({ "subject": { "user": app.user.as_str() }, "permission": "document:read" });
        // Without the scope about users, and about tokens that are none of its business.
        assert_problem(&ask(&app, "other", CHECK, &user).await, 403);
        let tokens = app.tokens("web", "openid document:read").await;
        let body = json!({ "subject": { "access_token": tokens["access_token"] }, "permission": "document:read" });
        let answer = ask(&app, "other", CHECK, &body).await.json();
        assert_eq!(answer["reason"]["code"], "token_inactive");
        // Nobody, a public client, a wrong secret.
        let plain = Request::post(CHECK).header(header::CONTENT_TYPE, "application/json");
        let answer = app.send(plain.body(Body::from(user.to_string())).unwrap()).await;
        assert_problem(&answer, 401);
        assert!(answer.header("www-authenticate").starts_with("Bearer"));
        let wrong = Request::post(CHECK)
            .header(header::AUTHORIZATION, basic("service", "wrong"))
            .header(header::CONTENT_TYPE, "application/json");
        assert_problem(&app.send(wrong.body(Body::from(user.to_string())).unwrap()).await, 401);
        // A user's token without the permission of that name, and one without the scope.
        let token = app.tokens("web", "openid authorize:check").await;
        assert_problem(&ask_with(&app, token["access_token"].as_str().unwrap(), CHECK, &user).await, 403);
        assert_problem(&ask_with(&app, "nonsense", CHECK, &user).await, 401);
    }

    async fn a_client_may_ask_by_its_own_token(app: TestApp) {
        prepare(&app).await;
        let user = json!({ "subject": { "user": app.user.as_str() }, "permission": "document:read" });
        let token = async |scope: &str| {
            let fields = [("grant_type", "client_credentials"), ("scope", scope)];
            let tokens = app.token("service", &fields).await.json();
            tokens["access_token"].as_str().unwrap().to_owned()
        };
        let answer = ask_with(&app, &token("authorize:check").await, CHECK, &user).await;
        assert_eq!(answer.json()["allowed"], true, "{}", answer.body);
        assert_problem(&ask_with(&app, &token("reports:read").await, CHECK, &user).await, 403);
        // And its own token is a subject too: what it was granted.
        let body = json!({ "subject": { "access_token": token("reports:read").await }, "permission": "reports:read:7" });
        let answer = ask(&app, "service", CHECK, &body).await.json();
        assert_eq!(answer["reason"], json!({ "code": "granted_by_scope", "scope": "reports:read" }));
    }

    async fn the_body_is_read_strictly(app: TestApp) {
        prepare(&app).await;
        for body in [
            json!({ "subject": { "user": "u" } }),
            json!({ "subject": { "user": "u", "access_token": "t" }, "permission": "a:b" }),
            json!({ "subject": {}, "permission": "a:b" }),
            json!({ "subject": { "user": "u" }, "permission": "a:b", "checks": [] }),
            json!({ "subject": { "user": "u" }, "permission": "a:b", "more": 1 }),
            json!({ "permission": "a:b" }),
            json!([]),
        ] {
            assert_problem(&ask(&app, "service", CHECK, &body).await, 400);
        }
    }

    async fn authzen_one_evaluation_is_decided_with_its_reason(app: TestApp) {
        prepare(&app).await;
        let alice = app.user.as_str();
        let answer = ask(&app, "service", EVALUATION, &evaluation(alice, "read", "document", "7")).await;
        assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "application/json"));
        assert_eq!(answer.json(), json!({ "decision": true, "context": { "reason": {
            "code": "granted", "permission": "document:read", "roles": ["editor"] } } }));
        // A denial is no error (§10.1.2).
        let denied = ask(&app, "service", EVALUATION, &evaluation(alice, "write", "document", "7")).await;
        assert_eq!((denied.status, &denied.json()["decision"]), (StatusCode::OK, &json!(false)));
        // No star asks for more than one thing.
        let everything = ask(&app, "service", EVALUATION, &evaluation(alice, "read", "document", "*")).await;
        assert_eq!(everything.json()["decision"], false);
        let mut at_api = evaluation(alice, "read", "reports", "7");
        assert_eq!(ask(&app, "service", EVALUATION, &at_api).await.json()["decision"], false);
        at_api["resource"]["properties"] = json!({ "audience": API });
        assert_eq!(ask(&app, "service", EVALUATION, &at_api).await.json()["decision"], true);
        let robot = json!({ "subject": { "type": "robot", "id": alice }, "action": { "name": "read" }, "resource": { "type": "document", "id": "7" } });
        assert_eq!(ask(&app, "service", EVALUATION, &robot).await.json()["decision"], false);
    }

    async fn authzen_a_required_member_that_is_missing_is_a_bad_request(app: TestApp) {
        prepare(&app).await;
        let whole = evaluation("u", "read", "document", "7");
        for pointer in ["/subject", "/action", "/resource", "/subject/id", "/subject/type", "/action/name", "/resource/id", "/resource/type"] {
            let mut body = whole.clone();
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            body.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name);
            assert_problem(&ask(&app, "service", EVALUATION, &body).await, 400);
            assert_problem(&ask(&app, "service", EVALUATIONS, &body).await, 400);
            let several = json!({ "evaluations": [whole, body] });
            assert_problem(&ask(&app, "service", EVALUATIONS, &several).await, 400);
        }
    }

    async fn authzen_unknown_members_are_ignored(app: TestApp) {
        prepare(&app).await;
        let mut body = evaluation(app.user.as_str(), "read", "document", "7");
        body["context"] = json!({ "time": "1985-10-26T01:22-07:00" });
        body["future"] = json!([1, 2]);
        body["subject"]["properties"] = json!({ "department": "Sales" });
        body["action"]["future"] = json!({});
        assert_eq!(ask(&app, "service", EVALUATION, &body).await.json()["decision"], true);
        body["options"] = json!({ "another_option": "value" });
        assert_eq!(ask(&app, "service", EVALUATIONS, &body).await.json()["decision"], true);
    }

    async fn authzen_evaluations_take_defaults_and_answer_in_order(app: TestApp) {
        prepare(&app).await;
        let alice = app.user.as_str();
        let body = json!({
            "subject": { "type": "user", "id": alice },
            "action": { "name": "write" },
            "resource": { "type": "document", "id": "7" },
            "evaluations": [
                {},
                { "resource": { "type": "document", "id": "42" } },
                { "action": { "name": "read" } },
                { "subject": { "type": "user", "id": "nobody" }, "action": { "name": "read" } },
            ],
        });
        let answer = ask(&app, "service", EVALUATIONS, &body).await.json();
        let decisions: Vec<_> = answer["evaluations"].as_array().unwrap().iter().map(|e| &e["decision"]).collect();
        assert_eq!(decisions, [false, true, true, false]);
        assert!(answer.get("decision").is_none());
        // Without evaluations, or with none, it is the single one.
        for extra in [None, Some(json!([]))] {
            let mut single = evaluation(alice, "read", "document", "7");
            if let Some(none) = extra {
                single["evaluations"] = none;
            }
            let answer = ask(&app, "service", EVALUATIONS, &single).await.json();
            assert_eq!(answer["decision"], true);
        }
    }

    async fn authzen_semantics_stop_where_they_say(app: TestApp) {
        prepare(&app).await;
        let body = |semantic: &str| json!({
            "subject": { "type": "user", "id": app.user.as_str() },
            "resource": { "type": "document", "id": "7" },
            "evaluations": [{ "action": { "name": "read" } }, { "action": { "name": "write" } }, { "action": { "name": "read" } }],
            "options": { "evaluations_semantic": semantic },
        });
        for (semantic, expected) in [
            ("execute_all", &[true, false, true][..]),
            ("deny_on_first_deny", &[true, false]),
            ("permit_on_first_permit", &[true]),
        ] {
            let answer = ask(&app, "service", EVALUATIONS, &body(semantic)).await.json();
            let decisions: Vec<_> = answer["evaluations"].as_array().unwrap().iter().map(|e| e["decision"].as_bool().unwrap()).collect();
            assert_eq!(decisions, expected, "{semantic}");
        }
        assert_problem(&ask(&app, "service", EVALUATIONS, &body("sometimes")).await, 400);
    }

    async fn authzen_tells_where_it_is_and_returns_the_callers_request_id(app: TestApp) {
        prepare(&app).await;
        let metadata = app.get("/.well-known/authzen-configuration").await;
        assert_eq!(metadata.header("content-type"), "application/json");
        assert_eq!(metadata.json(), json!({
            "policy_decision_point": "https://id.example",
            "access_evaluation_endpoint": "https://id.example/access/v1/evaluation",
            "access_evaluations_endpoint": "https://id.example/access/v1/evaluations",
        }));
        let router = app.app.guarded_router(&server_config());
        for id in ["bfe9eb29-ab87-4ca3-be83-a1d5d8305716", "any string, with spaces"] {
            let request = Request::post(EVALUATION)
                .header("x-request-id", id)
                .header(header::AUTHORIZATION, basic("service", SECRET))
                .header(header::CONTENT_TYPE, "application/json");
            let body = evaluation(app.user.as_str(), "read", "document", "7").to_string();
            let answer = send(&router, request.body(Body::from(body)).unwrap()).await;
            assert_eq!((answer.status, answer.header("x-request-id")), (StatusCode::OK, id));
        }
        let search = ask(&app, "service", "/access/v1/search/subject", &json!({})).await;
        assert_problem(&search, 404);
    }
}
