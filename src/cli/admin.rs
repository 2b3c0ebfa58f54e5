//! `admin`: the first administrator, and the way back in.

use clap::Subcommand;
use serde_json::json;

use super::{CliError, Global, registrar};
use crate::{
    application::{
        commands::{
            make_owner::{OWNER, make_owner},
            register_user::{EmailProof, RegisterUser, register_user},
        },
        mail::Link,
    },
    config::Config,
    domain::user::{Profile, User},
    protocol::metadata::paths,
};

#[derive(Debug, Subcommand)]
pub(super) enum AdminVerb {
    /// Make an account that may do everything, and print a link with which its user chooses a password
    ///
    /// The link works once, for an hour. Example: countersign admin create ada --email <ada@example.com>
    Create {
        /// The name to log in with
        username: String,
        /// The address to be reached with
        #[arg(long)]
        email: Option<String>,
    },
    /// Let an existing account do everything, unlock it, and print a link for a new password
    ///
    /// For when nobody else can get in. Example: countersign admin recover ada
    Recover {
        /// Username or email address
        user: String,
    },
}

pub(super) async fn run(global: &Global, verb: AdminVerb) -> Result<(), CliError> {
    let (registrar, config) = registrar::open(global).await?;
    let name = match verb {
        AdminVerb::Create { username, email } => {
            let command = RegisterUser {
                username: username.clone(),
                email: email.map(|email| (email, EmailProof::Verified)),
                profile: Profile::default(),
                password: None,
            };
            register_user(&registrar, command).await?;
            username
        }
        AdminVerb::Recover { user } => user,
    };
    let (user, link) = make_owner(&registrar, &name).await?;
    show(global, &config, &user, &link)
}

fn show(global: &Global, config: &Config, user: &User, link: &Link) -> Result<(), CliError> {
    let link = link.under(&config.issuer);
    let api = config.issuer.url(paths::ADMINISTRATION);
    let json = json!({
        "id": user.id,
        "username": user.username,
        "role": OWNER,
        "link": link,
        "audience": api,
    });
    let text = format!(
        "{} has the role {OWNER}: every permission.\n\
         Choose a password within an hour, once:\n  {link}\n\
         Tokens for the administration API are asked for the resource\n  {api}",
        user.username
    );
    global.output().print(&json, text)
}
