//! What mails say, in plain text and in HTML.

use askama::Template;

use super::{Mail, Message, Occurrence, OneTime};
use crate::{
    application::ports::Letter,
    domain::{
        brand::{Branding, Color, SupportLink},
        event::OutboxMessage,
        time::Timestamp,
    },
    protocol::issuer::Issuer,
};

/// Characters of an application's name that are repeated in a mail.
const NAME: usize = 60;

/// The parts of a letter, whatever it says.
#[derive(Default)]
struct Content {
    subject: String,
    paragraphs: Vec<String>,
    action: Option<Action>,
    code: Option<String>,
    closing: Option<&'static str>,
}

struct Action {
    label: &'static str,
    url: String,
}

#[derive(Template)]
#[template(path = "mail/letter.txt")]
struct Text<'a> {
    subject: &'a str,
    paragraphs: &'a [String],
    action: Option<&'a Action>,
    code: Option<&'a str>,
    closing: Option<&'static str>,
    site: Site<'a>,
}

#[derive(Template)]
#[template(path = "mail/letter.html")]
struct Html<'a> {
    subject: &'a str,
    paragraphs: &'a [String],
    action: Option<&'a Action>,
    code: Option<&'a str>,
    closing: Option<&'static str>,
    site: Site<'a>,
}

/// Who writes.
#[derive(Clone, Copy)]
struct Site<'a> {
    name: &'a str,
    address: &'a str,
    support: Option<&'a str>,
    accent: Color,
}

/// Renders `mail`, which waits in the outbox as `message`. `None` if a template fails, which none does.
pub fn letter(
    mail: &Mail,
    message: &OutboxMessage,
    issuer: &Issuer,
    branding: &Branding,
) -> Option<Letter> {
    let content = content(&mail.message, issuer);
    let site = Site {
        name: branding.product_name.as_str(),
        address: issuer.as_str(),
        support: branding.support.as_ref().map(SupportLink::as_str),
        accent: branding.mail_accent(),
    };
    let text = Text {
        subject: &content.subject,
        paragraphs: &content.paragraphs,
        action: content.action.as_ref(),
        code: content.code.as_deref(),
        closing: content.closing,
        site,
    };
    let html = Html {
        subject: &content.subject,
        paragraphs: &content.paragraphs,
        action: content.action.as_ref(),
        code: content.code.as_deref(),
        closing: content.closing,
        site,
    };
    Some(Letter {
        id: message.id.clone(),
        at: message.written_at()?,
        to: mail.to.clone(),
        text: text.render().ok()?,
        html: html.render().ok()?,
        subject: content.subject,
    })
}

/// The words. What a stranger can choose is in none of them.
fn content(message: &Message, issuer: &Issuer) -> Content {
    let host = issuer.host();
    match message {
        Message::VerifyEmail(once) => one_time(
            once,
            issuer,
            format!("Confirm your email address for {host}"),
            format!("Somebody, probably you, entered this address at {host}. Confirm that it is yours."),
            "Confirm this address",
            "If that was not you, ignore this mail: nothing happens.",
        ),
        Message::ConfirmNewEmail(once) => one_time(
            once,
            issuer,
            format!("Confirm your new email address for {host}"),
            format!("This address is to replace the one of your account at {host}. Confirm that it is yours."),
            "Confirm the new address",
            "If you do not know this account, ignore this mail: nothing changes.",
        ),
        Message::ResetPassword(once) => one_time(
            once,
            issuer,
            format!("Choose a new password for {host}"),
            format!("Somebody, probably you, asked for a new password for your account at {host}."),
            "Choose a new password",
            "If that was not you, ignore this mail: your password stays as it is.",
        ),
        Message::Invitation(once) => one_time(
            once,
            issuer,
            format!("Your account at {host}"),
            format!("An administrator of {host} made an account for you. Choose a password to use it."),
            "Choose a password",
            "If you did not expect this, ask the administrator before you follow the link.",
        ),
        Message::AlreadyRegistered { link } => Content {
            subject: format!("You already have an account at {host}"),
            paragraphs: vec![
                format!("Somebody, probably you, tried to register with this address at {host}."),
                "There is an account with it already, so nothing was changed. Sign in, or choose a new password if you forgot yours.".to_owned(),
            ],
            action: Some(Action {
                label: "Choose a new password",
                url: link.under(issuer),
            }),
            closing: Some("If that was not you, ignore this mail."),
            ..Content::default()
        },
        Message::EmailChanged { occurrence } => notice(
            format!("The email address of your account at {host} was changed"),
            "Another address has taken the place of this one.".to_owned(),
            occurrence,
        ),
        Message::PasswordChanged { occurrence } => notice(
            format!("Your password at {host} was changed"),
            "All other sessions and tokens from before have ended.".to_owned(),
            occurrence,
        ),
        Message::NewDevice { occurrence } => notice(
            format!("New sign-in to your account at {host}"),
            "Somebody signed in with your password in a browser that the account did not know.".to_owned(),
            occurrence,
        ),
        Message::RefreshReplayed { client, occurrence } => notice(
            format!("An application lost its access to your account at {host}"),
            format!(
                "A key that the application \"{}\" had used up was used again. Somebody may have copied it, so the application's access was withdrawn. Sign in there again.",
                printable(client)
            ),
            occurrence,
        ),
        Message::DeletionRequested { occurrence, due } => Content {
            closing: Some(
                "If you want to keep the account, or if that was not you, tell the administrator before then.",
            ),
            ..notice(
                format!("Your account at {host} will be deleted"),
                format!(
                    "The deletion of your account was asked for. It is locked from now on, and will be deleted on {}.",
                    moment(*due)
                ),
                occurrence,
            )
        },
        Message::AccountDeleted { occurrence } => Content {
            closing: Some("This is the last mail about it."),
            ..notice(
                format!("Your account at {host} was deleted"),
                "As you asked, the account and what it held are gone.".to_owned(),
                occurrence,
            )
        },
    }
}

