//! Making an owner: somebody who may do everything over the administration API. The operator's way in, at
//! the beginning and when everybody else is locked out.

use std::collections::BTreeSet;

use super::{
    assign_role::{Assignment, assign_role},
    change_user::{set_user_status, unlock},
    define_role::{DefineRole, define_role, grant_permissions},
    invite::invitation,
};
use crate::{
    application::{
        mail::Link,
        registrar::{Registrar, RegistrarError},
    },
    domain::{
        administration::EVERYTHING,
        role::Permission,
        user::{User, UserStatus},
    },
};

/// The role that allows everything.
pub const OWNER: &str = "owner";

/// Gives the user of this login name the role that allows everything, lets them in if they were locked out,
/// and makes a link with which they choose a password. The sessions that they have end with the link's use.
pub async fn make_owner(registrar: &Registrar, name: &str) -> Result<(User, Link), RegistrarError> {
    let everything = Permission {
        name: EVERYTHING.to_owned(),
        resource: None,
    };
    let permissions = BTreeSet::from([everything.clone()]);
    match registrar.store.reader().role_by_name(OWNER).await? {
        Some(role) if role.permissions.contains(&everything) => {}
        Some(_) => {
            grant_permissions(registrar, OWNER, permissions).await?;
        }
        None => {
            let command = DefineRole {
                name: OWNER.to_owned(),
                description: Some("May do everything".to_owned()),
                permissions,
            };
            define_role(registrar, command).await?;
        }
    }
    set_user_status(registrar, name, UserStatus::Active).await?;
    unlock(registrar, name).await?;
    assign_role(registrar, name, OWNER, Assignment::Give).await?;
    invitation(registrar, name).await
}
