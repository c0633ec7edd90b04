//! I3: no byte of one cluster's bundle reaches another, also where one statement changes both: of its
//! list of changes each is shown the lines that concern it, and of the roster its own entry.

use std::time::Duration;

use hanse_proto::agent::SessionResponse;
use hanse_proto::agent::session_request::Message as Say;
use prost::Message as _;
use tokio::time::timeout;

use crate::agent::{Talk, accepted};
use crate::author::{commit, role};
use crate::hub::Hub;

/// Everything that comes until nothing does, as bytes.
async fn heard(talk: &mut Talk) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Ok(message) = timeout(Duration::from_millis(3_500), talk.hear()).await {
        SessionResponse { message: message.unwrap() }.encode(&mut bytes).unwrap();
    }
    bytes
}

fn has(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

pub(crate) async fn no_byte_of_another_cluster(hub: &Hub) {
    let [a, b] = accepted(hub, ["cluster-a", "cluster-b"]).await;
    let (mut at_a, _) = a.connect(hub).await;
    let (mut at_b, _) = b.connect(hub).await;
    // Each by itself: not even a name crosses.
    for verb in ["get", "list", "watch"] {
        commit(hub, vec![role("name-9c41-a", &["cluster-a"], verb)]).await.unwrap();
        commit(hub, vec![role("name-9c41-b", &["cluster-b"], verb)]).await.unwrap();
    }
    at_b.say(Say::Hello(a.hello())).await;
    for (talk, own, other) in
        [(&mut at_a, "name-9c41-a", "name-9c41-b"), (&mut at_b, "name-9c41-b", "name-9c41-a")]
    {
        let bytes = heard(talk).await;
        assert!(has(&bytes, own) && !has(&bytes, other), "{other} crossed");
    }
    // Both in one statement.
    let both = |verb: &str| {
        let text = |cluster: &str| format!("canary{verb}{cluster}");
        vec![
            role("name-9c41-a", &["cluster-a"], &text("a")),
            role("name-9c41-b", &["cluster-b"], &text("b")),
        ]
    };
    commit(hub, both("one")).await.unwrap();
    commit(hub, both("two")).await.unwrap();
    // Whatever B says that it holds, it gets B's.
    let digest = crate::author::fleet(hub).await.member(a.id).unwrap().digest;
    let claims =
        hanse_proto::agent::Hello { generation: 1, digest: digest.0.to_vec().into(), ..b.hello() };
    drop(at_b);
    let mut at_b = b.stream(hub).await.unwrap();
    at_b.say(Say::Hello(claims)).await;
    let (id_of_a, id_of_b) = (a.id.to_string(), b.id.to_string());
    for (talk, own, other) in [
        (&mut at_a, "canarytwoa", ["canaryoneb", "canarytwob", "name-9c41-b", &id_of_b]),
        (&mut at_b, "canarytwob", ["canaryonea", "canarytwoa", "name-9c41-a", &id_of_a]),
    ] {
        let bytes = heard(talk).await;
        assert!(has(&bytes, own));
        for other in other {
            assert!(!has(&bytes, other), "{other} crossed");
        }
    }
}
