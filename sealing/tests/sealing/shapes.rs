//! What people have in hand, as the data of a Secret.

use hanse_sealing::SecretData;
use hanse_sealing::shapes::{
    self, DockerLogin, ShapeError, check_type, from_basic_auth, from_docker_login, from_env_file,
    from_ssh_key, from_tls,
};
use zeroize::Zeroizing;

use crate::support::data;

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nAAEC\n-----END CERTIFICATE-----\n";
const KEY: &str = "-----BEGIN PRIVATE KEY-----\nAAEC\n-----END PRIVATE KEY-----\n";

fn unset(_: &str) -> Option<Zeroizing<String>> {
    None
}

fn env(file: &str) -> Result<SecretData, ShapeError> {
    from_env_file(file.as_bytes(), unset)
}

#[test]
fn env_files_are_read_as_kubectl_reads_them() {
    let file = "\u{feff}A=1\n\n# comment\n  \t# another\n   B= with  spaces \r\nC=a=b\n\
                D=\nE=\"quotes stay\" # and so does this\n.f-g_h=2";
    let expected = data(&[
        ("A", b"1"),
        ("B", b" with  spaces "),
        ("C", b"a=b"),
        ("D", b""),
        ("E", b"\"quotes stay\" # and so does this"),
        (".f-g_h", b"2"),
    ]);
    assert!(env(file).unwrap() == expected);
    assert!(env("").unwrap().is_empty());
}

#[test]
fn a_key_alone_takes_its_value_from_the_environment() {
    let environment = |key: &str| (key == "SET").then(|| Zeroizing::new("value".to_owned()));
    let read = from_env_file(b"SET", environment).unwrap();
    assert!(read == data(&[("SET", b"value")]));
    assert_eq!(
        from_env_file(b"A=1\nUNSET\n", environment).unwrap_err().to_string(),
        "line 2 of the env file has no `=`, and no variable of that name is set"
    );
}

#[test]
fn bad_env_files_are_refused_with_the_line() {
    for (file, message) in [
        (
            "A=1\nA B=2",
            "line 2 of the env file has a key with other characters than A-Z a-z 0-9 - _ .",
        ),
        ("=1", "line 1 of the env file has a key with other characters than A-Z a-z 0-9 - _ ."),
        ("9A=1", "line 1 of the env file has a key that begins with a digit"),
        ("A=1\n\nA=2", "line 3 of the env file has the key of an earlier line"),
        ("A =1", "line 1 of the env file has a key with other characters than A-Z a-z 0-9 - _ ."),
    ] {
        assert_eq!(env(file).unwrap_err().to_string(), message);
    }
    let error = from_env_file(b"A=\xff", unset).unwrap_err();
    assert_eq!(error.to_string(), "line 1 of the env file is not UTF-8");
    let error = env(&format!("A={}", "x".repeat(1_048_576))).unwrap_err();
    assert_eq!(error.to_string(), "keys and values are 1048577 bytes together, more than 1048576");
}

#[test]
fn a_docker_login_is_written_as_kubectl_writes_it() {
    let mut login = DockerLogin {
        server: "registry.example.com",
        username: "me",
        password: "p\"\u{1}ä:",
        email: "me@example.com",
    };
    let with_email = from_docker_login(&login).unwrap();
    let json = with_email.get(".dockerconfigjson").unwrap().expose();
    assert_eq!(
        std::str::from_utf8(json).unwrap(),
        r#"{"auths":{"registry.example.com":{"username":"me","password":"p\"\u0001ä:","email":"me@example.com","auth":"bWU6cCIBw6Q6"}}}"#
    );
    check_type(shapes::DOCKER_CONFIG_JSON, &with_email).unwrap();
    login.email = "";
    let without = from_docker_login(&login).unwrap();
    let json = without.get(".dockerconfigjson").unwrap().expose();
    assert!(!std::str::from_utf8(json).unwrap().contains("email"));
    login.username = "";
    assert_eq!(
        from_docker_login(&login).unwrap_err().to_string(),
        "`.dockerconfigjson` needs a server, a user name and a password"
    );
}

