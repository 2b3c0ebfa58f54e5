//! The demo user and clients. Whatever exists already stays as it is, but for credentials that are
//! no longer known and addresses that contain the port.

use std::time::Duration;

use secrecy::SecretString;

use super::credentials::{Credentials, Freshness};
use crate::{
    application::{
        commands::{
            assign_role::{Assignment, assign_role},
            change_client::{delete_client, rotate_client_secret},
            change_user::set_password,
            define_role::{DefineRole, define_role},
            edit_client::ClientEdit,
            register_client::{RegisterClient, register_client},
            register_user::{EmailProof, RegisterUser, register_user},
        },
        registrar::{Registrar, RegistrarError},
    },
    domain::{
        client::{ClientKind, PkcePolicy},
        id::ClientId,
        redirect_uri::RedirectUri,
        role::Permission,
        scope::Scope,
        user::{Address, Profile},
    },
    protocol::issuer::Issuer,
    web::pages::playground,
};

/// The demo user's name.
pub(super) const USERNAME: &str = "demo";
/// The playground's `client_id`.
pub(super) const PLAYGROUND: &str = "playground";
/// The `client_id` of the same without a secret.
pub(super) const PLAYGROUND_SCRIPT: &str = "playground-spa";
/// The `client_id` of the demo service.
pub(super) const SERVICE: &str = "demo-service";
const ROLE: &str = "demo-editor";
const SCOPE: &str =
    "openid profile email address phone offline_access roles permissions api:read api:write";
const SERVICE_SCOPE: &str = "api:read api:write";

/// Makes what is missing.
pub(super) async fn seed(
    registrar: &Registrar,
    credentials: &Credentials,
    freshness: Freshness,
    issuer: &Issuer,
) -> Result<(), RegistrarError> {
    seed_user(registrar, credentials, freshness).await?;
    let web_secret = SecretString::from(credentials.web_secret.clone());
    let service_secret = SecretString::from(credentials.service_secret.clone());
    let clients = [
        demo_spa()?,
        demo_web(web_secret)?,
        demo_service(service_secret)?,
    ];
    for client in clients {
        seed_client(registrar, client, freshness).await?;
    }
    let playground_secret = SecretString::from(credentials.playground_secret.clone());
    for client in [
        playground_client(playground_secret, issuer)?,
        playground_script(issuer)?,
    ] {
        forget_moved(registrar, &client).await?;
        seed_client(registrar, client, freshness).await?;
    }
    Ok(())
}

/// The playground's addresses contain the port, which may be another one this time.
async fn forget_moved(
    registrar: &Registrar,
    client: &RegisterClient,
) -> Result<(), RegistrarError> {
    let id = ClientId::new(client.id.clone().unwrap_or_default());
    let Some(present) = registrar.store.reader().client(&id).await? else {
        return Ok(());
    };
    let present = present.redirect_uris.iter().map(RedirectUri::as_str);
    let wanted = client.settings.redirect_uris.iter().flatten();
    if present.eq(wanted.map(String::as_str)) {
        return Ok(());
    }
    delete_client(registrar, &id).await.map(drop)
}

async fn seed_user(
    registrar: &Registrar,
    credentials: &Credentials,
    freshness: Freshness,
) -> Result<(), RegistrarError> {
    let reader = registrar.store.reader();
    let password = SecretString::from(credentials.password.clone());
    if reader.role_by_name(ROLE).await?.is_none() {
        let permission = |name: &str| Permission {
            name: name.to_owned(),
            resource: None,
        };
        let role = DefineRole {
            name: ROLE.to_owned(),
            description: Some("May read and write in the demo API".to_owned()),
            permissions: SERVICE_SCOPE.split(' ').map(permission).collect(),
        };
        define_role(registrar, role).await?;
    }
    if reader.user_by_login(USERNAME).await?.is_some() {
        if freshness == Freshness::New {
            set_password(registrar, USERNAME, &password).await?;
        }
        return Ok(());
    }
    let user = RegisterUser {
        username: USERNAME.to_owned(),
        email: Some(("demo@example.com".to_owned(), EmailProof::Verified)),
        profile: profile(),
        password: Some(password),
    };
    register_user(registrar, user).await?;
    assign_role(registrar, USERNAME, ROLE, Assignment::Give).await
}

