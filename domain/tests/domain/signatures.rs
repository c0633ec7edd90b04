//! SSHSIG signatures: what counts here counts for ssh-keygen, and nothing else counts. The vectors
//! are described in `tests/vectors/sshsig/README.md`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hanse_domain::trust::signature::{
    BadKey, BadSignature, KeyKind, MAX_SIGNATURES, MAX_SIGNATURES_LEN, PublicKey, append, armor,
    signers, split,
};

use crate::authenticator::{Token, blob, ecdsa, key_text, string};

/// The vectors that must verify: signature, public key.
const VALID: [(&str, &str); 5] = [
    ("ed25519", "ed25519"),
    ("ed25519-sha256", "ed25519"),
    ("ecdsa", "ecdsa"),
    ("sk-ed25519", "sk-ed25519"),
    ("sk-ecdsa", "sk-ecdsa"),
];

/// Where the vectors are.
fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/sshsig").join(name)
}

fn vector(name: &str) -> Vec<u8> {
    fs::read(path(name)).unwrap()
}

fn message() -> Vec<u8> {
    vector("message")
}

fn signature(name: &str) -> Vec<u8> {
    vector(&format!("{name}.sig"))
}

fn key_line(name: &str) -> String {
    String::from_utf8(vector(&format!("{name}.pub"))).unwrap()
}

fn key(name: &str) -> PublicKey {
    key_line(name).trim_end().parse().unwrap()
}

/// The bytes in a PEM block.
fn dearmor(pem: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(pem).unwrap();
    STANDARD.decode(text.lines().filter(|line| !line.contains('-')).collect::<String>()).unwrap()
}

fn refused(signatures: &[u8]) -> BadSignature {
    signers(&message(), signatures).unwrap_err()
}

/// What `ssh-keygen -Y verify` says.
fn ssh_keygen_accepts(key: &PublicKey, signature: &[u8], message: &[u8]) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let status = Command::new("ssh-keygen")
        .args(["-Y", "verify", "-n", "hanse", "-I", "ada", "-f"])
        .arg(file("allowed_signers", format!("ada {key}\n").as_bytes()))
        .arg("-s")
        .arg(file("signature", signature))
        .stdin(fs::File::open(file("message", message)).unwrap())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    status.success()
}

#[test]
fn every_kind_of_key_verifies_here_and_with_ssh_keygen() {
    for (name, of) in VALID {
        let (signature, key) = (signature(name), key(of));
        assert_eq!(signers(&message(), &signature), Ok(BTreeSet::from([key.clone()])), "{name}");
        assert!(ssh_keygen_accepts(&key, &signature, &message()), "{name}");
        assert!(!ssh_keygen_accepts(&key, &signature, b"another message"), "{name}");
    }
}

/// The vectors of tokens can be made again to the byte.
#[test]
fn the_software_authenticator_made_the_vectors() {
    for (name, kind) in [("sk-ed25519", KeyKind::SkEd25519), ("sk-ecdsa", KeyKind::SkEcdsaP256)] {
        let token = Token::new(kind);
        assert_eq!(key(name), token.public_key());
        assert_eq!(signature(name), token.signature(&message()), "{name}");
        let untouched = Token { flags: 0, ..token }.signature(&message());
        assert_eq!(signature(&format!("{name}-untouched")), untouched, "{name}");
    }
}

#[test]
fn another_message_or_namespace_is_refused() {
    for (name, of) in VALID {
        let error = signers(b"another message", &signature(name)).unwrap_err();
        assert_eq!(error, BadSignature::DoesNotVerify { block: 1, key: Box::new(key(of)) });
    }
    let namespace = "git".to_owned();
    let error = refused(&signature("ed25519-git"));
    assert_eq!(error, BadSignature::OtherNamespace { block: 1, namespace });
    let long = Token::new(KeyKind::Ed25519).signature_with(&"n".repeat(900), b"", &message());
    assert!(refused(&long).to_string().len() < 200);
}

#[test]
fn a_bit_flipped_anywhere_is_refused() {
    for (name, _) in VALID {
        let good = dearmor(&signature(name));
        assert_eq!(armor(&good).as_bytes(), signature(name));
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            refused(armor(&bad).as_bytes());
        }
    }
}

#[test]
fn what_is_cut_short_or_longer_is_refused() {
    let good = signature("ed25519");
    for end in 0..good.len() {
        refused(&good[..end]);
    }
    let blob = dearmor(&good);
    for end in 0..blob.len() {
        refused(armor(&blob[..end]).as_bytes());
    }
    refused(armor(&[&blob[..], b"\0"].concat()).as_bytes());
}

#[test]
fn a_token_that_nobody_touched_does_not_count() {
    for name in ["sk-ed25519", "sk-ecdsa"] {
        let error = refused(&signature(&format!("{name}-untouched")));
        assert_eq!(error, BadSignature::Untouched { block: 1, key: Box::new(key(name)) });
    }
}

