//! Making certificates.

use super::{Ca, Kind, Name, Own, Sign, show::lines, unusable};
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
    time::SystemTime,
};
use trenza::{
    Result,
    tls::{Facts, Identity, TlsError},
};

/// A key is for its owner's eyes.
const PRIVATE: u32 = 0o600;
const PUBLIC: u32 = 0o644;

/// A certificate that signs itself.
pub(super) fn own(asked: &Own) -> Result {
    let path = asked.out.clone().unwrap_or_else(|| file(&asked.names));
    vacant(&[&path], asked.made.force)?;
    let (key, params) = (key(asked.made.key)?, for_server(&asked.names, asked.days)?);
    let certificate = params.self_signed(&key).map_err(Complaint::certificate)?.pem();
    write(&path, &(certificate.clone() + &key.serialize_pem()), PRIVATE, asked.made.force)?;
    told(&path, "certificate and key", &certificate)?;
    told_how_to_serve(&path, &path, &asked.names);
    Ok(())
}

/// A certification authority.
pub(super) fn authority(asked: &Ca) -> Result {
    vacant(&[&asked.out, &asked.key_out], asked.made.force)?;
    let key = key(asked.made.key)?;
    let mut params = params(&asked.name, asked.days, CertificateParams::default())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let certificate = params.self_signed(&key).map_err(Complaint::certificate)?.pem();
    // The key first: a certificate without its key is of no use.
    write(&asked.key_out, &key.serialize_pem(), PRIVATE, asked.made.force)?;
    write(&asked.out, &certificate, PUBLIC, asked.made.force)?;
    told(&asked.out, "certificate, for those who shall trust it", &certificate)?;
    say(&format!("{}: its key. Who has it can pretend to be anybody to them.", asked.key_out.display()));
    say("Sign with it:   trenza cert sign localhost 127.0.0.1");
    Ok(())
}

/// A certificate that an authority has signed.
pub(super) fn signed(asked: &Sign) -> Result {
    let path = asked.out.clone().unwrap_or_else(|| match &asked.client {
        Some(client) => format!("{}.pem", client.replace('/', "-")).into(),
        None => file(&asked.names),
    });
    vacant(&[&path], asked.made.force)?;
    let (ca, issuer, until) = issuer(&asked.ca, &asked.ca_key)?;
    let mut params = match &asked.client {
        Some(client) => for_client(client, asked.days)?,
        None => for_server(&asked.names, asked.days)?,
    };
    params.not_after = params.not_after.min(until.into());
    let key = key(asked.made.key)?;
    let certificate = params.signed_by(&key, &issuer).map_err(Complaint::certificate)?.pem();
    write(&path, &(certificate.clone() + &ca + &key.serialize_pem()), PRIVATE, asked.made.force)?;
    told(&path, "certificate, its authority's and key", &certificate)?;
    let (shown, ca) = (path.display(), asked.ca.display());
    if asked.client.is_some() {
        say(&format!("Show it:        curl --cert {shown} --cacert {ca} https://localhost:8443/"));
        say(&format!("Ask for it:     trenza web DIR --listen tls:8443:cert=localhost.pem:client-ca={ca}"));
    } else {
        told_how_to_serve(&path, &asked.ca, &asked.names);
    }
    Ok(())
}

/// The authority of these files: its certificate, who signs, and until when that is worth anything.
fn issuer(ca: &Path, ca_key: &Path) -> Result<(String, Issuer<'static, KeyPair>, SystemTime)> {
    let (pem, key) = (read(ca)?, read(ca_key)?);
    // Whether the two belong together.
    Identity::from_files(ca, ca_key)?;
    let facts = Facts::of_pem(pem.as_bytes())?.into_iter().next();
    let facts = facts.filter(|facts| facts.is_authority).ok_or_else(|| Complaint::not_authority(ca))?;
    if facts.until < SystemTime::from(Timestamp::now()) {
        return Err(Complaint::expired_authority(ca).into());
    }
    let key = KeyPair::from_pem(&key).map_err(|why| unusable(ca_key, why))?;
    let issuer = Issuer::from_ca_cert_pem(&pem, key).map_err(|why| unusable(ca, why))?;
    Ok((pem, issuer, facts.until))
}

fn key(kind: Kind) -> Result<KeyPair> {
    let made = match kind {
        Kind::Ecdsa => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
        Kind::Ed25519 => KeyPair::generate_for(&PKCS_ED25519),
        Kind::Rsa => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_3072),
    };
    Ok(made.map_err(Complaint::certificate)?)
}

fn for_server(names: &[Name], days: u16) -> Result<CertificateParams> {
    let all: Vec<String> = names.iter().map(Name::to_string).collect();
    let first = all.first().cloned().unwrap_or_default();
    let named = CertificateParams::new(all).map_err(Complaint::certificate)?;
    let mut params = params(&first, days, named)?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(params)
}

fn for_client(name: &str, days: u16) -> Result<CertificateParams> {
    let mut params = params(name, days, CertificateParams::default())?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    Ok(params)
}

/// With a name and times: valid from yesterday on, since clocks differ.
fn params(name: &str, days: u16, mut params: CertificateParams) -> Result<CertificateParams> {
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let date = |date: Date| date_time_ymd(date.year().into(), date.month() as u8, date.day() as u8);
    params.not_before = date(today.checked_sub(1.day())?);
    params.not_after = date(today.checked_add(i64::from(days).days())?);
    params.use_authority_key_identifier_extension = true;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params)
}

/// Where to write what is for these names.
fn file(names: &[Name]) -> PathBuf {
    format!("{}.pem", names.first().map(Name::file).unwrap_or_default()).into()
}

fn read(path: &Path) -> Result<String> {
    Ok(fs::read_to_string(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Complaint::no_authority(path),
        _ => unusable(path, error),
    })?)
}

/// Looks whether files may be written, before one of several is.
fn vacant(paths: &[&Path], force: bool) -> Result {
    match paths.iter().find(|path| !force && path.symlink_metadata().is_ok()) {
        Some(path) => Err(Complaint::exists(path).into()),
        None => Ok(()),
    }
}

/// Writes a file that nobody else could read meanwhile.
fn write(path: &Path, text: &str, mode: u32, force: bool) -> Result {
    let mut options = OpenOptions::new();
    options.write(true).mode(mode).create_new(true);
    if force {
        // The former one may have been open to all.
        match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(Complaint::unwritten(path, &error).into());
            }
            _ => {}
        }
    }
    let written = options.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    Ok(written.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => Complaint::exists(path),
        _ => Complaint::unwritten(path, &error),
    })?)
}

fn told(path: &Path, what: &str, pem: &str) -> Result<(), TlsError> {
    say(&format!("{}: {what}", path.display()));
    for facts in Facts::of_pem(pem.as_bytes())? {
        lines(&facts).iter().for_each(|line| say(line));
    }
    Ok(())
}

fn told_how_to_serve(path: &Path, trusted: &Path, names: &[Name]) {
    let host = names.first().map(Name::host).unwrap_or_default();
    say(&format!("Serve with it:  trenza web DIR --listen tls:8443:cert={}", path.display()));
    say(&format!("Trust it:       curl --cacert {} https://{host}:8443/", trusted.display()));
}
