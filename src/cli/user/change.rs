//! `user change`: what is known of somebody.

use crate::{
    application::commands::edit_user::UserEdit, cli::CliError, domain::profile::ProfileField,
};

/// What `user change` takes.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
pub(in crate::cli) struct Changes {
    /// Another name to log in with
    #[arg(long)]
    username: Option<String>,
    /// Another email address; it counts as not verified
    #[arg(long)]
    email: Option<String>,
    /// Forget the email address
    #[arg(long, conflicts_with = "email")]
    no_email: bool,
    /// Vouch for the address, or do not: `email_verified`
    #[arg(long, value_name = "BOOL")]
    email_verified: Option<bool>,
    /// Say a standard claim anew, such as `nickname=Ada` or `locality=Zürich`; may be repeated
    #[arg(long = "set", value_name = "CLAIM=VALUE", value_parser = assignment)]
    set: Vec<(ProfileField, String)>,
    /// Forget a standard claim; may be repeated
    #[arg(long = "unset", value_name = "CLAIM", value_parser = field)]
    unset: Vec<ProfileField>,
}

impl Changes {
    pub(super) fn edit(self) -> Result<UserEdit, CliError> {
        if let Some(twice) = self
            .unset
            .iter()
            .find(|it| self.set.iter().any(|(set, _)| set == *it))
        {
            let claim = twice.claim();
            return Err(CliError::usage(format!("{claim} is both set and unset")));
        }
        let unset = self.unset.into_iter().map(|field| (field, String::new()));
        Ok(UserEdit {
            username: self.username,
            email: if self.no_email {
                Some(None)
            } else {
                self.email.map(Some)
            },
            email_verified: self.email_verified,
            profile: self.set.into_iter().chain(unset).collect(),
        })
    }
}

fn assignment(text: &str) -> Result<(ProfileField, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| "write a claim and its value, such as given_name=Alice".to_owned())?;
    if value.trim().is_empty() {
        return Err(format!(
            "nothing stands after '='; to forget it: --unset {name}"
        ));
    }
    Ok((field(name)?, value.to_owned()))
}

fn field(name: &str) -> Result<ProfileField, String> {
    ProfileField::of_claim(name).ok_or_else(|| {
        let known: Vec<_> = ProfileField::ALL
            .iter()
            .map(|field| field.claim())
            .collect();
        format!("choose among {}", known.join(", "))
    })
}