#[test]
fn keys_of_other_kinds_are_refused() {
    let kinds = [("rsa", "ssh-rsa"), ("dsa", "ssh-dss"), ("ecdsa-p384", "ecdsa-sha2-nistp384")];
    for (name, kind) in kinds {
        let why = BadKey::Kind(kind.to_owned());
        assert_eq!(key_line(name).trim_end().parse::<PublicKey>(), Err(why.clone()));
        assert_eq!(PublicKey::from_line(&key_line(name)), Err(why.clone()));
        let error = refused(&signature(name));
        assert_eq!(error, BadSignature::UnsupportedKey { block: 1, why });
    }
}

#[test]
fn the_armor_has_one_form() {
    let good = String::from_utf8(signature("ed25519")).unwrap();
    let (begin, behind) = good.split_once('\n').unwrap();
    let (first, rest) = behind.split_once('\n').unwrap();
    let bad = [
        good.replace('\n', "\r\n"),
        good.trim_end().to_owned(),
        format!("\n{good}"),
        format!("{good}\n"),
        format!("a comment\n{good}"),
        format!("{begin}\n\n{first}\n{rest}"),
        format!("{begin}\n{first}{rest}"),
        format!("{begin}\n{}\n{}{rest}", &first[..60], &first[60..]),
        format!("{begin}\n{first} \n{rest}"),
        good.replace("SSH SIGNATURE", "SIGNATURE"),
        // Base64 whose last bits are not zero: another text of the same bytes.
        good.replace("==", "="),
    ];
    for bad in bad {
        let error = refused(bad.as_bytes());
        assert!(matches!(error, BadSignature::Malformed { block: 1 | 2, .. }), "{error}: {bad}");
    }
    assert_eq!(refused(b""), BadSignature::Missing);
    assert!(matches!(refused(b"\xff"), BadSignature::Malformed { block: 1, .. }));
}

#[test]
fn fields_that_ssh_keygen_would_not_write_are_refused() {
    let token = Token::new(KeyKind::Ed25519);
    assert!(signers(&message(), &token.signature(&message())).is_ok());
    let error = refused(&token.signature_with("hanse", b"reserved", &message()));
    assert!(matches!(error, BadSignature::Malformed { block: 1, .. }), "{error}");
    let good = dearmor(&token.signature(&message()));
    for version in [0, 2] {
        let mut bad = good.clone();
        bad[9] = version;
        let error = refused(armor(&bad).as_bytes());
        assert!(matches!(error, BadSignature::Malformed { block: 1, .. }), "{error}");
    }
    let head = |hash: &[u8]| [string(b"hanse"), string(b""), string(hash)].concat();
    // The signature with a byte behind it; an unknown hash; a token's signature of a plain key.
    let raw = &good[good.len() - 83..];
    let again = blob(1, &token.key_blob(), &head(b"sha512"), raw);
    assert_eq!(again, token.signature(&message()));
    refused(&blob(1, &token.key_blob(), &head(b"sha512"), &[raw, b"\0"].concat()));
    let raw = [string(b"ssh-ed25519"), string(&[0; 64])].concat();
    refused(&blob(1, &token.key_blob(), &head(b"md5"), &raw));
    let raw = [string(b"sk-ssh-ed25519@openssh.com"), string(&[0; 64]), vec![1; 5]].concat();
    refused(&blob(1, &token.key_blob(), &head(b"sha512"), &raw));
}

/// ECDSA has two signatures (r, s) and (r, n − s). Neither is preferred by OpenSSH.
#[test]
fn either_form_of_an_ecdsa_signature_counts() {
    let token = Token::new(KeyKind::EcdsaP256);
    let good = token.signature(&message());
    let signed = dearmor(&good);
    let (r, s) = ssh_key::SshSig::from_pem(&good)
        .ok()
        .and_then(|signature| p256::ecdsa::Signature::try_from(signature.signature()).ok())
        .unwrap()
        .split_scalars();
    let other = p256::ecdsa::Signature::from_scalars(*r, -*s).unwrap();
    let raw = [string(b"ecdsa-sha2-nistp256"), string(&ecdsa(&other))].concat();
    let head = [string(b"hanse"), string(b""), string(b"sha512")].concat();
    let other = blob(1, &token.key_blob(), &head, &raw);
    assert_ne!(dearmor(&other), signed);
    for signature in [good, other] {
        assert_eq!(signers(&message(), &signature), Ok(BTreeSet::from([token.public_key()])));
        assert!(ssh_keygen_accepts(&token.public_key(), &signature, &message()));
    }
}

