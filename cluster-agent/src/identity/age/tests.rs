#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;

use hanse_domain::access::checkpoint::Checkpoint;
use hanse_sealing::{seal, wrap};
use tempfile::TempDir;

use super::super::is_private;
use super::*;

fn directory() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("identity");
    (dir, path)
}

fn context() -> SecretContext {
    SecretContext {
        fleet: [7; 32],
        name: "db".to_owned(),
        namespaces: vec!["shop".to_owned()],
        secret_type: "Opaque".to_owned(),
        version: 1,
    }
}

#[test]
fn an_identity_is_made_once_and_kept_in_private() {
    let (_dir, path) = directory();
    assert!(matches!(AgeIdentities::load(&path), Err(AgeError::Missing(_))));
    let made = AgeIdentities::make_if_absent(&path).unwrap();
    let again = AgeIdentities::make_if_absent(&path).unwrap();
    assert_eq!(made.recipients(), again.recipients());
    assert_eq!(AgeIdentities::load(&path).unwrap().recipients(), [made.newest()]);

    let files: Vec<_> = fs::read_dir(&path).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files, [path.join(AGE_KEY_FILE)]);
    assert!(is_private(&path).unwrap() && is_private(&path.join(AGE_KEY_FILE)).unwrap());
    let text = fs::read_to_string(path.join(AGE_KEY_FILE)).unwrap();
    let head = format!("# public key: {}\nAGE-SECRET-KEY-1", made.newest());
    assert!(text.starts_with(&head) && text.ends_with('\n'), "age reads it, too");
    assert!(!format!("{made:?}").contains("SECRET"));
}

#[test]
fn a_rotated_identity_still_opens_what_was_sealed_to_it() {
    let (_dir, path) = directory();
    let first = AgeIdentities::make_if_absent(&path).unwrap().newest();
    let second = AgeIdentities::rotate(&path).unwrap();
    let third = AgeIdentities::rotate(&path).unwrap();
    let held = AgeIdentities::load(&path).unwrap();
    assert_eq!(held.recipients(), [first.clone(), second.clone(), third.clone()]);
    assert_eq!(held.newest(), third);

    let mut data = SecretData::default();
    data.insert("password", &b"value"[..]).unwrap();
    let (payload, version) = seal(&context(), &data).unwrap();
    for recipient in held.recipients() {
        let wrap = wrap(&version, &context(), &recipient).unwrap();
        assert_eq!(held.open(&wrap, payload.as_bytes(), &context()).unwrap(), data);
    }

    let foreign = wrap(&version, &context(), &AgeIdentities::make().newest()).unwrap();
    let refused = held.open(&foreign, payload.as_bytes(), &context()).unwrap_err();
    assert_eq!(refused.refusal, Refusal::OtherRecipient);
    let other = SecretContext { name: "other".to_owned(), ..context() };
    let wrap = wrap(&version, &context(), &third).unwrap();
    let refused = held.open(&wrap, payload.as_bytes(), &other).unwrap_err();
    assert!(matches!(refused.refusal, Refusal::OtherContext(_)), "{refused}");
}

#[test]
fn what_is_not_used_any_more_is_forgotten_and_nothing_else() {
    let mut held = AgeIdentities::make();
    held.add().unwrap();
    held.add().unwrap();
    let all = held.recipients();
    let named = |index: usize| all.get(index).unwrap().as_str();
    let none = |_: &Recipient| false;

    assert_eq!(held.retire("age1other", none), [], "the roster names somebody else");
    assert_eq!(held.retire(named(0), none), [], "the new ones are not named yet");
    let second_is_used = |r: &Recipient| r.as_str() == named(1);
    assert_eq!(held.retire(named(2), second_is_used), all.get(..1).unwrap());
    assert_eq!(held.recipients(), all.get(1..).unwrap());
    assert_eq!(held.retire(named(2), none), all.get(1..2).unwrap());
    assert_eq!(held.retire(named(2), none), []);
    assert_eq!(held.recipients(), all.get(2..).unwrap());
}

#[test]
fn there_is_an_end_to_rotating() {
    let (_dir, path) = directory();
    AgeIdentities::make_if_absent(&path).unwrap();
    for _ in 1..MAX_AGE_IDENTITIES {
        AgeIdentities::rotate(&path).unwrap();
    }
    assert!(matches!(AgeIdentities::rotate(&path), Err(AgeError::TooMany)));
    let held = AgeIdentities::load(&path).unwrap().recipients();
    assert_eq!(held.len(), MAX_AGE_IDENTITIES, "what is kept can be read");
}

#[test]
fn a_bad_file_is_not_replaced_and_not_shown() {
    let (_dir, path) = directory();
    make_directory(&path).unwrap();
    let key = Identity::make_random().expose();
    let cut = key.expose_secret().split_at(60).0;
    let long = format!("{}\n", key.expose_secret()).repeat(MAX_AGE_IDENTITIES + 1);
    let huge = "#".repeat(MAX_IDENTITY_FILE_BYTES + 1);
    for bad in ["", "# nothing\n", cut, "\0\u{feff}", &long, &huge] {
        fs::write(path.join(AGE_KEY_FILE), bad).unwrap();
        let refused = AgeIdentities::make_if_absent(&path).unwrap_err();
        assert!(matches!(refused, AgeError::Content(_)), "{refused:?}");
        let shown = format!("{refused:?} {}", crate::terminal::chain(&refused));
        assert!(!shown.contains("AGE-SECRET-KEY-1Q") && !shown.contains(cut), "{shown}");
        assert!(matches!(AgeIdentities::rotate(&path), Err(AgeError::Content(_))));
        assert_eq!(fs::read_to_string(path.join(AGE_KEY_FILE)).unwrap(), bad);
    }
}

#[test]
fn checkpoints_are_signed_for_the_recipient_that_is_named() {
    let mut held = AgeIdentities::make();
    let first = held.newest();
    let second = held.add().unwrap();
    let checkpoint = Checkpoint {
        fleet: Digest::of(b"fleet"),
        cluster: "0192f0c1-2a3b-7c4d-8e5f-60718293a4b5".parse().unwrap(),
        root: Digest::of(b"root"),
        objects: 1,
        from: "2026-03-03T10:00:00Z".parse().unwrap(),
        until: "2026-03-03T10:05:00Z".parse().unwrap(),
        unseen: BTreeMap::new(),
        skipped: 0,
    };
    let bytes = checkpoint.encode();
    let stranger = AgeIdentities::make().newest();
    for (named, signer) in [
        (Some(&first), &first),
        (Some(&second), &second),
        (Some(&stranger), &second),
        (None, &second),
    ] {
        let signature = held.sign_checkpoint(named.map(Recipient::as_str), &bytes).unwrap();
        let read = checkpoint::verify(signer.as_str(), &bytes, &signature);
        assert_eq!(read.as_ref(), Ok(&checkpoint));
        let other = if signer == &first { &second } else { &first };
        assert!(checkpoint::verify(other.as_str(), &bytes, &signature).is_err());
    }
}
