//! Saying something of a user that no profile has a place for. A client hears of it where one of its
//! mappers says so.

use serde_json::{Value, json};

use crate::{
    application::{
        administration::Account,
        registrar::{Registrar, RegistrarError},
        trail::About,
    },
    domain::{administration::Right, claim_name, event::EventKind},
};

/// Direct claims of one user at most.
const MAX_CLAIMS: usize = 32;
/// Bytes of a value at most: it travels in every token that carries it.
const MAX_VALUE: usize = 2048;

/// Sets a direct claim of the user with this login name, or removes it where there is no value.
pub async fn set_claim(
    registrar: &Registrar,
    account: impl Into<Account<'_>>,
    name: &str,
    value: Option<&Value>,
) -> Result<(), RegistrarError> {
    registrar.may(Right::UsersWrite)?;
    claim_name::check(name).map_err(|error| RegistrarError::invalid("claim", error))?;
    let work = registrar.store.begin().await?;
    let user = registrar.take(&*work, account.into()).await?;
    match value {
        Some(value) => {
            check_value(value)?;
            let claims = work.authority(&user.id).await?.claims;
            if !claims.contains_key(name) && claims.len() >= MAX_CLAIMS {
                let problem = format!("a user has at most {MAX_CLAIMS}");
                return Err(RegistrarError::invalid("claim", problem));
            }
            work.put_claim(&user.id, name, value).await?;
        }
        None => {
            if !work.delete_claim(&user.id, name).await? {
                return Err(RegistrarError::NotFound("claim", name.to_owned()));
            }
        }
    }
    // The value may be somebody's business: the trail has the name.
    let change = if value.is_some() { "set" } else { "removed" };
    let about = About {
        user: Some(user.id),
        detail: Some(json!({ "claim": name, "change": change })),
        ..About::default()
    };
    registrar
        .record_in(&*work, EventKind::UserChanged, about)
        .await?;
    work.commit().await?;
    Ok(())
}

pub(super) fn check_value(value: &Value) -> Result<(), RegistrarError> {
    if value.is_null() {
        return Err(RegistrarError::invalid("claim", "null is no value"));
    }
    if value.to_string().len() > MAX_VALUE {
        let problem = format!("the value must be at most {MAX_VALUE} bytes of JSON");
        return Err(RegistrarError::invalid("claim", problem));
    }
    Ok(())
}
