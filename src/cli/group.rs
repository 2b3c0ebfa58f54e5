//! `group`: named sets of users who share roles.

use std::collections::BTreeSet;

use clap::Subcommand;
use serde_json::{Value, json};

use super::{CliError, Global, confirm::Confirm, registrar};
use crate::{
    application::{
        commands::define_group::{
            DefineGroup, Membership, change_membership, define_group, delete_group, nest_group,
            set_group_roles,
        },
        registrar::{Registrar, RegistrarError},
    },
    domain::role::{Group, Role},
};

#[derive(Debug, Subcommand)]
pub(super) enum GroupVerb {
    /// Make a group
    ///
    /// Example: countersign group add editors --role editor --within staff
    Add {
        /// Its name: the value in the `groups` claim
        name: String,
        /// A role that its members have; may be repeated
        #[arg(long = "role", value_name = "ROLE")]
        roles: Vec<String>,
        /// The group around it: its members have the roles of that one as well
        #[arg(long, value_name = "GROUP")]
        within: Option<String>,
    },
    /// List all groups
    List,
    /// Show one group
    Show {
        /// The group
        group: String,
    },
    /// Say which roles the members of a group have, instead of those that they had
    ///
    /// Example: countersign group roles editors --role editor --role reader
    Roles {
        /// The group
        group: String,
        /// A role that its members have; may be repeated, none for no role
        #[arg(long = "role", value_name = "ROLE")]
        roles: Vec<String>,
    },
    /// Put a group within another one, or by itself
    ///
    /// Example: countersign group nest editors --within staff
    Nest {
        /// The group
        group: String,
        /// The group around it; by itself where absent
        #[arg(long, value_name = "GROUP")]
        within: Option<String>,
    },
    /// Put a user into a group
    ///
    /// Example: countersign group join editors alice
    Join {
        /// The group
        group: String,
        /// Username or email address
        user: String,
    },
    /// Take a user out of a group
    Leave {
        /// The group
        group: String,
        /// Username or email address
        user: String,
    },
    /// Remove a group; those within it stand by themselves afterwards
    Delete {
        /// The group
        group: String,
        #[command(flatten)]
        confirm: Confirm,
    },
}

pub(super) async fn run(global: &Global, verb: GroupVerb) -> Result<(), CliError> {
    let (registrar, _) = registrar::open(global).await?;
    let group = match verb {
        GroupVerb::List => return list(global, &registrar).await,
        GroupVerb::Add {
            name,
            roles,
            within,
        } => {
            let command = DefineGroup {
                name,
                roles: roles.into_iter().collect(),
                parent: within,
            };
            define_group(&registrar, command).await?.name
        }
        GroupVerb::Show { group } => group,
        GroupVerb::Roles { group, roles } => {
            let roles: BTreeSet<String> = roles.into_iter().collect();
            set_group_roles(&registrar, &group, &roles).await?.name
        }
        GroupVerb::Nest { group, within } => {
            nest_group(&registrar, &group, within.as_deref())
                .await?
                .name
        }
        GroupVerb::Join { group, user } => {
            change_membership(&registrar, &user, &group, Membership::Join).await?;
            return moved(global, &user, &group, "is in");
        }
        GroupVerb::Leave { group, user } => {
            change_membership(&registrar, &user, &group, Membership::Leave).await?;
            return moved(global, &user, &group, "is not in");
        }
        GroupVerb::Delete { group, confirm } => {
            find(&registrar, &group).await?;
            confirm.ask(&format!("Remove the group {group} for good?"))?;
            delete_group(&registrar, &group).await?;
            let text = format!("the group {group} is removed");
            return global.output().print(&json!({ "deleted": group }), text);
        }
    };
    show(global, &registrar, &group).await
}

fn moved(global: &Global, user: &str, group: &str, how: &str) -> Result<(), CliError> {
    let json = json!({ "user": user, "group": group });
    global
        .output()
        .print(&json, format!("{user} {how} {group}"))
}

async fn find(registrar: &Registrar, name: &str) -> Result<Group, RegistrarError> {
    let found = registrar.store.reader().group_by_name(name).await?;
    found.ok_or_else(|| RegistrarError::NotFound("group", name.to_owned()))
}

/// All groups and roles, for the names that identifiers stand for.
async fn known(registrar: &Registrar) -> Result<(Vec<Group>, Vec<Role>), RegistrarError> {
    let reader = registrar.store.reader();
    Ok((reader.groups().await?, reader.roles().await?))
}

async fn show(global: &Global, registrar: &Registrar, name: &str) -> Result<(), CliError> {
    let group = find(registrar, name).await?;
    let (groups, roles) = known(registrar).await?;
    let (json, line) = (
        json_of(&group, &groups, &roles),
        line(&group, &groups, &roles),
    );
    global.output().print(&json, line)
}

async fn list(global: &Global, registrar: &Registrar) -> Result<(), CliError> {
    let (groups, roles) = known(registrar).await?;
    let json: Vec<_> = groups
        .iter()
        .map(|it| json_of(it, &groups, &roles))
        .collect();
    let lines: Vec<_> = groups.iter().map(|it| line(it, &groups, &roles)).collect();
    global.output().print(&json.into(), lines.join("\n"))
}

fn json_of(group: &Group, groups: &[Group], roles: &[Role]) -> Value {
    json!({
        "id": group.id,
        "name": group.name,
        "roles": group.role_names(roles),
        "parent": group.parent_name(groups),
    })
}

fn line(group: &Group, groups: &[Group], roles: &[Role]) -> String {
    let within = group.parent_name(groups);
    let within = within.map_or(String::new(), |name| format!("  within {name}"));
    let roles: Vec<String> = group.role_names(roles).into_iter().collect();
    format!("{:24} {}{within}", group.name, roles.join(", "))
}
