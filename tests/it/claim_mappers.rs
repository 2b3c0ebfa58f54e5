//! Roles, groups, permissions and direct claims in tokens and userinfo, shaped by a client's mappers.

use countersign::{
    application::{
        commands::{
            define_group::{
                DefineGroup, Membership, change_membership, define_group, delete_group, nest_group,
            },
            define_role::{DefineRole, define_role, delete_role},
            edit_client::{ClientEdit, edit_client},
            set_claim::set_claim,
        },
        registrar::{Registrar, RegistrarError},
    },
    domain::{
        client::{AccessTokenFormat, ConsentPolicy},
        client_rights::ClientRights,
        id::ClientId,
        role::Permission,
    },
};
use serde_json::{Value, json};

use super::support::app::{TestApp, claims, on_both};

fn registrar(app: &TestApp) -> Registrar {
    app.registrar()
}

/// Alice is in `team` within `company`, whose members have the role `employee`.
async fn prepare(app: &TestApp) {
    let registrar = registrar(app);
    let role = DefineRole {
        name: "employee".into(),
        description: None,
        permissions: [Permission {
            name: "reports:*".into(),
            resource: None,
        }]
        .into(),
    };
    define_role(&registrar, role).await.unwrap();
    let group = |name: &str, roles: &[&str], parent: Option<&str>| DefineGroup {
        name: name.into(),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        parent: parent.map(Into::into),
    };
    define_group(&registrar, group("company", &["employee"], None))
        .await
        .unwrap();
    define_group(&registrar, group("team", &[], Some("company")))
        .await
        .unwrap();
    change_membership(&registrar, "alice", "team", Membership::Join)
        .await
        .unwrap();
    set_claim(&registrar, "alice", "department", Some(&json!("Sales")))
        .await
        .unwrap();
}

async fn give(app: &TestApp, rights: Value) -> Result<(), RegistrarError> {
    let rights: ClientRights = serde_json::from_value(rights).unwrap();
    let id = ClientId::new("web");
    let edit = ClientEdit {
        rights: Some(rights),
        ..ClientEdit::default()
    };
    edit_client(&registrar(app), &id, edit).await.map(drop)
}

