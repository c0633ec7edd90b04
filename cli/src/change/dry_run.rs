//! `--dry-run=server`: what the API servers of the touched clusters would say.

use hanse_proto::admin::{CommitRequest, DryRunRequest, DryRunResponse};

use crate::failure::{Failure, Outcome};
use crate::hub::Hub;
use crate::output;
use crate::text::{count, escape};

/// Asks, and shows what each cluster said. `Err` when one would refuse something.
pub(super) async fn ask(hub: &Hub, change: CommitRequest) -> Outcome<()> {
    let mut service = hub.fleet_service();
    let request = DryRunRequest { change: Some(change) };
    let mut stream = hub.call(service.dry_run(request)).await?;
    let mut problems = 0;
    while let Some(answer) = hub.next(&mut stream).await? {
        problems += answer.problems.len();
        output::note(&describe(&answer));
    }
    if problems == 0 {
        return Ok(());
    }
    Err(Failure::new(
        "would-be-refused",
        format!("{} would be refused by a cluster", count(problems, "object")),
    )
    .hint("nothing was committed; see above which object and why"))
}

fn describe(answer: &DryRunResponse) -> String {
    let cluster = escape(&answer.cluster);
    if !answer.unavailable.is_empty() {
        return format!("‼ {cluster}: not asked: {}", escape(&answer.unavailable));
    }
    if answer.problems.is_empty() {
        let tried = count(answer.tried as usize, "object");
        return format!("√ {cluster}: its API server would take {tried}");
    }
    let mut lines = Vec::new();
    for problem in &answer.problems {
        let object = problem.object.as_ref().map_or_else(String::new, crate::commands::object_name);
        lines.push(format!("× {cluster}: {}: {}", escape(&object), escape(&problem.message)));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use hanse_proto::admin::{ObjectProblem, ObjectReference};

    use super::*;

    #[test]
    fn each_cluster_says_what_it_would_do() {
        let answer =
            DryRunResponse { cluster: "prod-1".into(), tried: 3, ..DryRunResponse::default() };
        insta::assert_snapshot!(describe(&answer), @"√ prod-1: its API server would take 3 objects");
        let away = DryRunResponse { unavailable: "offline".into(), ..answer.clone() };
        insta::assert_snapshot!(describe(&away), @"‼ prod-1: not asked: offline");
        let object = ObjectReference {
            kind: "RoleBinding".into(),
            namespace: "a".into(),
            name: "b".into(),
            ..ObjectReference::default()
        };
        let problem = ObjectProblem { object: Some(object), message: "denied\u{1b}".into() };
        let refused = DryRunResponse { problems: vec![problem], ..answer };
        insta::assert_snapshot!(describe(&refused), @r"× prod-1: RoleBinding a/b: denied\u{1b}");
    }
}
