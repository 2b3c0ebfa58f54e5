//! Links and codes that work once, sent by mail (ADR 49).
//!
//! A link is a secret of 256 bits, of which only a digest rests. It is bound to a purpose, an account and
//! the account's security version, lasts an hour, and is used up by the change that it allows, in the
//! same transaction. Where it cannot be followed there are six digits, five tries, counted before they
//! are looked at.

use std::time::Duration;

use subtle::ConstantTimeEq as _;

use super::{
    Failure, Ports,
    mail::{Link, OneTime},
    ports::{Place, Rng},
};
use crate::domain::{
    one_time::{OneTimeLink, Purpose},
    secret::SecretDigest,
    user::{Email, User},
};

/// How long links and codes work.
pub const LIFETIME: Duration = Duration::from_hours(1);
/// Tries that a code has.
const TRIES: u32 = 5;
/// Mails for one purpose to one address within a [`LIFETIME`]: five times five tries in an hour at a
/// million codes, and nobody's mailbox is flooded.
const MAILS: u64 = 5;

/// What somebody shows to be let in.
#[derive(Clone, Copy, Debug)]
pub enum Proof<'a> {
    /// What stands in the link.
    Token(&'a str),
    /// The code of the mail, and the name of its link, which the page had.
    Code {
        /// The name.
        id: &'a str,
        /// The code.
        code: &'a str,
    },
}

/// Whom a link is for.
pub(super) struct Addressee<'a> {
    /// The account, if there is one already.
    pub user: Option<&'a User>,
    /// Where the mail goes.
    pub email: Option<&'a Email>,
}

/// A link that was just made, with what only its mail may say.
pub(super) struct Fresh {
    /// As it rests.
    pub link: OneTimeLink,
    token: String,
    code: String,
}

impl Fresh {
    /// A link named `id`.
    pub(super) fn make(
        ports: &Ports,
        purpose: Purpose,
        id: &str,
        to: &Addressee<'_>,
        way_on: Option<String>,
    ) -> Self {
        let (token, code) = (ports.secret(), code(&*ports.rng));
        let now = ports.clock.now();
        let link = OneTimeLink {
            id: id.to_owned(),
            secret: SecretDigest::of(&token),
            sealed_code: ports.sealer.seal(&place(id), code.as_bytes()),
            purpose,
            user: to.user.map(|user| user.id.clone()),
            email: to.email.cloned(),
            security_version: to.user.map_or(0, |user| user.security_version),
            way_on,
            created_at: now,
            expires_at: now.plus(LIFETIME),
        };
        Self { link, token, code }
    }

    /// What the mail says, with a button at `path`.
    pub(super) fn letter(&self, path: &'static str) -> OneTime {
        OneTime {
            link: Link::with_token(path, &self.token),
            code: Some(self.code.clone()),
            minutes: LIFETIME.as_secs() / 60,
        }
    }
}

/// Whether this address may get another mail now.
pub(super) async fn may_mail(
    ports: &Ports,
    email: &Email,
    purpose: Purpose,
) -> Result<bool, Failure> {
    let since = ports.clock.now().minus(LIFETIME);
    let reader = ports.store.reader();
    Ok(reader.links_since(email, purpose, since).await? < MAILS)
}

/// The link that `proof` is of, if it is for one of these purposes and can still be used. It is not used
/// up; a try of a code is.
pub async fn find(
    ports: &Ports,
    purposes: &[Purpose],
    proof: Proof<'_>,
) -> Result<Option<OneTimeLink>, Failure> {
    let now = ports.clock.now();
    let found = match proof {
        Proof::Token(token) => {
            let reader = ports.store.reader();
            reader.link_by_secret(&SecretDigest::of(token)).await?
        }
        Proof::Code { id, code } => try_code(ports, id, code).await?,
    };
    Ok(found.filter(|link| purposes.contains(&link.purpose) && now < link.expires_at))
}

async fn try_code(ports: &Ports, id: &str, code: &str) -> Result<Option<OneTimeLink>, Failure> {
    // The try is counted, and that is durable, before the code is looked at.
    let work = ports.store.begin().await?;
    let found = work.try_link(id, TRIES, ports.clock.now()).await?;
    work.commit().await?;
    let typed: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    Ok(found.filter(|link| {
        let sent = ports.sealer.open(&place(&link.id), &link.sealed_code);
        sent.is_ok_and(|sent| sent.as_slice().ct_eq(typed.as_bytes()).into())
    }))
}

/// Six digits, each code as likely as any other.
fn code(rng: &dyn Rng) -> String {
    const CODES: u32 = 1_000_000;
    loop {
        let mut bytes = [0; 4];
        rng.fill(&mut bytes);
        let number = u32::from_be_bytes(bytes);
        if number < u32::MAX / CODES * CODES {
            return format!("{:06}", number % CODES);
        }
    }
}

fn place(id: &str) -> Place<'_> {
    Place {
        table: "one_time_links",
        column: "sealed_code",
        row: id,
    }
}
