//! The sessions on the account page: where the user is signed in, and the end of each.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::State,
    http::{header, request::Parts},
    response::Response,
};
use tower_sessions::Session;

use super::{
    account::{ACCOUNT, moment, on, visit},
    account_views::{Done, SessionView},
};
use crate::{
    application::{
        Failure,
        commands::{
            change_password::end_all_sessions,
            end_session_of_user::{end_other_sessions, end_session_of_user},
        },
        queries::sessions,
    },
    domain::{
        id::SessionId,
        user::User,
        user_session::{UserSession, device_name},
    },
    protocol::authentication::Login,
    web::{Web, answer, context, session},
};

/// What the page shows of the user's sessions: this browser first.
pub(super) async fn views(
    web: &Web,
    user: &User,
    login: &Login,
) -> Result<Vec<SessionView>, Failure> {
    let this = &login.authentication.session;
    let mut found = sessions::of(web.ports.store.reader(), user, web.ports.clock.now()).await?;
    found.sort_by_key(|session| session.id != *this);
    let (_, sight) = web.ports.directory.look(&[]).await?;
    let mut views = Vec::with_capacity(found.len());
    for session in found {
        let client = match &session.client {
            Some(id) => sight.client(id).await?.map(|client| client.name.clone()),
            None => None,
        };
        views.push(view(session, client, this));
    }
    Ok(views)
}

fn view(session: UserSession, client: Option<String>, this: &SessionId) -> SessionView {
    let device = device_name(session.agent.as_deref().unwrap_or_default());
    let was_used = session.client.is_none();
    SessionView {
        is_this: session.id == *this,
        name: match client {
            Some(client) => format!("{client}: {device}"),
            None => device,
        },
        began: moment(session.started_at),
        seen: was_used.then(|| moment(session.seen_at)),
        address: session.address,
        id: session.id,
    }
}

/// POST: one session ends, with all that stands on it.
pub async fn end_one(
    State(web): State<Arc<Web>>,
    session: Session,
    parts: Parts,
    body: Bytes,
) -> Response {
    let visit = match visit(&web, &session, &parts, &body).await {
        Ok(visit) => visit,
        Err(response) => return response,
    };
    let id = SessionId::new(visit.params.get("session").unwrap_or_default());
    let origin = context::origin(&parts);
    match end_session_of_user(&web.ports, &visit.user, &id, &origin).await {
        Ok(true) => on(Done::SessionEnded),
        Ok(false) => answer::see_other(ACCOUNT),
        Err(failure) => answer::failure_page(&failure, context::trace(&parts)),
    }
}

/// POST: every session but this one ends.
pub async fn end_others(
    State(web): State<Arc<Web>>,
    session: Session,
    parts: Parts,
    body: Bytes,
) -> Response {
    let visit = match visit(&web, &session, &parts, &body).await {
        Ok(visit) => visit,
        Err(response) => return response,
    };
    let this = &visit.login.authentication.session;
    let origin = context::origin(&parts);
    match end_other_sessions(&web.ports, &visit.user, this, &origin).await {
        Ok(_) => on(Done::OthersEnded),
        Err(failure) => answer::failure_page(&failure, context::trace(&parts)),
    }
}

/// POST: every session and token ends, this one too.
pub async fn end_all(
    State(web): State<Arc<Web>>,
    session: Session,
    parts: Parts,
    body: Bytes,
) -> Response {
    let visit = match visit(&web, &session, &parts, &body).await {
        Ok(visit) => visit,
        Err(response) => return response,
    };
    let ended = async {
        end_all_sessions(&web.ports, &visit.login.user, &context::origin(&parts)).await?;
        session::end(&session, &web.cookies).await
    };
    match ended.await {
        Ok(removal) => {
            let mut response = answer::see_other("/logged-out");
            if let Some(removal) = removal {
                response.headers_mut().append(header::SET_COOKIE, removal);
            }
            response
        }
        Err(failure) => answer::failure_page(&failure, context::trace(&parts)),
    }
}
