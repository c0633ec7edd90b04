//! What the authority's certificates say, read back with another library than the one that made them.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use rcgen::CustomExtension;
use uuid::Uuid;
use x509_parser::prelude::{GeneralName, X509Certificate};

use super::super::csr::ProvenKey;
use super::super::identity::{self, Peer};
use super::*;

fn now() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().unwrap()
}

fn authority() -> CertificateAuthority {
    CertificateAuthority::make(&"fleet.example.com".parse().unwrap(), now()).unwrap()
}

fn cluster() -> ClusterId {
    ClusterId(Uuid::from_u128(0x0198_c5a0_7b1e_7c3d_9d2f_0a1b_2c3d_4e5f))
}

fn names<'a>(certificate: &'a X509Certificate<'_>) -> &'a [GeneralName<'a>] {
    &certificate.subject_alternative_name().unwrap().unwrap().value.general_names
}

/// A request that asks for everything that it should not get.
fn greedy_request(key: &KeyPair) -> Vec<u8> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "prod2");
    params.distinguished_name.push(DnType::OrganizationName, "system:masters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.subject_alt_names = vec![
        SanType::DnsName("hub.example.com".try_into().unwrap()),
        uri("spiffe://fleet.example.com/user/administrator").unwrap(),
        SanType::IpAddress([127, 0, 0, 1].into()),
    ];
    // Microsoft's user principal name, which some verifiers read as an identity.
    let oid = [1, 3, 6, 1, 4, 1, 311, 20, 2, 3];
    params.custom_extensions = vec![CustomExtension::from_oid_content(&oid, vec![0x0c, 1, b'x'])];
    params.serialize_request(key).unwrap().der().to_vec()
}

#[test]
fn agent_gets_nothing_that_its_request_asks_for() {
    let ca = authority();
    let key = KeyPair::generate().unwrap();
    let proven = ProvenKey::from_csr(&greedy_request(&key)).unwrap();
    let issued = ca.issue_agent(cluster(), &proven, now(), AGENT_LIFETIME).unwrap();

    let leaf = identity::parse(&issued.chain[0]).unwrap();
    let expected = format!("spiffe://fleet.example.com/cluster/{}", cluster());
    assert_eq!(names(&leaf), [GeneralName::URI(&expected)]);
    assert_eq!(leaf.subject().iter().count(), 0);
    assert_eq!(leaf.issuer(), identity::parse(ca.certificate()).unwrap().subject());
    assert_eq!(leaf.public_key().raw, key.subject_public_key_info());

    let constraints = leaf.basic_constraints().unwrap().unwrap();
    assert!(constraints.critical && !constraints.value.ca);
    assert_eq!(leaf.key_usage().unwrap().unwrap().value.flags, 1, "digitalSignature alone");
    let purposes = leaf.extended_key_usage().unwrap().unwrap().value;
    assert!(purposes.client_auth && !purposes.server_auth && !purposes.any);
    assert!(purposes.other.is_empty());

    let mut extensions: Vec<_> = leaf.extensions().iter().map(|e| e.oid.to_id_string()).collect();
    extensions.sort();
    // Key identifiers of subject and issuer, key usage, SAN, constraints, extended key usage.
    let known = ["2.5.29.14", "2.5.29.15", "2.5.29.17", "2.5.29.19", "2.5.29.35", "2.5.29.37"];
    assert_eq!(extensions, known);
}

#[test]
fn agent_certificate_states_what_is_reported() {
    let ca = authority();
    let key = KeyPair::generate().unwrap();
    let proven = ProvenKey::from_csr(&greedy_request(&key)).unwrap();
    let issued = ca.issue_agent(cluster(), &proven, now(), AGENT_LIFETIME).unwrap();
    let again = ca.issue_agent(cluster(), &proven, now(), AGENT_LIFETIME).unwrap();
    assert_ne!(issued.serial, again.serial);
    assert_eq!(&issued.chain[1..], std::slice::from_ref(ca.certificate()));

    let leaf = identity::parse(&issued.chain[0]).unwrap();
    assert_eq!(leaf.raw_serial(), hex::decode(&issued.serial).unwrap());
    assert_eq!(leaf.validity().not_before.timestamp(), (now() - CLOCK_SKEW).as_second());
    assert_eq!(leaf.validity().not_after.timestamp(), (now() + DAY).as_second());
    let peer = Peer::identify(Some(&issued.chain[0]), ca.trust_domain()).unwrap();
    let (not_after, fingerprint) = (issued.not_after, issued.fingerprint);
    assert_eq!(peer, Peer::Agent { cluster: cluster(), not_after, fingerprint });
}

#[test]
fn people_and_servers_get_certificates_for_their_purpose() {
    let ca = authority();
    let name: UserName = "erika".parse().unwrap();
    let user = ca.issue_user(&name, now(), USER_LIFETIME).unwrap();
    let leaf = identity::parse(&user.certificate.chain[0]).unwrap();
    assert_eq!(names(&leaf), [GeneralName::URI("spiffe://fleet.example.com/user/erika")]);
    let purposes = leaf.extended_key_usage().unwrap().unwrap().value;
    assert!(purposes.client_auth && !purposes.server_auth);
    assert!(!format!("{user:?}").contains("PRIVATE"));

    let hosts = ["hub.example.com", "127.0.0.1", "::1"].map(str::to_owned);
    let server = ca.issue_server(&hosts, now()).unwrap();
    let leaf = identity::parse(&server.certificate.chain[0]).unwrap();
    let loopback = [&[0; 15][..], &[1]].concat();
    let expected = [
        GeneralName::DNSName("hub.example.com"),
        GeneralName::IPAddress(&[127, 0, 0, 1]),
        GeneralName::IPAddress(&loopback),
    ];
    assert_eq!(names(&leaf), expected);
    let purposes = leaf.extended_key_usage().unwrap().unwrap().value;
    assert!(purposes.server_auth && !purposes.client_auth);
}

#[test]
fn authority_signs_end_entities_only() {
    let ca = authority();
    let certificate = identity::parse(ca.certificate()).unwrap();
    let constraints = certificate.basic_constraints().unwrap().unwrap();
    assert!(constraints.critical && constraints.value.ca);
    assert_eq!(constraints.value.path_len_constraint, Some(0));
    let usage = certificate.key_usage().unwrap().unwrap().value;
    assert!(usage.key_cert_sign() && usage.crl_sign() && !usage.digital_signature());
    assert_eq!(identity::only_uri(&certificate).unwrap(), "spiffe://fleet.example.com");
    // The form that kubeadm and openssl print.
    let hash = Digest::of(certificate.public_key().raw);
    assert_eq!(ca.spki_hash(), format!("sha256:{hash}"));
}

#[test]
fn senseless_certificates_are_not_made() {
    let ca = authority();
    assert!(matches!(ca.issue_server(&[], now()), Err(IssueError::NoNames)));
    for host in ["", "a b", "*.example.com:1", "https://hub"] {
        let made = ca.issue_server(&[host.to_owned()], now());
        assert!(matches!(made, Err(IssueError::ServerName(_))), "{host}");
    }
    let name: UserName = "erika".parse().unwrap();
    for lifetime in [SignedDuration::ZERO, -DAY, SignedDuration::MAX] {
        assert!(matches!(ca.issue_user(&name, now(), lifetime), Err(IssueError::Validity)));
    }
}
