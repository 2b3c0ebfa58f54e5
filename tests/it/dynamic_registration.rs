//! RFC 7591, RFC 7592, OIDC Registration — clients that register themselves.

use axum::{
    body::Body,
    http::{Method, Request},
};
use countersign::domain::{client::ClientStatus, response_type::ResponseType};
use serde_json::{Value, json};

use super::support::app::{
    Answer, Browser, CALLBACK, Stage, TestApp, basic, encode, form, on_both, send,
};

const REGISTER: &str = "/oauth2/register";
const STAGES: [Stage; 2] = [Stage::Embedded, Stage::Servers];

async fn open(stage: Stage) -> TestApp {
    TestApp::start_with(stage, |settings| settings.features.registration = true).await
}

fn request(method: Method, uri: &str, token: Option<&str>, body: Option<&Value>) -> Request<Body> {
    let mut request = Request::builder()
        .method(method)
        .uri(uri.replace("https://id.example", ""));
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    match body {
        Some(body) => request
            .header("content-type", "application/json")
            .body(Body::from(body.to_string())),
        None => request.body(Body::empty()),
    }
    .unwrap()
}

async fn register(app: &TestApp, metadata: &Value) -> Answer {
    app.send(request(Method::POST, REGISTER, None, Some(metadata)))
        .await
}

/// A client that was registered, as it was told.
async fn registered(app: &TestApp, metadata: &Value) -> Value {
    let answer = register(app, metadata).await;
    assert_eq!(answer.status.as_u16(), 201, "{}", answer.body);
    assert_eq!(answer.header("cache-control"), "no-store");
    answer.json()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("no {name}: {value}"))
}

async fn at_client(app: &TestApp, client: &Value, method: Method, body: Option<&Value>) -> Answer {
    let token = text(client, "registration_access_token");
    let uri = text(client, "registration_client_uri");
    app.send(request(method, uri, Some(token), body)).await
}

#[tokio::test]
async fn a_client_that_registered_itself_logs_a_user_in_on_another_node_too() {
    for stage in STAGES {
        let app = open(stage).await;
        let asked = json!({ "redirect_uris": [CALLBACK], "client_name": "Mine",
            "grant_types": ["authorization_code", "refresh_token"], "unknown": { "x": 1 } });
        let client = registered(&app, &asked).await;
        let (id, secret) = (text(&client, "client_id"), text(&client, "client_secret"));
        assert!(secret.len() >= 32);
        assert_eq!(client["client_secret_expires_at"], 0);
        assert!(client["client_id_issued_at"].is_i64());
        assert_eq!(client["unknown"], Value::Null);
        let code = Browser::new(&app)
            .code(id, &[("scope", "openid offline_access")])
            .await;
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", CALLBACK),
            ("code_verifier", super::support::app::VERIFIER),
        ];
        let redeem = form("/oauth2/token", &fields).header("authorization", basic(id, secret));
        let other = match stage {
            Stage::Servers => app.another_node().await.router(),
            Stage::Embedded => app.router.clone(),
        };
        let tokens = send(&other, redeem.body(Body::from(encode(&fields))).unwrap()).await;
        assert_eq!(tokens.status.as_u16(), 200, "{}", tokens.body);
        assert!(tokens.json()["refresh_token"].is_string());
    }
}

on_both! {
    async fn registration_is_closed_unless_the_operator_opens_it(app: TestApp) {
        let document = app.get("/.well-known/openid-configuration").await.json();
        assert_eq!(document["registration_endpoint"], Value::Null);
        register(&app, &json!({ "redirect_uris": [CALLBACK] })).await.assert_error(403, "access_denied");
    }
}

