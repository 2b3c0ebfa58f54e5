//! What a user sees of the own account.

use serde_json::{Value, json};

use crate::{
    application::{Failure, Ports},
    domain::{consent::Consent, user::User},
};

/// An application that a user allowed something.
#[derive(Clone, Debug)]
pub struct Connected {
    /// Its name; its identifier where it is gone.
    pub name: String,
    /// What it was allowed, and when that last grew.
    pub consent: Consent,
}

/// The applications that `user` allowed something, in the order of their identifiers.
pub async fn applications(ports: &Ports, user: &User) -> Result<Vec<Connected>, Failure> {
    let consents = ports.store.reader().consents_of(&user.id).await?;
    let (_, sight) = ports.directory.look(&[]).await?;
    let mut connected = Vec::with_capacity(consents.len());
    for consent in consents {
        let client = sight.client(&consent.client).await?;
        let name = client.map_or_else(|| consent.client.to_string(), |client| client.name.clone());
        connected.push(Connected { name, consent });
    }
    Ok(connected)
}

/// Everything that the account holds about its user, for the user to keep (GDPR article 20). No secrets.
pub async fn export(ports: &Ports, user: &User) -> Result<Value, Failure> {
    let authority = ports.store.reader().authority(&user.id).await?;
    let applications = applications(ports, user).await?;
    let applications: Vec<Value> = applications
        .iter()
        .map(|Connected { name, consent }| {
            json!({
                "client_id": consent.client,
                "name": name,
                "scope": consent.scope,
                "claims": consent.claims,
                "allowed_at": consent.granted_at,
            })
        })
        .collect();
    Ok(json!({
        "sub": user.id,
        "username": user.username,
        "email": user.email,
        "email_verified": user.email_verified,
        "profile": user.profile,
        "created_at": user.created_at,
        "updated_at": user.updated_at,
        "roles": authority.roles,
        "groups": authority.groups,
        "permissions": authority.permissions,
        "applications": applications,
    }))
}
