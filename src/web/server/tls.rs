//! TLS by rustls with *ring*: versions 1.2 and 1.3, forward secrecy and AEAD only (RFC 9325
//! section 4.2), a certificate that is read again when it changes.

use std::{fs, path::Path, sync::Arc, time::Duration};

use axum_server::tls_rustls::RustlsConfig;
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio::signal::unix::{SignalKind, signal};

use super::{ServeError, TlsFiles, mutual::AnyCertificate};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(30);

impl TlsFiles {
    /// Whether a server could use them: both are there and belong together.
    pub fn check(&self) -> Result<(), ServeError> {
        read(self, Asking::Nothing).map(drop)
    }
}

/// A certificate in use, and the files that it came from.
pub(super) struct Certificate {
    files: TlsFiles,
    config: RustlsConfig,
    /// The same, asking for a certificate.
    mutual: RustlsConfig,
    seen: Seen,
}

/// What the files looked like when they were read: their sizes and times of change.
type Seen = [Option<(u64, std::time::SystemTime)>; 2];

impl Certificate {
    pub(super) fn read(files: TlsFiles) -> Result<Self, ServeError> {
        let seen = look(&files);
        let config = RustlsConfig::from_config(Arc::new(read(&files, Asking::Nothing)?));
        let mutual = RustlsConfig::from_config(Arc::new(read(&files, Asking::Certificate)?));
        Ok(Self {
            files,
            config,
            mutual,
            seen,
        })
    }

    pub(super) fn config(&self) -> RustlsConfig {
        self.config.clone()
    }

    /// For the listener that asks for certificates.
    pub(super) fn mutual(&self) -> RustlsConfig {
        self.mutual.clone()
    }

    /// Reads the files again on SIGHUP and when they have changed. Files that cannot be used leave
    /// the old certificate in place: half of a renewal may be on the disk.
    pub(super) async fn watch(mut self) {
        let mut hangup = match signal(SignalKind::hangup()) {
            Ok(hangup) => hangup,
            Err(error) => {
                tracing::warn!(%error, "SIGHUP cannot be heard");
                return;
            }
        };
        loop {
            tokio::select! {
                _ = hangup.recv() => {}
                () = tokio::time::sleep(LOOK) => {
                    if look(&self.files) == self.seen {
                        continue;
                    }
                }
            }
            self.reload();
        }
    }

    fn reload(&mut self) {
        let seen = look(&self.files);
        let asking = read(&self.files, Asking::Certificate);
        match read(&self.files, Asking::Nothing).and_then(|config| Ok((config, asking?))) {
            Ok((config, mutual)) => {
                self.config.reload_from_config(Arc::new(config));
                self.mutual.reload_from_config(Arc::new(mutual));
                self.seen = seen;
                tracing::info!("the certificate was read again");
            }
            Err(error) => tracing::error!(%error, "the certificate stays as it was"),
        }
    }
}

fn look(files: &TlsFiles) -> Seen {
    [&files.certificate, &files.key].map(|path| {
        let metadata = fs::metadata(path).ok()?;
        Some((metadata.len(), metadata.modified().ok()?))
    })
}

/// What a listener asks its peers for.
#[derive(Clone, Copy)]
enum Asking {
    Nothing,
    /// A certificate, if they have one (RFC 8705).
    Certificate,
}

fn read(files: &TlsFiles, asking: Asking) -> Result<ServerConfig, ServeError> {
    let refused = |path: &Path, problem: String| ServeError::Tls {
        path: path.to_owned(),
        problem,
    };
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| refused(&files.certificate, error.to_string()))?;
    if chain.is_empty() {
        let problem = "it holds no certificate (PEM)".to_owned();
        return Err(refused(&files.certificate, problem));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| refused(&files.key, error.to_string()))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| match asking {
            Asking::Nothing => builder.with_no_client_auth().with_single_cert(chain, key),
            Asking::Certificate => builder
                .with_client_cert_verifier(Arc::new(AnyCertificate(Arc::new(provider()))))
                .with_single_cert(chain, key),
        })
        .map_err(|error| refused(&files.key, error.to_string()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn provider() -> CryptoProvider {
    ring::default_provider()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_suites_with_forward_secrecy_and_aead_are_offered() {
        for suite in provider().cipher_suites {
            let name = format!("{:?}", suite.suite());
            let is_1_3 = name.starts_with("TLS13_");
            let is_ecdhe = name.starts_with("TLS_ECDHE_");
            let is_aead = name.contains("_GCM_") || name.contains("_CHACHA20_POLY1305_");
            assert!((is_1_3 || is_ecdhe) && is_aead, "{name}");
        }
    }

    fn files(directory: &Path, name: &str) -> TlsFiles {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        let files = TlsFiles {
            certificate: directory.join("cert.pem"),
            key: directory.join("key.pem"),
        };
        fs::write(&files.certificate, made.cert.pem()).unwrap();
        fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        files
    }

    #[test]
    fn a_renewed_certificate_is_used_and_a_broken_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let mut certificate = Certificate::read(files(directory.path(), "a.example")).unwrap();
        let first = certificate.config.get_inner();
        fs::write(&certificate.files.key, "rubbish").unwrap();
        certificate.reload();
        assert!(Arc::ptr_eq(&first, &certificate.config.get_inner()));
        files(directory.path(), "b.example");
        certificate.reload();
        assert!(!Arc::ptr_eq(&first, &certificate.config.get_inner()));
    }

    #[test]
    fn the_file_that_cannot_be_used_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let files = files(directory.path(), "a.example");
        fs::write(&files.certificate, "rubbish").unwrap();
        let error = Certificate::read(files).err().unwrap().to_string();
        assert!(error.contains("cert.pem"), "{error}");
    }
}
