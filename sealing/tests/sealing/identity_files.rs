//! Files of identities, as age's own tools write them.

use std::io::Write;
use std::slice::from_ref;

use hanse_sealing::{Identity, IdentityFile, IdentityFileError, MAX_IDENTITY_FILE_BYTES};
use secrecy::{ExposeSecret, SecretString};

fn in_the_clear(file: &[u8]) -> Result<IdentityFile, IdentityFileError> {
    IdentityFile::parse(file, || panic!("nothing to ask for"))
}

fn sealed_with(passphrase: &str, work: u8, armored: bool, text: &str) -> Vec<u8> {
    let mut recipient = age::scrypt::Recipient::new(SecretString::from(passphrase));
    recipient.set_work_factor(work);
    let recipient: &dyn age::Recipient = &recipient;
    let encryptor = age::Encryptor::with_recipients([recipient].into_iter()).unwrap();
    let format = if armored { age::armor::Format::AsciiArmor } else { age::armor::Format::Binary };
    let armor = age::armor::ArmoredWriter::wrap_output(Vec::new(), format).unwrap();
    let mut writer = encryptor.wrap_output(armor).unwrap();
    writer.write_all(text.as_bytes()).unwrap();
    writer.finish().unwrap().finish().unwrap()
}

fn file_of(identities: &[Identity]) -> String {
    let line = |identity: &Identity| {
        format!("# public key: {}\n{}\n", identity.recipient(), identity.expose().expose_secret())
    };
    identities.iter().map(line).collect()
}

#[test]
fn identities_are_found_by_their_recipient() {
    let identities = [Identity::make_random(), Identity::make_random()];
    let text = file_of(&identities);
    for text in [text.clone(), text.replace('\n', "\r\n"), text.trim_end().to_owned()] {
        let file = in_the_clear(text.as_bytes()).unwrap();
        assert_eq!(file.identities().len(), 2);
        for identity in &identities {
            let found = file.find(&identity.recipient()).unwrap();
            assert_eq!(found.recipient(), identity.recipient());
        }
        assert!(file.find(&Identity::make_random().recipient()).is_none());
    }
}

#[test]
fn a_passphrase_opens_a_sealed_file() {
    let identity = Identity::make_random();
    for armored in [true, false] {
        let sealed = sealed_with("correct horse", 2, armored, &file_of(from_ref(&identity)));
        let ask = || Some(SecretString::from("correct horse"));
        let file = IdentityFile::parse(&sealed, ask).unwrap();
        assert!(file.find(&identity.recipient()).is_some());

        let wrong = IdentityFile::parse(&sealed, || Some(SecretString::from("battery")));
        assert_eq!(wrong.unwrap_err(), IdentityFileError::Passphrase);
        let none = IdentityFile::parse(&sealed, || None);
        assert_eq!(none.unwrap_err(), IdentityFileError::NoPassphrase);
    }
}

#[test]
fn a_sealed_file_that_asks_for_too_much_work_is_not_opened() {
    // Only the header says how much: nobody has done that work to make this file.
    let sealed = sealed_with("passphrase", 2, false, "");
    let at = sealed.iter().skip(22).position(|byte| *byte == b'\n').unwrap() + 22;
    for (work, error) in [
        ("21", IdentityFileError::ExcessiveWork),
        ("255", IdentityFileError::ExcessiveWork),
        ("256", IdentityFileError::Damaged),
        ("99999999999999999999", IdentityFileError::Damaged),
        ("-1", IdentityFileError::Damaged),
    ] {
        let file = [&sealed[..at - 1], work.as_bytes(), &sealed[at..]].concat();
        let ask = || panic!("no reason to ask");
        assert_eq!(IdentityFile::parse(&file, ask).unwrap_err(), error, "{work}");
    }
}

#[test]
fn other_files_are_refused_with_the_line() {
    let identity = Identity::make_random();
    let text = file_of(from_ref(&identity));
    let refused = |file: &str| in_the_clear(file.as_bytes()).unwrap_err();
    assert_eq!(refused(""), IdentityFileError::Empty);
    assert_eq!(refused("# public key: none\n\n"), IdentityFileError::Empty);
    assert_eq!(refused(&format!("{text}age1plugin\n")), IdentityFileError::Line(3));
    assert_eq!(
        refused("-----BEGIN OPENSSH PRIVATE KEY-----\n").to_string(),
        "line 1 of the identity file is neither a comment nor an `AGE-SECRET-KEY-1…` \
         (keys of ssh and of plugins are not read)"
    );
    assert_eq!(in_the_clear(b"\xff\xfe").unwrap_err(), IdentityFileError::Line(1));
    assert_eq!(refused(&text.repeat(65)), IdentityFileError::TooMany);
    let bytes = MAX_IDENTITY_FILE_BYTES + 1;
    assert_eq!(refused(&"#".repeat(bytes)), IdentityFileError::TooLarge(bytes));
    assert_eq!(refused("-----BEGIN AGE ENCRYPTED FILE-----\nAA"), IdentityFileError::Damaged);
    assert_eq!(refused("age-encryption.org/v1\n-> X"), IdentityFileError::Damaged);

    let recipient: age::x25519::Recipient = identity.recipient().as_str().parse().unwrap();
    let to_key = age::encrypt_and_armor(&recipient, text.as_bytes()).unwrap();
    assert_eq!(refused(&to_key), IdentityFileError::SealedToKey);
}
