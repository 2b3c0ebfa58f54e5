//! What the plans of the OpenID conformance suite demand of a provider, asked of ours without the suite:
//! a file for each plan, and tests named after its modules, for each response type that it has.
//!
//! The modules themselves are in `modules`. They register a client, play a user's browser over the pages of
//! the real program, and check what the suite checks. Where the suite skips a module, because the provider
//! says that it lacks an optional feature, the test holds it to that.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm
)]

mod modules;
mod support;

mod backchannel_logout;
mod basic;
mod config;
mod dynamic;
mod form_post;
mod frontchannel_logout;
mod hybrid;
mod implicit;
mod rp_initiated_logout;
mod session_management;
mod third_party_login;

/// A test for each module, in a folder for each response type.
macro_rules! plan {
    ($($name:ident: $flow:expr => [$($module:ident),* $(,)?])*) => {
        $(mod $name {
            #[allow(unused_imports)] // Not each plan needs both.
            use crate::support::request::{Authentication, Flow};

            $(#[tokio::test]
            async fn $module() {
                crate::modules::$module($flow).await;
            })*
        })*
    };
}
pub(crate) use plan;
