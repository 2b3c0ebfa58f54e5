//! Port of the authorities that vouch for clients' certificates.

use crate::domain::{
    certificate::{CertificateSubject, PresentedCertificate},
    time::Timestamp,
};

/// Judges certificates of clients.
pub trait Certificates: Send + Sync {
    /// Whether an authority of this server's leads to the certificate at this time, for clients, and its
    /// name is `subject` (RFC 8705 §2.1).
    fn are_vouched_for(
        &self,
        certificate: &PresentedCertificate,
        subject: &CertificateSubject,
        now: Timestamp,
    ) -> bool;
}
