//! What is refused: other recipients, other contexts, and every kind of damage.

use hanse_sealing::{
    ContextField, Identity, InvalidIdentity, InvalidRecipient, MAX_PAYLOAD_BYTES, MAX_WRAP_BYTES,
    Recipient, Refusal, SecretContext, SecretData, VersionIdentity, open, seal, unwrap, wrap,
};

use crate::support::{context, data};

struct Sealed {
    payload: Vec<u8>,
    version: VersionIdentity,
    wrapped: Vec<u8>,
    owner: Identity,
}

fn sealed() -> Sealed {
    let owner = Identity::make_random();
    let (payload, version) = seal(&context(), &data(&[("password", b"hunter2")])).unwrap();
    let wrapped = wrap(&version, &context(), &owner.recipient()).unwrap();
    Sealed { payload: payload.into_bytes(), version, wrapped, owner }
}

fn open_error(payload: &[u8], version: &VersionIdentity) -> Refusal {
    open(&context(), payload, version).unwrap_err().refusal
}

fn unwrap_error(wrapped: &[u8], owner: &Identity) -> Refusal {
    unwrap(wrapped, &context(), owner).unwrap_err().refusal
}

#[test]
fn another_recipient_opens_neither() {
    let sealed = sealed();
    let (_, other) = seal(&context(), &SecretData::default()).unwrap();
    assert_eq!(open_error(&sealed.payload, &other), Refusal::OtherRecipient);
    let other = Identity::make_random();
    assert_eq!(unwrap_error(&sealed.wrapped, &other), Refusal::OtherRecipient);
}

#[test]
fn each_field_of_the_context_counts() {
    let sealed = sealed();
    let change = |change: fn(&mut SecretContext)| {
        let mut context = context();
        change(&mut context);
        context
    };
    for (field, other, in_wrap) in [
        (ContextField::Fleet, change(|c| c.fleet[31] ^= 1), true),
        (ContextField::Name, change(|c| c.name.push('2')), true),
        (ContextField::Namespaces, change(|c| drop(c.namespaces.pop())), false),
        (ContextField::Namespaces, change(|c| c.namespaces.push("web".into())), false),
        (ContextField::Type, change(|c| c.secret_type = "kubernetes.io/tls".into()), false),
        (ContextField::Version, change(|c| c.version = 30), true),
    ] {
        let error = open(&other, &sealed.payload, &sealed.version).unwrap_err();
        assert_eq!(error.refusal, Refusal::OtherContext(field));
        assert_eq!(
            error.to_string(),
            format!("cannot open the sealed secret: it was sealed for another {field}")
        );
        let unwrapped = unwrap(&sealed.wrapped, &other, &sealed.owner);
        if in_wrap {
            assert_eq!(unwrapped.unwrap_err().refusal, Refusal::OtherContext(field));
        } else {
            assert!(unwrapped.is_ok());
        }
    }
}

#[test]
fn a_flipped_bit_anywhere_is_refused() {
    let sealed = sealed();
    for at in 0..sealed.payload.len() {
        let mut payload = sealed.payload.clone();
        payload[at] ^= 1 << (at % 8);
        open_error(&payload, &sealed.version);
    }
    for at in 0..sealed.wrapped.len() {
        let mut wrapped = sealed.wrapped.clone();
        wrapped[at] ^= 1 << (at % 8);
        unwrap_error(&wrapped, &sealed.owner);
    }
}

#[test]
fn a_cut_or_grown_file_is_refused() {
    let sealed = sealed();
    for length in 0..sealed.payload.len() {
        open_error(&sealed.payload[..length], &sealed.version);
    }
    for length in 0..sealed.wrapped.len() {
        unwrap_error(&sealed.wrapped[..length], &sealed.owner);
    }
    let grown = [sealed.payload.as_slice(), b"\0"].concat();
    assert_eq!(open_error(&grown, &sealed.version), Refusal::Damaged);
    let grown = [sealed.wrapped.as_slice(), b"\0"].concat();
    assert_eq!(unwrap_error(&grown, &sealed.owner), Refusal::Damaged);
}

#[test]
fn a_wrap_is_no_payload_and_the_reverse() {
    let sealed = sealed();
    assert_eq!(open_error(&sealed.wrapped, &sealed.version), Refusal::OtherRecipient);
    assert!(matches!(
        unwrap_error(&sealed.payload, &sealed.owner),
        Refusal::OtherRecipient | Refusal::TooLarge { .. }
    ));
    // Someone's own age file is not taken for a wrap, either.
    let recipient: age::x25519::Recipient = sealed.owner.recipient().as_str().parse().unwrap();
    let file = age::encrypt(&recipient, b"AGE-SECRET-KEY-1").unwrap();
    let refusal = unwrap_error(&file, &sealed.owner);
    assert_eq!(refusal, Refusal::Malformed("not the lines of a wrapped key"));
}

