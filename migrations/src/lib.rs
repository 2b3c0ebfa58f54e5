//! Versioned SQL migrations, one per table or change, for SQLite and PostgreSQL.
//!
//! A migration that has been released is never edited: a change is a new one.

mod columns;
mod m20261123_000001_users;
mod m20261123_000002_password_credentials;
mod m20261123_000003_roles;
mod m20261123_000004_permissions;
mod m20261123_000005_role_assignments;
mod m20261123_000006_groups;
mod m20261123_000007_group_roles;
mod m20261123_000008_group_members;
mod m20261123_000009_clients;
mod m20261123_000010_resource_servers;
mod m20261123_000011_consents;
mod m20261123_000012_grants;
mod m20261123_000013_signing_keys;
mod m20261123_000014_audit_events;
mod m20261123_000015_outbox;
mod m20261124_000016_directory_changes;
mod m20261124_000017_revocations;
mod m20261124_000018_user_security_version;
mod m20261124_000026_user_login_epoch;
mod m20261125_000030_outbox_letters;
mod m20261125_000031_audit_actor;
mod m20261125_000032_login_statistics;
mod m20261125_000040_group_parent;
mod m20261125_000041_user_claims;
mod m20261125_000050_one_time_links;
mod m20261126_000060_user_sessions;
mod m20261126_000061_permission_names;
mod m20261126_000062_grants_of_a_user;
mod m20261127_000063_user_deletion;
mod m20261127_000064_members;
mod m20261127_000065_person_names;
mod m20261127_000066_consented_claims;

use sea_orm_migration::{prelude::*, sea_orm::DatabaseTransaction};

/// The table in which a database remembers the migrations it has seen, by their names in a column
/// `version`.
pub const TABLE: &str = "seaql_migrations";

/// The names of all migrations in the order in which they run.
pub fn names() -> Vec<String> {
    Migrator::migrations()
        .iter()
        .map(|migration| migration.name().to_owned())
        .collect()
}

/// Runs the migrations that the database has not seen, and names them. Whoever calls holds a lock
/// against others who would do the same.
pub async fn apply(transaction: &DatabaseTransaction) -> Result<Vec<String>, DbErr> {
    let pending = Migrator::get_pending_migrations(transaction).await?;
    Migrator::up(transaction, None).await?;
    Ok(pending
        .iter()
        .map(|migration| migration.name().to_owned())
        .collect())
}

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261123_000001_users::Migration),
            Box::new(m20261123_000002_password_credentials::Migration),
            Box::new(m20261123_000003_roles::Migration),
            Box::new(m20261123_000004_permissions::Migration),
            Box::new(m20261123_000005_role_assignments::Migration),
            Box::new(m20261123_000006_groups::Migration),
            Box::new(m20261123_000007_group_roles::Migration),
            Box::new(m20261123_000008_group_members::Migration),
            Box::new(m20261123_000009_clients::Migration),
            Box::new(m20261123_000010_resource_servers::Migration),
            Box::new(m20261123_000011_consents::Migration),
            Box::new(m20261123_000012_grants::Migration),
            Box::new(m20261123_000013_signing_keys::Migration),
            Box::new(m20261123_000014_audit_events::Migration),
            Box::new(m20261123_000015_outbox::Migration),
            Box::new(m20261124_000016_directory_changes::Migration),
            Box::new(m20261124_000017_revocations::Migration),
            Box::new(m20261124_000018_user_security_version::Migration),
            Box::new(m20261124_000026_user_login_epoch::Migration),
            Box::new(m20261125_000030_outbox_letters::Migration),
            Box::new(m20261125_000031_audit_actor::Migration),
            Box::new(m20261125_000032_login_statistics::Migration),
            Box::new(m20261125_000040_group_parent::Migration),
            Box::new(m20261125_000041_user_claims::Migration),
            Box::new(m20261125_000050_one_time_links::Migration),
            Box::new(m20261126_000060_user_sessions::Migration),
            Box::new(m20261126_000061_permission_names::Migration),
            Box::new(m20261126_000062_grants_of_a_user::Migration),
            Box::new(m20261127_000063_user_deletion::Migration),
            Box::new(m20261127_000064_members::Migration),
            Box::new(m20261127_000065_person_names::Migration),
            Box::new(m20261127_000066_consented_claims::Migration),
        ]
    }
}
