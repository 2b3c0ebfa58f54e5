//! The authorization endpoint: from a request to a page or to a response (RFC 6749 §4.1,
//! OIDC Core §3.1.2).
//!
//! A request that needs a page becomes an interaction of its own ([`interactions`]), bound to the
//! browser by a secret in a cookie, so that parallel tabs do not disturb each other and nobody can
//! finish what somebody else began.
//!
//! [`interactions`]: crate::application::interactions

use std::{collections::BTreeSet, sync::Arc};

mod respond;

use respond::respond;

use super::{end_session::read_hint, withdraw_consent};
pub use crate::application::interactions::{Interaction, InteractionError, Ticket, find};
use crate::{
    application::{
        Failure, Ports,
        directory::Sight,
        explanation,
        interactions::{advance, finish},
        request_objects,
        trail::{About, Origin},
    },
    domain::{
        client::Client,
        consent::Consent,
        event::EventKind,
        id::{ClientId, UserId},
    },
    protocol::{
        authentication::{
            Login, Question, Situation, Step, consented_claims, consented_scope, next_step,
        },
        authorization::{AuthorizationRequest, RawAuthorization, Unanswerable},
        error::{ErrorCode, OAuthError},
        params::Params,
        response_mode::{Delivery, RedirectTarget},
    },
};

/// What the browser gets.
#[derive(Debug)]
pub enum Outcome {
    /// The response to the client.
    Respond(Delivery),
    /// The page of this interaction that asks this.
    Ask(Question, Ticket),
    /// An error page: nobody may be answered.
    Unanswerable(Unanswerable),
}

/// The browser that asks, and whoever is logged in there.
#[derive(Clone, Copy)]
pub struct Visitor<'a> {
    /// Who is logged in.
    pub login: Option<&'a Login>,
    /// The state of the browser, which changes with its session (OIDC Session Management §3.2).
    pub browser_state: Option<&'a str>,
    /// Where the request comes from; most requests need not say.
    pub origin: &'a (dyn Fn() -> Origin + Sync),
}

/// An interaction as it stands.
pub struct Waiting {
    /// What is remembered of it.
    pub interaction: Interaction,
    /// Who asks.
    pub client: Arc<Client>,
    /// What comes next.
    pub step: Step,
}

/// Takes a new authorization request of a browser in which `login` may be logged in.
pub async fn begin(
    ports: &Ports,
    params: Params,
    visitor: Visitor<'_>,
) -> Result<Outcome, Failure> {
    let raw = RawAuthorization::parse(params);
    let id = match raw.client_id() {
        Ok(id) => id,
        Err(error) => return Ok(unanswerable(None, error)),
    };
    let (_, sight) = ports.directory.look(&[]).await?;
    let Some(client) = sight.client(&id).await? else {
        return Ok(unanswerable(Some(&id), Unanswerable::unknown(&id)));
    };
    // What a request object says wins over what stands beside it, the address of the answer included.
    let (raw, unresolved) = match request_objects::resolve(ports, &client, raw.params()).await {
        Ok(Some(params)) => (RawAuthorization::parse(params), None),
        Ok(None) => (raw, None),
        Err(failure) => (raw, Some(failure)),
    };
    let bound = match raw.bind(&client) {
        Ok(bound) => bound,
        Err(error) => return Ok(unanswerable(Some(&id), error)),
    };
    let target = bound.target.clone();
    if let Some(failure) = unresolved {
        return Ok(refuse(ports, (&id, &target), &failure));
    }
    let outcome = match bound.accept(&client, &ports.settings.features) {
        Ok(request) => {
            let asked = (request, target.clone());
            open(ports, (&sight, &client), asked, visitor).await
        }
        Err(error) => Err(error.into()),
    };
    // From here on the client learns about every failure (RFC 6749 §4.1.2.1).
    Ok(outcome.unwrap_or_else(|failure| refuse(ports, (&id, &target), &failure)))
}

