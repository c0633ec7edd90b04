//! Who reaches what by which path, as rows.

use hanse_domain::kinds::invariant::Goal;
use hanse_proto::admin::{Escalation, EscalationStep};
use jiff::Timestamp;
use serde_json::Value;

use super::sheet::Row;
use super::{subject, words};
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::text::{near, or_dash};

/// Checks a target that a person named.
pub(crate) fn target(text: &str) -> Outcome<String> {
    if Goal::from_name(text).is_some() {
        return Ok(text.to_owned());
    }
    let targets = Goal::ALL.map(Goal::name);
    Err(Failure::usage(format!("`{text}` is not a target of paths")).hint(near(
        text,
        targets,
        &format!("targets are {}", words::and(&targets)),
    )))
}

/// "cluster-admin", "all secrets", "secrets in payments", "a node".
pub(crate) fn reached(escalation: &Escalation) -> String {
    match (Goal::from_name(&escalation.target), escalation.namespace.as_str()) {
        (Some(Goal::Secrets), "") => "all secrets".to_owned(),
        (Some(Goal::Secrets), namespace) => format!("secrets in {namespace}"),
        (Some(Goal::Node), _) => "a node".to_owned(),
        (Some(Goal::ClusterAdmin) | None, _) => escalation.target.clone(),
    }
}

/// The steps in one line.
pub(crate) fn steps(escalation: &Escalation) -> String {
    if escalation.steps.is_empty() {
        return "has it directly".to_owned();
    }
    // Most texts name whom one becomes already.
    let step = |step: &EscalationStep| match &step.to {
        Some(to) if !step.text.contains(&to.name) => {
            format!("{} → {}", step.text, subject::show(to))
        }
        Some(_) | None => step.text.clone(),
    };
    escalation.steps.iter().map(step).collect::<Vec<_>>().join("; then ")
}

fn edges(escalation: &Escalation) -> String {
    escalation.steps.iter().map(|step| step.edge.as_str()).collect::<Vec<_>>().join(" → ")
}

/// What allows each step.
fn allowed_by(escalation: &Escalation) -> String {
    let grants = escalation.steps.iter().filter_map(|step| step.grant.as_ref());
    grants.map(words::path).collect::<Vec<_>>().join("; ")
}

impl Row for Escalation {
    const LIST: &'static str = "escalations";
    const HEADINGS: &'static [&'static str] = &["CLUSTER", "SUBJECT", "REACHES", "HOW"];
    const WIDE: &'static [&'static str] = &["STEPS", "ALLOWED BY"];

    fn columns() -> Vec<&'static str> {
        vec![
            "cluster",
            "subject_kind",
            "subject_namespace",
            "subject",
            "target",
            "target_namespace",
            "length",
            "steps",
            "how",
            "allowed_by",
        ]
    }

    fn cells(&self, _: Timestamp) -> Vec<String> {
        let who = subject::shown(self.subject.as_ref());
        vec![self.cluster.clone(), who, reached(self), steps(self)]
    }

    fn wide(&self) -> Vec<String> {
        vec![or_dash(edges(self)), or_dash(allowed_by(self))]
    }

    fn records(&self) -> Vec<Vec<String>> {
        let subject = self.subject.clone().unwrap_or_default();
        vec![vec![
            self.cluster.clone(),
            subject::kind(subject.kind()).to_owned(),
            subject.namespace,
            subject.name,
            self.target.clone(),
            self.namespace.clone(),
            self.steps.len().to_string(),
            edges(self),
            steps(self),
            allowed_by(self),
        ]]
    }

    fn json(&self) -> Outcome<Value> {
        output::value(self)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::super::grants::tests::written;
    use super::super::sheet::Format;
    use super::super::words::tests::by_group;
    use super::*;

    pub(crate) fn by_workload() -> Escalation {
        let deployer = subject::parse("sa:ci/deployer").ok();
        Escalation {
            cluster: "prod-1".into(),
            subject: subject::parse("anna").ok(),
            target: "cluster-admin".into(),
            namespace: String::new(),
            steps: vec![
                EscalationStep {
                    edge: "workload".into(),
                    from: subject::parse("anna").ok(),
                    to: deployer.clone(),
                    namespace: "ci".into(),
                    text: "creates a pod that runs as service account ci/deployer".into(),
                    grant: Some(by_group()),
                },
                EscalationStep {
                    edge: "bind".into(),
                    from: deployer,
                    text: "binds itself to cluster-admin\u{1b}[2J".into(),
                    ..EscalationStep::default()
                },
            ],
        }
    }

    pub(crate) fn direct() -> Escalation {
        Escalation {
            cluster: "prod-1".into(),
            subject: subject::parse("group:sre").ok(),
            target: "secrets".into(),
            namespace: "payments".into(),
            steps: Vec::new(),
        }
    }

    #[test]
    fn paths_in_columns() {
        let rows = [by_workload(), direct()];
        insta::assert_snapshot!(written(Format::Table, &rows));
        insta::assert_snapshot!(written(Format::Csv, &rows));
        let wide = written(Format::Wide, &rows);
        assert!(wide.contains("workload → bind   group sre → RoleBinding"), "{wide}");
    }

    #[test]
    fn whom_one_becomes_is_named_once() {
        let mut escalation = by_workload();
        escalation.steps.first_mut().unwrap().text = "asks for a token".into();
        assert!(
            steps(&escalation).starts_with("asks for a token → service account ci/deployer; then")
        );
        let node = Escalation { target: "node".into(), ..direct() };
        let all = Escalation { namespace: String::new(), ..direct() };
        assert_eq!([reached(&node), reached(&all)], ["a node", "all secrets"]);
    }

    #[test]
    fn targets_have_names() {
        assert_eq!(target("node").ok().as_deref(), Some("node"));
        let failure = target("nodes").unwrap_err();
        assert_eq!(
            failure.hint_text(),
            Some("did you mean `node`? Otherwise: targets are cluster-admin, secrets and node")
        );
    }
}
