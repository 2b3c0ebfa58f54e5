//! Carrying mail: over SMTP, or to memory on a developer's machine.

mod memory;
mod smtp;

use std::sync::Arc;

pub use self::{
    memory::MemoryMailer,
    smtp::{Sender, SmtpError, SmtpMailer, SmtpOptions, SmtpSecurity},
};
use crate::application::ports::{Mailbox, Mailer};

/// Who carries mail.
#[derive(Clone, Debug)]
pub enum MailOptions {
    /// Nobody: what needs mail is not offered.
    Off,
    /// It stays in this process, for developers and tests.
    Memory,
    /// A mail server.
    Smtp(SmtpOptions),
}

/// Who carries mail, and where it stays if it does not leave.
pub type Carrier = (Option<Arc<dyn Mailer>>, Option<Arc<dyn Mailbox>>);

/// Prepares whoever carries mail.
pub fn open(options: &MailOptions) -> Result<Carrier, SmtpError> {
    Ok(match options {
        MailOptions::Off => (None, None),
        MailOptions::Memory => {
            let memory = Arc::new(MemoryMailer::default());
            (Some(memory.clone()), Some(memory))
        }
        MailOptions::Smtp(options) => (Some(Arc::new(SmtpMailer::new(options)?)), None),
    })
}
