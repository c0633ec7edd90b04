//! All of a secret's document but what is sealed, and how it is written.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hanse_domain::document::Document;
use hanse_domain::ids::Digest;
use hanse_domain::parse::parse_document;
use hanse_sealing::shapes::{OPAQUE, check_type};
use hanse_sealing::{Recipient, SecretContext, SecretData, seal, wrap};
use serde_json::{Value, json};

use super::draft::Draft;
use super::owners::{self, Owner};
use super::spec;
use crate::failure::{Failure, Outcome};

/// What a secret's next version keeps of the one before, or is given.
#[derive(Clone, Debug)]
pub(crate) struct Outline {
    name: String,
    /// `metadata`, with the name.
    metadata: Value,
    pub(crate) placement: Value,
    drift: Option<Value>,
    pub(crate) secret_type: String,
    pub(crate) namespaces: BTreeSet<String>,
    pub(crate) owners: Vec<Owner>,
    /// Of the version before; 0 when there is none.
    version: u64,
    /// The document of the version before.
    before: Option<Digest>,
}

impl Outline {
    /// Of a secret that is new.
    pub(crate) fn new(name: &str, placement: Value, namespaces: BTreeSet<String>) -> Self {
        Self {
            name: name.to_owned(),
            metadata: json!({ "name": name }),
            placement,
            drift: None,
            secret_type: OPAQUE.to_owned(),
            namespaces,
            owners: Vec::new(),
            version: 0,
            before: None,
        }
    }

    /// Of a secret that is there.
    pub(crate) fn of(document: &Document) -> Outcome<Self> {
        let name = &document.reference.name;
        let secret = spec(document)?;
        let unreadable = || {
            Failure::new("document", format!("the document of secret {name} cannot be read"))
                .hint(format!("hanse get secret {name} -o yaml"))
        };
        let mut whole: Value =
            serde_saphyr::from_slice(&document.bytes).map_err(|_| unreadable())?;
        let mut take = |pointer: &str| whole.pointer_mut(pointer).map(Value::take);
        let mut owners = Vec::new();
        for owner in &secret.owners {
            let recipient: Recipient = owner.recipient.parse().map_err(|_| unreadable())?;
            owners.push(Owner { name: owner.name.clone(), recipient });
        }
        Ok(Self {
            name: name.clone(),
            metadata: take("/metadata").ok_or_else(unreadable)?,
            placement: take("/spec/placement").ok_or_else(unreadable)?,
            drift: take("/spec/drift"),
            secret_type: secret.secret_type.clone(),
            namespaces: secret.namespaces.clone(),
            owners,
            version: secret.version,
            before: Some(document.digest),
        })
    }

    /// Seals values as the next version.
    pub(crate) fn seal(self, fleet: Digest, data: &SecretData) -> Outcome<Draft> {
        if data.is_empty() {
            return Err(Failure::usage(format!("secret {} would have no values", self.name))
                .hint("KEY=@FILE, KEY=- or --from-file FILE gives one"));
        }
        check_type(&self.secret_type, data).map_err(|error| {
            Failure::new("secret-type", format!("no cluster would take secret {}", self.name))
                .why(error.to_string())
                .hint("--type says what it is; `Opaque` holds anything")
        })?;
        owners::check(&self.owners)?;
        let context = SecretContext {
            fleet: fleet.0,
            name: self.name.clone(),
            namespaces: self.namespaces.iter().cloned().collect(),
            secret_type: self.secret_type.clone(),
            version: self.version.saturating_add(1),
        };
        let failed = |error: hanse_sealing::SealError| {
            Failure::new("not-sealed", format!("secret {} cannot be sealed", self.name))
                .why(error.to_string())
        };
        let (payload, key) = seal(&context, data).map_err(failed)?;
        let mut wraps = Vec::new();
        for owner in &self.owners {
            wraps.push(STANDARD.encode(wrap(&key, &context, &owner.recipient).map_err(failed)?));
        }
        let payload = STANDARD.encode(payload.as_bytes());
        let keys: Vec<&str> = data.iter().map(|(key, _)| key).collect();
        let text = self.text(context.version, &keys, &wraps, &payload);
        let document = parse_document(text.as_bytes()).map_err(|error| {
            Failure::new("not-sealed", format!("secret {} makes no valid document", self.name))
                .why(format!("{}: {}", error.path, error.message))
        })?;
        Ok(Draft::new(Arc::new(document), self.before, context, key))
    }

