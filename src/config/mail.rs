//! `[mail]`.

use std::{net::IpAddr, time::Duration};

use super::reader::Reader;
use crate::{
    infrastructure::mail::{Sender, SmtpOptions, SmtpSecurity},
    protocol::issuer::Issuer,
};

/// A claim on a message in the outbox holds for five minutes; sending must be over long before.
const MOST_TIMEOUT: Duration = Duration::from_mins(2);

/// What is written for `mail.security`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Choice {
    StartTls,
    Tls,
    Plain,
    Insecure,
}

/// Whether and how mail is sent.
#[derive(Clone, Debug)]
pub enum MailConfig {
    /// No mail is sent.
    Off,
    /// Through this server.
    Smtp(Box<SmtpOptions>),
}

impl MailConfig {
    /// The server, if mail is sent.
    pub fn smtp(&self) -> Option<&SmtpOptions> {
        match self {
            Self::Off => None,
            Self::Smtp(options) => Some(options),
        }
    }
}

/// `None` only if the reader noted a problem.
pub(super) fn read(r: &mut Reader, issuer: Option<&Issuer>) -> Option<MailConfig> {
    let host = r.optional_text("mail.host");
    let port = r.optional_integer("mail.port", 1..=u64::from(u16::MAX));
    let choice = r.with("mail.security", |text| match text {
        "starttls" => Ok(Choice::StartTls),
        "tls" => Ok(Choice::Tls),
        "plain" => Ok(Choice::Plain),
        "insecure" => Ok(Choice::Insecure),
        _ => Err("choose starttls, tls, plain or insecure".to_owned()),
    });
    let username = r.optional_text("mail.username");
    let password = r.optional_secret("mail.password");
    let from = r.optional_text("mail.from");
    let ca_file = r.path("mail.ca_file");
    let timeout = r.duration("mail.timeout");
    let Some(host) = host else {
        if from.is_some() || username.is_some() {
            return r.problem("mail.host", "is missing", "name the SMTP server");
        }
        return Some(MailConfig::Off);
    };
    let security = security(r, choice?, &host)?;
    let credentials = match (username, password) {
        (None, None) => None,
        (Some(_), Some(_)) if security == SmtpSecurity::Plain && !is_this_machine(&host) => {
            let fix = "leave it out, or choose starttls or tls: anybody on the way could read it";
            return r.problem("mail.password", "would be sent unencrypted", fix);
        }
        (Some(username), Some(password)) => Some((username, password)),
        (Some(_), None) => return r.problem("mail.password", "is missing", "set it"),
        (None, Some(_)) => return r.problem("mail.username", "is missing", "set it"),
    };
    let Some(from) = from.as_deref().and_then(Sender::parse) else {
        let fix = "write an address such as \"Example <no-reply@example.com>\"";
        return r.problem("mail.from", "is not an address to send from", fix);
    };
    let timeout = timeout?;
    if timeout > MOST_TIMEOUT {
        return r.problem("mail.timeout", "is too long", "write at most 2m");
    }
    let own_name = issuer?.host().to_owned();
    Some(MailConfig::Smtp(Box::new(SmtpOptions {
        host,
        port: port.map(u16::try_from).transpose().ok()?,
        security,
        credentials,
        from,
        ca_file,
        timeout,
        own_name,
    })))
}

fn security(r: &mut Reader, choice: Choice, host: &str) -> Option<SmtpSecurity> {
    match choice {
        Choice::StartTls => Some(SmtpSecurity::StartTls),
        Choice::Tls => Some(SmtpSecurity::Tls),
        Choice::Plain if !is_this_machine(host) => r.problem(
            "mail.security",
            "is plain, and mail.host is not this machine",
            "choose starttls or tls; mails hold links that open accounts",
        ),
        Choice::Plain | Choice::Insecure => Some(SmtpSecurity::Plain),
    }
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
