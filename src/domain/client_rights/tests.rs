#![allow(clippy::unwrap_used)]
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::domain::role::Permission;

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn authority(permissions: &[&str]) -> Authority {
    let held = permissions.iter().map(|name| {
        let permission = Permission {
            name: (*name).to_owned(),
            resource: None,
        };
        (permission, set(&["editor"]))
    });
    Authority {
        roles: set(&["editor", "shop-admin", "shop-clerk"]),
        groups: set(&["staff"]),
        permissions: held.collect(),
        claims: [("department".to_owned(), json!("Sales"))].into(),
    }
}

fn rights(json: &Value) -> ClientRights {
    let rights: ClientRights = serde_json::from_value(json.clone()).unwrap();
    rights.check().unwrap();
    rights
}

fn permissions(rights: &ClientRights, held: &[&str], scope: &str) -> Vec<String> {
    let release = rights.release(&authority(held), &scope.parse().unwrap(), &[]);
    release.permissions.into_iter().collect()
}

#[test]
fn a_token_carries_the_meet_of_scope_and_user() {
    let none = ClientRights::default();
    assert_eq!(
        permissions(&none, &["document:*"], "document:read"),
        ["document:read"]
    );
    assert_eq!(
        permissions(&none, &["document:read:42"], "document:read"),
        ["document:read:42"]
    );
    assert!(permissions(&none, &["document:*"], "permissions openid").is_empty());
}

#[test]
fn a_client_with_patterns_never_gets_more_than_them_and_permissions_stands_for_all() {
    let rights = rights(&json!({ "permissions": ["document:*"] }));
    let held = ["document:read", "users:write"];
    assert_eq!(
        permissions(&rights, &held, "permissions"),
        ["document:read"]
    );
    assert_eq!(
        permissions(&rights, &held, "document:read users:write"),
        ["document:read"]
    );
    assert!(permissions(&rights, &held, "users:write").is_empty());
}

#[test]
fn roles_are_those_that_fit() {
    let of = |json: &Value| {
        let rights = rights(json);
        let release = rights.release(&authority(&[]), &Scope::empty(), &[]);
        release.roles.into_iter().collect::<Vec<_>>()
    };
    assert_eq!(of(&json!({})), ["editor", "shop-admin", "shop-clerk"]);
    assert_eq!(
        of(&json!({ "roles": ["shop-*"] })),
        ["shop-admin", "shop-clerk"]
    );
    assert_eq!(of(&json!({ "roles": ["editor"] })), ["editor"]);
    assert!(of(&json!({ "roles": [] })).is_empty());
}

#[test]
fn mappers_shape_claims_by_scope_and_place() {
    let rights = rights(&json!({ "mappers": [
        { "name": "realm_access.roles", "source": "roles" },
        { "name": "department", "source": "claim:department", "in": ["id_token"] },
        { "name": "https://app.example/teams", "source": "groups", "scope": "profile" },
    ]}));
    let authority = authority(&[]);
    let claims = |place, scope: &str| {
        let scope = scope.parse().unwrap();
        let release = rights.release(&authority, &scope, &[]);
        Value::from(rights.mapped(place, &scope, (&authority.claims, &release)))
    };
    assert_eq!(
        claims(Place::AccessToken, "roles"),
        json!({ "realm_access": { "roles": ["editor", "shop-admin", "shop-clerk"] } })
    );
    assert_eq!(
        claims(Place::IdToken, "openid"),
        json!({ "department": "Sales" })
    );
    assert_eq!(
        claims(Place::Userinfo, "profile"),
        json!({ "https://app.example/teams": ["staff"] })
    );
}

#[test]
fn reserved_repeated_and_homeless_claims_are_refused() {
    let check = |json: Value| {
        let rights: ClientRights = serde_json::from_value(json).unwrap();
        rights.check()
    };
    for name in [
        "sub",
        "roles",
        "email",
        "aud",
        "scope",
        "cnf.jkt",
        "client_id",
    ] {
        let rights = json!({ "mappers": [{ "name": name, "source": "roles" }] });
        assert_eq!(
            check(rights),
            Err(RightsError::Reserved(name.to_owned())),
            "{name}"
        );
    }
    let twice = json!({ "mappers": [{ "name": "a.b", "source": "roles" }, { "name": "a", "source": "groups" }] });
    assert_eq!(check(twice), Err(RightsError::Twice("a".to_owned())));
    let nowhere = json!({ "mappers": [{ "name": "a", "source": "roles", "in": [] }] });
    assert_eq!(check(nowhere), Err(RightsError::Nowhere("a".to_owned())));
    assert!(check(json!({ "permissions": ["a*"] })).is_err());
    assert!(check(json!({ "roles": ["a*b"] })).is_err());
    assert!(serde_json::from_value::<ClientRights>(json!({ "unknown": 1 })).is_err());
}

#[test]
fn a_mapper_is_read_from_the_command_line() {
    let mapper: ClaimMapper = "realm_access.roles=roles".parse().unwrap();
    assert_eq!(mapper, ClaimMapper::keycloak());
    let mapper: ClaimMapper = "dept=claim:department@id_token,userinfo?profile"
        .parse()
        .unwrap();
    assert_eq!(mapper.places, [Place::IdToken, Place::Userinfo].into());
    assert_eq!(mapper.scope.as_deref(), Some("profile"));
    for bad in [
        "",
        "a",
        "a=",
        "a=b",
        "=roles",
        "a=roles@",
        "a=roles@cookie",
        "a b=roles",
        "a=claim:",
    ] {
        assert!(bad.parse::<ClaimMapper>().is_err(), "{bad}");
    }
}

fn pattern() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("*".to_owned()),
        "[ab]",
        "[ab]:[ab]",
        "[ab]:\\*",
        "[ab]:[ab]:[ab]",
    ]
}

proptest! {
    /// Whatever a token allows, its user may do and its client may ask; and nothing of that is lost.
    #[test]
    fn a_token_allows_a_deed_exactly_if_user_and_client_both_do(
        held in proptest::collection::btree_set(pattern(), 0..4),
        asked in proptest::collection::btree_set(pattern(), 0..4),
        own in proptest::option::of(proptest::collection::btree_set(pattern(), 0..4)),
        deed in "[ab]:[ab]:[ab]",
    ) {
        let scope: Scope = asked.iter().cloned().collect::<Vec<_>>().join(" ").parse().unwrap();
        let rights = ClientRights { permissions: own.clone(), ..ClientRights::default() };
        let names: Vec<&str> = held.iter().map(String::as_str).collect();
        let release = rights.release(&authority(&names), &scope, &[]);
        let covers = |patterns: &BTreeSet<String>| patterns.iter().any(|p| permission::covers(p, &deed));
        let allowed = covers(&release.permissions);
        let may_ask = covers(&asked) && own.as_ref().is_none_or(covers);
        prop_assert_eq!(allowed, covers(&held) && may_ask);
    }
}
