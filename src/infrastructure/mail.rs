//! Carrying mail: over SMTP, or to memory on a developer's machine.

mod memory;
mod smtp;

pub use self::{
    memory::MemoryMailer,
    smtp::{Sender, SmtpError, SmtpMailer, SmtpOptions, SmtpSecurity},
};