#[tokio::test]
async fn a_client_reads_changes_and_removes_itself() {
    for stage in STAGES {
        let app = open(stage).await;
        let document = app.get("/.well-known/openid-configuration").await.json();
        assert!(text(&document, "registration_endpoint").ends_with(REGISTER));
        let client = registered(&app, &json!({ "redirect_uris": [CALLBACK], "contacts": ["a@rp.example"],
            "initiate_login_uri": "https://rp.example/start", "policy_uri": "https://rp.example/privacy" })).await;
        let id = text(&client, "client_id");
        let read = at_client(&app, &client, Method::GET, None).await.json();
        for member in [
            "initiate_login_uri",
            "policy_uri",
            "contacts",
            "redirect_uris",
            "client_id_issued_at",
        ] {
            assert_eq!(read[member], client[member], "{member}");
        }
        assert_eq!(read["client_secret"], Value::Null, "secrets are told once");
        // RFC 7592 §3: the answer to each has it.
        assert_eq!(
            read["registration_access_token"],
            client["registration_access_token"]
        );

        let change = json!({ "client_id": id, "redirect_uris": ["https://rp.example/other"], "client_name": "New" });
        let changed = at_client(&app, &client, Method::PUT, Some(&change)).await;
        assert_eq!(changed.status.as_u16(), 200, "{}", changed.body);
        let changed = changed.json();
        assert_eq!(
            changed["redirect_uris"],
            json!(["https://rp.example/other"])
        );
        // What is left out goes (RFC 7592 §2.2).
        assert_eq!(
            (&changed["policy_uri"], &changed["contacts"]),
            (&Value::Null, &Value::Null)
        );
        let old = Browser::new(&app).authorize(id, &[]).await;
        old.assert_page(400);
        // The secret still works.
        let fields = [("token", "unknown")];
        let revoke = form("/oauth2/revoke", &fields)
            .header("authorization", basic(id, text(&client, "client_secret")));
        let answer = app
            .send(revoke.body(Body::from(encode(&fields))).unwrap())
            .await;
        assert_eq!(answer.status.as_u16(), 200, "{}", answer.body);

        assert_eq!(
            at_client(&app, &client, Method::DELETE, None)
                .await
                .status
                .as_u16(),
            204
        );
        at_client(&app, &client, Method::GET, None)
            .await
            .assert_error(401, "invalid_token");
        Browser::new(&app).authorize(id, &[]).await.assert_page(400);
        let events = app.events().await;
        for kind in ["client.created", "client.changed", "client.deleted"] {
            assert!(events.contains(&kind), "{kind}: {events:?}");
        }
    }
}

#[tokio::test]
async fn c120_a_registration_token_is_good_for_its_own_client_only_and_tells_nothing_about_others()
{
    let app = open(Stage::Embedded).await;
    let [one, two] = [(); 2].map(|()| json!({ "redirect_uris": [CALLBACK] }));
    let (one, two) = (registered(&app, &one).await, registered(&app, &two).await);
    let token = text(&one, "registration_access_token");
    let put = json!({ "client_id": "web", "redirect_uris": [CALLBACK] });
    let mut answers = Vec::new();
    for id in [text(&two, "client_id"), "web", "no-such-client"] {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let body = (method == Method::PUT).then_some(&put);
            let uri = format!("{REGISTER}/{id}");
            let answer = app.send(request(method, &uri, Some(token), body)).await;
            answer.assert_error(401, "invalid_token");
            answers.push(answer.body);
        }
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    app.change_client(text(&one, "client_id"), |client| {
        client.status = ClientStatus::Inactive;
    })
    .await;
    at_client(&app, &one, Method::GET, None)
        .await
        .assert_error(401, "invalid_token");
}

#[tokio::test]
async fn c122_a_malformed_authorization_header_is_refused() {
    let app = open(Stage::Embedded).await;
    let client = registered(&app, &json!({ "redirect_uris": [CALLBACK] })).await;
    let uri = text(&client, "registration_client_uri").replace("https://id.example", "");
    for header in [
        "",
        "Bearer",
        "Bearer ",
        "bearer\tx",
        "Basic eDp5",
        "Bearer a b",
        "Bearer \u{e4}",
    ] {
        let request = Request::get(&uri).header("authorization", header.as_bytes());
        app.send(request.body(Body::empty()).unwrap())
            .await
            .assert_error(401, "invalid_token");
    }
    let without = app.send(request(Method::GET, &uri, None, None)).await;
    without.assert_error(401, "invalid_token");
    let in_query = format!(
        "{uri}?access_token={}",
        text(&client, "registration_access_token")
    );
    app.send(request(Method::GET, &in_query, None, None))
        .await
        .assert_error(401, "invalid_token");
}

#[tokio::test]
async fn c116_c117_bad_addresses_are_refused_in_every_member() {
    let app = open(Stage::Embedded).await;
    for uri in [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "data:text/html,x",
        "https://rp.example/cb#x",
        "http://rp.example/cb",
        "/cb",
        "https://*.rp.example/cb",
        "",
        "https://user@rp.example/cb",
    ] {
        let answer = register(&app, &json!({ "redirect_uris": [uri] })).await;
        answer.assert_error(400, "invalid_redirect_uri");
        for member in [
            "client_uri",
            "logo_uri",
            "policy_uri",
            "tos_uri",
            "initiate_login_uri",
            "post_logout_redirect_uris",
        ] {
            let value = if member.ends_with('s') {
                json!([uri])
            } else {
                json!(uri)
            };
            if member != "post_logout_redirect_uris"
                && uri.starts_with("https://")
                && !uri.contains('@')
            {
                continue;
            }
            let answer =
                register(&app, &json!({ "redirect_uris": [CALLBACK], member: value })).await;
            answer.assert_error(400, "invalid_client_metadata");
        }
    }
    register(&app, &json!({}))
        .await
        .assert_error(400, "invalid_redirect_uri");
}

