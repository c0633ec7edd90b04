//! Kubeconfig files with everything embedded, so that one file is enough to reach a cluster.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::error::{Context, Result};

/// The text of a kubeconfig whose only context is `context`, for one user with a client certificate.
pub(crate) fn render(context: &str, url: &str, ca: &Path, cert: &str, key: &str) -> Result<String> {
    let ca = fs::read(ca).path("read", ca)?;
    Ok(format!(
        "apiVersion: v1
kind: Config
current-context: {context}
clusters:
- name: {context}
  cluster:
    server: {url}
    certificate-authority-data: {ca}
contexts:
- name: {context}
  context:
    cluster: {context}
    user: {context}
users:
- name: {context}
  user:
    client-certificate-data: {cert}
    client-key-data: {key}
",
        ca = STANDARD.encode(ca),
        cert = STANDARD.encode(cert),
        key = STANDARD.encode(key),
    ))
}
