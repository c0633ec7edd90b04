//! The fence and the recipient of a cluster, in words. What an agent reports is nothing that anybody
//! has signed.

use hanse_domain::ceiling::Ceiling;
use hanse_proto::admin::Cluster;
use hanse_proto::admin::fence::State;

/// One word: whether the fence stands.
pub(crate) fn fence_state(cluster: &Cluster) -> &'static str {
    match cluster.fence.as_ref().map(hanse_proto::admin::Fence::state) {
        None | Some(State::Unspecified) => "Unknown",
        Some(State::Standing) => "Standing",
        Some(State::Broken) => "Broken",
        Some(State::Unfenced) => "Unfenced",
    }
}

/// The same with its model and what is wrong.
pub(crate) fn fence_line(cluster: &Cluster) -> String {
    let Some(fence) = &cluster.fence else {
        return "unknown: its agent has not said".to_owned();
    };
    let model = if fence.model.is_empty() { String::new() } else { format!(" ({})", fence.model) };
    let problem =
        if fence.problem.is_empty() { String::new() } else { format!(": {}", fence.problem) };
    format!("{}{model}{problem}", fence_state(cluster))
}

/// What the ceiling allows, line by line; nothing when there is none that can be read.
pub(crate) fn ceiling_lines(cluster: &Cluster) -> Vec<String> {
    let ceiling = cluster.fence.as_ref().and_then(|fence| Ceiling::parse(&fence.ceiling).ok());
    ceiling.map(|ceiling| ceiling.in_words()).unwrap_or_default()
}

/// One word: whether secrets can be sealed to the cluster.
pub(crate) fn recipient_state(cluster: &Cluster) -> &'static str {
    let (roster, offered) = (&cluster.recipient, &cluster.recipient_offered);
    match (roster.is_empty(), offered.is_empty()) {
        (true, true) => "None",
        (true, false) => "Offered",
        (false, true) => "Accepted",
        (false, false) if roster == offered => "Accepted",
        (false, false) => "Changed",
    }
}

/// The same with what to do.
pub(crate) fn recipient_line(cluster: &Cluster) -> String {
    let (name, roster, offered) = (&cluster.name, &cluster.recipient, &cluster.recipient_offered);
    match recipient_state(cluster) {
        "Accepted" => roster.clone(),
        "Offered" => format!("none yet; its agent made {offered}: hanse cluster accept {name}"),
        "Changed" => {
            format!("{roster}; its agent has another now, {offered}: hanse cluster accept {name}")
        }
        _ => "none: no secret can be sealed to it".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use hanse_proto::admin::Fence;

    use super::*;

    #[test]
    fn fence_and_recipient_are_said_in_words() {
        let cluster = |roster: &str, offered: &str| Cluster {
            name: "a".into(),
            recipient: roster.into(),
            recipient_offered: offered.into(),
            ..Cluster::default()
        };
        for (roster, offered, line) in [
            ("", "", "none: no secret can be sealed to it"),
            ("", "age1x", "none yet; its agent made age1x: hanse cluster accept a"),
            ("age1x", "age1x", "age1x"),
            ("age1x", "", "age1x"),
            ("age1x", "age1y", "age1x; its agent has another now, age1y: hanse cluster accept a"),
        ] {
            assert_eq!(recipient_line(&cluster(roster, offered)), line);
        }
        let fence = Fence {
            state: State::Broken.into(),
            model: "bind".into(),
            problem: "a policy is gone".into(),
            ..Fence::default()
        };
        let fenced = Cluster { fence: Some(fence), ..Cluster::default() };
        assert_eq!(fence_line(&fenced), "Broken (bind): a policy is gone");
        assert_eq!(fence_line(&Cluster::default()), "unknown: its agent has not said");
    }
}