fn one_time(
    once: &OneTime,
    issuer: &Issuer,
    subject: String,
    why: String,
    label: &'static str,
    closing: &'static str,
) -> Content {
    let minutes = once.minutes;
    Content {
        subject,
        paragraphs: vec![why, format!("The link works once, for {}.", spell(minutes))],
        action: Some(Action {
            label,
            url: once.link.under(issuer),
        }),
        code: once.code.clone(),
        closing: Some(closing),
    }
}

fn notice(subject: String, what: String, occurrence: &Occurrence) -> Content {
    let from = match &occurrence.address {
        Some(address) => format!(", from the address {address}"),
        None => String::new(),
    };
    Content {
        subject,
        paragraphs: vec![what, format!("When: {}{from}.", moment(occurrence.at))],
        closing: Some(
            "If that was not you, choose a new password at once and tell the administrator.",
        ),
        ..Content::default()
    }
}

fn spell(minutes: u64) -> String {
    match minutes {
        1 => "one minute".to_owned(),
        minutes if minutes % 60 == 0 && minutes > 60 => format!("{} hours", minutes / 60),
        minutes => format!("{minutes} minutes"),
    }
}

/// A moment as people write it, in UTC.
fn moment(at: Timestamp) -> String {
    match time::OffsetDateTime::from_unix_timestamp(at.0) {
        Ok(at) => format!(
            "{} {} {}, {:02}:{:02} UTC",
            at.day(),
            at.month(),
            at.year(),
            at.hour(),
            at.minute()
        ),
        Err(_) => "at an unknown time".to_owned(),
    }
}

/// A registered name on one line, without anything that mail programs would make a link of.
fn printable(name: &str) -> String {
    name.chars()
        .filter(|c| !c.is_control())
        .map(|c| {
            if matches!(c, ':' | '/' | '.' | '@' | '"') {
                ' '
            } else {
                c
            }
        })
        .take(NAME)
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{
        application::mail::Link,
        domain::{event::OutboxKind, user::Email},
    };

    fn rendered(message: Message) -> Letter {
        rendered_with(message, &Branding::default())
    }

    fn rendered_with(message: Message, branding: &Branding) -> Letter {
        let mail = Mail {
            to: Email::parse("a@b.example").unwrap(),
            locale: None,
            message,
        };
        let row = OutboxMessage {
            id: uuid::Builder::from_unix_timestamp_millis(1_800_000_000_000, &[7; 10])
                .into_uuid()
                .to_string(),
            kind: OutboxKind::Mail,
            payload: serde_json::json!({}),
            due_at: Timestamp(1_800_000_900),
            attempts: 3,
        };
        letter(
            &mail,
            &row,
            &Issuer::parse("https://id.example").unwrap(),
            branding,
        )
        .unwrap()
    }

    #[test]
    fn both_parts_of_a_letter_hold_the_link_and_the_code() {
        let letter = rendered(Message::ResetPassword(OneTime {
            link: Link::with_token("/reset", "a+b"),
            code: Some("481516".to_owned()),
            minutes: 60,
        }));
        for part in [&letter.text, &letter.html] {
            assert!(
                part.contains("https://id.example/reset?token=a%2Bb"),
                "{part}"
            );
            assert!(
                part.contains("481516") && part.contains("60 minutes"),
                "{part}"
            );
        }
        assert_eq!(letter.subject, "Choose a new password for id.example");
        // The moment of writing, whatever the attempt: a repeated mail is the same mail.
        assert_eq!(letter.at, Timestamp(1_800_000_000));
    }

    #[test]
    fn a_letter_looks_like_its_site() {
        let occurrence = Occurrence {
            at: Timestamp(1_800_000_000),
            address: None,
        };
        let branding = Branding {
            product_name: "Evening <Post>".parse().unwrap(),
            accent: Some("#0b4f9e".parse().unwrap()),
            support: Some("mailto:help@id.example".parse().unwrap()),
            logo: None,
        };
        let due = Timestamp(1_800_864_000);
        let message = Message::DeletionRequested { occurrence, due };
        let letter = rendered_with(message, &branding);
        for part in [&letter.text, &letter.html] {
            assert!(part.contains("25 January 2027, 08:00 UTC"), "{part}");
            assert!(part.contains("mailto:help@id.example"), "{part}");
        }
        assert!(!letter.html.contains("<Post>"), "{}", letter.html);
        assert!(letter.text.contains("Evening <Post> · https://id.example"));
    }

    #[test]
    fn c154_an_application_s_name_is_inert_in_a_mail() {
        let occurrence = Occurrence {
            at: Timestamp(1_800_000_000),
            address: Some("192.0.2.1".to_owned()),
        };
        let letter = rendered(Message::RefreshReplayed {
            client: "<b>\r\nBcc: x https://evil.example".to_owned(),
            occurrence,
        });
        assert!(
            !letter.html.contains("<b>") && !letter.html.contains("https://evil"),
            "{}",
            letter.html
        );
        assert!(
            !letter.text.contains("\nBcc") && !letter.text.contains("evil.example"),
            "{}",
            letter.text
        );
        assert!(!letter.subject.contains(['\r', '\n']));
        assert!(
            letter
                .text
                .contains("15 January 2027, 08:00 UTC, from the address 192.0.2.1"),
            "{}",
            letter.text
        );
    }
}
