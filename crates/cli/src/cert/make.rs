//! Making certificates.

use super::{Ca, Kind, Made, Own, Sign, show::lines, unusable};
use crate::{complaint::Complaint, terminal::say};
use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256, RsaKeySize, date_time_ymd,
};
use std::{
    fs::{self, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};
use trenza::{Result, tls::Facts};

/// A key is for its owner's eyes.
const PRIVATE: u32 = 0o600;
const PUBLIC: u32 = 0o644;

/// A certificate that signs itself.
pub(super) fn own(asked: &Own) -> Result {
    let (key, params) = (key(asked.made.key)?, params(&asked.names, false, asked.made.days)?);
    let certificate = params.self_signed(&key).map_err(Complaint::certificate)?.pem();
    let path = asked.made.path(&asked.names);
    write(&path, &(certificate.clone() + &key.serialize_pem()), PRIVATE, asked.made.force)?;
    told(&path, "key and certificate", &certificate)?;
    let shown = path.display();
    say(&format!("Serve with it:  trenza web --listen tls:8443:cert={shown}"));
    say(&format!("Trust it:       curl --cacert {shown} https://{}:8443/", first(&asked.names)));
    Ok(())
}

/// A certification authority.
pub(super) fn authority(asked: &Ca) -> Result {
    let key = key(asked.made.key)?;
    let mut params = valid(CertificateParams::default(), asked.made.days)?;
    params.distinguished_name.push(DnType::CommonName, asked.name.as_str());
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let certificate = params.self_signed(&key).map_err(Complaint::certificate)?.pem();
    let path = asked.made.out.clone().unwrap_or_else(|| "ca.pem".into());
    // The key first: a certificate without its key is of no use.
    write(&asked.key_out, &key.serialize_pem(), PRIVATE, asked.made.force)?;
    write(&path, &certificate, PUBLIC, asked.made.force)?;
    told(&path, "certificate, for those who shall trust it", &certificate)?;
    say(&format!("{}: its key. Who has it can pretend to be anybody to them.", asked.key_out.display()));
    Ok(())
}

/// A certificate that an authority has signed.
pub(super) fn signed(asked: &Sign) -> Result {
    let (ca, ca_key) = (read(&asked.ca)?, read(&asked.ca_key)?);
    let signing = KeyPair::from_pem(&ca_key).map_err(|why| unusable(&asked.ca_key, why))?;
    let issuer = Issuer::from_ca_cert_pem(&ca, signing).map_err(|why| unusable(&asked.ca, why))?;
    let key = key(asked.made.key)?;
    let params = params(&asked.names, asked.client, asked.made.days)?;
    let certificate = params.signed_by(&key, &issuer).map_err(Complaint::certificate)?.pem();
    let path = asked.made.path(&asked.names);
    write(&path, &(certificate.clone() + &ca + &key.serialize_pem()), PRIVATE, asked.made.force)?;
    told(&path, "key, certificate and the authority's certificate", &certificate)
}

fn key(kind: Kind) -> Result<KeyPair> {
    let made = match kind {
        Kind::Ecdsa => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
        Kind::Ed25519 => KeyPair::generate_for(&PKCS_ED25519),
        Kind::Rsa => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_3072),
    };
    Ok(made.map_err(Complaint::certificate)?)
}

fn params(names: &[String], client: bool, days: u16) -> Result<CertificateParams> {
    let for_names = if client { Vec::new() } else { names.to_vec() };
    let params = CertificateParams::new(for_names).map_err(|_| {
        Complaint::usage(format!("{} is neither a DNS name nor an IP address", names.join(" or ")))
    })?;
    let mut params = valid(params, days)?;
    params.distinguished_name.push(DnType::CommonName, first(names));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![match client {
        true => ExtendedKeyUsagePurpose::ClientAuth,
        false => ExtendedKeyUsagePurpose::ServerAuth,
    }];
    Ok(params)
}

/// Valid from yesterday on, since clocks differ.
fn valid(mut params: CertificateParams, days: u16) -> Result<CertificateParams> {
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let date = |date: Date| date_time_ymd(date.year().into(), date.month() as u8, date.day() as u8);
    params.not_before = date(today.checked_sub(1.day())?);
    params.not_after = date(today.checked_add(i64::from(days).days())?);
    params.use_authority_key_identifier_extension = true;
    params.distinguished_name = rcgen::DistinguishedName::new();
    Ok(params)
}

/// The first of the names, of which there is at least one.
fn first(names: &[String]) -> &str {
    names.first().map_or("", String::as_str)
}

impl Made {
    /// Where to write what is for these names.
    fn path(&self, names: &[String]) -> PathBuf {
        let first = first(names).replace('*', "wildcard").replace([':', '/'], "-");
        self.out.clone().unwrap_or_else(|| format!("{first}.pem").into())
    }
}

fn read(path: &Path) -> Result<String> {
    Ok(fs::read_to_string(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Complaint::no_authority(path),
        _ => unusable(path, error),
    })?)
}

/// Writes a file that nobody else could read meanwhile.
fn write(path: &Path, text: &str, mode: u32, force: bool) -> Result {
    let mut options = OpenOptions::new();
    options.write(true).mode(mode).create_new(true);
    if force {
        // The former one may have been open to all.
        match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(unusable(path, error).into()),
            _ => {}
        }
    }
    let written = options.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    Ok(written.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => Complaint::exists(path),
        _ => unusable(path, error),
    })?)
}

fn told(path: &Path, what: &str, pem: &str) -> Result {
    say(&format!("{}: {what}", path.display()));
    for facts in Facts::of_pem(pem.as_bytes())? {
        lines(&facts).iter().for_each(|line| say(line));
    }
    Ok(())
}
