//! A matrix in each format.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{By, Matrix, kind, short, subject};
use crate::access::sheet::Format;
use crate::access::{csv, subject as subjects};
use crate::failure::Outcome;
use crate::output;
use crate::table::Table;

impl Matrix {
    /// All of it. `question`, `views`: the head and the end of JSON.
    pub(crate) fn show(&self, format: Format, question: &Value, views: &[Value]) -> Outcome<()> {
        match format {
            Format::Table | Format::Wide => output::data(&self.table(format == Format::Wide)),
            Format::Csv => output::exact(self.csv().as_bytes()),
            Format::Json => output::json_as_written(&self.json(question, views)?),
        }
    }

    /// `wide`: every right by its name.
    pub(super) fn table(&self, wide: bool) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let headings: Vec<String> =
            self.columns.iter().map(|column| self.heading(column)).collect();
        let headings = headings.iter().map(String::as_str);
        let mut table = Table::new(std::iter::once("SUBJECT").chain(headings));
        for (who, cells) in &self.rows {
            let cell = |column| {
                let Some(cell) = cells.get(column) else { return "-".to_owned() };
                let (whole, part) = self.words(*cell);
                let text =
                    |words: &[&'static str]| if wide { words.join(" ") } else { short(words) };
                match (whole.is_empty(), part.is_empty()) {
                    (_, true) => text(&whole),
                    (true, false) => format!("({})", text(&part)),
                    (false, false) => format!("{} ({})", text(&whole), text(&part)),
                }
            };
            let first = subjects::show(&subject(who));
            table.row(std::iter::once(first).chain(self.columns.iter().map(cell)));
        }
        table.to_string()
    }

    /// Columns are named by what is different among them.
    fn heading(&self, (cluster, namespace): &(String, String)) -> String {
        let clusters: BTreeSet<&str> =
            self.columns.iter().map(|(cluster, _)| cluster.as_str()).collect();
        let namespace = if namespace.is_empty() { "(all)" } else { namespace };
        match self.by {
            By::Cluster => crate::text::escape(cluster).into_owned(),
            By::Namespace if clusters.len() == 1 => crate::text::escape(namespace).into_owned(),
            By::Namespace => crate::text::escape(&format!("{cluster}/{namespace}")).into_owned(),
        }
    }

    /// A line for each cell.
    pub(super) fn csv(&self) -> String {
        let mut out = csv::line([
            "subject_kind",
            "subject_namespace",
            "subject",
            "cluster",
            "namespace",
            "rights",
            "rights_in_part",
        ]);
        for (who, cells) in &self.rows {
            let subject = subject(who);
            for ((cluster, namespace), cell) in cells {
                let (whole, part) = self.words(*cell);
                out.push_str(&csv::line([
                    subjects::kind(kind(&subject)),
                    &subject.namespace,
                    &subject.name,
                    cluster,
                    namespace,
                    &whole.join(" "),
                    &part.join(" "),
                ]));
            }
        }
        out
    }

    pub(super) fn json(&self, question: &Value, views: &[Value]) -> Outcome<Value> {
        let mut rows = Vec::new();
        for (who, cells) in &self.rows {
            let cells: Vec<Value> = cells
                .iter()
                .map(|((cluster, namespace), cell)| {
                    let (whole, part) = self.words(*cell);
                    json!({
                        "cluster": cluster,
                        "namespace": namespace,
                        "rights": whole,
                        "rightsInPart": part,
                    })
                })
                .collect();
            rows.push(json!({ "subject": output::value(&subject(who))?, "cells": cells }));
        }
        Ok(json!({ "question": question, "rights": self.words, "rows": rows, "views": views }))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use hanse_proto::admin::Grant;

    use super::super::rights;
    use super::*;
    use crate::access::words::tests::{by_group, by_hand, by_masters};

    fn matrix(by: By) -> Matrix {
        let mut matrix = Matrix::new(by, &rights(Some("secrets")).unwrap().0);
        matrix.cluster("prod-3");
        for right in 0..8 {
            matrix.add(right, &by_masters()).unwrap();
        }
        for right in 0..3 {
            matrix.add(right, &by_group()).unwrap();
        }
        matrix.add(0, &by_hand()).unwrap();
        let whole = Grant { resource_names: Vec::new(), ..by_hand() };
        matrix.add(3, &whole).unwrap();
        matrix
    }

    #[test]
    fn by_clusters_and_by_namespaces() {
        insta::assert_snapshot!(matrix(By::Cluster).table(false), @r"
        SUBJECT                       prod-1   prod-2         prod-3
        user anna                     (read)   -              -
        group system:masters          all      -              -
        service account ci/deployer   -        create (get)   -
        ");
        insta::assert_snapshot!(matrix(By::Namespace).table(true), @r"
        SUBJECT                       prod-1/(all)                                                 prod-1/payments   prod-2/(all)
        user anna                     -                                                            get list watch    -
        group system:masters          get list watch create update patch delete deletecollection   -                 -
        service account ci/deployer   -                                                            -                 create (get)
        ");
    }

    #[test]
    fn for_spreadsheets_and_scripts() {
        insta::assert_snapshot!(matrix(By::Cluster).csv().replace('\r', ""), @r"
        subject_kind,subject_namespace,subject,cluster,namespace,rights,rights_in_part
        User,,anna,prod-1,,,get list watch
        Group,,system:masters,prod-1,,get list watch create update patch delete deletecollection,
        ServiceAccount,ci,deployer,prod-2,,create,get
        ");
        let json = matrix(By::Namespace).json(&json!({}), &[json!("v")]).unwrap();
        assert_eq!(json.pointer("/rows/0/cells/0/namespace"), Some(&json!("payments")));
        assert_eq!(json.pointer("/rows/2/cells/0/rightsInPart/0"), Some(&json!("get")));
        assert_eq!(json.pointer("/views/0"), Some(&json!("v")));
    }
}