#[test]
fn certificates_and_keys_are_pem() {
    let chain = CERTIFICATE.repeat(2);
    let tls = from_tls(chain.as_bytes(), KEY.as_bytes()).unwrap();
    assert!(tls == data(&[("tls.crt", chain.as_bytes()), ("tls.key", KEY.as_bytes())]));

    let no_chain =
        "`tls.crt` is not a chain of certificates in PEM (`-----BEGIN CERTIFICATE-----`)";
    let no_key = "`tls.key` is not a private key in PEM (one without passphrase: \
                  `-----BEGIN PRIVATE KEY-----`)";
    let cut = &CERTIFICATE[..CERTIFICATE.len() - 10];
    let encrypted = KEY.replace("PRIVATE", "ENCRYPTED PRIVATE");
    for (certificate, key, message) in [
        ("", KEY, no_chain),
        (KEY, KEY, no_chain),
        (cut, KEY, no_chain),
        (&format!("{CERTIFICATE}{cut}"), KEY, no_chain),
        (CERTIFICATE, "", no_key),
        (CERTIFICATE, CERTIFICATE, no_key),
        (CERTIFICATE, &encrypted, no_key),
    ] {
        let error = from_tls(certificate.as_bytes(), key.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn each_type_has_the_keys_that_kubernetes_asks_for() {
    let user = from_basic_auth(Some("me"), None).unwrap();
    let password = from_basic_auth(None, Some(b"pw".as_slice().into())).unwrap();
    assert!(user == data(&[("username", b"me")]) && password == data(&[("password", b"pw")]));
    assert!(from_ssh_key(b"key".as_slice()).unwrap() == data(&[("ssh-privatekey", b"key")]));

    for (secret_type, data, message) in [
        (
            shapes::TLS,
            data(&[("tls.crt", CERTIFICATE.as_bytes())]),
            "needs `tls.crt` and `tls.key`",
        ),
        (shapes::BASIC_AUTH, data(&[("user", b"me")]), "needs `username` or `password`"),
        (shapes::SSH_AUTH, data(&[]), "needs `ssh-privatekey`, not empty"),
        (shapes::SSH_AUTH, data(&[("ssh-privatekey", b"")]), "needs `ssh-privatekey`, not empty"),
        (shapes::DOCKER_CONFIG_JSON, data(&[]), "needs `.dockerconfigjson`"),
        (shapes::DOCKER_CONFIG, data(&[]), "needs `.dockercfg`"),
    ] {
        let error = check_type(secret_type, &data).unwrap_err();
        assert_eq!(error.to_string(), format!("a secret of the type {secret_type} {message}"));
    }
    for json in ["", "[]", "\"{}\"", "{", "{} x", "{\"a\":}"] {
        let config = data(&[(".dockerconfigjson", json.as_bytes())]);
        let error = check_type(shapes::DOCKER_CONFIG_JSON, &config).unwrap_err();
        assert_eq!(error.to_string(), "`.dockerconfigjson` is not a JSON object");
    }
    let deep = format!("{{\"a\":{}", "[".repeat(500_000));
    let config = data(&[(".dockerconfigjson", deep.as_bytes())]);
    check_type(shapes::DOCKER_CONFIG_JSON, &config).unwrap_err();

    for open in ["Opaque", "example.com/own"] {
        check_type(open, &data(&[("anything", b"")])).unwrap();
    }
}

#[test]
fn types_that_clusters_make_for_themselves_are_refused() {
    for secret_type in ["kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"] {
        let error = check_type(secret_type, &data(&[("token", b"t")])).unwrap_err();
        assert!(matches!(error, ShapeError::Refused { .. }), "{error}");
    }
}
