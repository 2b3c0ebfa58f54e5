//! OIDC Core §3.1.2.5, §3.2.2.5, §3.3.2.5 — the authorization response: whatever parts the response
//! type has, made in one place.

use std::sync::Arc;

use super::{Interaction, Outcome, Visitor};
use crate::{
    application::{
        Failure, Ports,
        commands::exchange_token::{Call, new_grant},
        directory::Sight,
        issue::{Show, show},
        ports::state::{Kind, StateKey},
        state,
    },
    domain::{
        client::{Client, GrantType},
        grant::{Grant, ResourceOwner},
        time::Timestamp,
    },
    protocol::{
        authentication::Login,
        authorization_response::AuthorizationResponse,
        capability::Capability,
        code_grant::{CodeRecord, CodeSlot, grant_id, shown_grant_id},
        resource, session_state,
    },
};

/// Makes what the response type asks for.
pub(super) async fn respond(
    ports: &Ports,
    (sight, client): (Sight<'_>, Arc<Client>),
    interaction: &Interaction,
    visitor: Visitor<'_>,
) -> Result<Outcome, Failure> {
    let login = visitor.login.ok_or(Failure::Broken("the flow", None))?;
    let response_type = interaction.request.response_type;
    let now = ports.clock.now();
    let code = ports.secret();
    let granted = grant(interaction, login, &code, now);
    let mut response = AuthorizationResponse::default();
    if response_type.shows_tokens() {
        let origin = (visitor.origin)();
        let call = Call {
            ports,
            sight,
            client,
            origin: &origin,
            cnf: None,
            now,
        };
        let code = response_type.has_code().then_some(code.as_str());
        response = show_tokens(&call, &granted, interaction, code).await?;
    }
    if response_type.has_code() {
        store_code(ports, &code, (granted, interaction), now).await?;
        response.code = Some(code);
    }
    response.session_state = session_state(ports, interaction, visitor.browser_state);
    let issuer = &ports.settings.issuer;
    Ok(Outcome::Respond(
        interaction.target.success(response, issuer),
    ))
}

/// What the client's frame asks ours by. Only OpenID Connect knows it.
fn session_state(
    ports: &Ports,
    interaction: &Interaction,
    browser_state: Option<&str>,
) -> Option<String> {
    let request = &interaction.request;
    let browser_state = browser_state.filter(|_| request.scope.contains("openid"))?;
    let origin = session_state::origin(&request.redirect_uri)?;
    let salt = ports.identifier();
    Some(session_state::session_state(
        &request.client,
        &origin,
        browser_state,
        &salt,
    ))
}

fn grant(interaction: &Interaction, login: &Login, code: &str, now: Timestamp) -> Grant {
    let request = &interaction.request;
    Grant {
        id: grant_id(code),
        client: request.client.clone(),
        owner: Some(ResourceOwner {
            subject: login.user.clone(),
            authentication: login.authentication.clone(),
            nonce: request.nonce.clone(),
        }),
        scope: request.scope.clone(),
        resources: request.resources.clone(),
        claims: request.claims.granted.clone(),
        granted_at: now,
    }
}

async fn store_code(
    ports: &Ports,
    code: &str,
    (grant, interaction): (Grant, &Interaction),
    now: Timestamp,
) -> Result<(), Failure> {
    let ttl = ports.settings.lifetimes.code;
    let record = CodeRecord {
        grant,
        redirect_uri: interaction.request.redirect_uri.clone(),
        challenge: interaction.request.challenge.clone(),
        expires_at: now.plus(ttl),
    };
    // The store ends it too, so that a node whose clock is behind cannot accept it any more.
    let slot = CodeSlot::Live(Box::new(record));
    state::put_record(&*ports.state, &StateKey::new(Kind::Code, code), &slot, ttl).await?;
    Ok(())
}

/// Tokens that go through the browser. An access token stands on a grant of its own, written before
/// anybody sees it and looked at once more, as at the token endpoint.
async fn show_tokens(
    call: &Call<'_>,
    granted: &Grant,
    interaction: &Interaction,
    code: Option<&str>,
) -> Result<AuthorizationResponse, Failure> {
    let way = Capability::Grant(GrantType::Implicit);
    let response_type = interaction.request.response_type;
    let beside = code.unwrap_or(granted.id.as_str());
    let granted = Grant {
        id: shown_grant_id(beside),
        ..granted.clone()
    };
    call.admit(&granted, way).await?;
    // What the client may ask for can have shrunk since it asked, and nothing here can be refreshed.
    let resources = resource::still_allowed(&granted.resources, &call.client.resources)?;
    let scope = call.client.scope.without("offline_access");
    let narrowed = granted.narrow(&scope, resources);
    let asked = Show {
        client: &call.client,
        grant: &narrowed,
        response_type,
        code,
        state: interaction.target.state(),
        now: call.now,
    };
    let shown = show(call.ports, &call.sight, asked).await?;
    // By its grant a client is also known to have taken part in the session when that ends.
    if !new_grant::store_grant(call, &narrowed, false).await? {
        return Err(Failure::Broken("a fresh identifier", None));
    }
    shown.store(call.ports).await?;
    new_grant::look_again(call, &narrowed, way).await?;
    Ok(AuthorizationResponse {
        code: None,
        session_state: None,
        id_token: shown.id_token,
        access: shown.access,
    })
}
