//! The certificates between the parts of a cluster: one authority for each purpose, made afresh for
//! each testbed, kept as PEM files in one folder, good for ten years.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use time::{Duration, OffsetDateTime};

use crate::error::{Context, Result};

/// A certificate's or a key's file names: `NAME.crt` and `NAME.key`.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

impl Pair {
    pub(crate) fn at(dir: &Path, name: &str) -> Self {
        Self { cert: dir.join(format!("{name}.crt")), key: dir.join(format!("{name}.key")) }
    }
}

/// What a certificate is for.
pub(crate) enum Purpose<'a> {
    /// It serves on the loopback, under these further names too.
    Serve(&'a [&'a str]),
    /// It is a client: Kubernetes takes the user from the common name and the group from here.
    /// (Several groups would need a repeated attribute, which rcgen does not write.)
    Client(Option<&'a str>),
    /// Both, for a peer of etcd.
    Peer,
}

/// A certificate authority with its key at hand.
pub(crate) struct Authority {
    dir: PathBuf,
    files: Pair,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Makes a new authority in the folder, and writes it there.
    pub(crate) fn create(dir: &Path, name: &str) -> Result<Self> {
        fs::create_dir_all(dir).path("make", dir)?;
        let doing = || format!("cannot make the authority {name}");
        let mut params = params(name, &[], None).doing(doing)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().doing(doing)?;
        let cert = params.self_signed(&key).doing(doing)?;
        let files = Pair::at(dir, name);
        write_public(&files.cert, &cert.pem())?;
        write_secret(&files.key, &key.serialize_pem())?;
        Ok(Self { dir: dir.into(), files, issuer: Issuer::new(params, key) })
    }

    /// The authority that `create` wrote to the folder.
    pub(crate) fn open(dir: &Path, name: &str) -> Result<Self> {
        let files = Pair::at(dir, name);
        let key = fs::read_to_string(&files.key).path("read", &files.key)?;
        let key = KeyPair::from_pem(&key).path("use", &files.key)?;
        let cert = fs::read_to_string(&files.cert).path("read", &files.cert)?;
        let issuer = Issuer::from_ca_cert_pem(&cert, key).path("use", &files.cert)?;
        Ok(Self { dir: dir.into(), files, issuer })
    }

    /// The authority's own certificate.
    pub(crate) fn cert(&self) -> &Path {
        &self.files.cert
    }

    /// Its key.
    pub(crate) fn key(&self) -> &Path {
        &self.files.key
    }

    /// Issues a certificate for a new key, and writes both to the authority's folder.
    pub(crate) fn issue(&self, name: &str, common: &str, purpose: &Purpose<'_>) -> Result<Pair> {
        let files = Pair::at(&self.dir, name);
        let (cert, key) = self.issue_pem(common, purpose)?;
        write_public(&files.cert, &cert)?;
        write_secret(&files.key, &key)?;
        Ok(files)
    }

    /// Issues a certificate for a new key: the PEM of both.
    pub(crate) fn issue_pem(
        &self,
        common: &str,
        purpose: &Purpose<'_>,
    ) -> Result<(String, String)> {
        use ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
        let doing = || format!("cannot issue a certificate to {common}");
        let (hosts, group, usages) = match purpose {
            Purpose::Serve(names) => (loopback(names), None, vec![ServerAuth]),
            Purpose::Client(group) => (vec![], *group, vec![ClientAuth]),
            Purpose::Peer => (loopback(&[]), None, vec![ServerAuth, ClientAuth]),
        };
        let mut params = params(common, &hosts, group).doing(doing)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = usages;
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().doing(doing)?;
        let cert = params.signed_by(&key, &self.issuer).doing(doing)?;
        Ok((cert.pem(), key.serialize_pem()))
    }
}

/// Makes the key pair that signs service-account tokens: a private `NAME.key`, a public `NAME.crt`.
pub(crate) fn create_signing_key(dir: &Path, name: &str) -> Result<Pair> {
    let key = KeyPair::generate().doing(|| format!("cannot make the key {name}"))?;
    let files = Pair::at(dir, name);
    write_public(&files.cert, &key.public_key_pem())?;
    write_secret(&files.key, &key.serialize_pem())?;
    Ok(files)
}

fn loopback<'a>(names: &[&'a str]) -> Vec<&'a str> {
    [&["127.0.0.1", "localhost"], names].concat()
}

fn params(
    common: &str,
    hosts: &[&str],
    group: Option<&str>,
) -> Result<CertificateParams, rcgen::Error> {
    let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(hosts)?;
    let mut name = DistinguishedName::new();
    if let Some(group) = group {
        name.push(DnType::OrganizationName, group);
    }
    name.push(DnType::CommonName, common);
    params.distinguished_name = name;
    let now = OffsetDateTime::now_utc();
    params.not_before = now - Duration::hours(1);
    params.not_after = now + Duration::days(3650);
    Ok(params)
}

fn write_public(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).path("write", path)
}

/// Writes a file that only its owner may read.
pub(crate) fn write_secret(path: &Path, text: &str) -> Result<()> {
    let mut options = fs::File::options();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .path("write", path)?;
    file.write_all(text.as_bytes()).path("write", path)
}