#[tokio::test]
async fn c118_c119_privileges_cannot_be_registered_nor_changed_into() {
    let app = open(Stage::Embedded).await;
    let client = registered(&app, &json!({ "redirect_uris": [CALLBACK] })).await;
    for (member, value) in [
        ("scope", json!("openid reports:read")),
        ("scope", json!("openid roles")),
        (
            "grant_types",
            json!(["authorization_code", "client_credentials"]),
        ),
        ("response_types", json!(["id_token"])),
        ("token_endpoint_auth_method", json!("tls_client_auth")),
        ("subject_type", json!("pairwise")),
        ("software_statement", json!("e30.e30.")),
        ("id_token_signed_response_alg", json!("HS999")),
    ] {
        let mut metadata = json!({ "redirect_uris": [CALLBACK] });
        metadata[member] = value;
        register(&app, &metadata)
            .await
            .assert_error(400, "invalid_client_metadata");
        metadata["client_id"] = client["client_id"].clone();
        let changed = at_client(&app, &client, Method::PUT, Some(&metadata)).await;
        changed.assert_error(400, "invalid_client_metadata");
    }
    // Members of the operator's own are no metadata: nothing comes of them.
    let sneaky = registered(
        &app,
        &json!({ "redirect_uris": [CALLBACK], "consent": "implied",
        "rights": { "login": true }, "requests_per_minute": 1_000_000, "status": "active" }),
    )
    .await;
    let id = text(&sneaky, "client_id").to_owned();
    let mut browser = Browser::new(&app);
    let answer = browser.authorize(&id, &[]).await;
    let page = browser.get(answer.location()).await;
    let answer = browser
        .log_in(
            &page.body,
            super::support::app::USERNAME,
            super::support::app::PASSWORD,
        )
        .await;
    let answer = browser.get(answer.location()).await;
    assert!(answer.location().starts_with("/consent"), "users are asked");
    let fields = [("grant_type", "client_credentials")];
    let own = form("/oauth2/token", &fields)
        .header("authorization", basic(&id, text(&sneaky, "client_secret")));
    let answer = app
        .send(own.body(Body::from(encode(&fields))).unwrap())
        .await;
    answer.assert_error(400, "unauthorized_client");
}

#[tokio::test]
async fn a_change_names_its_client_and_brings_no_secret_of_its_own() {
    let app = open(Stage::Embedded).await;
    let client = registered(&app, &json!({ "redirect_uris": [CALLBACK] })).await;
    for (id, secret) in [
        (json!(null), json!(null)),
        (json!("web"), json!(null)),
        (client["client_id"].clone(), json!("chosen")),
    ] {
        let change =
            json!({ "redirect_uris": [CALLBACK], "client_id": id, "client_secret": secret });
        let answer = at_client(&app, &client, Method::PUT, Some(&change)).await;
        answer.assert_error(400, "invalid_client_metadata");
    }
    let same = json!({ "redirect_uris": [CALLBACK], "client_id": client["client_id"], "client_secret": client["client_secret"] });
    assert_eq!(
        at_client(&app, &client, Method::PUT, Some(&same))
            .await
            .status
            .as_u16(),
        200
    );
}

