//! TLS as libpq has it (fe-secure-openssl.c, initialize_SSL), by rustls.

mod binding;
mod names;
mod verify;

use std::fs;
use std::io;
use std::ops::RangeInclusive;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::ClientConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{Error, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use x509_cert::Certificate;
use x509_cert::der::{Decode, Encode};

use self::binding::end_point;
use self::verify::{Roots, Verifier};
use super::unusable::Unusable;
use crate::hint::{self, Need};

pub(super) use self::binding::{Bind, Bound};

/// `sslmode`
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mode {
    Disable,
    Allow,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

/// The files that are read, where they are there.
pub(super) struct Files {
    pub(super) root: Option<PathBuf>,
    pub(super) revoked: Option<PathBuf>,
    pub(super) certificate: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
}

/// How connections are encrypted.
#[derive(Debug)]
pub(super) struct Tls {
    pub(super) mode: Mode,
    is_direct: bool,
    has_server_name: bool,
    /// The error is for when it is wanted.
    means: Result<Means, Unusable>,
}

/// What is read from files.
#[derive(Debug)]
struct Means {
    provider: Arc<CryptoProvider>,
    versions: Vec<&'static SupportedProtocolVersion>,
    /// None where the certificate is not looked at.
    roots: Option<Arc<Roots>>,
    own: Option<Arc<SingleCertAndKey>>,
}

/// What becomes of a socket.
pub(super) enum Negotiated {
    /// It is encrypted. With it comes what a password is bound to.
    Encrypted(Box<TlsStream<TcpStream>>, Option<Vec<u8>>),
    /// The server does not do TLS.
    Plain(TcpStream),
}

impl Tls {
    /// For servers that are reached by sockets of the system.
    pub(super) fn none() -> Self {
        let means = Err(Unusable::new("TLS is for TCP"));
        Tls { mode: Mode::Disable, is_direct: false, has_server_name: false, means }
    }

    pub(super) fn new(
        mode: Mode,
        is_direct: bool,
        has_server_name: bool,
        versions: RangeInclusive<u8>,
        files: &Files,
    ) -> Self {
        let means = match mode {
            Mode::Disable => Err(Unusable::new("TLS is disabled")),
            _ => Means::read(mode, &versions, files),
        };
        Tls { mode, is_direct, has_server_name, means }
    }

    /// Asks a server for TLS and begins it (fe-connect.c, PQconnectPoll).
    pub(super) async fn negotiate(&self, mut socket: TcpStream, host: &str) -> Result<Negotiated, Unusable> {
        let means = self.means.as_ref().map_err(Clone::clone)?;
        let failed = |error: io::Error| Unusable::new(format!("could not negotiate TLS: {error}"));
        if !self.is_direct {
            // SSLRequest (pqcomm.h, NEGOTIATE_SSL_CODE).
            let request = [8u32.to_be_bytes(), 80_877_103u32.to_be_bytes()].concat();
            socket.write_all(&request).await.map_err(failed)?;
            let mut answer = [0];
            socket.read_exact(&mut answer).await.map_err(failed)?;
            match answer[0] {
                b'S' => {}
                b'N' => return Ok(Negotiated::Plain(socket)),
                b'E' => return Err(Unusable::new("server sent an error response during SSL exchange")),
                other => {
                    let other = char::from(other).escape_default();
                    return Err(Unusable::new(format!("received invalid response to SSL negotiation: {other}"))
                        .hint("what listens there may be no PostgreSQL"));
                }
            }
        }
        let (config, verifier) = means.config(host, self.mode == Mode::VerifyFull, self.has_server_name)?;
        // What no certificate can be for is not named to the server either.
        let name = ServerName::try_from(host.to_owned());
        let name = name.unwrap_or_else(|_| ServerName::try_from("invalid").expect("a name"));
        let stream = TlsConnector::from(Arc::new(config)).connect(name, socket).await.map_err(|error| {
            let hint = self.is_direct.then(|| DIRECT.to_owned());
            let other = || Unusable { hint, ..Unusable::new(format!("SSL error: {}", words(&error))) };
            verifier.complaint().unwrap_or_else(other)
        })?;
        let (_, session) = stream.get_ref();
        if self.is_direct && session.alpn_protocol() != Some(ALPN) {
            let reason = "direct SSL connection was established without ALPN protocol negotiation extension";
            return Err(Unusable::new(reason).hint(DIRECT));
        }
        let end_point = session.peer_certificates().and_then(|chain| end_point(chain.first()?));
        Ok(Negotiated::Encrypted(Box::new(stream), end_point))
    }
}

/// The hint of what goes wrong so.
const DIRECT: &str = "servers before 17 do not take sslnegotiation=direct";

/// The name of the protocol (libpq-be.h, PG_ALPN_PROTOCOL).
const ALPN: &[u8] = b"postgresql";

/// What the other side says, or why there is none, without the name of the library.
fn words(error: &io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::AlertReceived(alert)) => format!("the server answers with alert {alert:?}"),
        Some(error) => error.to_string(),
        None if error.kind() == io::ErrorKind::UnexpectedEof => "SSL SYSCALL error: EOF detected".to_owned(),
        None => error.to_string(),
    }
}

