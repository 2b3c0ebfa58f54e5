//! `user sessions`: where somebody is signed in.

use serde_json::json;

use crate::{
    application::registrar::{Registrar, RegistrarError},
    cli::{CliError, Global, output::moment},
    domain::{user::User, user_session::device_name},
};

/// Sessions shown at most.
const MOST: u64 = 200;

pub(super) async fn sessions(
    global: &Global,
    registrar: &Registrar,
    user: &User,
) -> Result<(), CliError> {
    let reader = registrar.store.reader();
    let sessions = reader.sessions_of(&user.id, MOST).await;
    let mut sessions = sessions.map_err(RegistrarError::from)?;
    let now = registrar.clock.now();
    sessions.retain(|session| session.stands(user.security_version, now));
    let json: Vec<_> = sessions
        .iter()
        .map(|session| {
            json!({
                "sid": session.id,
                "started_at": session.started_at,
                "seen_at": session.seen_at,
                "expires_at": session.expires_at,
                "address": session.address,
                "user_agent": session.agent,
                "client_id": session.client,
            })
        })
        .collect();
    let lines: Vec<_> = sessions
        .iter()
        .map(|session| {
            let device = device_name(session.agent.as_deref().unwrap_or_default());
            let address = session.address.as_deref().unwrap_or("-");
            let client = session.client.as_ref().map_or("", |client| client.as_str());
            format!(
                "{}  {}  {address:20} {device} {client}",
                moment(session.started_at),
                moment(session.seen_at),
            )
        })
        .collect();
    let text = if lines.is_empty() {
        format!("{} is signed in nowhere", user.username)
    } else {
        format!(
            "{:24}  {:24}  {:20} device\n{}",
            "since",
            "last used",
            "network",
            lines.join("\n")
        )
    };
    global.output().print(&json!(json), text)
}