#[tokio::test]
async fn c123_what_a_client_says_comes_back_as_json_that_nobody_guesses_at() {
    let app = open(Stage::Embedded).await;
    for metadata in [
        json!({ "redirect_uris": ["<script>alert(1)</script>"] }),
        json!({ "scope": "<b>\"", "redirect_uris": [CALLBACK] }),
    ] {
        let answer = register(&app, &metadata).await;
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        let description = answer.json()["error_description"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(!description.contains(['"', '\\']), "{description}");
    }
}

#[tokio::test]
async fn a_public_client_and_one_with_keys_get_no_secret() {
    let app = open(Stage::Embedded).await;
    let native = registered(
        &app,
        &json!({ "application_type": "native", "token_endpoint_auth_method": "none",
        "redirect_uris": ["com.example.app:/cb"] }),
    )
    .await;
    assert_eq!(native["client_secret"], Value::Null);
    // A public client cannot do without PKCE (RFC 9700 §2.1.1).
    let answer = Browser::new(&app)
        .authorize(
            text(&native, "client_id"),
            &[
                ("redirect_uri", "com.example.app:/cb"),
                ("code_challenge", ""),
                ("code_challenge_method", ""),
            ],
        )
        .await;
    assert_eq!(
        answer.location_param("error").as_deref(),
        Some("invalid_request")
    );
    let keyless =
        json!({ "token_endpoint_auth_method": "private_key_jwt", "redirect_uris": [CALLBACK] });
    register(&app, &keyless)
        .await
        .assert_error(400, "invalid_client_metadata");
}

#[tokio::test]
async fn response_types_are_registered_as_far_as_the_server_offers_them() {
    let app = TestApp::start_with(Stage::Embedded, |settings| {
        settings.features.registration = true;
        let grants = &mut settings.features.grant_types;
        grants.insert(countersign::domain::client::GrantType::Implicit);
        settings.features.response_types = ResponseType::ALL.iter().copied().collect();
    })
    .await;
    let client = registered(
        &app,
        &json!({ "redirect_uris": [CALLBACK], "response_types": ["id_token code", "code"],
        "grant_types": ["implicit", "authorization_code"] }),
    )
    .await;
    assert_eq!(client["response_types"], json!(["code", "code id_token"]));
    assert_eq!(
        client["grant_types"],
        json!(["authorization_code", "implicit"])
    );
}

#[tokio::test]
async fn whatever_is_no_metadata_is_refused() {
    let app = open(Stage::Embedded).await;
    for body in [
        "",
        "[]",
        "null",
        "{",
        "{\"redirect_uris\": \"https://rp.example/cb\"}",
        "{\"redirect_uris\": [1]}",
    ] {
        let request = Request::post(REGISTER)
            .header("content-type", "application/json; charset=utf-8")
            .body(Body::from(body))
            .unwrap();
        app.send(request)
            .await
            .assert_error(400, "invalid_client_metadata");
    }
    let request = Request::post(REGISTER).body(Body::from("{}")).unwrap();
    app.send(request)
        .await
        .assert_error(400, "invalid_client_metadata");
}

/// A client that registered itself moves as any other: with the digests of secrets as it is, without them as
/// one that an operator manages.
#[tokio::test]
async fn a_client_that_registered_itself_can_be_exported_and_imported() {
    use countersign::application::{
        commands::import_records::{Import, Intent, Outcome},
        queries::export::{Secrets, clients},
        records::Record,
    };
    let app = open(Stage::Embedded).await;
    let native = json!({ "application_type": "native", "token_endpoint_auth_method": "none",
        "redirect_uris": ["com.example.app:/cb"] });
    let keys = super::support::keys::Key::new("k").set();
    let by_value = json!({ "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "private_key_jwt", "jwks": keys,
        "grant_types": ["authorization_code", "refresh_token"] });
    let by_address = json!({ "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "private_key_jwt",
        "jwks_uri": "https://rp.example/jwks", "backchannel_logout_uri": "https://rp.example/out" });
    let mut ids = Vec::new();
    for metadata in [
        json!({ "redirect_uris": [CALLBACK] }),
        native,
        by_value,
        by_address,
    ] {
        ids.push(text(&registered(&app, &metadata).await, "client_id").to_owned());
    }
    for secrets in [Secrets::Included, Secrets::Omitted] {
        let page = countersign::application::ports::Page {
            after: None,
            limit: 100,
        };
        let exported = clients(&app.registrar(), &page, secrets).await.unwrap();
        let exported: Vec<Record> = exported
            .into_iter()
            .filter(|client| ids.iter().any(|id| client.id.as_str() == id))
            .map(|client| Record::Client(Box::new(client)))
            .collect();
        assert_eq!(exported.len(), 4);
        let other = open(Stage::Embedded).await;
        let registrar = other.registrar();
        let outcomes = Import::new(&registrar, Intent::Import)
            .take_in(&exported)
            .await
            .unwrap();
        assert!(
            outcomes.iter().all(|it| matches!(it, Outcome::Made)),
            "{outcomes:?}"
        );
        for record in &exported {
            let Record::Client(client) = record else {
                panic!("a client")
            };
            let found = other
                .ports()
                .store
                .reader()
                .client(&client.id)
                .await
                .unwrap();
            assert_eq!(found.as_ref(), Some(&**client));
            assert_eq!(client.registration.is_some(), secrets == Secrets::Included);
        }
    }
}
