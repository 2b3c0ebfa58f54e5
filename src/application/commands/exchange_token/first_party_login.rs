//! The JSON login of the operator's own applications: name and password become tokens without a
//! browser flow.
//!
//! Everything is as on the pages: [`log_in`] with its limits, its trail and its timing, and the gate. What
//! comes of it is an ordinary grant in a session of its own, which ends like any other. It is not the
//! password grant of RFC 6749 §4.3 (RFC 9700 §2.4): the token endpoint does not take it, and only a
//! client that the operator registered for it may.

use std::{collections::BTreeSet, sync::Arc};

use super::{Call, exchange_token, new_grant};
use crate::{
    application::{
        Failure, Ports, client_auth,
        commands::{
            log_in::{LogIn, LogInError, log_in},
            note_session::{self, Beginning},
        },
        issue::{Issue, prepare},
        limits::Endpoint,
        queries::origins,
        trail::Origin,
    },
    domain::{
        claim_demand::GrantedClaims,
        client::Client,
        grant::{Grant, ResourceOwner},
        id::GrantId,
        scope::Scope,
        user::User,
    },
    protocol::{
        authentication::Login,
        capability::Capability,
        client_auth::Credentials,
        error::{ErrorCode, OAuthError},
        gate,
        known_device::Device,
        params::Params,
        resource,
        token::TokenResponse,
    },
};

/// What an application sends.
pub struct FirstPartyLogin<'a> {
    /// The application itself, with its proof if it is confidential.
    pub credentials: &'a Credentials,
    /// Username or email address.
    pub name: &'a str,
    /// Password.
    pub password: &'a str,
    /// What it asks for; everything that it registered where absent.
    pub scope: Option<&'a Scope>,
    /// Where (RFC 8707).
    pub resources: &'a [String],
    /// What it kept of an earlier login.
    pub device: Option<&'a Device>,
    /// The `Origin` of the script that calls, where a browser said one.
    pub script: Option<&'a str>,
    /// What the application said that it is.
    pub agent: Option<String>,
}

/// Somebody who is in.
pub struct Entered {
    /// The tokens.
    pub tokens: TokenResponse,
    /// Who.
    pub user: Arc<User>,
    /// The roles that this client may name.
    pub roles: BTreeSet<String>,
    /// For the application to keep, so that strangers cannot lock its user out.
    pub device: Device,
}

/// Logs somebody in and issues tokens to the application.
pub async fn log_in_first_party(
    ports: &Ports,
    command: FirstPartyLogin<'_>,
    origin: &Origin,
) -> Result<Entered, LogInError> {
    let (_, sight) = ports.directory.look(&[]).await?;
    let client = client_auth::authenticate(
        ports,
        &sight,
        command.credentials,
        (Endpoint::Login, origin),
    )
    .await?;
    let way = Capability::FirstPartyLogin;
    gate::may_use(&client, way, &ports.settings.features).map_err(Failure::from)?;
    check_script(&client, command.script)?;
    let scope = scope_of(&client, command.scope)?;
    let resources = resources_of(&client, command.resources)?;
    let attempt = LogIn {
        name: command.name,
        password: command.password,
        current: None,
        device: command.device,
        client: Some(&client.id),
    };
    let login = log_in(ports, attempt, origin).await?;
    let user_id = login.user.clone();
    let cnf = client_auth::confirmation(&client, command.credentials).map_err(Failure::from)?;
    // A hash takes its time: what is issued goes by what is seen now.
    let (_, sight) = ports.directory.look(&[]).await?;
    let call = Call {
        ports,
        sight,
        client,
        origin,
        cnf,
        now: ports.clock.now(),
    };
    let tokens = issue_for(&call, grant_of(&call, login.clone(), scope, resources)).await?;
    let beginning = Beginning {
        login: &login,
        expires_at: call
            .now
            .plus(call.ports.settings.refresh_policy(&call.client).absolute),
        agent: command.agent,
        client: Some(&call.client.id),
    };
    note_session::begins(ports, beginning, origin).await?;
    let user = call.sight.user(&user_id).await.map_err(Failure::from)?;
    let user = user.ok_or(LogInError::Rejected)?;
    let authority = call
        .sight
        .authority(&user_id)
        .await
        .map_err(Failure::from)?;
    Ok(Entered {
        tokens,
        roles: call.client.rights.named(&authority.roles),
        device: device_of(ports, command.device, &user),
        user,
    })
}

/// Refreshes, for an application that may log in by itself.
pub async fn refresh_first_party(
    ports: &Ports,
    credentials: &Credentials,
    params: &Params,
    origin: &Origin,
) -> Result<TokenResponse, Failure> {
    let (_, sight) = ports.directory.look(&[]).await?;
    if let Some(client) = sight.client(&credentials.client).await? {
        gate::may_use(
            &client,
            Capability::FirstPartyLogin,
            &ports.settings.features,
        )?;
    }
    exchange_token(ports, credentials, params, origin).await
}

fn grant_of(call: &Call<'_>, login: Login, scope: Scope, resources: Vec<String>) -> Grant {
    Grant {
        id: GrantId::new(call.ports.identifier()),
        client: call.client.id.clone(),
        owner: Some(ResourceOwner {
            subject: login.user,
            authentication: login.authentication,
            nonce: None,
        }),
        scope,
        resources,
        claims: GrantedClaims::default(),
        granted_at: call.now,
    }
}

async fn issue_for(call: &Call<'_>, grant: Grant) -> Result<TokenResponse, Failure> {
    let way = Capability::FirstPartyLogin;
    call.admit(&grant, way).await?;
    let family = new_grant::family(call, &grant);
    let refresh_token = family
        .as_ref()
        .map(|_| call.ports.refresh_key.token(grant.id.as_str(), 0));
    let issue = Issue {
        client: &call.client,
        grant: &grant,
        refresh_token,
        nonce: None,
        cnf: call.cnf.clone(),
        now: call.now,
    };
    let answer = prepare(call.ports, &call.sight, issue).await?;
    let (stored, answered) = new_grant::write(call, &grant, family.as_ref(), &answer).await;
    if !stored? {
        return Err(Failure::Broken("a fresh identifier", None));
    }
    answered?;
    new_grant::look_again(call, &grant, way).await?;
    Ok(answer.response)
}

/// The browser tells from which page a script calls. Only the client's own pages may.
fn check_script(client: &Client, script: Option<&str>) -> Result<(), Failure> {
    let is_own = script.is_none_or(|origin| origins::belongs_to(client, origin));
    if is_own {
        return Ok(());
    }
    Err(OAuthError::new(
        ErrorCode::AccessDenied,
        "the origin is not one that the client registered",
    )
    .into())
}

fn scope_of(client: &Client, asked: Option<&Scope>) -> Result<Scope, Failure> {
    let scope = asked.unwrap_or(&client.scope);
    if scope.is_subset(&client.scope) {
        return Ok(scope.clone());
    }
    Err(OAuthError::new(
        ErrorCode::InvalidScope,
        "the scope is more than the client may have",
    )
    .into())
}

fn resources_of(client: &Client, asked: &[String]) -> Result<Vec<String>, Failure> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let allowed: Vec<String> = client.resources.iter().cloned().collect();
    Ok(resource::narrowed(asked, &allowed)?)
}

fn device_of(ports: &Ports, known: Option<&Device>, user: &User) -> Device {
    let device = known.cloned().unwrap_or_else(|| {
        let mut id = [0; 16];
        ports.rng.fill(&mut id);
        Device::new(id)
    });
    ports.device_key.remember(device, &user.id)
}
