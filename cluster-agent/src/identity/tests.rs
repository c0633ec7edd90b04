#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, SanType,
};

use super::*;

struct Hub {
    ca: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

impl Hub {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let ca = params.self_signed(&key).unwrap().der().to_vec();
        Self { ca, issuer: Issuer::new(params, key) }
    }

    fn sign(&self, request: &Request, name: &str) -> Vec<Vec<u8>> {
        let csr = request.csr.as_slice().into();
        let mut csr = CertificateSigningRequestParams::from_der(&csr).unwrap();
        csr.params.subject_alt_names = vec![SanType::URI(name.try_into().unwrap())];
        csr.params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        vec![csr.signed_by(&self.issuer).unwrap().der().to_vec(), self.ca.clone()]
    }
}

fn facts() -> Facts {
    Facts {
        cluster_id: "0192f0c1-2a3b-7c4d-8e5f-60718293a4b5".parse().unwrap(),
        cluster_name: "east".into(),
        cluster_uid: "uid".into(),
        trust_domain: "fleet.example".into(),
        fleet_id: Digest::of(b"root").to_string(),
        history: None,
        agent_address: "hub.example:7443".into(),
    }
}

fn identity(hub: &Hub, name: &str) -> Identity {
    let request = Request::make().unwrap();
    let chain = hub.sign(&request, name);
    let now = "2026-11-24T10:00:00Z".parse().unwrap();
    let credentials = Credentials::new(&chain, &request, now).unwrap();
    let ca_pem = crate::kube::token::certificate_pem(&hub.ca);
    Identity { facts: facts(), credentials, ca_pem }
}

#[test]
fn an_identity_comes_back_and_is_private() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("a/b");
    make_directory(&dir).unwrap();
    let saved = identity(&Hub::new(), &facts().spiffe_id());
    saved.save(&dir).unwrap();
    let loaded = Identity::load(&dir).unwrap();
    assert_eq!(loaded.facts, saved.facts);
    assert_eq!(loaded.credentials.chain_pem, saved.credentials.chain_pem);
    assert_eq!(loaded.credentials.obtained_at, saved.credentials.obtained_at);
    let secret = |i: &Identity| i.credentials.key_pem.expose_secret().to_owned();
    assert_eq!(secret(&loaded), secret(&saved));
    assert!(is_private(&dir).unwrap());
    for file in std::fs::read_dir(&dir).unwrap() {
        assert!(is_private(&file.unwrap().path()).unwrap());
    }
    assert!(!format!("{loaded:?}").contains("PRIVATE"), "Debug shows nothing of the key");
}

#[test]
fn another_clusters_certificate_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    identity(&Hub::new(), "spiffe://fleet.example/cluster/other").save(dir.path()).unwrap();
    let loaded = Identity::load(dir.path());
    assert!(
        matches!(loaded, Err(IdentityError::Certificate(CertificateError::OtherName))),
        "{loaded:?}"
    );
}

#[test]
fn another_keys_certificate_is_refused() {
    let hub = Hub::new();
    let (mine, other) = (Request::make().unwrap(), Request::make().unwrap());
    let made = Credentials::new(&hub.sign(&other, "spiffe://x/y"), &mine, Timestamp::now());
    assert!(matches!(made, Err(CertificateError::OtherKey)), "{made:?}");
}

#[test]
fn another_cas_certificate_is_refused() {
    let (hub, other) = (Hub::new(), Hub::new());
    let request = Request::make().unwrap();
    let chain = hub.sign(&request, "spiffe://x/y");
    verify_chain(&chain, &hub.ca, Timestamp::now()).unwrap();
    let refused = verify_chain(&chain, &other.ca, Timestamp::now());
    assert!(matches!(refused, Err(CertificateError::Unverified(_))), "{refused:?}");
}

#[test]
fn a_directory_without_an_identity_says_so() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(Identity::load(dir.path()), Err(IdentityError::NotJoined(_))));
}
