//! Certificates that try to be somebody else. Each is signed by our own CA, so that nothing but the
//! reading of the name stands in the way.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use rcgen::{CertificateParams, CustomExtension, KeyPair, SanType};

use super::*;

const ID: &str = "0198c5a0-7b1e-7c3d-9d2f-0a1b2c3d4e5f";

fn trust_domain() -> TrustDomain {
    "fleet.example.com".parse().unwrap()
}

fn certificate(names: Vec<SanType>, extra: Option<CustomExtension>) -> CertificateDer<'static> {
    let mut params = CertificateParams::default();
    params.subject_alt_names = names;
    params.custom_extensions.extend(extra);
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().into()
}

fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

fn dns(text: &str) -> SanType {
    SanType::DnsName(text.try_into().unwrap())
}

fn identify(names: Vec<SanType>) -> Result<Peer, IdentityError> {
    Peer::identify(Some(&certificate(names, None)), &trust_domain())
}

fn good() -> String {
    format!("spiffe://fleet.example.com/cluster/{ID}")
}

#[test]
fn agents_people_and_nobody_are_told_apart() {
    assert_eq!(Peer::identify(None, &trust_domain()), Ok(Peer::Anonymous));
    let der = certificate(vec![uri(&good())], None);
    let Ok(Peer::Agent { cluster, fingerprint, .. }) = Peer::identify(Some(&der), &trust_domain())
    else {
        unreachable!("an agent's certificate");
    };
    assert_eq!((cluster.to_string().as_str(), fingerprint), (ID, Digest::of(&der)));
    let Ok(Peer::User { name, .. }) =
        identify(vec![uri("spiffe://fleet.example.com/user/erika@example.com")])
    else {
        unreachable!("a person's certificate");
    };
    assert_eq!(name.as_str(), "erika@example.com");
}

#[test]
fn exactly_one_name_is_a_name() {
    let other = "spiffe://fleet.example.com/user/erika";
    for names in [
        vec![],
        vec![dns("fleet.example.com")],
        vec![dns(&good())],
        vec![SanType::Rfc822Name(good().as_str().try_into().unwrap())],
        vec![uri(&good()), uri(&good())],
        vec![uri(&good()), uri(other)],
        vec![uri(&good()), dns("fleet.example.com")],
        vec![dns("fleet.example.com"), uri(&good())],
        vec![uri(&good()), SanType::IpAddress([127, 0, 0, 1].into())],
    ] {
        assert_eq!(identify(names.clone()), Err(IdentityError::Names), "{names:?}");
    }
}

#[test]
fn other_trust_domains_are_foreign() {
    for prefix in [
        "spiffe://other.example.com",
        "spiffe://fleet.example.com.evil.example",
        "spiffe://fleet.example.co",
        "spiffe://fleet.example.comx",
        "spiffe://xfleet.example.com",
        "spiffe://FLEET.example.com",
        "spiffe://fleet.example.com.",
        "spiffe://fleet.example.com:443",
        "spiffe://user@fleet.example.com",
        "spiffe://fleet%2eexample.com",
        "spiffe:/fleet.example.com",
        "spiffe:///fleet.example.com",
        "spiffe:fleet.example.com",
        "SPIFFE://fleet.example.com",
        "https://fleet.example.com",
        " spiffe://fleet.example.com",
        "",
    ] {
        let refused = identify(vec![uri(&format!("{prefix}/cluster/{ID}"))]);
        assert!(matches!(refused, Err(IdentityError::Foreign { .. })), "{prefix}: {refused:?}");
    }
}

#[test]
fn paths_have_one_spelling() {
    let upper = ID.to_uppercase();
    let simple = ID.replace('-', "");
    let long_name = "a".repeat(65);
    for path in [
        "",
        "/",
        "cluster",
        "cluster/",
        "user",
        "user/",
        "/cluster/ID",
        "cluster//ID",
        "cluster/ID/",
        "cluster/ID/user/erika",
        "cluster/./ID",
        "cluster/../cluster/ID",
        "user/../cluster/ID",
        "cluster/%2e%2e/ID",
        "cluster/ID%2f",
        "cluster%2FID",
        "cluster/ID?",
        "cluster/ID?a=b",
        "cluster/ID#",
        "cluster/ID ",
        "cluster/ID\0",
        "cluster/ID\n",
        "cluster/{ID}",
        "cluster/urn:uuid:ID",
        "cluster/UPPER",
        "cluster/SIMPLE",
        "Cluster/ID",
        "clusters/ID",
        "agent/ID",
        "user/Erika",
        "user/erika/",
        "user/erika/admin",
        "user/.",
        "user/..",
        "user/e%2e",
        "user/e rika",
        "user/LONG",
        "user/erika?role=administrator",
        "user/erika#",
    ] {
        let text = path
            .replace("SIMPLE", &simple)
            .replace("UPPER", &upper)
            .replace("LONG", &long_name)
            .replace("ID", ID);
        let refused = identify(vec![uri(&format!("spiffe://fleet.example.com/{text}"))]);
        assert_eq!(refused, Err(IdentityError::Path), "{path:?}");
    }
}

#[test]
fn broken_certificates_are_errors() {
    let der = certificate(vec![uri(&good())], None);
    let read =
        |bytes: &[u8]| Peer::identify(Some(&CertificateDer::from(bytes.to_vec())), &trust_domain());
    for len in 0..der.len() {
        assert_eq!(read(der.get(..len).unwrap()), Err(IdentityError::Malformed), "cut to {len}");
    }
    assert_eq!(read(&[der.as_ref(), &[0]].concat()), Err(IdentityError::Malformed));
    // A second extension of the same kind: which one counts depends on who reads it.
    let second = CustomExtension::from_oid_content(&[2, 5, 29, 17], vec![0x30, 0]);
    let twice = certificate(vec![uri(&good())], Some(second));
    assert!(Peer::identify(Some(&twice), &trust_domain()).is_err());
}

#[test]
fn validity_ends_with_the_certificate() {
    let der = certificate(vec![uri(&good())], None);
    let peer = Peer::identify(Some(&der), &trust_domain()).unwrap();
    let Peer::Agent { not_after, .. } = peer else { unreachable!("an agent's certificate") };
    assert!(peer.is_valid_at(not_after));
    assert!(!peer.is_valid_at(not_after + jiff::SignedDuration::from_secs(1)));
    assert!(Peer::Anonymous.is_valid_at(Timestamp::MAX));
}