    /// The document: YAML for its lines, JSON (which is YAML) for what may need quotes.
    fn text(&self, version: u64, keys: &[&str], wraps: &[String], payload: &str) -> String {
        let mut out = String::with_capacity(payload.len() + 4096);
        let _ = write!(
            out,
            "apiVersion: {}\nkind: FederatedSecret\nmetadata: {}\nspec:\n  placement: {}\n",
            hanse_domain::parse::API_VERSION,
            self.metadata,
            self.placement
        );
        if let Some(drift) = &self.drift {
            let _ = writeln!(out, "  drift: {drift}");
        }
        let _ = write!(
            out,
            "  type: {}\n  namespaces: {}\n  version: {version}\n  keys: {}\n",
            json!(self.secret_type),
            json!(self.namespaces),
            json!(keys)
        );
        if !self.owners.is_empty() {
            out.push_str("  owners:\n");
        }
        for (owner, wrap) in self.owners.iter().zip(wraps) {
            let (name, recipient) = (json!(owner.name), &owner.recipient);
            let _ = writeln!(
                out,
                "    - name: {name}\n      recipient: {recipient}\n      wrap: {wrap}"
            );
        }
        let _ = writeln!(out, "  payload: {payload}");
        out
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use hanse_sealing::{Identity, MAX_SECRET_BYTES};

    use super::*;

    const FLEET: Digest = Digest([7; 32]);

    fn data(entries: &[(&str, &[u8])]) -> SecretData {
        let mut data = SecretData::default();
        for (key, value) in entries {
            data.insert(*key, *value).unwrap();
        }
        data
    }

    fn outline() -> Outline {
        let namespaces = ["shop".to_owned(), "true".to_owned()].into();
        Outline::new("db", json!({ "clusterSelector": {} }), namespaces)
    }

    #[test]
    fn the_next_version_keeps_what_it_is_not_given() {
        let owner = Owner { name: "ann".into(), recipient: Identity::make_random().recipient() };
        let mut first = outline();
        first.metadata = json!({ "name": "db", "annotations": { "a": "ü: \"#'\u{1}!x" }, "labels": { "t": "1" } });
        first.drift = Some(json!("Report"));
        first.owners = vec![owner.clone()];
        let first = first.seal(FLEET, &data(&[("a", b"1")])).unwrap();
        let next = Outline::of(first.document()).unwrap();
        assert_eq!(next.owners, [owner]);
        assert_eq!(next.before, Some(first.document().digest));
        let next = next.seal(FLEET, &data(&[("b", b"2"), ("c", b"")])).unwrap();
        let (one, two) = (first.document(), next.document());
        assert_eq!((&one.labels, &one.annotations), (&two.labels, &two.annotations));
        assert_eq!(one.placement, two.placement);
        let secret = two.secret().unwrap();
        assert_eq!((secret.version, secret.owners.len()), (2, 1));
        assert!(secret.keys.iter().eq(["b", "c"]) && secret.namespaces.iter().eq(["shop", "true"]));
        assert!(String::from_utf8_lossy(&two.bytes).contains("  drift: \"Report\"\n"));
    }

    #[test]
    fn a_mebibyte_fits_and_nothing_does_not() {
        let value = vec![0xa5; MAX_SECRET_BYTES - 1];
        let draft = outline().seal(FLEET, &data(&[("k", &value)])).unwrap();
        assert!(draft.document().bytes.len() > MAX_SECRET_BYTES);
        let again = Outline::of(draft.document()).unwrap();
        assert_eq!(again.version, 1);
        assert_eq!(outline().seal(FLEET, &data(&[])).unwrap_err().code(), "usage");
    }

    #[test]
    fn the_type_is_held_to() {
        let mut tls = outline();
        tls.secret_type = hanse_sealing::shapes::TLS.to_owned();
        let failure = tls.seal(FLEET, &data(&[("tls.key", b"canary")])).unwrap_err();
        assert_eq!(failure.code(), "secret-type");
        assert!(failure.summary().contains("tls.crt") && !failure.to_string().contains("canary"));
    }
}
