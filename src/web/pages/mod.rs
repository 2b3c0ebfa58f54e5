//! Pages: what each one shows, as a typed view over an Askama template.
//!
//! Views borrow; they hold no logic beyond choosing words. Whatever a client or a user supplied is escaped by the
//! template engine, and addresses pass through the types of `links`, which refuse everything but safe schemes.

pub mod account;
pub mod account_deletion;
pub mod account_profile;
pub mod account_sessions;
mod account_views;
pub mod choose;
mod client;
pub mod client_logo;
pub mod confirm_email;
pub mod consent;
pub mod dev_mail;
mod error;
mod links;
pub mod login;
mod own_login;
pub mod playground;
mod playground_view;
pub mod register;
pub mod reset;
mod reset_views;
mod scope_text;
mod views;
pub mod way;

pub use account_views::{
    AccountPage, ApplicationView, ConfirmEmailPage, DeletionPage, Done, ProfilePage,
};
pub use client::{ClientLinks, ClientView};
pub use error::{ErrorCause, ErrorPage};
pub use links::{FormAction, HttpsUrl, ReturnUrl};
pub use playground_view::{PlaygroundAction, PlaygroundChoices, PlaygroundPage, Step, StepOutcome};
pub use reset_views::{AskPage, DonePage, Key, NewPasswordPage, RegisterPage, Waiting};
pub use scope_text::{ScopeText, claim_words};
pub use views::{
    CheckSessionPage, ChoosePage, ConsentPage, FormPostPage, IndexPage, LoggedOutPage, LoginError,
    LoginPage, LoginReason, LogoutPage, ServerMode,
};

use crate::web::csp::PagePolicy;

/// A template together with the security policy that its content needs.
pub trait Page: askama::Template {
    /// What the browser may do on this page.
    fn policy(&self) -> PagePolicy;
}

#[cfg(test)]
mod tests;
