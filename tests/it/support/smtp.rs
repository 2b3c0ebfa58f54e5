//! A mail server on loopback: takes mail, asks for TLS and a password as told, and refuses on demand.

use std::{
    fs,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

/// User and password of a server that asks.
pub(crate) const USER: &str = "countersign";
pub(crate) const PASSWORD: &str = "canary-password-of-the-mail-server";

/// When the server speaks TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encryption {
    Never,
    StartTls,
    FromTheFirstByte,
}

/// What the server answers to a recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Willing,
    /// 451: later.
    Busy,
    /// 550: never.
    Unwilling,
}

/// A mail that was taken.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) to: String,
    pub(crate) data: String,
    pub(crate) encrypted: bool,
    pub(crate) authenticated: bool,
}

impl Received {
    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> &str {
        let (headers, _) = self.data.split_once("\r\n\r\n").unwrap();
        let mut lines = headers.lines();
        let line = lines.find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.unwrap_or_default()
    }
}

/// A running server. It ends with the test's runtime.
pub(crate) struct SmtpServer {
    pub(crate) port: u16,
    folder: TempDir,
    shared: Arc<Shared>,
}

struct Shared {
    encryption: Encryption,
    asks_password: bool,
    tls: TlsAcceptor,
    mood: Mutex<Mood>,
    received: Mutex<Vec<Received>>,
}

impl SmtpServer {
    /// Starts on a free port.
    pub(crate) async fn start(encryption: Encryption) -> Self {
        Self::start_on(0, encryption, encryption != Encryption::Never).await
    }

    /// Starts on this port; asks for the password or not.
    pub(crate) async fn start_on(port: u16, encryption: Encryption, asks_password: bool) -> Self {
        let names = vec!["127.0.0.1".to_owned()];
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ca.pem"), cert.pem()).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let shared = Arc::new(Shared {
            encryption,
            asks_password,
            tls: TlsAcceptor::from(Arc::new(config)),
            mood: Mutex::new(Mood::Willing),
            received: Mutex::default(),
        });
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = shared.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(serving.clone(), stream));
            }
        });
        Self {
            port,
            folder,
            shared,
        }
    }

    /// The certificate to trust.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// From now on, answer recipients like this.
    pub(crate) fn set_mood(&self, mood: Mood) {
        *self.shared.mood.lock().unwrap() = mood;
    }

    /// What was taken so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap().clone()
    }
}

async fn converse(shared: Arc<Shared>, stream: TcpStream) {
    let session = Session {
        shared: shared.clone(),
        encrypted: false,
        authenticated: false,
    };
    if shared.encryption == Encryption::FromTheFirstByte {
        let Ok(stream) = shared.tls.accept(stream).await else {
            return;
        };
        let session = Session {
            encrypted: true,
            ..session
        };
        session.run(stream, Greeting::Due).await;
    } else if let Some(stream) = session.run(stream, Greeting::Due).await {
        let Ok(stream) = shared.tls.accept(stream).await else {
            return;
        };
        let session = Session {
            shared,
            encrypted: true,
            authenticated: false,
        };
        session.run(stream, Greeting::Said).await;
    }
}

#[derive(PartialEq, Eq)]
enum Greeting {
    Due,
    Said,
}

struct Session {
    shared: Arc<Shared>,
    encrypted: bool,
    authenticated: bool,
}

impl Session {
    /// Talks until the client leaves, or asks for TLS: then the bare stream is handed back.
    async fn run<S>(mut self, stream: S, greeting: Greeting) -> Option<S>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut stream = BufReader::new(stream);
        if greeting == Greeting::Due {
            stream.write_all(b"220 mail.example ESMTP\r\n").await.ok()?;
        }
        let mut to = String::new();
        loop {
            let line = line(&mut stream).await?;
            let verb = line.split(' ').next().unwrap_or_default().to_uppercase();
            let answer = match verb.as_str() {
                "EHLO" => self.extensions(),
                "STARTTLS" => {
                    stream.write_all(b"220 go ahead\r\n").await.ok()?;
                    return Some(stream.into_inner());
                }
                "AUTH" => self.authenticate(&line).to_owned(),
                "MAIL" if self.shared.asks_password && !self.authenticated => {
                    "530 5.7.0 authentication required".to_owned()
                }
                "RCPT" => {
                    to = line.trim_start_matches("RCPT TO:").to_owned();
                    self.recipient().to_owned()
                }
                "DATA" => {
                    stream.write_all(b"354 go on\r\n").await.ok()?;
                    let data = data(&mut stream).await?;
                    let received = Received {
                        to: to.clone(),
                        data,
                        encrypted: self.encrypted,
                        authenticated: self.authenticated,
                    };
                    self.shared.received.lock().unwrap().push(received);
                    "250 taken".to_owned()
                }
                "QUIT" => {
                    stream.write_all(b"221 bye\r\n").await.ok()?;
                    return None;
                }
                _ => "250 ok".to_owned(),
            };
            stream
                .write_all(format!("{answer}\r\n").as_bytes())
                .await
                .ok()?;
        }
    }

    fn extensions(&self) -> String {
        let mut lines = vec!["mail.example"];
        if self.shared.encryption == Encryption::StartTls && !self.encrypted {
            lines.push("STARTTLS");
        }
        if self.shared.asks_password && self.encrypted {
            lines.push("AUTH PLAIN");
        }
        let (last, rest) = lines.split_last().unwrap();
        let mut answer = String::new();
        for line in rest {
            answer.push_str("250-");
            answer.push_str(line);
            answer.push_str("\r\n");
        }
        format!("{answer}250 {last}")
    }

    fn authenticate(&mut self, line: &str) -> &'static str {
        let response = line.split(' ').nth(2).unwrap_or_default();
        let expected = STANDARD.encode(format!("\0{USER}\0{PASSWORD}"));
        self.authenticated = self.encrypted && response == expected;
        if self.authenticated {
            "235 welcome"
        } else {
            "535 5.7.8 wrong"
        }
    }

    fn recipient(&self) -> &'static str {
        match *self.shared.mood.lock().unwrap() {
            Mood::Willing => "250 ok",
            Mood::Busy => "451 4.3.0 later",
            Mood::Unwilling => "550 5.1.1 no such user",
        }
    }
}

async fn line<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufReader<S>) -> Option<String> {
    let mut line = String::new();
    let read = stream.read_line(&mut line).await.ok()?;
    (read > 0).then(|| line.trim_end().to_owned())
}

async fn data<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufReader<S>) -> Option<String> {
    let mut data = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        if line == ".\r\n" {
            return Some(data);
        }
        data.push_str(&line);
    }
}
