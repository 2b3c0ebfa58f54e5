//! The views of what somebody does who has no password at hand.

use askama::Template;

use super::Page;
use crate::web::csp::{Nonce, PagePolicy};

/// The sign-in that waits while its user does something else.
#[derive(Debug)]
pub struct Waiting<'a> {
    /// Names the pending authorization request.
    pub interaction: &'a str,
    /// The application.
    pub client: &'a str,
}

/// Asks for a name, to which a mail goes; posts `name`.
#[derive(Debug, Template)]
#[template(path = "ask.html")]
pub struct AskPage<'a> {
    /// What it is about.
    pub heading: &'a str,
    /// What will happen.
    pub lead: &'a str,
    /// What is to be typed.
    pub label: &'a str,
    /// What the field holds at first.
    pub name: &'a str,
    /// Where the form posts to.
    pub action: &'a str,
    /// The sign-in that waits.
    pub way: Option<Waiting<'a>>,
    /// The login page.
    pub back: Option<&'a str>,
    /// What is wrong with what was typed.
    pub error: Option<&'a str>,
}

impl Page for AskPage<'_> {
    fn policy(&self) -> PagePolicy {
        PagePolicy::bare().own_forms().keep_opener()
    }
}

/// What opens the account whose password is set.
#[derive(Clone, Copy, Debug)]
pub enum Key<'a> {
    /// The link of the mail was followed.
    Token(&'a str),
    /// The mail was just sent; its code is to be typed.
    Link(&'a str),
}

/// Takes a new password; posts `password`, `again`, and `token` or `link` and `code`.
#[derive(Debug, Template)]
#[template(path = "new_password.html")]
pub struct NewPasswordPage<'a> {
    /// What opens the account.
    pub key: Key<'a>,
    /// What is wrong with what was typed.
    pub error: Option<String>,
    /// Lets the page's script run.
    pub nonce: Nonce,
}

impl NewPasswordPage<'_> {
    fn heading(&self) -> &'static str {
        match self.key {
            Key::Token(_) => "Choose a password",
            Key::Link(_) => "Look into your mail",
        }
    }

    fn lead(&self) -> &'static str {
        match self.key {
            Key::Token(_) => {
                "If the account has one, this takes its place, and wherever you are signed in you will be signed out."
            }
            Key::Link(_) => {
                "If there is an account of that name with an email address, a mail is on its way to it. Follow its link, or type its code here. Both work once, for an hour."
            }
        }
    }
}

impl Page for NewPasswordPage<'_> {
    fn policy(&self) -> PagePolicy {
        PagePolicy::bare()
            .own_forms()
            .keep_opener()
            .script(self.nonce.clone())
    }
}

/// Takes name and password for an account; posts `username`, `full_name`, `password`, `again`, and `token` or
/// `link` and `code`.
#[derive(Debug, Template)]
#[template(path = "register.html")]
pub struct RegisterPage<'a> {
    /// What proves the address.
    pub key: Key<'a>,
    /// What was typed before an error.
    pub username: &'a str,
    /// What was typed before an error.
    pub full_name: &'a str,
    /// What is wrong with what was typed.
    pub error: Option<String>,
    /// Lets the page's script run.
    pub nonce: Nonce,
}

impl RegisterPage<'_> {
    fn heading(&self) -> &'static str {
        match self.key {
            Key::Token(_) => "Create your account",
            Key::Link(_) => "Look into your mail",
        }
    }

    fn lead(&self) -> &'static str {
        match self.key {
            Key::Token(_) => "Your email address is proved. Choose a name and a password.",
            Key::Link(_) => {
                "A mail is on its way to you. Follow its link, or type its code here. Both work once, for an hour."
            }
        }
    }
}

impl Page for RegisterPage<'_> {
    fn policy(&self) -> PagePolicy {
        PagePolicy::bare()
            .own_forms()
            .keep_opener()
            .script(self.nonce.clone())
    }
}

/// Says what happened and what follows from it.
#[derive(Debug, Template)]
#[template(path = "done.html")]
pub struct DonePage<'a> {
    /// The element's identifier, for automation.
    pub id: &'static str,
    /// What happened.
    pub heading: &'a str,
    /// What follows.
    pub paragraphs: &'a [&'a str],
    /// Where to go from here.
    pub next: &'a str,
    /// How that is called.
    pub label: &'a str,
}

impl Page for DonePage<'_> {
    fn policy(&self) -> PagePolicy {
        PagePolicy::bare().keep_opener()
    }
}
