//! Users and passwords.

use async_trait::async_trait;
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, Condition, ConnectionTrait, DatabaseTransaction,
    EntityTrait as _, IntoActiveModel as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
    Set, sea_query::OnConflict,
};

use super::{
    Sql,
    entities::{password_credential, user},
    error::corrupt,
    only, page_start, row_limit, storable,
};
use crate::{
    application::ports::{Change, Page, StoreError, UserName, Users, UsersMut},
    domain::{
        id::UserId,
        time::Timestamp,
        user::{Address, Email, PasswordHash, Profile, User, UserStatus, Username, folded_name},
    },
};

#[async_trait]
impl<C: ConnectionTrait + Send> Users for Sql<C> {
    async fn user(&self, id: &UserId) -> Result<Option<User>, StoreError> {
        let Some(id) = storable(id.as_str()) else {
            return Ok(None);
        };
        let query = self.held(user::Entity::find_by_id(id));
        let row = only(query.all(&self.connection)).await;
        self.checked(row)?.map(to_user).transpose()
    }

    async fn user_by_login(
        &self,
        name: &str,
    ) -> Result<Option<(User, Option<PasswordHash>)>, StoreError> {
        let Some(name) = storable(name) else {
            return Ok(None);
        };
        let is_name = if name.contains('@') {
            user::COLUMN.email.eq(name)
        } else {
            user::COLUMN.username.eq(name)
        };
        let rows = self
            .held(user::Entity::find().filter(is_name))
            .find_also_related(password_credential::Entity)
            .all(&self.connection);
        let row = only(rows).await;
        let Some((user, password)) = self.checked(row)? else {
            return Ok(None);
        };
        let hash = password.map(|password| PasswordHash::new(password.hash));
        Ok(Some((to_user(user)?, hash)))
    }

    async fn users(&self, page: &Page) -> Result<Vec<User>, StoreError> {
        let mut query = user::Entity::find().order_by_asc(user::COLUMN.username);
        if let Some(after) = page_start(page.after.as_deref()) {
            query = query.filter(user::COLUMN.username.gt(after));
        }
        let rows = query.limit(row_limit(page.limit)).all(&self.connection);
        self.checked(rows.await)?.into_iter().map(to_user).collect()
    }

    async fn users_by_name(
        &self,
        name: UserName,
        beginning: &str,
        page: &Page,
    ) -> Result<Vec<User>, StoreError> {
        let Some(beginning) = storable(beginning) else {
            return Ok(Vec::new());
        };
        let column = match name {
            UserName::Username => user::Column::Username,
            UserName::Email => user::Column::Email,
            UserName::FirstName => user::Column::FirstKey,
            UserName::LastName => user::Column::LastKey,
        };
        // A range of the index, where LIKE would depend on the locale. No name holds the last character.
        let mut query = user::Entity::find()
            .filter(column.gte(beginning))
            .filter(column.lt(format!("{beginning}{}", char::MAX)))
            .order_by_asc(column);
        let after = page_start(page.after.as_deref());
        match (name, after) {
            (_, None) => {}
            (UserName::Username | UserName::Email, Some(after)) => {
                query = query.filter(column.gt(after));
            }
            // Several people have one name: the identifier tells them apart.
            (UserName::FirstName | UserName::LastName, Some(after)) => {
                let (key, id) = after.split_once('\n').unwrap_or((after, ""));
                let further = Condition::any()
                    .add(column.gt(key))
                    .add(user::Column::Id.gt(id));
                query = query.filter(column.gte(key)).filter(further);
            }
        }
        if matches!(name, UserName::FirstName | UserName::LastName) {
            query = query.order_by_asc(user::Column::Id);
        }
        let rows = query.limit(row_limit(page.limit)).all(&self.connection);
        self.checked(rows.await)?.into_iter().map(to_user).collect()
    }
}

#[async_trait]
impl UsersMut for Sql<DatabaseTransaction> {
    async fn add_user(&self, user: &User) -> Result<(), StoreError> {
        let added = user::Entity::insert(to_row(user).into_active_model())
            .exec_without_returning(&self.connection)
            .await;
        self.checked(added).map(drop)
    }

    async fn update_user(&self, user: &User) -> Result<(), StoreError> {
        self.touch(Change::User(user.id.clone()));
        let row = to_row(user).into_active_model().reset_all();
        let updated = user::Entity::update_many()
            .set(row)
            .filter(user::COLUMN.id.eq(user.id.as_str()))
            .exec(&self.connection)
            .await;
        self.checked(updated).map(drop)
    }

    async fn take_due_for_deletion(
        &self,
        now: Timestamp,
        limit: u64,
    ) -> Result<Vec<User>, StoreError> {
        let due = user::Entity::find()
            .filter(user::COLUMN.deletion_due.lte(now.0))
            .filter(user::COLUMN.status.ne(ACTIVE))
            .order_by_asc(user::COLUMN.deletion_due)
            .limit(row_limit(limit));
        let rows = self.held(due).all(&self.connection).await;
        self.checked(rows)?.into_iter().map(to_user).collect()
    }

