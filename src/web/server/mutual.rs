//! RFC 8705 — TLS that asks its peer for a certificate: on a listener of its own, because browsers ask
//! their users for one as soon as a server does.
//!
//! Any certificate is taken here, if the peer has its key: clients with self-signed ones are as good as
//! others (§2.2). Whose it is, the use cases decide.

use std::{io, pin::Pin, sync::Arc};

use axum::{Extension, middleware::AddExtension};
use axum_server::{accept::Accept, tls_rustls::RustlsAcceptor};
use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::server::TlsStream;
use tower::Layer as _;

use crate::{domain::certificate::PresentedCertificate, web::context::ClientCertificate};

/// Certificates that a peer may bring along.
const MOST: usize = 8;

/// Takes any certificate whose key the peer proves to have.
#[derive(Debug)]
pub(super) struct AnyCertificate(pub(super) Arc<CryptoProvider>);

impl ClientCertVerifier for AnyCertificate {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Hands the peer's certificate to every request of the connection.
#[derive(Clone)]
pub(super) struct MutualAcceptor<A>(pub(super) RustlsAcceptor<A>);

impl<A, I, S> Accept<I, S> for MutualAcceptor<A>
where
    A: Accept<I, S> + Clone + Send + 'static,
    A::Stream: AsyncRead + AsyncWrite + Unpin + Send,
    A::Service: Send,
    A::Future: Send,
    I: Send + 'static,
    S: Send + 'static,
{
    type Stream = TlsStream<A::Stream>;
    type Service = AddExtension<<RustlsAcceptor<A> as Accept<I, S>>::Service, ClientCertificate>;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Self::Stream, Self::Service)>> + Send>>;

    fn accept(&self, stream: I, service: S) -> Self::Future {
        let acceptor = self.0.clone();
        Box::pin(async move {
            let (stream, service) = acceptor.accept(stream, service).await?;
            let certificate = ClientCertificate(presented(stream.get_ref().1.peer_certificates()));
            Ok((stream, Extension(certificate).layer(service)))
        })
    }
}

fn presented(certificates: Option<&[CertificateDer<'_>]>) -> Option<PresentedCertificate> {
    let (own, chain) = certificates?.split_first()?;
    let chain = chain.iter().take(MOST);
    Some(PresentedCertificate {
        own: own.to_vec(),
        chain: chain.map(|it| it.to_vec()).collect(),
    })
}
