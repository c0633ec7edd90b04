//! A Secret as it is sent. The values are encoded straight into the one buffer that becomes the
//! request's body, and that is wiped when the body was sent.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hanse_sealing::SecretData;
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::Value;
use zeroize::Zeroizing;

use super::Version;

/// Around a key, its value and the whole: quotes, colons, commas, braces.
const PUNCTUATION: usize = 16;

/// Which object an update is for.
#[derive(Clone, Copy, Default)]
pub(super) struct Pinned<'a> {
    uid: Option<&'a str>,
    resource_version: Option<&'a str>,
}

impl<'a> Pinned<'a> {
    /// This object, as it is.
    pub(super) const fn uid(uid: &'a str) -> Self {
        Self { uid: Some(uid), resource_version: None }
    }

    /// This object, if nobody wrote it since.
    pub(super) fn version(version: &'a Version) -> Self {
        Self { uid: Some(&version.uid), resource_version: Some(&version.resource_version) }
    }
}

/// JSON: what was rendered, which has no values, and the values.
pub(super) fn encode(
    rendered: &Value,
    pinned: &Pinned<'_>,
    data: &SecretData,
) -> serde_json::Result<Zeroizing<Vec<u8>>> {
    let mut rendered = rendered.clone();
    if let Some(metadata) = rendered.get_mut("metadata").and_then(Value::as_object_mut) {
        let pins = [("uid", pinned.uid), ("resourceVersion", pinned.resource_version)];
        for (key, value) in pins.into_iter().filter_map(|(key, value)| Some((key, value?))) {
            metadata.insert(key.to_owned(), value.into());
        }
    }
    let entry = |(key, value): (&str, &hanse_sealing::SecretBytes)| {
        key.len() + base64_len(value.expose().len()) + PUNCTUATION
    };
    // Never moved while it grows, which would leave a copy behind.
    let length = serde_json::to_vec(&rendered)?.len() + data.iter().map(entry).sum::<usize>();
    let mut body = Zeroizing::new(Vec::with_capacity(length + PUNCTUATION));
    serde_json::to_writer(&mut *body, &Whole { rendered: &rendered, data })?;
    Ok(body)
}

const fn base64_len(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

struct Whole<'a> {
    rendered: &'a Value,
    data: &'a SecretData,
}

impl Serialize for Whole<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in self.rendered.as_object().into_iter().flatten() {
            map.serialize_entry(key, value)?;
        }
        map.serialize_entry("data", &Values(self.data))?;
        map.end()
    }
}

struct Values<'a>(&'a SecretData);

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in self.0.iter() {
            let mut text = Zeroizing::new(String::with_capacity(base64_len(value.expose().len())));
            STANDARD.encode_string(value.expose(), &mut text);
            map.serialize_entry(key, text.as_str())?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use serde_json::json;

    use super::*;

    #[test]
    fn the_body_has_the_values_and_never_outgrows_its_buffer() {
        let mut data = SecretData::default();
        for (key, length) in [("empty", 0), ("one", 1), ("two", 2), ("large", 300_000)] {
            data.insert(key, vec![0xfb; length]).unwrap();
        }
        let rendered = json!({ "kind": "Secret", "metadata": { "name": "db" }, "type": "Opaque" });
        let version = Version { uid: "u".to_owned(), resource_version: "7".to_owned() };
        let body = encode(&rendered, &Pinned::version(&version), &data).unwrap();
        let grown = body.capacity() - body.len();
        assert!(grown < 4 * PUNCTUATION + PUNCTUATION, "the estimate is close: {grown} left");

        let value: Value = serde_json::from_slice(&body).unwrap();
        let large = STANDARD.encode(vec![0xfb; 300_000]);
        let expected = json!({
            "kind": "Secret",
            "metadata": { "name": "db", "uid": "u", "resourceVersion": "7" },
            "type": "Opaque",
            "data": { "empty": "", "one": "+w==", "two": "+/s=", "large": large },
        });
        assert_eq!(value, expected);
    }
}
