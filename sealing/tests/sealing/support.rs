//! A secret to seal.

use hanse_sealing::{SecretContext, SecretData};

pub(crate) fn context() -> SecretContext {
    SecretContext {
        fleet: [7; 32],
        name: "db".to_owned(),
        namespaces: vec!["shop".to_owned(), "billing".to_owned()],
        secret_type: "Opaque".to_owned(),
        version: 3,
    }
}

pub(crate) fn data(entries: &[(&str, &[u8])]) -> SecretData {
    let mut data = SecretData::default();
    for (key, value) in entries {
        data.insert(*key, *value).unwrap();
    }
    data
}
