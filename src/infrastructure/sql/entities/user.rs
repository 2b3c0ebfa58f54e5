//! A user with all standard claims (OIDC Core §5.1).

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub username: String,
    pub email: Option<String>,
    pub email_verified: bool,
    pub status: String,
    pub not_before: i64,
    pub security_version: i64,
    pub created_at: i64,
    pub updated_at: i64,
    pub login_epoch: i64,
    pub deletion_due: Option<i64>,
    pub first_key: Option<String>,
    pub last_key: Option<String>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub full_name: Option<String>,
    pub middle_name: Option<String>,
    pub nickname: Option<String>,
    pub profile: Option<String>,
    pub picture: Option<String>,
    pub website: Option<String>,
    pub gender: Option<String>,
    pub birthdate: Option<String>,
    pub zoneinfo: Option<String>,
    pub locale: Option<String>,
    pub phone_number: Option<String>,
    pub phone_number_verified: bool,
    pub address_formatted: Option<String>,
    pub address_street: Option<String>,
    pub address_locality: Option<String>,
    pub address_region: Option<String>,
    pub address_postal_code: Option<String>,
    pub address_country: Option<String>,
    #[sea_orm(has_one)]
    pub password: HasOne<super::password_credential::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
