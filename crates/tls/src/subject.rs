//! What a certificate says of its owner.

use aws_lc_rs::digest::{SHA256, digest};
use std::net::IpAddr;
use trenza_core::Certificate;
use x509_parser::{
    extensions::GeneralName,
    prelude::{FromDer, X509Certificate},
};

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

/// The DNS names that a certificate is for, in lower case, wildcards as they stand there.
pub(crate) fn dns_names(der: &[u8]) -> Vec<String> {
    let Ok((_, read)) = X509Certificate::from_der(der) else { return Vec::new() };
    let names = general_names(&read).into_iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    });
    names.collect()
}

/// The DNS names and IP addresses that a certificate is for.
pub(crate) fn all_names(read: &X509Certificate<'_>) -> Vec<String> {
    let names = general_names(read).into_iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => ip(bytes).map(|ip| ip.to_string()),
        _ => None,
    });
    names.collect()
}

fn general_names<'a>(read: &'a X509Certificate<'_>) -> Vec<&'a GeneralName<'a>> {
    match read.subject_alternative_name() {
        Ok(Some(names)) => names.value.general_names.iter().collect(),
        _ => Vec::new(),
    }
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}
