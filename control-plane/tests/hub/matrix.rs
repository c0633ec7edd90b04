//! Every caller × every RPC of the descriptors, against `permissions.txt`, from outside.

use std::fmt;
use std::time::Duration;

use bytes::{Buf as _, BufMut as _};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tokio::time::timeout;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use crate::agent::join;
use crate::clients::connect;
use crate::database::Database;
use crate::hub::Hub;

/// Messages as bytes: an empty one is every message's default.
#[derive(Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buf: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buf.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buf: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut bytes = vec![0; buf.remaining()];
        buf.copy_to_slice(&mut bytes);
        Ok(Some(bytes))
    }
}

/// What came of a call.
#[derive(Clone, PartialEq, Eq)]
enum Outcome {
    /// It reached the handler, whatever that said.
    Allowed,
    /// The guard refused it, or TLS did.
    Refused,
    /// Nobody serves it there.
    NotServed,
    /// Anything else.
    Odd(String),
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allowed => f.write_str("yes"),
            Self::Refused => f.write_str("-"),
            Self::NotServed => f.write_str("not served"),
            Self::Odd(text) => f.write_str(text),
        }
    }
}

async fn call(channel: &Channel, method: &str) -> Outcome {
    let mut client = tonic::client::Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let path = format!("/{method}").parse().unwrap();
    let message = Request::new(tokio_stream::once(Vec::new()));
    let first = async {
        let mut answer = client.streaming(message, path, Raw).await?.into_inner();
        answer.message().await
    };
    // A watch may have nothing to say.
    let Ok(outcome) = timeout(Duration::from_secs(2), first).await else {
        return Outcome::Allowed;
    };
    let Err(status) = outcome else { return Outcome::Allowed };
    assert!(status.metadata().contains_key("x-request-id"), "{method}: {status:?}");
    let says = status.message();
    match status.code() {
        Code::Unauthenticated if says == format!("{method} needs a client certificate") => {
            Outcome::Refused
        }
        Code::PermissionDenied if says.ends_with(&format!("may not call {method}")) => {
            Outcome::Refused
        }
        Code::PermissionDenied if says.starts_with("the join token is not valid") => {
            Outcome::Allowed
        }
        Code::Unimplemented => Outcome::NotServed,
        Code::InvalidArgument | Code::NotFound => Outcome::Allowed,
        _ => Outcome::Odd(format!("{status:?}")),
    }
}

fn served() -> Vec<String> {
    let files = FileDescriptorSet::decode(hanse_proto::DESCRIPTORS).unwrap();
    let mut methods = Vec::new();
    for file in &files.file {
        for service in &file.service {
            let service_name = format!("{}.{}", file.package(), service.name());
            methods.extend(service.method.iter().map(|m| format!("{service_name}/{}", m.name())));
        }
    }
    methods
}

/// The four columns of the table for a method.
fn row(method: &str) -> [bool; 4] {
    let table = include_str!("../../permissions.txt");
    let line = table.lines().find(|line| line.split_whitespace().next() == Some(method)).unwrap();
    let cells: Vec<bool> = line.split_whitespace().skip(1).map(|cell| cell == "yes").collect();
    cells.try_into().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_caller_and_every_call() {
    let hub = Hub::start(Database::on_sqlite().await).await;
    let agent = join(&hub, "prod").await.credentials;
    let callers = [None, Some(agent), Some(hub.viewer()), Some(hub.admin())];
    let mut calls = 0;
    for (caller, who) in callers.iter().enumerate() {
        let people = connect(&hub, &hub.people(), who.as_ref()).await.unwrap();
        // Without a certificate there is no connection to the agents' listener; the handshake's end
        // shows with the first call.
        let agents = connect(&hub, &hub.agents(), who.as_ref()).await;
        for method in served() {
            let allowed = row(&method)[caller];
            let for_agents = method.starts_with("hanse.agent.");
            let expected = |here: bool| match (allowed, here) {
                (false, _) => Outcome::Refused,
                (true, true) => Outcome::Allowed,
                (true, false) => Outcome::NotServed,
            };
            let outcome = call(&people, &method).await;
            assert_eq!(outcome, expected(!for_agents), "{method} by caller {caller}, people");
            calls += 1;
            if who.is_none() {
                continue;
            }
            let outcome = call(agents.as_ref().unwrap(), &method).await;
            assert_eq!(outcome, expected(for_agents), "{method} by caller {caller}, agents");
            calls += 1;
        }
        if who.is_none() {
            let refused = match agents {
                Err(_) => true,
                Ok(channel) => {
                    let mut client = tonic::client::Grpc::new(channel);
                    let path = "/hanse.agent.v1.AgentService/Session".parse().unwrap();
                    let asked = async {
                        client.ready().await.map_err(|e| Status::unavailable(e.to_string()))?;
                        client.unary(Request::new(Vec::new()), path, Raw).await
                    };
                    asked.await.is_err_and(|s| s.code() != Code::InvalidArgument)
                }
            };
            assert!(refused, "an anonymous connection to the agents' listener");
        }
    }
    assert_eq!(calls, served().len() * 7);
    // What has no row, nobody may call.
    let admin = connect(&hub, &hub.people(), Some(&hub.admin())).await.unwrap();
    for method in ["hanse.admin.v1.FleetService/Drop", "grpc.health.v1.Health/Check", "x/y"] {
        assert_eq!(call(&admin, method).await, Outcome::Refused, "{method}");
    }
    hub.end_well().await;
}
