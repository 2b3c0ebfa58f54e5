//! Clients and resource servers.

use countersign::{
    application::ports::{Store as _, StoreError},
    domain::{
        client::{AccessTokenFormat, Client, ClientAuthentication, ClientKind, ClientStatus},
        consent::Consent,
        id::ClientId,
        resource::ResourceServer,
    },
};

use super::records::{NOW, begin, client, commit, grant, later, page, user, user_id};
use crate::support::sql::TestDatabase;

pub(super) async fn a_client_is_read_as_it_was_added(database: &TestDatabase) {
    let store = database.store().await;
    commit!(store, |unit| unit.add_client(&client("app")).await.unwrap());
    let found = store.reader().client(&ClientId::new("app")).await.unwrap();
    assert_eq!(found, Some(client("app")));
    // Identifiers are compared byte by byte.
    for other in ["App", "app ", "ap", ""] {
        let found = store.reader().client(&ClientId::new(other)).await.unwrap();
        assert_eq!(found, None, "{other:?}");
    }
}

pub(super) async fn an_update_stores_every_property_of_a_client(database: &TestDatabase) {
    let store = database.store().await;
    let changed = Client {
        name: "Other".to_owned(),
        kind: ClientKind::Spa,
        status: ClientStatus::Inactive,
        authentication: ClientAuthentication::None,
        updated_at: NOW,
        ..client("app")
    };
    commit!(store, |unit| {
        unit.add_client(&client("app")).await.unwrap();
        unit.add_client(&client("other")).await.unwrap();
        unit.update_client(&changed).await.unwrap();
    });
    let reader = store.reader();
    assert_eq!(reader.client(&changed.id).await.unwrap(), Some(changed));
    let other = reader.client(&ClientId::new("other")).await.unwrap();
    assert_eq!(other, Some(client("other")));
}

pub(super) async fn client_identifiers_are_unique(database: &TestDatabase) {
    let store = database.store().await;
    commit!(store, |unit| unit.add_client(&client("app")).await.unwrap());
    let again = begin(&store).await.add_client(&client("app")).await;
    assert!(
        matches!(again, Err(StoreError::Conflict("client_id"))),
        "{again:?}"
    );
}

pub(super) async fn clients_are_listed_by_identifier_page_by_page(database: &TestDatabase) {
    let store = database.store().await;
    for id in ["c", "a", "B", "b"] {
        commit!(store, |unit| unit.add_client(&client(id)).await.unwrap());
    }
    let reader = store.reader();
    let first = reader.clients(&page(None, 3)).await.unwrap();
    assert_eq!(first, ["B", "a", "b"].map(client));
    let rest = reader.clients(&page(Some("b"), 3)).await.unwrap();
    assert_eq!(rest, [client("c")]);
}

pub(super) async fn a_deleted_client_takes_its_consents_and_grants_along(database: &TestDatabase) {
    let store = database.store().await;
    let (app, other) = (ClientId::new("app"), ClientId::new("other"));
    let consent = |client: &ClientId| Consent {
        claims: ["birthdate".to_owned()].into(),
        user: user_id("grace"),
        client: client.clone(),
        scope: "openid".parse().unwrap(),
        granted_at: NOW,
    };
    commit!(store, |unit| {
        unit.add_user(&user("grace")).await.unwrap();
        for id in ["app", "other"] {
            unit.add_client(&client(id)).await.unwrap();
            unit.put_consent(&consent(&ClientId::new(id)))
                .await
                .unwrap();
            let grant = grant(&format!("grant-at-{id}"), "grace", id);
            assert!(unit.redeem_grant(&grant, later(60)).await.unwrap());
        }
    });
    commit!(store, |unit| {
        assert!(unit.delete_client(&app).await.unwrap());
        assert!(!unit.delete_client(&app).await.unwrap());
    });
    let reader = store.reader();
    let grace = user_id("grace");
    assert_eq!(reader.client(&app).await.unwrap(), None);
    assert_eq!(reader.consent(&grace, &app).await.unwrap(), None);
    let gone = grant("grant-at-app", "grace", "app");
    assert_eq!(reader.grant(&gone.id).await.unwrap(), None);
    assert!(reader.consent(&grace, &other).await.unwrap().is_some());
    let kept = grant("grant-at-other", "grace", "other");
    assert!(reader.grant(&kept.id).await.unwrap().is_some());
}

pub(super) async fn a_resource_server_is_replaced_by_its_identifier(database: &TestDatabase) {
    let store = database.store().await;
    let bare = ResourceServer {
        identifier: "https://api.example".to_owned(),
        name: "API".to_owned(),
        scope: "reports:read".parse().unwrap(),
        access_token_format: None,
        introspection_client: None,
    };
    let full = ResourceServer {
        name: "The API".to_owned(),
        scope: "reports:read reports:write".parse().unwrap(),
        access_token_format: Some(AccessTokenFormat::Opaque),
        introspection_client: Some(ClientId::new("api")),
        ..bare.clone()
    };
    for server in [&bare, &full, &bare] {
        commit!(store, |unit| unit
            .put_resource_server(server)
            .await
            .unwrap());
        let found = store.reader().resource_server("https://api.example").await;
        assert_eq!(found.unwrap().as_ref(), Some(server));
    }
    let other = store.reader().resource_server("https://api.example/").await;
    assert_eq!(other.unwrap(), None);
}
