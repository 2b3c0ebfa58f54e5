//! The views of the account pages.

use askama::Template;

use super::{Page, ScopeText, reset_views::Key};
use crate::{
    domain::{id::SessionId, profile::ProfileField},
    web::csp::{Nonce, PagePolicy},
};

/// The account page; its forms post `csrf` and what they say.
#[derive(Debug, Template)]
#[template(path = "account.html")]
pub struct AccountPage<'a> {
    /// The token against cross-site posts.
    pub csrf: &'a str,
    /// The user's name as pages call them.
    pub user: &'a str,
    /// What is known of the user: what it is called, and what it is.
    pub facts: Vec<(&'static str, String)>,
    /// Applications that were allowed something.
    pub applications: Vec<ApplicationView<'a>>,
    /// Where the user is signed in, this browser first.
    pub sessions: Vec<SessionView>,
    /// What just happened.
    pub done: Option<Done>,
    /// What is wrong with what was typed.
    pub error: Option<String>,
    /// Whether addresses can be proved by mail.
    pub can_mail: bool,
    /// Lets the page's script run.
    pub nonce: Nonce,
}

/// An application that was allowed something.
#[derive(Debug)]
pub struct ApplicationView<'a> {
    /// Its identifier.
    pub id: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Since when, as people write it.
    pub since: String,
    /// What it may do.
    pub scopes: Vec<ScopeText<'a>>,
    /// Single details that it may see besides, in plain words.
    pub claims: Vec<&'a str>,
}

/// What users say about themselves; posts `csrf` and every field by its claim's name.
#[derive(Debug, Template)]
#[template(path = "profile.html")]
pub struct ProfilePage<'a> {
    /// The token against cross-site posts.
    pub csrf: &'a str,
    /// The fields in their order.
    pub fields: Vec<FieldView>,
}

impl ProfilePage<'_> {
    fn has_error(&self) -> bool {
        self.fields.iter().any(|field| field.error.is_some())
    }
}

impl Page for ProfilePage<'_> {
    fn policy(&self) -> PagePolicy {
        PagePolicy::bare().own_forms()
    }
}

/// Asks whether the account is to be removed; posts `csrf` and `current`.
#[derive(Debug, Template)]
#[template(path = "delete_account.html")]
pub struct DeletionPage<'a> {
    /// The token against cross-site posts.
    pub csrf: &'a str,
    /// Until when it can be undone, as people write it; absent where it cannot.
    pub day: Option<String>,
    /// What is wrong with what was typed.
    pub error: Option<String>,
    /// Lets the page's script run.
    pub nonce: Nonce,
}

impl Page for DeletionPage<'_> {
    fn policy(&self) -> PagePolicy {
        PagePolicy::bare().own_forms().script(self.nonce.clone())
    }
}

/// A field with what stands in it.
#[derive(Debug)]
pub struct FieldView {
    /// Which.
    pub field: ProfileField,
    /// What is known, or was typed.
    pub value: String,
    /// What is wrong with it.
    pub error: Option<&'static str>,
}

/// A session.
#[derive(Debug)]
pub struct SessionView {
    /// Its identifier.
    pub id: SessionId,
    /// The device as people would call it.
    pub name: String,
    /// Whether it is the one that looks.
    pub is_this: bool,
    /// When it began, as people write it.
    pub began: String,
    /// When it was last used, to the hour, where that is known.
    pub seen: Option<String>,
    /// The network that it began in.
    pub address: Option<String>,
}

/// What just happened, in fixed words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// The password is another one.
    Password,
    /// An application's access was withdrawn.
    Withdrawn,
    /// The profile is another.
    Profile,
    /// One session was ended.
    SessionEnded,
    /// All sessions but this one were ended.
    OthersEnded,
}

impl Done {
    /// Its name in the address.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Withdrawn => "withdrawn",
            Self::Profile => "profile",
            Self::SessionEnded => "session-ended",
            Self::OthersEnded => "others-ended",
        }
    }

    /// What the address says, if it is one of ours.
    pub fn of(text: &str) -> Option<Self> {
        [
            Self::Password,
            Self::Withdrawn,
            Self::Profile,
            Self::SessionEnded,
            Self::OthersEnded,
        ]
        .into_iter()
        .find(|done| done.as_str() == text)
    }

    fn text(self) -> &'static str {
        match self {
            Self::Password => {
                "Your password is changed. All your other sessions have ended, and applications have to ask you to sign in again. You stay signed in here."
            }
            Self::Withdrawn => {
                "The access is withdrawn. The application can no longer use your account, and asks you again when you sign in there."
            }
            Self::Profile => {
                "Your profile is changed. Applications that may see it hear of it the next time they ask."
            }
            Self::SessionEnded => {
                "That session has ended. Whoever uses that device has to sign in again, in the applications that it was signed in to as well."
            }
            Self::OthersEnded => {
                "All other sessions have ended. You stay signed in here. If somebody else was signed in, change your password now."
            }
        }
    }
}

/// Asks to confirm that the new address is the user's; posts `token`, or `link` and `code`.
#[derive(Debug, Template)]
#[template(path = "confirm_email.html")]
pub struct ConfirmEmailPage<'a> {
    /// What proves it.
    pub key: Key<'a>,
    /// What is wrong with what was typed.
    pub error: Option<&'static str>,
}

impl Page for ConfirmEmailPage<'_> {
    fn policy(&self) -> PagePolicy {
        PagePolicy::bare().own_forms()
    }
}

impl Page for AccountPage<'_> {
    fn policy(&self) -> PagePolicy {
        PagePolicy::bare().own_forms().script(self.nonce.clone())
    }
}
