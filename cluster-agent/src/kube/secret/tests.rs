//! What the API servers that we test with do not do.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use hanse_domain::object::ObjectKind;
use http::{Method, Response, StatusCode};
use kube::client::Body;
use serde_json::json;

use super::*;

/// An API server that answers by method, and what it was asked.
fn server(
    answer: impl Fn(&Method) -> (u16, serde_json::Value) + Clone + Send + 'static,
) -> (SecretWriter, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    let service = tower::service_fn(move |request: http::Request<Body>| {
        log.lock().unwrap().push(format!("{} {}", request.method(), request.uri()));
        let accept = request.headers()[http::header::ACCEPT].to_str().unwrap();
        assert!(accept.starts_with("application/json;as=PartialObjectMetadata;"), "{accept}");
        let (code, content) = answer(request.method());
        let mut response = Response::new(Body::from(content.to_string().into_bytes()));
        *response.status_mut() = StatusCode::from_u16(code).unwrap();
        async move { Ok::<_, Infallible>(response) }
    });
    (SecretWriter::new(Client::new(service, "default")), asked)
}

fn status(code: u16, reason: &str) -> (u16, serde_json::Value) {
    (code, json!({ "kind": "Status", "code": code, "reason": reason, "message": "canary" }))
}

fn secret() -> Object {
    let reference = ObjectRef::namespaced(ObjectKind::Secret, "shop", "db");
    Object { reference, body: json!({ "kind": "Secret", "metadata": { "name": "db" } }) }
}

fn version() -> Version {
    Version { uid: "u".to_owned(), resource_version: "7".to_owned() }
}

#[tokio::test]
async fn a_conflict_may_be_about_a_secret_that_is_gone() {
    let made = json!({ "metadata": { "uid": "u" } });
    let (writer, asked) =
        server(
            move |method| {
                if *method == Method::PUT { status(409, "Conflict") } else { (201, made.clone()) }
            },
        );
    let probe = writer.probe(&secret(), &SecretData::default(), &version(), false).await;
    assert_eq!(probe.unwrap(), Probe::Gone);
    let path = "/api/v1/namespaces/shop/secrets";
    assert_eq!(
        *asked.lock().unwrap(),
        [
            format!("PUT {path}/db?&fieldManager=hanse-agent%2Fsecret"),
            format!("POST {path}?&dryRun=All&fieldManager=hanse-agent%2Fsecret"),
        ]
    );
}

#[tokio::test]
async fn of_a_refusal_the_code_and_a_known_reason_are_told() {
    for (code, reason, expected) in [
        (400, "BadRequest", Failure::Refused("the API server answered 400 BadRequest".to_owned())),
        (403, "canary", Failure::Refused("the API server answered 403".to_owned())),
        (409, "Conflict", Failure::Conflict("the API server answered 409 Conflict".to_owned())),
        (500, "", Failure::Unavailable("the API server answered 500".to_owned())),
    ] {
        let (writer, _) = server(move |_| status(code, reason));
        let refused = writer.dry_run(&secret(), &SecretData::default()).await;
        assert_eq!(refused.unwrap_err(), expected);
    }
}

#[tokio::test]
async fn an_answer_that_says_too_little_is_no_success() {
    for answer in [json!({}), json!("canary"), json!({ "metadata": { "uid": "u" } })] {
        let (writer, _) = server(move |_| (200, answer.clone()));
        let written = writer.write(&secret(), &SecretData::default(), None, false).await;
        let expected = Failure::Unavailable("the answer has no uid or version".to_owned());
        assert_eq!(written.unwrap_err(), expected);
    }
}

#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    let (writer, _) = server(|_| (200, json!("x".repeat(5 * 1024 * 1024))));
    let written = writer.write(&secret(), &SecretData::default(), None, false).await;
    assert!(matches!(written, Err(Failure::Unavailable(why)) if why.contains("length limit")));
}