/// Goes on with an interaction after a page did its work.
pub async fn resume(
    ports: &Ports,
    id: &str,
    secret: Option<&str>,
    visitor: Visitor<'_>,
) -> Result<Outcome, InteractionError> {
    let (waiting, sight) = examine(ports, id, secret, visitor.login).await?;
    let interaction = waiting.interaction;
    let outcome = match waiting.step {
        Step::Ask(question) => {
            let ticket = Ticket {
                id: id.to_owned(),
                client: interaction.request.client,
                secret: None,
            };
            return Ok(Outcome::Ask(question, ticket));
        }
        Step::Fail(error) => Err(error.into()),
        Step::Issue => {
            let client = waiting.client.clone();
            respond(ports, (sight, client), &interaction, visitor).await
        }
    };
    finish(ports, id, &interaction).await?;
    let to = (&waiting.client.id, &interaction.target);
    Ok(outcome.unwrap_or_else(|failure| refuse(ports, to, &failure)))
}

/// Looks at an interaction and what it waits for, and changes nothing.
pub async fn look(
    ports: &Ports,
    id: &str,
    secret: Option<&str>,
    login: Option<&Login>,
) -> Result<Waiting, InteractionError> {
    let (waiting, _) = examine(ports, id, secret, login).await?;
    Ok(waiting)
}

/// The same, with what was seen of the directory.
async fn examine<'p>(
    ports: &'p Ports,
    id: &str,
    secret: Option<&str>,
    login: Option<&Login>,
) -> Result<(Waiting, Sight<'p>), InteractionError> {
    let interaction = find(ports, id, secret).await?.record;
    let (_, sight) = ports.directory.look(&[]).await?;
    let client = sight.client(&interaction.request.client).await;
    let client = client
        .map_err(Failure::from)?
        .filter(|client| client.is_active())
        .ok_or(InteractionError::Over)?;
    let step = step(ports, (&sight, &client), &interaction, login).await?;
    let waiting = Waiting {
        interaction,
        client,
        step,
    };
    Ok((waiting, sight))
}

/// Notes that `user` logged in within the interaction.
pub async fn note_login(
    ports: &Ports,
    id: &str,
    secret: Option<&str>,
    user: &UserId,
) -> Result<(), InteractionError> {
    advance(ports, id, secret, |progress| {
        progress.logged_in = Some(user.clone());
    })
    .await
}

/// Notes that the person at the browser goes on as `user`, who is logged in.
pub async fn note_choice(
    ports: &Ports,
    id: &str,
    secret: Option<&str>,
    user: &UserId,
) -> Result<(), InteractionError> {
    advance(ports, id, secret, |progress| {
        progress.chosen = Some(user.clone());
    })
    .await
}

/// Remembers the consent of `login`'s user and notes it within the interaction.
pub async fn grant_consent(
    ports: &Ports,
    id: &str,
    secret: Option<&str>,
    login: &Login,
    origin: &Origin,
) -> Result<(), InteractionError> {
    let interaction = find(ports, id, secret).await?.record;
    remember_consent(ports, &interaction, login, origin).await?;
    advance(ports, id, secret, |progress| {
        progress.consented = Some(login.user.clone());
    })
    .await
}

/// Ends the interaction because the user declined: the client gets `access_denied`.
pub async fn decline(
    ports: &Ports,
    id: &str,
    secret: Option<&str>,
    login: Option<&Login>,
    origin: &Origin,
) -> Result<Delivery, InteractionError> {
    let interaction = find(ports, id, secret).await?.record;
    // Whoever declines without having logged in has decided nothing for anybody: nothing is written.
    if let Some(login) = login {
        finish(ports, id, &interaction).await?;
        let about = About {
            user: Some(login.user.clone()),
            client: Some(interaction.request.client.clone()),
            ..About::default()
        };
        ports
            .record(EventKind::ConsentDenied, origin, about)
            .await
            .map_err(Failure::from)?;
    }
    let error = OAuthError::new(ErrorCode::AccessDenied, "the user declined");
    Ok(interaction.target.failure(&error, &ports.settings.issuer))
}

