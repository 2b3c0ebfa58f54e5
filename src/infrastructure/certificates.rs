//! RFC 8705 §2.1 — certificates of clients that an authority vouches for: rustls builds the path, the
//! names are read by x509-parser.

use std::{fs, net::IpAddr, path::Path, sync::Arc, time::Duration};

use rustls::{
    RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, UnixTime, pem::PemObject as _},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate, X509Name};

use crate::{
    application::ports::Certificates,
    domain::{
        certificate::{CertificateSubject, PresentedCertificate},
        time::Timestamp,
    },
};

/// The authorities that the operator named; nobody is vouched for where there are none.
pub struct Authorities(Option<Arc<dyn ClientCertVerifier>>);

/// Why the authorities cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use {file}: {problem}")]
pub struct AuthoritiesError {
    file: String,
    problem: String,
}

impl Authorities {
    /// Reads the file of certificates, PEM.
    pub fn read(file: Option<&Path>) -> Result<Self, AuthoritiesError> {
        let Some(file) = file else {
            return Ok(Self(None));
        };
        let failed = |problem: String| AuthoritiesError {
            file: file.display().to_string(),
            problem,
        };
        let pem = fs::read(file).map_err(|error| failed(error.to_string()))?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|error| failed(error.to_string()))?;
            roots
                .add(certificate)
                .map_err(|error| failed(error.to_string()))?;
        }
        let provider = Arc::new(ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|error| failed(error.to_string()))?;
        Ok(Self(Some(verifier)))
    }

    fn lead_to(&self, certificate: &PresentedCertificate, now: Timestamp) -> bool {
        let Some(verifier) = &self.0 else {
            return false;
        };
        let own = CertificateDer::from(certificate.own.as_slice());
        let chain = certificate.chain.iter();
        let chain: Vec<_> = chain
            .map(|it| CertificateDer::from(it.as_slice()))
            .collect();
        let seconds = u64::try_from(now.0).unwrap_or_default();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        verifier.verify_client_cert(&own, &chain, now).is_ok()
    }
}

impl Certificates for Authorities {
    fn are_vouched_for(
        &self,
        certificate: &PresentedCertificate,
        subject: &CertificateSubject,
        now: Timestamp,
    ) -> bool {
        self.lead_to(certificate, now) && is_named(&certificate.own, subject)
    }
}

fn is_named(der: &[u8], subject: &CertificateSubject) -> bool {
    let Ok((rest, certificate)) = X509Certificate::from_der(der) else {
        return false;
    };
    if !rest.is_empty() {
        return false;
    }
    if let CertificateSubject::Dn(wanted) = subject {
        let name = distinguished(certificate.subject());
        return name.is_some_and(|name| same_dn(&name, wanted));
    }
    let names = certificate.subject_alternative_name().ok().flatten();
    names.is_some_and(|names| {
        let mut names = names.value.general_names.iter();
        names.any(|name| is_it(name, subject))
    })
}

fn is_it(name: &GeneralName<'_>, subject: &CertificateSubject) -> bool {
    match (name, subject) {
        (GeneralName::DNSName(name), CertificateSubject::Dns(wanted)) => {
            name.eq_ignore_ascii_case(wanted)
        }
        (GeneralName::URI(name), CertificateSubject::Uri(wanted))
        | (GeneralName::RFC822Name(name), CertificateSubject::Email(wanted)) => name == wanted,
        (GeneralName::IPAddress(bytes), CertificateSubject::Ip(wanted)) => match wanted {
            IpAddr::V4(wanted) => *bytes == wanted.octets(),
            IpAddr::V6(wanted) => *bytes == wanted.octets(),
        },
        _ => false,
    }
}

/// The name as RFC 4514 writes it: the last part first. None if a part has no text.
fn distinguished(name: &X509Name<'_>) -> Option<String> {
    let mut parts = Vec::new();
    for relative in name.iter_rdn() {
        let mut attributes = Vec::new();
        for attribute in relative.iter() {
            let oid = attribute.attr_type();
            let known = KNOWN.iter().find(|(id, _)| *id == oid.to_id_string());
            let kind = known.map_or_else(|| oid.to_id_string(), |(_, name)| (*name).to_owned());
            attributes.push(format!("{kind}={}", escaped(attribute.as_str().ok()?)));
        }
        parts.push(attributes.join("+"));
    }
    parts.reverse();
    Some(parts.join(","))
}

/// Short names of attributes (RFC 4514 §3), and of those that certificates have besides.
const KNOWN: [(&str, &str); 10] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.6", "C"),
    ("2.5.4.9", "STREET"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("2.5.4.5", "SERIALNUMBER"),
];

/// RFC 4514 §2.4
fn escaped(value: &str) -> String {
    let last = value.chars().count().saturating_sub(1);
    let mut text = String::new();
    for (place, character) in value.chars().enumerate() {
        let is_special = matches!(character, '"' | '+' | ',' | ';' | '<' | '>' | '\\')
            || place == 0 && matches!(character, ' ' | '#')
            || place == last && character == ' ';
        if is_special {
            text.push('\\');
        }
        text.push(character);
    }
    text
}

/// Spaces after the commas between parts, and the case of attributes' names, are matters of taste.
fn same_dn(name: &str, wanted: &str) -> bool {
    let normal = |text: &str| -> Vec<String> {
        let parts = split(text).into_iter();
        parts
            .map(|part| match part.trim_start().split_once('=') {
                Some((kind, value)) => format!("{}={value}", kind.trim().to_ascii_uppercase()),
                None => part,
            })
            .collect()
    };
    normal(name) == normal(wanted)
}