on_both! {
    async fn groups_around_a_group_and_their_roles_reach_tokens_by_scope(app: TestApp) {
        prepare(&app).await;
        let tokens = app.tokens("web", "openid roles groups permissions reports:read").await;
        let access = claims(tokens["access_token"].as_str().unwrap());
        assert_eq!(access["roles"], json!(["employee"]));
        assert_eq!(access["groups"], json!(["company", "team"]));
        assert_eq!(access["permissions"], json!(["reports:read"]), "what both allow");
        let userinfo = app.get_with("/oauth2/userinfo", tokens["access_token"].as_str().unwrap()).await.json();
        assert_eq!(userinfo["groups"], json!(["company", "team"]));
        assert_eq!(userinfo["permissions"], json!(["reports:read"]));
        assert!(userinfo.get("department").is_none(), "no mapper, no direct claim");
    }

    async fn mappers_shape_every_place_in_both_formats(app: TestApp) {
        prepare(&app).await;
        give(&app, json!({ "mappers": [
            { "name": "realm_access.roles", "source": "roles" },
            { "name": "dept", "source": "claim:department", "in": ["id_token", "userinfo"], "scope": "profile" },
            { "name": "may", "source": "permissions", "in": ["access_token"] },
        ]})).await.unwrap();
        for format in [AccessTokenFormat::Jwt, AccessTokenFormat::Opaque] {
            app.change_client("web", |client| client.tokens.access_token_format = format).await;
            let tokens = app.tokens("web", "openid profile roles permissions reports:read").await;
            let token = tokens["access_token"].as_str().unwrap();
            let access = app.post_as("web", "/oauth2/introspect", &[("token", token)]).await.json();
            assert_eq!(access["realm_access"], json!({ "roles": ["employee"] }), "{access}");
            assert_eq!(access["may"], json!(["reports:read"]));
            assert!(access.get("dept").is_none());
            let id = claims(tokens["id_token"].as_str().unwrap());
            assert_eq!((&id["dept"], &id["realm_access"]["roles"]), (&json!("Sales"), &json!(["employee"])));
            let userinfo = app.get_with("/oauth2/userinfo", token).await.json();
            assert_eq!((&userinfo["dept"], &userinfo["realm_access"]["roles"]), (&json!("Sales"), &json!(["employee"])));
            assert!(userinfo.get("may").is_none());
            let less = app.tokens("web", "openid").await;
            let less = claims(less["id_token"].as_str().unwrap());
            assert!(less.get("dept").is_none() && less.get("realm_access").is_none(), "{less}");
        }
    }

    async fn a_token_carries_what_its_client_may_ask_and_its_user_may_do(app: TestApp) {
        prepare(&app).await;
        give(&app, json!({ "permissions": ["reports:read"], "roles": ["admin-*"] })).await.unwrap();
        let tokens = app.tokens("web", "openid roles permissions reports:read reports:write").await;
        let access = claims(tokens["access_token"].as_str().unwrap());
        assert_eq!(access["permissions"], json!(["reports:read"]), "the client may not write");
        assert!(access.get("roles").is_none(), "{access}");
    }

    async fn rights_that_pose_as_something_else_are_refused(app: TestApp) {
        for name in ["sub", "roles", "email_verified", "gid"] {
            let rights = json!({ "mappers": [{ "name": name, "source": "groups" }] });
            assert!(matches!(give(&app, rights).await, Err(RegistrarError::Invalid { field: "rights", .. })), "{name}");
        }
        let asks = json!({ "first_party_login": "allowed" });
        let refused = give(&app, asks.clone()).await;
        assert!(matches!(refused, Err(RegistrarError::Invalid { field: "first_party_login", .. })), "nobody consents");
        app.change_client("web", |client| client.consent = ConsentPolicy::Implied).await;
        give(&app, asks).await.unwrap();
        for name in ["sub", "roles", "exp", "a b", ""] {
            let set = set_claim(&registrar(&app), "alice", name, Some(&json!(1))).await;
            assert!(matches!(set, Err(RegistrarError::Invalid { field: "claim", .. })), "{name}");
        }
        let long = json!("a".repeat(5000));
        assert!(set_claim(&registrar(&app), "alice", "long", Some(&long)).await.is_err());
    }

    async fn groups_cannot_stand_within_themselves_and_what_goes_is_gone_at_once(app: TestApp) {
        prepare(&app).await;
        let registrar = registrar(&app);
        let circle = nest_group(&registrar, "company", Some("team")).await;
        assert!(matches!(circle, Err(RegistrarError::Invalid { field: "parent", .. })), "{circle:?}");
        let userinfo = async || {
            let tokens = app.tokens("web", "openid roles groups").await;
            app.get_with("/oauth2/userinfo", tokens["access_token"].as_str().unwrap()).await.json()
        };
        nest_group(&registrar, "team", None).await.unwrap();
        let after = userinfo().await;
        assert_eq!((&after["groups"], &after["roles"]), (&json!(["team"]), &json!([])));
        nest_group(&registrar, "team", Some("company")).await.unwrap();
        delete_role(&registrar, "employee").await.unwrap();
        assert_eq!(userinfo().await["roles"], json!([]));
        delete_group(&registrar, "company").await.unwrap();
        assert_eq!(userinfo().await["groups"], json!(["team"]));
        set_claim(&registrar, "alice", "department", None).await.unwrap();
        assert!(set_claim(&registrar, "alice", "department", None).await.is_err());
        let events = app.events().await;
        assert_eq!(events.iter().filter(|kind| **kind == "role.changed").count(), 8, "{events:?}");
    }
}
