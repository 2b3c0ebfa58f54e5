//! `role`: roles and what they allow.

use std::collections::BTreeSet;

use clap::Subcommand;
use serde_json::json;

use super::{CliError, Global, confirm::Confirm, registrar};
use crate::{
    application::{
        commands::define_role::{
            DefineRole, define_role, delete_role, grant_permissions, revoke_permissions,
        },
        registrar::{Registrar, RegistrarError},
    },
    domain::role::{Permission, Role},
};

#[derive(Debug, Subcommand)]
pub(super) enum RoleVerb {
    /// Make a role
    ///
    /// Example: countersign role add editor --permission articles:write
    Add {
        /// Its name: the value in the `roles` claim
        name: String,
        /// What it is for
        #[arg(long)]
        description: Option<String>,
        #[command(flatten)]
        permissions: Permissions,
    },
    /// List all roles
    List,
    /// Add permissions to a role
    ///
    /// Example: countersign role grant editor --permission articles:delete --resource <https://api.example.com>
    Grant {
        /// The role
        role: String,
        #[command(flatten)]
        permissions: Permissions,
    },
    /// Take permissions from a role, each as it was given
    ///
    /// Example: countersign role revoke editor --permission articles:delete --resource <https://api.example.com>
    Revoke {
        /// The role
        role: String,
        #[command(flatten)]
        permissions: Permissions,
    },
    /// Remove a role from whoever has it
    Delete {
        /// The role
        role: String,
        #[command(flatten)]
        confirm: Confirm,
    },
    /// Show what a role allows
    Permissions {
        /// The role
        role: String,
    },
}

/// Permissions on the command line.
#[derive(Debug, clap::Args)]
pub(super) struct Permissions {
    /// A permission such as reports:read, which is also the scope value that a client asks for; may
    /// be repeated
    #[arg(long = "permission", value_name = "NAME")]
    names: Vec<String>,
    /// The resource server at which they hold; everywhere where absent
    #[arg(long, value_name = "URI", requires = "names")]
    resource: Option<String>,
}

impl Permissions {
    fn parse(self) -> BTreeSet<Permission> {
        let resource = self.resource;
        self.names
            .into_iter()
            .map(|name| Permission {
                name,
                resource: resource.clone(),
            })
            .collect()
    }
}

pub(super) async fn run(global: &Global, verb: RoleVerb) -> Result<(), CliError> {
    let (registrar, _) = registrar::open(global).await?;
    match verb {
        RoleVerb::Add {
            name,
            description,
            permissions,
        } => {
            let command = DefineRole {
                name,
                description,
                permissions: permissions.parse(),
            };
            show(global, &define_role(&registrar, command).await?)
        }
        RoleVerb::List => list(global, &registrar).await,
        RoleVerb::Grant { role, permissions } => {
            let permissions = permissions.parse();
            if permissions.is_empty() {
                return Err(CliError::usage("nothing to grant").hint("name it with --permission"));
            }
            show(
                global,
                &grant_permissions(&registrar, &role, permissions).await?,
            )
        }
        RoleVerb::Revoke { role, permissions } => {
            let permissions = permissions.parse();
            if permissions.is_empty() {
                return Err(CliError::usage("nothing to revoke").hint("name it with --permission"));
            }
            let role = revoke_permissions(&registrar, &role, &permissions).await?;
            show(global, &role)
        }
        RoleVerb::Delete { role, confirm } => {
            find(&registrar, &role).await?;
            confirm.ask(&format!(
                "Take the role {role} from whoever has it, for good?"
            ))?;
            delete_role(&registrar, &role).await?;
            let text = format!("the role {role} is removed");
            global.output().print(&json!({ "deleted": role }), text)
        }
        RoleVerb::Permissions { role } => show(global, &find(&registrar, &role).await?),
    }
}

async fn find(registrar: &Registrar, name: &str) -> Result<Role, RegistrarError> {
    let found = registrar.store.reader().role_by_name(name).await?;
    found.ok_or_else(|| RegistrarError::NotFound("role", name.to_owned()))
}

async fn list(global: &Global, registrar: &Registrar) -> Result<(), CliError> {
    let roles = registrar.store.reader().roles().await;
    let roles = roles.map_err(RegistrarError::from)?;
    let lines: Vec<_> = roles.iter().map(line).collect();
    global.output().print(&json!(roles), lines.join("\n"))
}

fn show(global: &Global, role: &Role) -> Result<(), CliError> {
    global.output().print(&json!(role), line(role))
}

fn line(role: &Role) -> String {
    let permissions = role.permissions.iter().map(|p| match &p.resource {
        Some(resource) => format!("{} at {resource}", p.name),
        None => p.name.clone(),
    });
    let permissions: Vec<_> = permissions.collect();
    format!("{:24} {}", role.name, permissions.join(", "))
}
