//! Taking in APIs and applications as `export` wrote them. Every rule of registration holds for them.

use super::{
    edit_client::{Change, ClientEdit, check_resources},
    import_records::Outcome,
    register_client::{self, RegisterClient, check_label},
    register_resource::check_indicator,
};
use crate::{
    application::{
        ports::UnitOfWork,
        registrar::{Registrar, RegistrarError},
        trail::About,
    },
    domain::{
        client::{Client, GrantType},
        event::EventKind,
        resource::ResourceServer,
    },
};

/// Makes an API known. The application that may introspect its tokens may come later.
pub(super) async fn import_resource(
    registrar: &Registrar,
    work: &dyn UnitOfWork,
    server: &ResourceServer,
) -> Result<Outcome, RegistrarError> {
    check_indicator(&server.identifier)?;
    check_label(&server.name)?;
    if work.resource_server(&server.identifier).await?.is_some() {
        return Ok(Outcome::Present);
    }
    work.put_resource_server(server).await?;
    let about = About {
        detail: Some(serde_json::json!({ "resource": server.identifier, "from": "import" })),
        ..About::default()
    };
    registrar
        .record_in(work, EventKind::ClientChanged, about)
        .await?;
    Ok(Outcome::Made)
}

/// Registers an application.
pub(super) async fn import_client(
    registrar: &Registrar,
    work: &dyn UnitOfWork,
    client: &Client,
) -> Result<Outcome, RegistrarError> {
    if work.client(&client.id).await?.is_some() {
        return Ok(Outcome::Present);
    }
    let made = readmitted(registrar, client)?;
    check_resources(work, made.resources.iter()).await?;
    work.add_client(&made).await?;
    let about = About {
        client: Some(made.id.clone()),
        detail: Some(serde_json::json!({ "from": "import" })),
        ..About::default()
    };
    registrar
        .record_in(work, EventKind::ClientCreated, about)
        .await?;
    Ok(Outcome::Made)
}

/// The client as registration would have made it of its own settings; refused if that is another one.
fn readmitted(registrar: &Registrar, client: &Client) -> Result<Client, RegistrarError> {
    let command = RegisterClient {
        id: Some(client.id.as_str().to_owned()),
        kind: client.kind,
        authentication: Some(client.authentication.method()),
        secret: None,
        settings: settings(client),
    };
    let (registered, _) = register_client::check(registrar, command)?;
    let registered = Client {
        status: client.status,
        // Checked with the settings, but for secrets, which are digests, and the algorithm.
        authentication: client.authentication.clone(),
        registration: client.registration.clone(),
        not_before: client.not_before,
        created_at: client.created_at,
        updated_at: client.updated_at,
        ..registered
    };
    if registered != *client {
        let problem = "has settings that no application of its kind can have";
        return Err(RegistrarError::invalid("client", problem));
    }
    Ok(registered)
}

/// Everything that can be said of a client, said.
fn settings(client: &Client) -> ClientEdit {
    let texts = |uris: &std::collections::BTreeSet<_>| {
        let uris = uris
            .iter()
            .map(|uri: &crate::domain::redirect_uri::RedirectUri| uri.as_str());
        Some(uris.map(str::to_owned).collect())
    };
    let jwks = match client.authentication.jwks() {
        Some(jwks) => client.keys.jwks_uri.is_none().then(|| jwks.clone()),
        None => client.keys.jwks.clone(),
    };
    let assertion_audience = client.authentication.audience();
    let (tokens, links) = (&client.tokens, &client.links);
    ClientEdit {
        name: Some(client.name.clone()),
        redirect_uris: texts(&client.redirect_uris),
        post_logout_redirect_uris: texts(&client.post_logout_redirect_uris),
        scope: Some(client.scope.clone()),
        resources: Some(client.resources.iter().cloned().collect()),
        origins: Some(client.allowed_origins.iter().cloned().collect()),
        response_modes: Some(client.response_modes.clone()),
        response_types: Some(client.response_types.clone()),
        refreshes: Some(client.grant_types.contains(&GrantType::RefreshToken)),
        pkce: Some(client.pkce),
        consent: Some(client.consent),
        jwks,
        jwks_uri: Change::to(client.keys.jwks_uri.clone()),
        request_uris: Some(client.request_objects.uris.iter().cloned().collect()),
        request_object_algorithm: Change::to(client.request_objects.algorithm),
        userinfo_algorithm: Change::to(client.userinfo_algorithm),
        id_token_encryption: Change::to(client.encryption.id_token),
        userinfo_encryption: Change::to(client.encryption.userinfo),
        request_object_encryption: Change::to(client.request_objects.encryption),
        assertion_audience,
        certificate_subject: client.authentication.certificate_subject().cloned(),
        certificate_bound: Some(client.tokens.certificate_bound),
        access_token_format: Some(tokens.access_token_format),
        id_token_algorithm: Some(tokens.id_token_algorithm),
        refresh_rotation: Some(tokens.refresh_rotation),
        access_token_lifetime: Change::to(tokens.access_token_lifetime),
        id_token_lifetime: Change::to(tokens.id_token_lifetime),
        refresh_idle: Change::to(tokens.refresh_idle),
        refresh_absolute: Change::to(tokens.refresh_absolute),
        refresh_grace: Change::to(tokens.refresh_grace),
        default_max_age: Change::to(client.default_max_age),
        client_uri: Change::to(links.client.clone()),
        logo_uri: Change::to(links.logo.clone()),
        policy_uri: Change::to(links.policy.clone()),
        tos_uri: Change::to(links.terms.clone()),
        initiate_login_uri: Change::to(links.initiate_login.clone()),
        frontchannel_logout_uri: Change::to(client.logout.frontchannel_uri.clone()),
        backchannel_logout_uri: Change::to(client.logout.backchannel_uri.clone()),
        requests_per_minute: Change::to(client.requests_per_minute),
        rights: Some(client.rights.clone()),
    }
}