#[test]
fn what_is_too_long_is_not_read() {
    let sealed = sealed();
    let bytes = MAX_PAYLOAD_BYTES + 1;
    assert_eq!(
        open_error(&vec![0; bytes], &sealed.version),
        Refusal::TooLarge { bytes, limit: MAX_PAYLOAD_BYTES }
    );
    let bytes = MAX_WRAP_BYTES + 1;
    assert_eq!(
        unwrap_error(&vec![0; bytes], &sealed.owner),
        Refusal::TooLarge { bytes, limit: MAX_WRAP_BYTES }
    );
}

#[test]
fn a_header_of_many_stanzas_is_not_read() {
    // A valid file, also to this identity; each of its stanzas costs whoever opens it.
    let sealed = sealed();
    let mine: age::x25519::Recipient = sealed.owner.recipient().as_str().parse().unwrap();
    let many: Vec<age::x25519::Recipient> =
        (0..10).map(|_| age::x25519::Identity::generate().to_public()).collect();
    let recipients = many.iter().chain([&mine]).map(|recipient| recipient as &dyn age::Recipient);
    let encryptor = age::Encryptor::with_recipients(recipients).unwrap();
    let mut file = Vec::new();
    encryptor.wrap_output(&mut file).unwrap().finish().unwrap();
    assert!(file.len() > MAX_WRAP_BYTES);
    let version = sealed.version;
    assert_eq!(open_error(&file, &version), Refusal::NotAge);

    let endless = [b"age-encryption.org/v1\n".as_slice(), &b"-> X\n\n".repeat(100_000)].concat();
    assert_eq!(open_error(&endless, &version), Refusal::NotAge);
}

#[test]
fn recipients_are_checked() {
    let text = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";
    assert_eq!(text.parse::<Recipient>().unwrap().to_string(), text);
    let refused = |text: &str| text.parse::<Recipient>().unwrap_err();

    let identity = Identity::make_random().expose();
    let private = secrecy::ExposeSecret::expose_secret(&identity);
    assert_eq!(refused(private), InvalidRecipient::PrivateKey);
    assert_eq!(refused("ssh-ed25519 AAAA"), InvalidRecipient::OtherKind);
    assert_eq!(refused("age1pq1qqqq"), InvalidRecipient::OtherKind);
    assert_eq!(refused("age1tag1qqqq"), InvalidRecipient::OtherKind);
    assert_eq!(refused(&text.to_uppercase()), InvalidRecipient::Malformed);
    assert_eq!(refused(&text.replace('t', "q")), InvalidRecipient::Malformed);
    assert_eq!(refused(""), InvalidRecipient::Malformed);
    assert_eq!(refused(&"é".repeat(31)), InvalidRecipient::Malformed);

    // Keys that by chance begin as the prefix of another kind does: one of 1,024 with `pq`.
    for (beginning, first) in [("age1pq", [0x08, 0x00]), ("age1tag", [0x5f, 0x50])] {
        let mut key = [9; 32];
        key[..2].copy_from_slice(&first);
        let text = bech32::encode::<bech32::Bech32>(bech32::Hrp::parse("age").unwrap(), &key);
        let text = text.unwrap();
        assert!(text.starts_with(beginning), "{text}");
        assert_eq!(text.parse::<Recipient>().unwrap().to_string(), text);
    }

    // Points with which every shared secret is zero: the library would panic.
    let hrp = bech32::Hrp::parse("age").unwrap();
    let mut one = [0; 32];
    one[0] = 1;
    for point in [[0; 32], one] {
        let text = bech32::encode::<bech32::Bech32>(hrp, &point).unwrap();
        assert_eq!(refused(&text), InvalidRecipient::LowOrder);
    }
}

#[test]
fn identities_are_read_back_and_others_refused() {
    let identity = Identity::make_random();
    let text = identity.expose();
    let text = secrecy::ExposeSecret::expose_secret(&text);
    assert_eq!(Identity::parse(text).unwrap().recipient(), identity.recipient());
    for other in
        ["", "AGE-SECRET-KEY-1", &text[1..], &text.repeat(3), identity.recipient().as_str()]
    {
        assert_eq!(Identity::parse(other).unwrap_err(), InvalidIdentity);
    }
}