impl Means {
    fn read(mode: Mode, versions: &RangeInclusive<u8>, files: &Files) -> Result<Self, Unusable> {
        let provider = Arc::new(default_provider());
        let known = [(2, &rustls::version::TLS12), (3, &rustls::version::TLS13)];
        let versions: Vec<_> =
            known.into_iter().filter(|(number, _)| versions.contains(number)).map(|(_, version)| version).collect();
        if versions.is_empty() {
            return Err(Unusable::new("no version of TLS is left").hint("supported: TLSv1.2, TLSv1.3"));
        }
        let roots = roots(mode, files, &provider)?.map(Arc::new);
        let own = own(files, &provider)?.map(Arc::new);
        Ok(Means { provider, versions, roots, own })
    }

    fn config(
        &self,
        host: &str,
        is_full: bool,
        has_server_name: bool,
    ) -> Result<(ClientConfig, Arc<Verifier>), Unusable> {
        let algorithms = self.provider.signature_verification_algorithms;
        let verifier = Arc::new(Verifier::new(self.roots.clone(), is_full.then(|| host.to_owned()), algorithms));
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&self.versions)
            .map_err(|error| Unusable::new(format!("could not create SSL context: {error}")))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&verifier) as _);
        let mut config = match &self.own {
            Some(own) => builder.with_client_cert_resolver(Arc::clone(own) as _),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.enable_sni = has_server_name;
        Ok((config, verifier))
    }
}

/// Whom a certificate has to be from, where it is looked at: where there is a file of roots.
fn roots(mode: Mode, files: &Files, provider: &Arc<CryptoProvider>) -> Result<Option<Roots>, Unusable> {
    const HINT: &str = "Either provide the file, use the system's trusted roots with sslrootcert=system, or change sslmode to \
                        disable server certificate verification.";
    let is_verified = mode >= Mode::VerifyCa;
    let Some(file) = &files.root else {
        let reason = "could not get home directory to locate root certificate file";
        return if is_verified { Err(Unusable::new(reason).hint(HINT)) } else { Ok(None) };
    };
    let certificates = if file == Path::new("system") {
        let found = rustls_native_certs::load_native_certs();
        if found.certs.is_empty() {
            let reason = "could not load system root certificates";
            return Err(Unusable::new(reason).hint(hint::install(&[Need::Certificates])));
        }
        found.certs
    } else if file.exists() {
        let unreadable = |what: String| {
            Unusable::new(format!("could not read root certificate file \"{}\": {what}", file.display()))
        };
        let certificates = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let certificates = certificates.map_err(|error| unreadable(error.to_string()))?;
        if certificates.is_empty() {
            return Err(unreadable("no certificate found".to_owned()));
        }
        certificates
    } else if is_verified {
        return Err(Unusable::new(format!("root certificate file \"{}\" does not exist", file.display())).hint(HINT));
    } else {
        return Ok(None);
    };
    let revoked = match &files.revoked {
        Some(file) => CertificateRevocationListDer::pem_file_iter(file)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| Unusable::new(format!("could not read \"{}\": {error}", file.display())))?,
        None => Vec::new(),
    };
    Roots::new(certificates, revoked, provider).map(Some)
}

/// The certificate that this side shows, where there is one.
fn own(files: &Files, provider: &CryptoProvider) -> Result<Option<SingleCertAndKey>, Unusable> {
    let Some(file) = files.certificate.as_ref().filter(|file| file.exists()) else { return Ok(None) };
    let chain = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.ok().filter(|chain| !chain.is_empty());
    let chain =
        chain.ok_or_else(|| Unusable::new(format!("could not read certificate file \"{}\"", file.display())))?;
    let key = files.key.as_ref().filter(|key| key.exists()).ok_or_else(|| {
        let key = files.key.as_ref().map_or(String::new(), |key| format!(" \"{}\"", key.display()));
        Unusable::new(format!("certificate present, but not private key file{key}")).hint("name it by sslkey")
    })?;
    check_access(key)?;
    let unreadable =
        |what: &str| Unusable::new(format!("could not load private key file \"{}\": {what}", key.display()));
    let text = fs::read_to_string(key).map_err(|error| unreadable(&error.to_string()))?;
    if text.contains("ENCRYPTED") {
        let (command, plain) = hint::decrypt(key);
        let hint = format!("\"{command}\", and sslkey={plain}");
        return Err(unreadable("it is encrypted, which is not supported").hint(hint));
    }
    let der = PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|error| unreadable(&error.to_string()))?;
    let signing = provider.key_provider.load_private_key(der).map_err(|error| unreadable(&error.to_string()))?;
    let own = Certificate::from_der(&chain[0]);
    let public = own.and_then(|own| own.tbs_certificate().subject_public_key_info().to_der());
    if signing.public_key().is_some_and(|key| public.is_ok_and(|public| public != key.as_ref())) {
        return Err(unreadable("it does not belong to the certificate"));
    }
    Ok(Some(CertifiedKey::new(chain, signing).into()))
}

/// Fails where others could read the key.
fn check_access(key: &Path) -> Result<(), Unusable> {
    let metadata = fs::metadata(key)
        .map_err(|error| Unusable::new(format!("could not stat private key file \"{}\": {error}", key.display())))?;
    if !metadata.is_file() {
        return Err(Unusable::new(format!("private key file \"{}\" is not a regular file", key.display())));
    }
    let closed = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    if metadata.mode() & closed != 0 {
        let reason = format!("private key file \"{}\" has group or world access", key.display());
        return Err(Unusable::new(reason).hint(hint::close(key)));
    }
    Ok(())
}