/// The parts between commas that are not escaped.
fn split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut is_escaped = false;
    for character in text.chars() {
        match character {
            ',' if !is_escaped => parts.push(String::new()),
            character => {
                if let Some(part) = parts.last_mut() {
                    part.push(character);
                }
            }
        }
        is_escaped = character == '\\' && !is_escaped;
    }
    parts
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use rcgen::{
        BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType,
        string::Ia5String,
    };

    use super::*;

    struct Authority(Issuer<'static, KeyPair>, String);

    impl Authority {
        fn new(name: &str) -> Self {
            let mut params = CertificateParams::default();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.distinguished_name.push(DnType::CommonName, name);
            let key = KeyPair::generate().unwrap();
            let pem = params.self_signed(&key).unwrap().pem();
            Self(Issuer::new(params, key), pem)
        }

        fn issue(&self, change: impl FnOnce(&mut CertificateParams)) -> PresentedCertificate {
            let mut params = CertificateParams::default();
            params.distinguished_name = rcgen::DistinguishedName::new();
            let name = &mut params.distinguished_name;
            name.push(DnType::CountryName, "VN");
            name.push(DnType::OrganizationName, "Shop, Inc.");
            name.push(DnType::CommonName, "shop");
            change(&mut params);
            let certificate = params.signed_by(&KeyPair::generate().unwrap(), &self.0);
            PresentedCertificate {
                own: certificate.unwrap().der().to_vec(),
                chain: Vec::new(),
            }
        }

        fn trusted(&self) -> Authorities {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("ca.pem");
            fs::write(&file, &self.1).unwrap();
            Authorities::read(Some(&file)).unwrap()
        }
    }

    const NOW: Timestamp = Timestamp(1_700_000_000);

    fn dn(text: &str) -> CertificateSubject {
        CertificateSubject::Dn(text.to_owned())
    }

    #[test]
    fn a_subject_is_compared_as_rfc_4514_writes_it() {
        let authority = Authority::new("ours");
        let (ours, certificate) = (authority.trusted(), authority.issue(|_| ()));
        for name in [
            "CN=shop,O=Shop\\, Inc.,C=VN",
            "cn=shop, o=Shop\\, Inc., C=VN",
        ] {
            assert!(ours.are_vouched_for(&certificate, &dn(name), NOW), "{name}");
        }
        for name in [
            "",
            "CN=shop",
            "C=VN,O=Shop\\, Inc.,CN=shop",
            "CN=shop,O=Shop, Inc.,C=VN",
            "CN=Shop,O=Shop\\, Inc.,C=VN",
            "CN=shop,O=Shop\\, Inc.,C=VN,",
            "CN=shop,O=Shop\\, Inc.,C=V",
        ] {
            assert!(
                !ours.are_vouched_for(&certificate, &dn(name), NOW),
                "{name}"
            );
        }
    }

    #[test]
    fn c099_the_same_name_from_another_authority_or_at_another_time_is_nobody() {
        let (ours, theirs) = (Authority::new("ours"), Authority::new("ours"));
        let name = dn("CN=shop,O=Shop\\, Inc.,C=VN");
        let trusted = ours.trusted();
        assert!(trusted.are_vouched_for(&ours.issue(|_| ()), &name, NOW));
        assert!(!trusted.are_vouched_for(&theirs.issue(|_| ()), &name, NOW));
        let old = ours.issue(|params| params.not_after = rcgen::date_time_ymd(2020, 1, 1));
        assert!(!trusted.are_vouched_for(&old, &name, NOW));
        let nobody = Authorities::read(None).unwrap();
        assert!(!nobody.are_vouched_for(&ours.issue(|_| ()), &name, NOW));
    }

    #[test]
    fn alternative_names_are_compared_within_their_kind_only() {
        let authority = Authority::new("ours");
        let ours = authority.trusted();
        let text = |text: &str| Ia5String::try_from(text).unwrap();
        let certificate = authority.issue(|params| {
            params.subject_alt_names = vec![
                SanType::DnsName(text("shop.example")),
                SanType::URI(text("https://shop.example/me")),
                SanType::Rfc822Name(text("shop@shop.example")),
                SanType::IpAddress("192.0.2.7".parse().unwrap()),
            ];
        });
        for (kind, value, is_it) in [
            ("san_dns", "shop.example", true),
            ("san_dns", "SHOP.example", true),
            ("san_uri", "https://shop.example/me", true),
            ("san_email", "shop@shop.example", true),
            ("san_ip", "192.0.2.7", true),
            ("san_dns", "example", false),
            ("san_dns", "https://shop.example/me", false),
            ("san_uri", "shop.example", false),
            ("san_uri", "https://shop.example/ME", false),
            ("san_email", "shop.example", false),
            ("san_ip", "192.0.2.8", false),
        ] {
            let subject = CertificateSubject::parse(kind, value).unwrap();
            assert_eq!(
                ours.are_vouched_for(&certificate, &subject, NOW),
                is_it,
                "{kind} {value}"
            );
        }
    }

    #[test]
    fn rubbish_is_nobody() {
        let (authority, subject) = (Authority::new("ours"), dn("CN=shop"));
        let ours = authority.trusted();
        for own in [
            Vec::new(),
            vec![0x30; 10],
            vec![0xff; 4000],
            authority.1.into_bytes(),
        ] {
            let chain = vec![Vec::new(), vec![1]];
            let certificate = PresentedCertificate { own, chain };
            assert!(!ours.are_vouched_for(&certificate, &subject, NOW));
        }
    }
}
