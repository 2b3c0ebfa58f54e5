//! Login statistics.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::{
    id::{ClientId, UserId},
    time::Day,
};

/// Logins of one day, user and client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginCount {
    /// The day, UTC.
    pub day: Day,
    /// The account, if there was one.
    pub user: Option<UserId>,
    /// The application that waited for the login, if one did.
    pub client: Option<ClientId>,
    /// Logins that succeeded.
    pub succeeded: u64,
    /// Logins that failed.
    pub failed: u64,
}

/// Logins of one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DailyLogins {
    /// The day, UTC.
    pub day: Day,
    /// Logins that succeeded.
    pub succeeded: u64,
    /// Logins that failed.
    pub failed: u64,
}

/// Login statistics, reading.
#[async_trait]
pub trait Statistics {
    /// The sums of each day from `first` to `last`, both included; days without logins are absent.
    async fn daily_logins(&self, first: Day, last: Day) -> Result<Vec<DailyLogins>, StoreError>;

    /// A user's counts by day and application from `first` to `last`.
    async fn logins_of(
        &self,
        user: &UserId,
        first: Day,
        last: Day,
    ) -> Result<Vec<LoginCount>, StoreError>;

    /// Whether the user ever logged in since logins are counted.
    async fn has_logged_in(&self, user: &UserId) -> Result<bool, StoreError>;
}

/// Login statistics, changing.
#[async_trait]
pub trait StatisticsMut {
    /// Adds these counts to what is there.
    async fn count_logins(&self, counts: &[LoginCount]) -> Result<(), StoreError>;
}
