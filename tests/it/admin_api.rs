//! The administration API, called as strangers, clients and administrators call it.

mod people;
mod reach;
mod requests;
mod table;

use axum::{
    Router,
    body::Body,
    http::{Method, Request, StatusCode, header},
};
use countersign::{
    application::commands::{
        assign_role::{Assignment, assign_role},
        define_role::{DefineRole, define_role},
        register_resource::{Registration, register_resource},
    },
    domain::{
        administration::Right, client::ConsentPolicy, id::UserId, resource::ResourceServer,
        role::Permission, scope::Scope,
    },
};
use serde_json::{Value, json};

use super::support::app::{Answer, Browser, ISSUER, PASSWORD, TestApp, send};

/// The audience of its tokens.
fn api() -> String {
    format!("{ISSUER}/api/admin")
}

/// Every right, as a scope.
fn all_rights() -> String {
    let names: Vec<&str> = Right::ALL.iter().map(|right| right.as_str()).collect();
    names.join(" ")
}

/// Lets the clients of every test ask for the administration API.
async fn prepare(app: &TestApp) {
    for client in ["web", "service"] {
        app.change_client(client, |client| {
            client.resources.insert(api());
            let scope = format!("{} {} *", client.scope, all_rights());
            client.scope = scope.parse().unwrap();
            if client.id.as_str() == "web" {
                client.consent = ConsentPolicy::Implied;
            }
        })
        .await;
    }
}

/// A token of the service itself.
async fn service_token(app: &TestApp, scope: &str) -> String {
    let fields = [
        ("grant_type", "client_credentials"),
        ("scope", scope),
        ("resource", &api()),
    ];
    let answer = app.token("service", &fields).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

/// Makes a user who holds these permissions, by a role of their own.
async fn user_with(app: &TestApp, name: &str, permissions: &[&str]) -> UserId {
    let id = app.add_user(name).await;
    let registrar = app.registrar();
    let permission = |name: &&str| Permission {
        name: (*name).to_owned(),
        resource: None,
    };
    let role = DefineRole {
        name: format!("role-of-{name}"),
        description: None,
        permissions: permissions.iter().map(permission).collect(),
    };
    let role = define_role(&registrar, role).await.unwrap();
    assign_role(&registrar, &id, &role.name, Assignment::Give)
        .await
        .unwrap();
    id
}

/// A token of a user for the administration API, with every right that they have.
async fn user_token(app: &TestApp, name: &str) -> String {
    let scope = format!("{} *", all_rights());
    let extra = [("scope", scope.as_str()), ("resource", &api())];
    let mut browser = Browser::new(app);
    let mut answer = browser.authorize("web", &extra).await;
    while !answer.body.contains("action=\"/login") {
        let location = answer.location().to_owned();
        answer = browser.get(&location).await;
    }
    let answer = browser.log_in(&answer.body, name, PASSWORD).await;
    let code = browser.finish(answer).await;
    let code = code.location_param("code").unwrap();
    let answer = app.redeem("web", &code).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

/// Makes an API known.
async fn make_known(app: &TestApp, identifier: &str) {
    let server = ResourceServer {
        identifier: identifier.to_owned(),
        name: identifier.to_owned(),
        scope: Scope::empty(),
        access_token_format: None,
        introspection_client: None,
    };
    register_resource(&app.registrar(), &server, Registration::Put)
        .await
        .unwrap();
}

/// One who calls.
struct Desk {
    router: Router,
    token: String,
}

impl Desk {
    fn new(app: &TestApp, token: impl Into<String>) -> Self {
        Self {
            router: app.router.clone(),
            token: token.into(),
        }
    }

    /// A request with these headers.
    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/api/admin{path}"))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = match body {
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        send(&self.router, request.body(body).unwrap()).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], None).await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, &[], Some(body)).await
    }

    async fn put(&self, path: &str, body: Option<&Value>) -> Answer {
        self.send(Method::PUT, path, &[("if-match", "*")], body)
            .await
    }

    async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PATCH, path, &[("if-match", "*")], Some(body))
            .await
    }

    async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, &[("if-match", "*")], None)
            .await
    }
}

/// A refusal in the form of RFC 9457.
fn assert_problem(answer: &Answer, status: u16, kind: &str) {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    let body = answer.json();
    assert_eq!(body["type"], format!("urn:countersign:problem:{kind}"));
    assert_eq!(body["status"], json!(status));
    assert!(body["trace_id"].is_string());
}
