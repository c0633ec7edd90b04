//! Secrets of one or two given values.

use super::{BASIC_AUTH, SSH_AUTH, ShapeError, TLS, check_type};
use crate::data::{SecretBytes, SecretData};

/// A `kubernetes.io/tls` secret of a certificate chain and its key, both in PEM. Whether the key is
/// the certificate's is not looked at.
pub fn from_tls(
    certificate: impl Into<SecretBytes>,
    key: impl Into<SecretBytes>,
) -> Result<SecretData, ShapeError> {
    let mut data = SecretData::default();
    data.insert("tls.crt", certificate)?;
    data.insert("tls.key", key)?;
    check_type(TLS, &data)?;
    Ok(data)
}

/// A `kubernetes.io/basic-auth` secret of a user name, a password or both.
pub fn from_basic_auth(
    username: Option<&str>,
    password: Option<SecretBytes>,
) -> Result<SecretData, ShapeError> {
    let mut data = SecretData::default();
    if let Some(username) = username {
        data.insert("username", username.as_bytes())?;
    }
    if let Some(password) = password {
        data.insert("password", password)?;
    }
    check_type(BASIC_AUTH, &data)?;
    Ok(data)
}

/// A `kubernetes.io/ssh-auth` secret of a private key.
pub fn from_ssh_key(key: impl Into<SecretBytes>) -> Result<SecretData, ShapeError> {
    let mut data = SecretData::default();
    data.insert("ssh-privatekey", key)?;
    check_type(SSH_AUTH, &data)?;
    Ok(data)
}
