//! Dry runs: each touched cluster that is connected is asked, and nothing is changed.

use std::collections::BTreeMap;

use hanse_domain::bundle::{Held, inspect};
use hanse_proto::agent::session_request::Message as Say;
use hanse_proto::agent::session_response::Message as Hear;
use hanse_proto::{admin, agent};
use tonic::Code;

use crate::agent::accepted;
use crate::author::{ADA, EVE, fleet, role, signed};
use crate::decode::offer;
use crate::hub::Hub;

pub(crate) async fn touched_clusters_are_asked(hub: &Hub) {
    let [a, b, _c] = accepted(hub, ["a", "b", "c"]).await;
    let (mut at_a, _) = a.connect(hub).await;
    at_a.bundle().await;
    let (mut at_b, _) = b.connect(hub).await;
    at_b.bundle().await;
    // Nobody has to sign what is only tried.
    let change = signed(&fleet(hub).await, vec![role("r", &["a", "c"], "get")], &[]);
    let asked = admin::DryRunRequest { change: Some(change) };
    let mut client = hub.fleet().await;
    let (answers, ()) = tokio::join!(
        async {
            let mut stream = client.dry_run(asked).await.unwrap().into_inner();
            let mut answers = BTreeMap::new();
            while let Some(answer) = stream.message().await.unwrap() {
                answers.insert(answer.cluster.clone(), answer);
            }
            answers
        },
        async {
            let Hear::DryRun(asked) = at_a.hear().await.unwrap().unwrap() else {
                panic!("no dry run")
            };
            let bundle = asked.bundle.unwrap();
            let held = Held {
                trust: at_a.belief.trust.as_ref().unwrap(),
                head: at_a.belief.head,
                bundle: None,
                contents: None,
            };
            let verified = inspect(a.id, &held, &offer(&bundle)).unwrap();
            assert_eq!((verified.generation.0, verified.documents.len()), (2, 1));
            // Another cluster's answer to this question is nothing.
            let forged = agent::DryRunResult { id: asked.id, tried: 9, ..Default::default() };
            at_b.say(Say::DryRun(forged)).await;
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            let problem = admin::ObjectProblem { object: None, message: "denied".to_owned() };
            let problems = vec![problem];
            let result =
                agent::DryRunResult { id: asked.id, problems, tried: 1, ..Default::default() };
            at_a.say(Say::DryRun(result)).await;
        }
    );
    assert_eq!(answers.len(), 2, "{answers:?}");
    assert_eq!((answers["a"].tried, answers["a"].problems.len()), (1, 1));
    assert_eq!(answers["c"].unavailable, "not connected");
    assert_eq!(fleet(hub).await.number.0, 1);
    at_b.quiet().await; // Signed by somebody unknown, or large and not signed: what it brings is not even read.
    let base = fleet(hub).await;
    let change = |keys: &[_], content: Vec<u8>| admin::CommitRequest {
        contents: vec![content.into()],
        ..signed(&base, vec![role("s", &["a"], "get")], keys)
    };
    let large = vec![b'x'; 5 * 1024 * 1024];
    for (change, code, why) in [
        (change(&[EVE], b"kind: Nothing".to_vec()), Code::PermissionDenied, "UNTRUSTED"),
        (change(&[], large.clone()), Code::InvalidArgument, "unsigned"),
        (change(&[ADA], large), Code::InvalidArgument, "content"),
    ] {
        let asked = admin::DryRunRequest { change: Some(change) };
        let refused = client.dry_run(asked).await.unwrap_err();
        assert_eq!(refused.code(), code, "{refused:?}");
        assert!(refused.message().contains(why), "{refused:?}");
    }
}
