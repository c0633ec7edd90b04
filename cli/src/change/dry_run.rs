//! `--dry-run=server`: what the API servers of the touched clusters would say.

use std::collections::{BTreeMap, BTreeSet};

use hanse_domain::change::Change;
use hanse_domain::plan::ObjectChange;
use hanse_proto::admin::{CommitRequest, DryRunRequest, DryRunResponse};

use crate::failure::{Failure, Outcome};
use crate::hub::Hub;
use crate::output;
use crate::plan_view::puts;
use crate::text::{count, escape};

/// Why the hub could not ask, in its words. Any other reason is the agent's, who refuses.
const NOT_ASKED: [&str; 6] = [
    "not connected",
    "busy with other dry runs",
    "its connection ended",
    "no answer within ",
    "it leaves the fleet",
    "the hub cannot make its bundle",
];

/// What an answer comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Taken,
    /// Nothing is known of it.
    Unknown,
    Refused,
}

/// What all of them come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    taken: usize,
    unknown: usize,
    refused: usize,
}

/// Asks, and shows what each cluster said. `Err` when one would refuse something, or when none
/// answered. `plan`: what is expected to happen, by cluster.
pub(super) async fn ask(
    hub: &Hub,
    change: &Change,
    plan: &BTreeMap<String, Vec<ObjectChange>>,
    request: CommitRequest,
) -> Outcome<()> {
    let members = change.touched.iter().filter_map(|id| change.fleet.member(*id));
    let mut silent: BTreeSet<String> = members.map(|member| member.entry.name.clone()).collect();
    let mut service = hub.fleet_service();
    let request = DryRunRequest { change: Some(request) };
    let mut stream = hub.call(service.dry_run(request)).await?;
    let mut tally = Tally::default();
    while let Some(answer) = hub.next(&mut stream).await? {
        silent.remove(&answer.cluster);
        let (verdict, text) = judge(&answer, plan.get(&answer.cluster).map_or(0, |c| puts(c)));
        tally.add(verdict);
        output::note(&text);
    }
    for cluster in silent {
        tally.add(Verdict::Unknown);
        output::note(&format!("‼ {}: the hub said nothing of it", escape(&cluster)));
    }
    tally.outcome()
}

impl Tally {
    const fn add(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Taken => self.taken += 1,
            Verdict::Unknown => self.unknown += 1,
            Verdict::Refused => self.refused += 1,
        }
    }

    fn outcome(self) -> Outcome<()> {
        if self.refused > 0 {
            let what = format!("{} would refuse this", count(self.refused, "cluster"));
            return Err(Failure::new("would-be-refused", what)
                .hint("nothing was committed; see above which object and why"));
        }
        if self.taken == 0 && self.unknown > 0 {
            return Err(Failure::new("not-asked", "no cluster could say anything to this")
                .why(format!("{} asked in vain", count(self.unknown, "cluster")))
                .hint("nothing was committed; hanse cluster list shows who is connected"));
        }
        Ok(())
    }
}

/// What a cluster said. `puts`: how many objects the plan has there that its API server must be
/// asked about.
fn judge(answer: &DryRunResponse, puts: usize) -> (Verdict, String) {
    let cluster = escape(&answer.cluster);
    let why = &answer.unavailable;
    if NOT_ASKED.iter().any(|reason| why.starts_with(reason)) {
        return (Verdict::Unknown, format!("‼ {cluster}: not asked: {}", escape(why)));
    }
    if !why.is_empty() {
        return (Verdict::Refused, format!("× {cluster}: its agent refuses it: {}", escape(why)));
    }
    if !answer.problems.is_empty() {
        let lines = answer.problems.iter().map(|problem| {
            let object = problem.object.as_ref();
            let object = object.map_or_else(String::new, crate::commands::object_name);
            format!("× {cluster}: {}: {}", escape(&object), escape(&problem.message))
        });
        return (Verdict::Refused, lines.collect::<Vec<_>>().join("\n"));
    }
    match answer.tried {
        0 if puts > 0 => {
            let why = "the plan changes objects there, and its agent had none of them to try; \
                       compare its generation: hanse describe cluster";
            (Verdict::Unknown, format!("‼ {cluster}: it tried nothing: {why} {cluster}"))
        }
        0 => (Verdict::Taken, format!("√ {cluster}: no object there to try")),
        tried => {
            let tried = tried as usize;
            // An API server cannot be asked about an object in a namespace that it does not have.
            let rest = match puts.saturating_sub(tried) {
                0 => String::new(),
                1 => "; 1 not asked: its namespace does not exist yet".to_owned(),
                more => format!("; {more} not asked: their namespace does not exist yet"),
            };
            let tried = count(tried, "object");
            (Verdict::Taken, format!("√ {cluster}: its API server would take {tried}{rest}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use hanse_proto::admin::{ObjectProblem, ObjectReference};

    use super::*;

    #[test]
    fn each_cluster_says_what_it_would_do() {
        let answer =
            DryRunResponse { cluster: "prod-1".into(), tried: 3, ..DryRunResponse::default() };
        let object = ObjectReference {
            kind: "RoleBinding".into(),
            namespace: "a".into(),
            name: "b".into(),
            ..ObjectReference::default()
        };
        let problem = ObjectProblem { object: Some(object), message: "denied\u{1b}".into() };
        let unavailable =
            |why: &str| DryRunResponse { unavailable: why.into(), tried: 0, ..answer.clone() };
        let idle = DryRunResponse { tried: 0, ..answer.clone() };
        let shown = [
            judge(&answer, 3),
            judge(&answer, 4),
            judge(&answer, 5),
            judge(&idle, 1),
            judge(&idle, 0),
            judge(&unavailable("not connected"), 1),
            judge(&unavailable("no answer within 10 s"), 1),
            judge(&unavailable("the bundle is older\u{1b}"), 1),
            judge(&DryRunResponse { problems: vec![problem], ..answer.clone() }, 1),
        ]
        .map(|(verdict, text)| format!("{verdict:?} {text}"));
        insta::assert_snapshot!(shown.join("\n"), @r"
        Taken √ prod-1: its API server would take 3 objects
        Taken √ prod-1: its API server would take 3 objects; 1 not asked: its namespace does not exist yet
        Taken √ prod-1: its API server would take 3 objects; 2 not asked: their namespace does not exist yet
        Unknown ‼ prod-1: it tried nothing: the plan changes objects there, and its agent had none of them to try; compare its generation: hanse describe cluster prod-1
        Taken √ prod-1: no object there to try
        Unknown ‼ prod-1: not asked: not connected
        Unknown ‼ prod-1: not asked: no answer within 10 s
        Refused × prod-1: its agent refuses it: the bundle is older\u{1b}
        Refused × prod-1: RoleBinding a/b: denied\u{1b}
        ");
    }

    #[test]
    fn a_refusal_and_silence_of_all_are_failures() {
        let code = |taken, unknown, refused| {
            Tally { taken, unknown, refused }.outcome().err().map(|failure| failure.code())
        };
        assert_eq!(code(0, 0, 0), None);
        assert_eq!(code(2, 1, 0), None);
        assert_eq!(code(0, 1, 0), Some("not-asked"));
        assert_eq!(code(5, 1, 1), Some("would-be-refused"));
    }
}
