//! Nothing that leaves this crate shows a value: not what is sealed, not `Debug`, not an error.

use std::error::Error;

use hanse_probes::canary;
use hanse_sealing::shapes::{self, DockerLogin};
use hanse_sealing::{Identity, IdentityFile, Recipient, SecretBytes, open, seal, unwrap, wrap};
use secrecy::ExposeSecret;

use crate::support::{context, data};

/// 32 bytes that are text, keys and passwords as well, so that each path may be given them.
const VALUE: &[u8; 32] = b"canary-x7Qm2_Zr9Lw4.Vt8Kp1-Ns6Jh";

fn assert_clean(what: &str, bytes: &[u8]) {
    assert_eq!(canary::find(bytes, VALUE), None, "{what}: {}", String::from_utf8_lossy(bytes));
}

fn assert_clean_error(what: &str, error: &(dyn Error + 'static)) {
    let mut link = Some(error);
    while let Some(error) = link {
        assert_clean(what, format!("{error}\n{error:?}\n{error:#?}").as_bytes());
        link = error.source();
    }
}

#[test]
fn what_is_sealed_and_its_debug_show_nothing() {
    let data = data(&[("password", VALUE)]);
    let owner = Identity::make_random();
    let (payload, version) = seal(&context(), &data).unwrap();
    let wrapped = wrap(&version, &context(), &owner.recipient()).unwrap();
    assert_clean("payload", payload.as_bytes());
    assert_clean("wrap", &wrapped);

    let opened = open(&context(), payload.as_bytes(), &version).unwrap();
    let login = DockerLogin { server: "s", username: "u", password: text(), email: "e" };
    for debug in [
        format!("{data:?} {data:#?}"),
        format!("{opened:?}"),
        format!("{:?}", data.get("password")),
        format!("{:?}", SecretBytes::from(VALUE.as_slice())),
        format!("{payload:?} {version:?} {login:?}"),
    ] {
        // Not as numbers in brackets, either.
        assert!(!debug.contains("99, 97, 110"), "{debug}");
        assert_clean("debug", debug.as_bytes());
    }
}

#[test]
fn debug_shows_no_private_key() {
    let identity = Identity::make_random();
    let (_, version) = seal(&context(), &data(&[])).unwrap();
    let text = identity.expose();
    let file = IdentityFile::parse(text.expose_secret().as_bytes(), || None).unwrap();
    for debug in [format!("{identity:?}"), format!("{version:?}"), format!("{file:?} {text:?}")] {
        assert!(!debug.contains("SECRET-KEY"), "{debug}");
        assert_eq!(canary::find(debug.as_bytes(), &text.expose_secret().as_bytes()[16..]), None);
    }
}

fn text() -> &'static str {
    std::str::from_utf8(VALUE).unwrap()
}

#[test]
fn errors_of_opening_show_nothing() {
    let owner = Identity::make_random();
    let (payload, version) = seal(&context(), &data(&[("password", VALUE)])).unwrap();
    let wrapped = wrap(&version, &context(), &owner.recipient()).unwrap();
    let mut other = context();
    other.name = "other".to_owned();
    let cut = &payload.as_bytes()[..payload.as_bytes().len() - 1];
    for error in [
        open(&other, payload.as_bytes(), &version).unwrap_err(),
        open(&context(), cut, &version).unwrap_err(),
        open(&context(), VALUE, &version).unwrap_err(),
        unwrap(&wrapped, &other, &owner).unwrap_err(),
        unwrap(VALUE, &context(), &owner).unwrap_err(),
    ] {
        assert_clean_error("open", &error);
    }
}

#[test]
fn errors_of_input_show_nothing() {
    // A value where something else belongs is what people do: it is not echoed.
    assert_clean_error("identity", &Identity::parse(text()).unwrap_err());
    assert_clean_error("recipient", &text().parse::<Recipient>().unwrap_err());
    assert_clean_error("file", &IdentityFile::parse(VALUE, || None).unwrap_err());
    for file in [
        text().to_owned(),
        format!("{} {}=1", text(), text()),
        format!("1{}={}", text(), text()),
        format!("KEY={}\nKEY={}", text(), text()),
    ] {
        let error = shapes::from_env_file(file.as_bytes(), |_| None).unwrap_err();
        assert_clean_error("env file", &error);
    }
    assert_clean_error("tls", &shapes::from_tls(VALUE.as_slice(), VALUE.as_slice()).unwrap_err());
    let json = data(&[(".dockerconfigjson", VALUE)]);
    let error = shapes::check_type(shapes::DOCKER_CONFIG_JSON, &json).unwrap_err();
    assert_clean_error("docker", &error);
    let login = DockerLogin { server: "s", username: "a:b", password: text(), email: "" };
    assert_clean_error("docker", &shapes::from_docker_login(&login).unwrap_err());
    let mut data = data(&[]);
    let spaced = format!("{} ", text());
    assert_clean_error("key", &data.insert(spaced, VALUE.as_slice()).unwrap_err());
}