#[test]
fn several_signatures_must_all_be_valid_and_a_key_counts_once() {
    let both = append(&signature("ed25519"), &signature("ecdsa"));
    let keys = BTreeSet::from([key("ed25519"), key("ecdsa")]);
    assert_eq!(signers(&message(), &both), Ok(keys));
    assert_eq!(split(&both).unwrap(), [signature("ed25519"), signature("ecdsa")]);
    let twice = append(&signature("ed25519"), &signature("ed25519-sha256"));
    assert_eq!(signers(&message(), &twice), Ok(BTreeSet::from([key("ed25519")])));

    let error = refused(&append(&both, &signature("ed25519-git")));
    assert!(matches!(error, BadSignature::OtherNamespace { block: 3, .. }), "{error}");
    for between in ["\n", " ", "x"] {
        let apart = append(&append(&signature("ed25519"), between.as_bytes()), &signature("ecdsa"));
        let error = refused(&apart);
        assert!(matches!(error, BadSignature::Malformed { block: 2, .. }), "{error}");
    }
}

#[test]
fn the_number_and_the_length_of_signatures_are_bounded() {
    let one = signature("ed25519");
    assert!(signers(&message(), &one.repeat(MAX_SIGNATURES)).is_ok());
    assert_eq!(refused(&one.repeat(MAX_SIGNATURES + 1)), BadSignature::TooMany);
    // Of the longest kind, too.
    assert!(signers(&message(), &signature("sk-ecdsa").repeat(MAX_SIGNATURES)).is_ok());
    let long = vec![b'-'; MAX_SIGNATURES_LEN + 1];
    assert_eq!(refused(&long), BadSignature::TooLong(MAX_SIGNATURES_LEN + 1));
}

#[test]
fn a_key_has_one_text_and_the_fingerprint_that_ssh_keygen_prints() {
    for name in ["ed25519", "ecdsa", "sk-ed25519", "sk-ecdsa"] {
        let (line, key) = (key_line(name), key(name));
        assert_eq!(key.to_string(), line.trim_end());
        assert_eq!(key.to_string().split(' ').next().unwrap(), key.kind().to_string());
        let commented = format!("{} ada@example.org\n", line.trim_end());
        assert_eq!(PublicKey::from_line(&commented), Ok(key.clone()));
        for other in
            [commented, line.clone(), format!(" {key}"), key.to_string().replace(' ', "  ")]
        {
            assert_eq!(other.parse::<PublicKey>(), Err(BadKey::Malformed), "{other}");
        }
        let listed =
            Command::new("ssh-keygen").arg("-lf").arg(path(&format!("{name}.pub"))).output();
        let listed = String::from_utf8(listed.unwrap().stdout).unwrap();
        assert_eq!(listed.split(' ').nth(1), Some(key.fingerprint().as_str()));
    }
    for bad in ["", "ssh-ed25519", "ssh-ed25519 ", "ssh-ed25519 AAAA", "ssh-ed25519 !", "x y"] {
        assert_eq!(bad.parse::<PublicKey>(), Err(BadKey::Malformed), "{bad}");
    }
}

#[test]
fn keys_of_tokens_for_other_applications_are_refused() {
    for application in ["https://example.org", "", "ssh", "ssh:\n", "ssh:é"] {
        for kind in [KeyKind::SkEd25519, KeyKind::SkEcdsaP256] {
            let token = Token { application, ..Token::new(kind) };
            let error = key_text(kind, &token.key_blob()).parse::<PublicKey>().unwrap_err();
            assert_eq!(error, BadKey::Application(application.to_owned()));
            let error = refused(&token.signature(&message()));
            assert!(matches!(error, BadSignature::UnsupportedKey { block: 1, .. }), "{error}");
        }
    }
    let own = Token { application: "ssh:fleet", ..Token::new(KeyKind::SkEd25519) };
    let keys = BTreeSet::from([own.public_key()]);
    assert_eq!(signers(&message(), &own.signature(&message())), Ok(keys));
}

#[test]
fn points_that_are_no_keys_are_refused() {
    let ed25519 = |kind: KeyKind, point: [u8; 32]| {
        let mut blob = [string(kind.to_string().as_bytes()), string(&point)].concat();
        if kind.is_hardware() {
            blob.extend(string(b"ssh:"));
        }
        key_text(kind, &blob).parse::<PublicKey>()
    };
    let mut identity = [0; 32];
    identity[0] = 1;
    let mut off_curve = [0; 32];
    off_curve[0] = 2;
    for kind in [KeyKind::Ed25519, KeyKind::SkEd25519] {
        for point in [[0; 32], identity, off_curve] {
            assert_eq!(ed25519(kind, point), Err(BadKey::Point(kind)), "{point:?}");
        }
    }

    let uncompressed = Token::new(KeyKind::EcdsaP256).key_blob();
    let (head, point) = uncompressed.split_at(uncompressed.len() - 69);
    let (kind, point) = (KeyKind::EcdsaP256, &point[4..]);
    let p256 = |point: &[u8]| key_text(kind, &[head, &string(point)].concat()).parse::<PublicKey>();
    assert!(p256(point).is_ok());
    let mut off_curve = point.to_vec();
    off_curve[64] ^= 1;
    assert_eq!(p256(&off_curve), Err(BadKey::Point(kind)));
    let compressed = [&[2 | (point[64] & 1)], &point[1..33]].concat();
    assert_eq!(p256(&compressed), Err(BadKey::Point(kind)));
}
