//! Asks again why a hub hung up. With TLS 1.3 a server refuses a client's certificate only after the
//! client thinks that it is connected, and the alert that says why is lost below HTTP/2.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::config::Context;

const TIMEOUT: Duration = Duration::from_secs(3);
/// RFC 9113, 3.4: what a client says first, with empty settings.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// The TLS error with which the hub refuses this context; nothing when it is none of TLS.
pub(crate) async fn refusal(context: &Context) -> Option<std::io::Error> {
    let uri: tonic::transport::Uri = context.server.parse().ok()?;
    let host = uri.host()?.trim_matches(['[', ']']).to_owned();
    let config = config(context)?;
    let name = ServerName::try_from(host.clone()).ok()?;
    let talk = async move {
        let stream = TcpStream::connect((host.as_str(), uri.port_u16().unwrap_or(443))).await?;
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        stream.write_all(PREFACE).await?;
        let mut answer = [0; 64];
        while stream.read(&mut answer).await? > 0 {}
        Ok(())
    };
    let error: std::io::Error = tokio::time::timeout(TIMEOUT, talk).await.ok()?.err()?;
    let is_tls = error.get_ref()?.is::<rustls::Error>();
    is_tls.then_some(error)
}

fn config(context: &Context) -> Option<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(context.certificate_authority.as_bytes()) {
        roots.add(certificate.ok()?).ok()?;
    }
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(context.client_certificate.as_bytes()).collect();
    let key = PrivateKeyDer::from_pem_slice(context.client_key.expose().as_bytes()).ok()?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().ok()?;
    let mut config =
        builder.with_root_certificates(roots).with_client_auth_cert(chain.ok()?, key).ok()?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Some(config)
}