/// Every standard claim of OIDC Core §5.1 has a value.
fn profile() -> Profile {
    let text = |value: &str| Some(value.to_owned());
    Profile {
        first_name: text("Dana"),
        last_name: text("Demo"),
        full_name: text("Dana M. Demo"),
        middle_name: text("Morgan"),
        nickname: text("Dan"),
        profile: text("https://example.com/dana"),
        picture: text("https://example.com/dana.png"),
        website: text("https://dana.example.com"),
        gender: text("female"),
        birthdate: text("1990-10-31"),
        zoneinfo: text("Europe/Berlin"),
        locale: text("en-GB"),
        phone_number: text("+493012345678"),
        phone_number_verified: true,
        address: Some(Address {
            formatted: text("Example Street 1\n10115 Berlin\nGermany"),
            street_address: text("Example Street 1"),
            locality: text("Berlin"),
            region: text("Berlin"),
            postal_code: text("10115"),
            country: text("Germany"),
        }),
    }
}

async fn seed_client(
    registrar: &Registrar,
    client: RegisterClient,
    freshness: Freshness,
) -> Result<(), RegistrarError> {
    let id = ClientId::new(client.id.clone().unwrap_or_default());
    let is_there = registrar.store.reader().client(&id).await?.is_some();
    match (is_there, &client.secret, freshness) {
        (false, ..) => register_client(registrar, client).await.map(drop),
        (true, Some(secret), Freshness::New) => {
            let overlap = Duration::ZERO;
            let rotated = rotate_client_secret(registrar, &id, Some(secret), (overlap, false));
            rotated.await.map(drop)
        }
        (true, ..) => Ok(()),
    }
}

fn demo_spa() -> Result<RegisterClient, RegistrarError> {
    let settings = ClientEdit {
        name: Some("Demo single-page app".to_owned()),
        redirect_uris: Some(vec!["http://localhost:5173/callback".to_owned()]),
        post_logout_redirect_uris: Some(vec!["http://localhost:5173/".to_owned()]),
        origins: Some(vec!["http://localhost:5173".to_owned()]),
        scope: Some(scope(SCOPE)?),
        ..ClientEdit::default()
    };
    Ok(RegisterClient {
        id: Some("demo-spa".to_owned()),
        ..RegisterClient::with(ClientKind::Spa, settings)
    })
}

fn demo_web(secret: SecretString) -> Result<RegisterClient, RegistrarError> {
    let settings = ClientEdit {
        name: Some("Demo web application".to_owned()),
        redirect_uris: Some(vec!["http://localhost:3000/callback".to_owned()]),
        post_logout_redirect_uris: Some(vec!["http://localhost:3000/".to_owned()]),
        scope: Some(scope(SCOPE)?),
        // Much software with a secret does not know PKCE yet; it should be able to try us.
        pkce: Some(PkcePolicy::Optional),
        ..ClientEdit::default()
    };
    Ok(RegisterClient {
        id: Some("demo-web".to_owned()),
        secret: Some(secret),
        ..RegisterClient::with(ClientKind::Web, settings)
    })
}

fn demo_service(secret: SecretString) -> Result<RegisterClient, RegistrarError> {
    let settings = ClientEdit {
        name: Some("Demo service".to_owned()),
        scope: Some(scope(SERVICE_SCOPE)?),
        ..ClientEdit::default()
    };
    Ok(RegisterClient {
        id: Some(SERVICE.to_owned()),
        secret: Some(secret),
        ..RegisterClient::with(ClientKind::Service, settings)
    })
}

fn playground_client(
    secret: SecretString,
    issuer: &Issuer,
) -> Result<RegisterClient, RegistrarError> {
    let settings = ClientEdit {
        name: Some("Playground".to_owned()),
        redirect_uris: Some(vec![issuer.url(playground::CALLBACK)]),
        post_logout_redirect_uris: Some(vec![issuer.url(playground::PATH)]),
        scope: Some(scope(SCOPE)?),
        ..ClientEdit::default()
    };
    Ok(RegisterClient {
        id: Some(PLAYGROUND.to_owned()),
        secret: Some(secret),
        ..RegisterClient::with(ClientKind::Web, settings)
    })
}

fn playground_script(issuer: &Issuer) -> Result<RegisterClient, RegistrarError> {
    let settings = ClientEdit {
        name: Some("Playground script".to_owned()),
        redirect_uris: Some(vec![issuer.url(playground::CALLBACK)]),
        post_logout_redirect_uris: Some(vec![issuer.url(playground::PATH)]),
        scope: Some(scope(SCOPE)?),
        ..ClientEdit::default()
    };
    Ok(RegisterClient {
        id: Some(PLAYGROUND_SCRIPT.to_owned()),
        ..RegisterClient::with(ClientKind::Spa, settings)
    })
}

fn scope(text: &str) -> Result<Scope, RegistrarError> {
    text.parse().map_err(|_| RegistrarError::Invalid {
        field: "scope",
        problem: text.to_owned(),
    })
}
