//! Whether a certificate is for a host (fe-secure-common.c and pgtls_verify_peer_name_matches_certificate_guts).

use std::net::IpAddr;

use x509_cert::Certificate;
use x509_cert::der::Tagged;
use x509_cert::der::asn1::{Ia5StringRef, PrintableStringRef, TeletexStringRef, Utf8StringRef};
use x509_cert::der::oid::db::rfc4519::COMMON_NAME;
use x509_cert::der::{Any, Tag};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// The error says for which names it is.
pub(super) fn check(certificate: &Certificate, host: &str) -> Result<(), String> {
    let address: Option<IpAddr> = host.parse().ok();
    let mut names = Vec::new();
    // Without an alternative name of the host's kind, the common name counts.
    let mut common = true;
    let alternative = certificate.tbs_certificate().get_extension::<SubjectAltName>().ok().flatten();
    if let Some((_, SubjectAltName(alternatives))) = alternative {
        for alternative in &alternatives {
            match alternative {
                GeneralName::DnsName(name) => {
                    common &= address.is_some();
                    if fits(name.as_str(), host) {
                        return Ok(());
                    }
                    names.push(name.as_str().to_owned());
                }
                GeneralName::IpAddress(bytes) => {
                    common &= address.is_none();
                    let own = octets(bytes.as_bytes());
                    if own.is_some() && own == address {
                        return Ok(());
                    }
                    names.extend(own.map(|own| own.to_string()));
                }
                _ => {}
            }
        }
    }
    if common && let Some(name) = common_name(certificate) {
        if fits(&name, host) {
            return Ok(());
        }
        names.push(name);
    }
    Err(match names.as_slice() {
        [] => "could not get server's host name from server certificate".to_owned(),
        [name] => format!("server certificate for \"{name}\" does not match host name \"{host}\""),
        [name, others @ ..] => {
            let s = if others.len() == 1 { "" } else { "s" };
            let count = others.len();
            format!("server certificate for \"{name}\" (and {count} other name{s}) does not match host name \"{host}\"")
        }
    })
}

fn octets(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes).map(IpAddr::from).or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

/// Exactly, or by a wildcard that stands for one label.
fn fits(name: &str, host: &str) -> bool {
    let wildcard = || {
        let (pattern, (_, behind)) = (name.strip_prefix("*.")?, host.split_once('.')?);
        Some(!pattern.is_empty() && pattern.eq_ignore_ascii_case(behind) && !host.starts_with('.'))
    };
    !name.contains('\0') && (name.eq_ignore_ascii_case(host) || wildcard().unwrap_or(false))
}

fn common_name(certificate: &Certificate) -> Option<String> {
    let parts = certificate.tbs_certificate().subject().iter();
    parts.filter(|part| part.oid == COMMON_NAME).find_map(|part| text(&part.value))
}

fn text(value: &Any) -> Option<String> {
    match value.tag() {
        Tag::Utf8String => value.decode_as::<Utf8StringRef>().ok().map(|text| text.as_str().to_owned()),
        Tag::PrintableString => value.decode_as::<PrintableStringRef>().ok().map(|text| text.as_str().to_owned()),
        Tag::Ia5String => value.decode_as::<Ia5StringRef>().ok().map(|text| text.as_str().to_owned()),
        Tag::TeletexString => value.decode_as::<TeletexStringRef>().ok().map(|text| text.as_str().to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_as_libpq_says() {
        for (name, host, expected) in [
            ("db.example", "DB.example", true),
            ("db.example", "db.example.org", false),
            ("*.example", "db.example", true),
            ("*.example", "a.db.example", false),
            ("*.example", "example", false),
            ("*.example", ".example", false),
            ("*", "localhost", false),
            ("*.", "localhost.", false),
            ("d*.example", "db.example", false),
            ("db\0.example", "db\0.example", false),
        ] {
            assert_eq!(fits(name, host), expected, "{name:?} {host:?}");
        }
    }
}
