//! What a certificate says of its owner.

use aws_lc_rs::digest::{SHA256, digest};
use trenza_core::Certificate;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Reads subject and fingerprint. The subject of a certificate that cannot be read is empty; such a one is refused
/// before anybody could ask.
pub(crate) fn certificate(der: &[u8]) -> Certificate {
    let subject = X509Certificate::from_der(der).map(|(_, read)| read.subject().to_string());
    Certificate::new(subject.unwrap_or_default(), fingerprint(der), der.to_vec())
}

/// The SHA-256 of a certificate in DER.
pub(crate) fn fingerprint(der: &[u8]) -> [u8; 32] {
    let mut sum = [0; 32];
    sum.copy_from_slice(digest(&SHA256, der).as_ref());
    sum
}

/// The DNS names and IP addresses that a certificate is for, wildcards included.
pub(crate) fn names(der: &[u8]) -> Vec<String> {
    use x509_parser::extensions::GeneralName;
    let Ok((_, read)) = X509Certificate::from_der(der) else { return Vec::new() };
    let Ok(Some(names)) = read.subject_alternative_name() else { return Vec::new() };
    let names = names.value.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    });
    names.collect()
}
