//! Trust in a hub that is known by the hash of its CA alone, against real TLS servers.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hanse_agent::enroll::{CaHash, EnrollError, Hub, PinError};
use hanse_domain::ids::Digest;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, PublicKeyData as _};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

struct Ca {
    der: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Ca {
    fn new() -> Self {
        Self::with(IsCa::Ca(BasicConstraints::Constrained(0)))
    }

    fn with(is_ca: IsCa) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = is_ca;
        let der = params.self_signed(&key).unwrap().der().clone();
        Self { der, issuer: Issuer::new(params, key) }
    }

    fn hash(&self) -> CaHash {
        let key = self.issuer.key().subject_public_key_info();
        format!("sha256:{}", Digest::of(&key)).parse().unwrap()
    }

    fn leaf(&self, names: &[&str]) -> (CertificateDer<'static>, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let params = CertificateParams::new(names).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().der().clone(), key)
    }
}

struct Server {
    address: String,
    /// Handshakes that were completed, after which a client would have sent something.
    completed: Arc<AtomicUsize>,
}

async fn serve(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> Server {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key.into())
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let completed = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&completed);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(stream) = acceptor.accept(stream).await {
                counter.fetch_add(1, Ordering::SeqCst);
                // Kept open for as long as the test runs.
                std::mem::forget(stream);
            }
        }
    });
    Server { address, completed }
}

async fn pin_error(server: &Server, hash: CaHash) -> PinError {
    match Hub::connect(&server.address, hash).await {
        Err(EnrollError::Pin(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_right_hash_is_accepted() {
    let ca = Ca::new();
    let (leaf, key) = ca.leaf(&["127.0.0.1"]);
    let server = serve(vec![leaf, ca.der.clone()], &key).await;
    Hub::connect(&server.address, ca.hash()).await.unwrap();
}

#[tokio::test]
async fn another_hash_is_refused_before_anything_is_sent() {
    let (ca, other) = (Ca::new(), Ca::new());
    let (leaf, key) = ca.leaf(&["127.0.0.1"]);
    let server = serve(vec![leaf, ca.der.clone()], &key).await;
    assert_eq!(pin_error(&server, other.hash()).await, PinError::NoCa(other.hash()));
    assert_eq!(server.completed.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn the_ca_in_the_chain_is_not_enough() {
    let (ca, thief) = (Ca::new(), Ca::new());
    let (leaf, key) = thief.leaf(&["127.0.0.1"]);
    // Anybody can show the CA's certificate; only the CA can sign with it.
    for chain in [
        vec![leaf.clone(), ca.der.clone()],
        vec![leaf.clone(), thief.der.clone(), ca.der.clone()],
        vec![leaf.clone(), ca.der.clone(), thief.der.clone()],
    ] {
        let server = serve(chain, &key).await;
        let refused = pin_error(&server, ca.hash()).await;
        assert!(matches!(refused, PinError::Leaf(_)), "{refused:?}");
    }
}

#[tokio::test]
async fn another_host_is_refused() {
    let ca = Ca::new();
    let (leaf, key) = ca.leaf(&["hub.example"]);
    let server = serve(vec![leaf, ca.der.clone()], &key).await;
    let refused = pin_error(&server, ca.hash()).await;
    assert!(matches!(&refused, PinError::Leaf(why) if why.contains("127.0.0.1")), "{refused:?}");
}

#[tokio::test]
async fn a_certificate_that_is_no_ca_is_refused() {
    let no_ca = Ca::with(IsCa::ExplicitNoCa);
    let (leaf, key) = no_ca.leaf(&["127.0.0.1"]);
    let server = serve(vec![leaf, no_ca.der.clone()], &key).await;
    assert_eq!(pin_error(&server, no_ca.hash()).await, PinError::NoCa(no_ca.hash()));
}

#[tokio::test]
async fn nobody_there_is_no_pin_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let refused = Hub::connect(&address, Ca::new().hash()).await;
    assert!(matches!(refused, Err(EnrollError::Unreachable(_))), "{refused:?}");
}

#[test]
fn hashes_have_one_spelling() {
    let good = Ca::new().hash();
    assert_eq!(good.to_string().parse::<CaHash>().unwrap(), good);
    for bad in ["", "sha256:", &good.to_string().to_uppercase(), &format!("{good}0")] {
        assert!(bad.parse::<CaHash>().is_err(), "{bad}");
    }
}
