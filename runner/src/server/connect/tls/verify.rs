//! Whether a certificate is to be trusted.
//!
//! What webpki takes is taken. It is stricter than OpenSSL, by which libpq goes, about the certificates that PostgreSQL's manual
//! tells to make (runtime.sgml, "Creating Certificates"): one that is its own root, and one of version 1, which
//! `openssl x509 -req` makes. Those are taken where they are one of the roots, or signed by one.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, ServerName, SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer,
    UnixTime,
};
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use x509_cert::Certificate;
use x509_cert::certificate::Version;
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::BasicConstraints;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

use super::names;
use crate::server::connect::unusable::Unusable;

/// Who is trusted.
#[derive(Debug)]
pub(super) struct Roots {
    certificates: Vec<CertificateDer<'static>>,
    webpki: Arc<WebPkiServerVerifier>,
    /// Whether certificates can be revoked, which only webpki looks up.
    has_revoked: bool,
}

impl Roots {
    pub(super) fn new(
        certificates: Vec<CertificateDer<'static>>,
        revoked: Vec<CertificateRevocationListDer<'static>>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, Unusable> {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(certificates.iter().cloned());
        let has_revoked = !revoked.is_empty();
        let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider));
        let webpki = builder
            .with_crls(revoked)
            .build()
            .map_err(|error| Unusable::new(format!("could not read root certificates: {error}")))?;
        Ok(Roots { certificates, webpki, has_revoked })
    }

    fn check(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
        algorithms: &[&dyn SignatureVerificationAlgorithm],
    ) -> Result<(), Error> {
        match self.webpki.verify_server_cert(certificate, between, name, &[], now) {
            Ok(_) => Ok(()),
            // The name is looked at last, and not here.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(()),
            Err(error) if self.has_revoked => Err(error),
            // Of a version that webpki does not look at.
            Err(Error::InvalidCertificate(CertificateError::Other(_))) => {
                let unknown = Err(Error::InvalidCertificate(CertificateError::UnknownIssuer));
                self.check_plainly(certificate, now, algorithms).unwrap_or(unknown)
            }
            Err(error) => self.check_plainly(certificate, now, algorithms).unwrap_or(Err(error)),
        }
    }

    /// Trusts a root itself, and a certificate of version 1 that a root has signed. None where it is neither.
    fn check_plainly(
        &self,
        certificate: &CertificateDer<'_>,
        now: UnixTime,
        algorithms: &[&dyn SignatureVerificationAlgorithm],
    ) -> Option<Result<(), Error>> {
        let parsed = Certificate::from_der(certificate).ok()?;
        if self.certificates.iter().any(|root| root.as_ref() == certificate.as_ref()) {
            return Some(check_time(&parsed, now));
        }
        if parsed.tbs_certificate().version() != Version::V1 {
            return None;
        }
        let roots = self.certificates.iter().filter_map(|root| Certificate::from_der(root).ok());
        let has_signed = |root: &Certificate| is_signed(&parsed, root, algorithms).unwrap_or(false);
        let root = roots.into_iter().filter(is_authority).find(has_signed)?;
        Some(check_time(&root, now).and_then(|()| check_time(&parsed, now)))
    }
}

/// Whether it may sign others: those of version 1 do not say.
fn is_authority(root: &Certificate) -> bool {
    match root.tbs_certificate().get_extension::<BasicConstraints>() {
        Ok(Some((_, constraints))) => constraints.ca,
        Ok(None) => root.tbs_certificate().version() == Version::V1,
        Err(_) => false,
    }
}

fn check_time(certificate: &Certificate, now: UnixTime) -> Result<(), Error> {
    let validity = certificate.tbs_certificate().validity();
    let (from, until) = (validity.not_before.to_unix_duration(), validity.not_after.to_unix_duration());
    let wrong = if now.as_secs() < from.as_secs() {
        CertificateError::NotValidYet
    } else if now.as_secs() > until.as_secs() {
        CertificateError::Expired
    } else {
        return Ok(());
    };
    Err(Error::InvalidCertificate(wrong))
}

fn is_signed(
    certificate: &Certificate,
    root: &Certificate,
    algorithms: &[&dyn SignatureVerificationAlgorithm],
) -> Option<bool> {
    let signed = certificate.tbs_certificate().to_der().ok()?;
    let by = contents(certificate.signature_algorithm())?;
    let fits = certificate.tbs_certificate().issuer() == root.tbs_certificate().subject()
        && certificate.signature_algorithm() == certificate.tbs_certificate().signature();
    let signature = certificate.signature().as_bytes()?;
    let key = root.tbs_certificate().subject_public_key_info();
    let those = algorithms.iter().filter(|algorithm| algorithm.signature_alg_id().as_ref() == by);
    Some(fits && is_valid(key, those.copied(), &signed, signature)?)
}