async fn open(
    ports: &Ports,
    (sight, client): (&Sight<'_>, &Arc<Client>),
    (request, target): (AuthorizationRequest, RedirectTarget),
    visitor: Visitor<'_>,
) -> Result<Outcome, Failure> {
    let secret = ports.secret();
    let hinted = hinted_user(ports, client, &request).await?;
    let interaction = Interaction::begin(ports, (request, target), hinted, &secret);
    let question = match step(ports, (sight, client), &interaction, visitor.login).await? {
        Step::Ask(question) => question,
        Step::Issue => {
            let seen = (sight.clone(), client.clone());
            return respond(ports, seen, &interaction, visitor).await;
        }
        Step::Fail(error) => return Err(error.into()),
    };
    let ticket = Ticket {
        id: interaction.seal(ports)?,
        client: interaction.request.client,
        secret: Some(secret),
    };
    Ok(Outcome::Ask(question, ticket))
}

async fn hinted_user(
    ports: &Ports,
    client: &Client,
    request: &AuthorizationRequest,
) -> Result<Option<UserId>, OAuthError> {
    let Some(hint) = &request.id_token_hint else {
        return Ok(None);
    };
    match read_hint(ports, hint)
        .await
        .filter(|hint| hint.client == client.id)
    {
        Some(hint) => Ok(Some(hint.subject)),
        None => Err(OAuthError::new(
            ErrorCode::InvalidRequest,
            "id_token_hint is not an ID token for this client",
        )),
    }
}

/// Loads what the decision depends on, and decides.
async fn step(
    ports: &Ports,
    (sight, client): (&Sight<'_>, &Client),
    interaction: &Interaction,
    login: Option<&Login>,
) -> Result<Step, Failure> {
    let consent = match login {
        Some(login) => sight.consent(&login.user, &client.id).await?,
        None => None,
    };
    let situation = Situation {
        request: &interaction.request,
        client,
        login,
        hinted: interaction.hinted.as_ref(),
        consent: consent.as_deref(),
        progress: &interaction.progress,
    };
    Ok(next_step(&situation, ports.clock.now()))
}

fn unanswerable(client: Option<&ClientId>, reason: Unanswerable) -> Outcome {
    explanation::of_unanswerable(client, &reason);
    Outcome::Unanswerable(reason)
}

fn refuse(
    ports: &Ports,
    (client, target): (&ClientId, &RedirectTarget),
    failure: &Failure,
) -> Outcome {
    explanation::of(Some(client), failure);
    Outcome::Respond(target.failure(&failure.as_oauth(), &ports.settings.issuer))
}

async fn remember_consent(
    ports: &Ports,
    interaction: &Interaction,
    login: &Login,
    origin: &Origin,
) -> Result<(), Failure> {
    let work = ports.store.begin().await?;
    let client = &interaction.request.client;
    let before = work.consent(&login.user, client).await?;
    let consent = Consent {
        user: login.user.clone(),
        client: client.clone(),
        scope: consented_scope(&interaction.request, before.as_ref()),
        claims: consented_claims(&interaction.request, before.as_ref()),
        granted_at: ports.clock.now(),
    };
    work.put_consent(&consent).await?;
    let claims: BTreeSet<&str> = interaction.request.claims.granted.names().collect();
    let detail = Some(serde_json::json!({ "scope": interaction.request.scope, "claims": claims }));
    let about = About {
        user: Some(login.user.clone()),
        client: Some(client.clone()),
        detail,
        ..About::default()
    };
    ports
        .record_in(&*work, EventKind::ConsentGranted, origin, about)
        .await?;
    work.commit().await?;
    let withdrawn = withdraw_consent::marker(&login.user, client);
    ports.state.delete(&withdrawn).await?;
    Ok(())
}