    async fn delete_user(&self, user: &UserId) -> Result<bool, StoreError> {
        let Some(id) = storable(user.as_str()) else {
            return Ok(false);
        };
        self.touch(Change::User(user.clone()));
        let deleted = user::Entity::delete_by_id(id).exec(&self.connection);
        Ok(self.checked(deleted.await)?.rows_affected == 1)
    }

    async fn set_password(
        &self,
        user: &UserId,
        hash: &PasswordHash,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        use password_credential::Column;
        let row = password_credential::ActiveModel {
            user_id: Set(user.as_str().to_owned()),
            hash: Set(hash.as_str().to_owned()),
            updated_at: Set(now.0),
        };
        let replace = OnConflict::column(Column::UserId)
            .update_columns([Column::Hash, Column::UpdatedAt])
            .to_owned();
        let stored = password_credential::Entity::insert(row)
            .on_conflict(replace)
            .exec_without_returning(&self.connection)
            .await;
        self.checked(stored).map(drop)
    }
}

fn to_row(user: &User) -> user::Model {
    let profile = user.profile.clone();
    let address = profile.address.unwrap_or_default();
    user::Model {
        id: user.id.as_str().to_owned(),
        username: user.username.as_str().to_owned(),
        email: user.email.as_ref().map(|email| email.as_str().to_owned()),
        email_verified: user.email_verified,
        status: status_text(user.status).to_owned(),
        not_before: user.not_before.0,
        security_version: i64::try_from(user.security_version).unwrap_or(i64::MAX),
        created_at: user.created_at.0,
        updated_at: user.updated_at.0,
        login_epoch: user.login_epoch.cast_signed(),
        deletion_due: user.deletion_due.map(|due| due.0),
        first_key: profile.first_name.as_deref().map(folded_name),
        last_key: profile.last_name.as_deref().map(folded_name),
        first_name: profile.first_name,
        last_name: profile.last_name,
        full_name: profile.full_name,
        middle_name: profile.middle_name,
        nickname: profile.nickname,
        profile: profile.profile,
        picture: profile.picture,
        website: profile.website,
        gender: profile.gender,
        birthdate: profile.birthdate,
        zoneinfo: profile.zoneinfo,
        locale: profile.locale,
        phone_number: profile.phone_number,
        phone_number_verified: profile.phone_number_verified,
        address_formatted: address.formatted,
        address_street: address.street_address,
        address_locality: address.locality,
        address_region: address.region,
        address_postal_code: address.postal_code,
        address_country: address.country,
    }
}

pub(super) fn to_user(row: user::Model) -> Result<User, StoreError> {
    let unreadable = || corrupt("user", &row.id);
    Ok(User {
        id: UserId::new(&row.id),
        username: Username::parse(&row.username).map_err(|_| unreadable())?,
        email: match &row.email {
            Some(email) => Some(Email::parse(email).map_err(|_| unreadable())?),
            None => None,
        },
        email_verified: row.email_verified,
        status: parse_status(&row.status).ok_or_else(unreadable)?,
        not_before: Timestamp(row.not_before),
        security_version: u64::try_from(row.security_version).unwrap_or(0),
        created_at: Timestamp(row.created_at),
        updated_at: Timestamp(row.updated_at),
        login_epoch: row.login_epoch.cast_unsigned(),
        deletion_due: row.deletion_due.map(Timestamp),
        profile: to_profile(row),
    })
}

fn to_profile(row: user::Model) -> Profile {
    let address = Address {
        formatted: row.address_formatted,
        street_address: row.address_street,
        locality: row.address_locality,
        region: row.address_region,
        postal_code: row.address_postal_code,
        country: row.address_country,
    };
    Profile {
        first_name: row.first_name,
        last_name: row.last_name,
        full_name: row.full_name,
        middle_name: row.middle_name,
        nickname: row.nickname,
        profile: row.profile,
        picture: row.picture,
        website: row.website,
        gender: row.gender,
        birthdate: row.birthdate,
        zoneinfo: row.zoneinfo,
        locale: row.locale,
        phone_number: row.phone_number,
        phone_number_verified: row.phone_number_verified,
        address: (address != Address::default()).then_some(address),
    }
}

/// The status of an account that may log in.
pub(super) const ACTIVE: &str = "active";

fn status_text(status: UserStatus) -> &'static str {
    match status {
        UserStatus::Active => ACTIVE,
        UserStatus::Inactive => "inactive",
    }
}

fn parse_status(text: &str) -> Option<UserStatus> {
    [UserStatus::Active, UserStatus::Inactive]
        .into_iter()
        .find(|status| status_text(*status) == text)
}