fn is_valid<'a>(
    key: &SubjectPublicKeyInfoOwned,
    algorithms: impl Iterator<Item = &'a dyn SignatureVerificationAlgorithm>,
    message: &[u8],
    signature: &[u8],
) -> Option<bool> {
    let (kind, bits) = (contents(&key.algorithm)?, key.subject_public_key.as_bytes()?);
    let mut those = algorithms.filter(|algorithm| algorithm.public_key_alg_id().as_ref() == kind);
    Some(those.any(|algorithm| algorithm.verify_signature(bits, message, signature).is_ok()))
}

/// The encoding without that of the sequence around it, which is short.
fn contents(algorithm: &AlgorithmIdentifierOwned) -> Option<Vec<u8>> {
    let der = algorithm.to_der().ok()?;
    (*der.get(1)? < 0x80).then(|| der[2..].to_vec())
}

/// Looks at the certificate of one connection.
#[derive(Debug)]
pub(super) struct Verifier {
    roots: Option<Arc<Roots>>,
    /// The host that it has to be for.
    host: Option<String>,
    algorithms: WebPkiSupportedAlgorithms,
    complaint: Mutex<Option<Unusable>>,
}

impl Verifier {
    pub(super) fn new(roots: Option<Arc<Roots>>, host: Option<String>, algorithms: WebPkiSupportedAlgorithms) -> Self {
        Verifier { roots, host, algorithms, complaint: Mutex::new(None) }
    }

    /// Why it has refused, if it has.
    pub(super) fn complaint(&self) -> Option<Unusable> {
        self.complaint.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn refuse<T>(&self, why: Unusable) -> Result<T, Error> {
        *self.complaint.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
        Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }
}

/// In OpenSSL's words, where it has some.
fn refusal(error: &Error) -> Unusable {
    let (why, hint) = match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => (
            "unable to get local issuer certificate".to_owned(),
            "it is signed by nobody in the file that sslrootcert names (~/.postgresql/root.crt without it)",
        ),
        Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            ("certificate has expired".to_owned(), "give the server a new one")
        }
        Error::InvalidCertificate(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => {
            ("certificate is not yet valid".to_owned(), "compare the clocks of both machines")
        }
        Error::InvalidCertificate(CertificateError::Revoked) => {
            ("certificate revoked".to_owned(), "give the server a new one")
        }
        Error::InvalidCertificate(CertificateError::BadSignature) => (
            "certificate signature failure".to_owned(),
            "the file that sslrootcert names has another root of the same name",
        ),
        Error::InvalidCertificate(other) => (other.to_string(), "give the server another one"),
        other => (other.to_string(), "give the server another one"),
    };
    Unusable { reason: format!("SSL error: certificate verify failed: {why}"), hint: Some(hint.to_owned()) }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(roots) = &self.roots else { return Ok(ServerCertVerified::assertion()) };
        if let Err(error) = roots.check(certificate, between, name, now, self.algorithms.all) {
            return self.refuse(refusal(&error));
        }
        if let Some(host) = &self.host {
            let parsed = Certificate::from_der(certificate).map_err(|error| error.to_string());
            if let Err(reason) = parsed.and_then(|parsed| names::check(&parsed, host)) {
                let hint =
                    "connect by the name that it is for, with hostaddr for the address, or use sslmode=verify-ca";
                return self.refuse(Unusable { reason, hint: Some(hint.to_owned()) });
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = self.algorithms.mapping.iter().find(|(scheme, _)| *scheme == signed.scheme);
        let valid = || {
            let parsed = Certificate::from_der(certificate).ok()?;
            let key = parsed.tbs_certificate().subject_public_key_info();
            is_valid(key, algorithms?.1.iter().copied(), message, signed.signature())
        };
        match valid() {
            Some(true) => Ok(HandshakeSignatureValid::assertion()),
            _ => Err(Error::InvalidCertificate(CertificateError::BadSignature)),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let bad = |_| Error::InvalidCertificate(CertificateError::BadEncoding);
        let parsed = Certificate::from_der(certificate).map_err(bad)?;
        let key = parsed.tbs_certificate().subject_public_key_info();
        let key = SubjectPublicKeyInfoDer::from(key.to_der().map_err(bad)?);
        verify_tls13_signature_with_raw_key(message, &key, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
