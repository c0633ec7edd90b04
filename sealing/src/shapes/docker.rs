//! A login to a registry of images, as `kubectl create secret docker-registry` writes it.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use zeroize::Zeroizing;

use super::ShapeError;
use crate::data::{SecretBytes, SecretData};

/// A login. Its `Debug` shows the server alone.
#[derive(Clone, Copy)]
pub struct DockerLogin<'a> {
    /// `https://index.docker.io/v1/`, `registry.example.com` …
    pub server: &'a str,
    /// Not empty, and without `:`.
    pub username: &'a str,
    /// Not empty.
    pub password: &'a str,
    /// Left out when it is empty.
    pub email: &'a str,
}

impl fmt::Debug for DockerLogin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DockerLogin").field("server", &self.server).finish_non_exhaustive()
    }
}

#[derive(Serialize)]
struct Config<'a> {
    auths: std::collections::BTreeMap<&'a str, Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    username: &'a str,
    password: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    email: &'a str,
    auth: &'a str,
}

/// The data of a `kubernetes.io/dockerconfigjson` secret.
pub fn from_docker_login(login: &DockerLogin<'_>) -> Result<SecretData, ShapeError> {
    let fail = |problem| Err(ShapeError::Value { key: ".dockerconfigjson", problem });
    if login.server.is_empty() || login.username.is_empty() || login.password.is_empty() {
        return fail("needs a server, a user name and a password");
    }
    if login.username.contains(':') {
        return fail("cannot hold a user name with `:`");
    }
    let plain = Zeroizing::new([login.username, ":", login.password].concat());
    let auth = Zeroizing::new(STANDARD.encode(plain.as_bytes()));
    let entry = Entry {
        username: login.username,
        password: login.password,
        email: login.email,
        auth: &auth,
    };
    let config = Config { auths: [(login.server, entry)].into() };
    // An escaped byte takes six at most: the buffer never grows and leaves nothing behind.
    let input = login.server.len() + plain.len() + login.email.len();
    let mut json = Vec::with_capacity(input * 6 + auth.len() + 128);
    if serde_json::to_writer(&mut json, &config).is_err() {
        return fail("cannot be written as JSON");
    }
    let mut data = SecretData::default();
    data.insert(".dockerconfigjson", SecretBytes::from(json))?;
    Ok(data)
}
