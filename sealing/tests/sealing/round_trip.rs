//! What is sealed is opened again, whole, at every size that a Secret may have.

use hanse_sealing::{
    DataError, Identity, MAX_ENTRIES, MAX_NAMESPACES, MAX_PAYLOAD_BYTES, MAX_SECRET_BYTES,
    MAX_WRAP_BYTES, Recipient, SecretContext, SecretData, open, seal, unwrap, wrap, wrap_all,
};
use proptest::prelude::*;

use crate::support::{context, data};

fn contexts() -> impl Strategy<Value = SecretContext> {
    (
        any::<[u8; 32]>(),
        "[!-~]{1,40}",
        proptest::collection::vec("[!-~]{1,10}", 0..5),
        "[!-~]{1,40}",
        any::<u64>(),
    )
        .prop_map(|(fleet, name, namespaces, secret_type, version)| SecretContext {
            fleet,
            name,
            namespaces,
            secret_type,
            version,
        })
}

fn values() -> impl Strategy<Value = SecretData> {
    let value = proptest::collection::vec(any::<u8>(), 0..600);
    proptest::collection::btree_map("[-_a-zA-Z0-9]{1,20}", value, 0..6).prop_map(|entries| {
        let mut data = SecretData::default();
        for (key, value) in entries {
            data.insert(key, value).unwrap();
        }
        data
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_is_sealed_is_opened(context in contexts(), data in values()) {
        let owner = Identity::make_random();
        let (payload, version) = seal(&context, &data).unwrap();
        let wrapped = wrap(&version, &context, &owner.recipient()).unwrap();
        let version = unwrap(&wrapped, &context, &owner).unwrap();
        prop_assert_eq!(open(&context, payload.as_bytes(), &version).unwrap(), data);
    }
}

#[test]
fn namespaces_are_a_set() {
    let (payload, version) = seal(&context(), &data(&[("key", b"value")])).unwrap();
    let mut other = context();
    other.namespaces = ["billing", "shop", "billing"].map(str::to_owned).to_vec();
    open(&other, payload.as_bytes(), &version).unwrap();
}

#[test]
fn each_recipient_opens_its_own_wrap_and_no_other() {
    let identities: Vec<Identity> = (0..4).map(|_| Identity::make_random()).collect();
    let recipients: Vec<Recipient> = identities.iter().map(Identity::recipient).collect();
    let (payload, version) = seal(&context(), &data(&[("key", b"value")])).unwrap();
    let wraps = wrap_all(&version, &context(), &recipients).unwrap();
    for (i, wrapped) in wraps.iter().enumerate() {
        for (j, identity) in identities.iter().enumerate() {
            let version = unwrap(wrapped, &context(), identity);
            assert_eq!(version.is_ok(), i == j);
            if let Ok(version) = version {
                open(&context(), payload.as_bytes(), &version).unwrap();
            }
        }
    }
}

#[test]
fn a_secret_of_one_mebibyte_fits_and_a_byte_more_does_not() {
    let mut largest = SecretData::default();
    largest.insert("key", vec![0xa5; MAX_SECRET_BYTES - 3]).unwrap();
    assert_eq!(largest.bytes(), MAX_SECRET_BYTES);
    let (payload, version) = seal(&context(), &largest).unwrap();
    assert_eq!(open(&context(), payload.as_bytes(), &version).unwrap(), largest);

    assert_eq!(largest.insert("k", Vec::new()), Err(DataError::TooLarge(MAX_SECRET_BYTES + 1)));
    assert_eq!(largest.len(), 1);
}

#[test]
fn the_limits_hold_the_most_of_everything() {
    let mut context = context();
    context.name = "n".repeat(253);
    context.secret_type = "t".repeat(253);
    context.version = u64::MAX;
    context.namespaces = (0..MAX_NAMESPACES).map(|i| format!("{i:063}")).collect();
    let mut data = SecretData::default();
    for i in 0..MAX_ENTRIES {
        data.insert(format!("{i:0128}"), vec![0; MAX_SECRET_BYTES / MAX_ENTRIES - 128]).unwrap();
    }
    assert_eq!(data.bytes(), MAX_SECRET_BYTES);
    let (payload, version) = seal(&context, &data).unwrap();
    assert!(payload.as_bytes().len() <= MAX_PAYLOAD_BYTES);
    assert_eq!(open(&context, payload.as_bytes(), &version).unwrap(), data);

    let owner = Identity::make_random();
    let recipients = vec![owner.recipient(); 100];
    for wrapped in wrap_all(&version, &context, &recipients).unwrap() {
        assert!(wrapped.len() <= MAX_WRAP_BYTES, "{}", wrapped.len());
    }
    context.namespaces.push("one-more".to_owned());
    let error = seal(&context, &data).unwrap_err();
    assert_eq!(error.to_string(), "the secret's namespaces are more than 1,000");
}

#[test]
fn lengths_of_like_passwords_cannot_be_told() {
    // The library adds a random stanza to each header, so what counts is behind the header.
    let body = |value: &[u8]| {
        let (payload, _) = seal(&context(), &data(&[("password", value)])).unwrap();
        let file = payload.into_bytes();
        let header = file.windows(5).position(|window| window == b"\n--- ").unwrap();
        file.len() - header
    };
    assert_eq!(body(b"short"), body(&[b'x'; 60]));
}

#[test]
fn keys_are_those_of_kubernetes() {
    let mut data = SecretData::default();
    for key in ["a", "A-b_c.d", ".dockerconfigjson", &"k".repeat(253)] {
        data.insert(key, b"".as_slice()).unwrap();
    }
    for key in ["", ".", "..", "..a", "a b", "a/b", "ключ", "a\n", &"k".repeat(254)] {
        assert_eq!(data.insert(key, b"".as_slice()), Err(DataError::Key), "{key:?}");
    }
    let twice = data.insert("a", b"".as_slice()).unwrap_err();
    assert_eq!(twice.to_string(), "the key `a` is there twice");
}

#[test]
fn names_in_other_scripts_are_refused_with_the_field() {
    let mut context = context();
    context.name = "база".to_owned();
    let error = seal(&context, &SecretData::default()).unwrap_err();
    assert_eq!(error.to_string(), "the secret's name must be 1 to 253 visible ASCII characters");
}
