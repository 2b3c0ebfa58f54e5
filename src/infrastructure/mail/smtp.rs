//! Mail over SMTP (RFC 5321, submission: RFC 6409 and RFC 8314).

use std::{
    error::Error as _,
    fs, io,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor,
    message::{
        Mailbox, MultiPart,
        header::{HeaderName, HeaderValue},
    },
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate, Tls, TlsParameters},
        extension::ClientId,
    },
};
use secrecy::{ExposeSecret as _, SecretString};

use crate::application::ports::{Letter, Mailer, SendError};

/// How the server is reached.
#[derive(Clone, Debug)]
pub struct SmtpOptions {
    /// Its name, which its certificate must be for.
    pub host: String,
    /// Its port; that of `security` where absent.
    pub port: Option<u16>,
    /// Whether and how the connection is encrypted.
    pub security: SmtpSecurity,
    /// User and password, if it asks for them.
    pub credentials: Option<(String, SecretString)>,
    /// Who mails are from.
    pub from: Sender,
    /// Authorities (PEM) to trust instead of the public ones.
    pub ca_file: Option<PathBuf>,
    /// How long one mail may take.
    pub timeout: Duration,
    /// The host name that we give in greetings and Message-IDs.
    pub own_name: String,
}

/// Whether and how the connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpSecurity {
    /// It begins in the clear and must become TLS before anything is said (RFC 3207).
    StartTls,
    /// TLS from the first byte (RFC 8314 section 3.3).
    Tls,
    /// Not at all.
    Plain,
}

/// An address that mails are from, with a name or without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender(Mailbox);

impl Sender {
    /// `Name <address>` or an address alone.
    pub fn parse(text: &str) -> Option<Self> {
        let is_one_line = !text.contains(|c: char| c.is_control());
        text.parse().ok().map(Self).filter(|_| is_one_line)
    }
}

/// Why mail cannot be sent at all.
#[derive(Debug, thiserror::Error)]
pub enum SmtpError {
    /// The file of authorities cannot be read.
    #[error("{0} cannot be read")]
    File(PathBuf, #[source] io::Error),
    /// TLS cannot be used like this.
    #[error("TLS to the mail server cannot be prepared")]
    Tls(#[source] lettre::transport::smtp::Error),
}

/// Sends over SMTP, one connection for each mail: they are rare.
pub struct SmtpMailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    timeout: Duration,
    own_name: String,
}

impl SmtpMailer {
    /// Prepares; does not connect.
    pub fn new(options: &SmtpOptions) -> Result<Self, SmtpError> {
        let (tls, port) = match options.security {
            SmtpSecurity::StartTls => (Tls::Required(tls(options)?), 587),
            SmtpSecurity::Tls => (Tls::Wrapper(tls(options)?), 465),
            SmtpSecurity::Plain => (Tls::None, 25),
        };
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&*options.host)
            .port(options.port.unwrap_or(port))
            .tls(tls)
            .timeout(Some(options.timeout))
            .hello_name(ClientId::Domain(options.own_name.clone()));
        if let Some((user, password)) = &options.credentials {
            let password = password.expose_secret().to_owned();
            transport = transport.credentials(Credentials::new(user.clone(), password));
        }
        Ok(Self {
            transport: transport.build(),
            from: options.from.0.clone(),
            timeout: options.timeout,
            own_name: options.own_name.clone(),
        })
    }

    /// Connects, and sees whether the server takes our greeting and password. Sends nothing.
    pub async fn greet(&self) -> Result<(), String> {
        let greeted = tokio::time::timeout(self.timeout, self.transport.test_connection()).await;
        match greeted {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err("it does not answer as a mail server".to_owned()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("it does not answer in time".to_owned()),
        }
    }

    /// A message of two alternative parts (RFC 2046 §5.1.4) that no robot answers (RFC 3834 §5).
    fn message(&self, letter: &Letter) -> Result<Message, SendError> {
        let unwritable = |error: &dyn std::fmt::Display| SendError::Permanent(error.to_string());
        let to: Address = letter.to.as_str().parse().map_err(|e| unwritable(&e))?;
        let at = Duration::from_secs(u64::try_from(letter.at.0).unwrap_or_default());
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        let parts = MultiPart::alternative_plain_html(letter.text.clone(), letter.html.clone());
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(&*letter.subject)
            .date(SystemTime::UNIX_EPOCH + at)
            .message_id(Some(format!("<{}@{}>", letter.id, self.own_name)))
            .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
            .multipart(parts)
            .map_err(|e| unwritable(&e))
    }
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn send(&self, letter: &Letter) -> Result<(), SendError> {
        let message = self.message(letter)?;
        let sent = tokio::time::timeout(self.timeout, self.transport.send(message)).await;
        match sent {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(refusal(&error)),
            Err(_) => Err(SendError::Temporary(
                "the mail server did not answer in time".to_owned(),
            )),
        }
    }
}

/// What the server says about the mail is final if it says so (RFC 5321 §4.2.1). What it says about us,
/// our credentials and TLS (RFC 4954 §6), is for the operator to mend, so the mail waits.
fn refusal(error: &lettre::transport::smtp::Error) -> SendError {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    let about_us = error.status().map(u16::from);
    let about_us = about_us.is_some_and(|code| (530..=539).contains(&code));
    if error.is_permanent() && !about_us {
        SendError::Permanent(text)
    } else {
        SendError::Temporary(text)
    }
}

fn tls(options: &SmtpOptions) -> Result<TlsParameters, SmtpError> {
    let mut builder = TlsParameters::builder(options.host.clone());
    if let Some(file) = &options.ca_file {
        let pem = fs::read(file).map_err(|error| SmtpError::File(file.clone(), error))?;
        builder = builder
            .certificate_store(lettre::transport::smtp::client::CertificateStore::None)
            .add_root_certificate(Certificate::from_pem(&pem).map_err(SmtpError::Tls)?);
    }
    builder.build_rustls().map_err(SmtpError::Tls)
}
