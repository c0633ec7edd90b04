//! `spec` of `FederatedNamespace`.

use std::collections::BTreeMap;

use super::super::cursor::{Cursor, Fields, Report};
use super::super::node::Content;
use crate::history::roster::Labels;
use crate::kinds::namespace::{LimitItem, NamespaceSpec, NetworkPolicy, PodSecurity, Quantities};
use crate::names;

pub(super) fn spec(report: &mut Report, fields: &mut Fields<'_>) -> Option<NamespaceSpec> {
    let labels = fields.optional("labels").map_or_else(
        || Some(Labels::new()),
        |cursor| {
            cursor.map(report, own_key, |report, value| {
                value.checked(report, names::check_label_value)
            })
        },
    );
    let annotations = fields.optional("annotations").map_or_else(
        || Some(Labels::new()),
        |cursor| cursor.map(report, own_key, |report, value| value.string(report)),
    );
    let pod_security = match fields.optional("podSecurity") {
        None => Some(None),
        Some(cursor) => cursor
            .one_of(
                report,
                &[
                    ("restricted", PodSecurity::Restricted),
                    ("baseline", PodSecurity::Baseline),
                    ("privileged", PodSecurity::Privileged),
                ],
            )
            .map(Some),
    };
    let resource_quota = match fields.optional("resourceQuota") {
        None => Some(None),
        Some(cursor) => cursor
            .fields(report, |report, fields| {
                fields.required(report, "hard").and_then(|hard| quantities(report, &hard))
            })
            .map(Some),
    };
    let limits = fields.optional("limitRange").map_or_else(
        || Some(Vec::new()),
        |cursor| {
            cursor.fields(report, |report, fields| {
                fields
                    .required(report, "limits")
                    .and_then(|limits| limits.list(report, |report, item| limit(report, &item)))
            })
        },
    );
    let network_policy = match fields.optional("networkPolicy") {
        None => Some(None),
        Some(cursor) => network_policy(report, &cursor).map(Some),
    };
    Some(NamespaceSpec {
        labels: labels?,
        annotations: annotations?,
        pod_security: pod_security?,
        resource_quota: resource_quota?,
        limits: limits?,
        network_policy: network_policy?,
    })
}

/// A key of a namespace's metadata that is not Kubernetes' or Hanse's own.
fn own_key(key: &str) -> Result<(), String> {
    names::check_label_key(key).map_err(|error| error.to_string())?;
    let prefix = key.split_once('/').map_or("", |(prefix, _)| prefix);
    let owned = ["kubernetes.io", "k8s.io", "hanse.dev"].iter().any(|owner| {
        prefix.strip_suffix(owner).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    });
    if prefix == "pod-security.kubernetes.io" {
        Err("this key belongs to Kubernetes: set `podSecurity` instead".to_owned())
    } else if owned {
        Err("this key belongs to Kubernetes or to Hanse".to_owned())
    } else {
        Ok(())
    }
}

const SUFFIXES: [&str; 16] =
    ["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

/// `k8s.io/apimachinery/pkg/api/resource`: a decimal number with an optional exponent or suffix.
/// Limits are never negative. A leading zero is octal to some readers of YAML.
fn is_quantity(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    let end = digits.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(digits.len());
    let (number, suffix) = digits.split_at(end);
    let plain = number.matches('.').count() <= 1 && number.chars().any(|c| c.is_ascii_digit());
    let octal =
        number.strip_prefix('0').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let exponent =
        suffix.strip_prefix(['e', 'E']).is_some_and(|e| !e.is_empty() && e.parse::<i8>().is_ok());
    plain && !octal && (exponent || SUFFIXES.contains(&suffix))
}

fn quantities(report: &mut Report, cursor: &Cursor<'_>) -> Option<Quantities> {
    let map = cursor.map(report, names::check_label_key, |report, value| {
        // `pods: 10` is what people write, and Kubernetes takes it.
        let text: &str = match &value.node.content {
            Content::Number(_, text) | Content::String(text) => text,
            Content::Null | Content::Bool(_) | Content::List(_) | Content::Map(_) => "",
        };
        if is_quantity(text) {
            return Some(text.to_owned());
        }
        value.error(
            report,
            format!(
                "expected a quantity like 4, 500m or 2Gi, not negative, found {}",
                value.node.describe()
            ),
        );
        None
    })?;
    if map.is_empty() {
        cursor.error(report, "at least one resource is needed");
        return None;
    }
    Some(map)
}

fn limit(report: &mut Report, cursor: &Cursor<'_>) -> Option<LimitItem> {
    const TYPES: [(&str, &str); 3] = [
        ("Container", "Container"),
        ("Pod", "Pod"),
        ("PersistentVolumeClaim", "PersistentVolumeClaim"),
    ];
    cursor.fields(report, |report, fields| {
        let kind = fields.required(report, "type").and_then(|kind| kind.one_of(report, &TYPES));
        let mut values = BTreeMap::new();
        let mut all = Some(());
        for name in ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"] {
            if let Some(cursor) = fields.optional(name) {
                match quantities(report, &cursor) {
                    Some(quantities) => {
                        values.insert(name, quantities);
                    }
                    None => all = None,
                }
            }
        }
        all?;
        if values.is_empty() {
            fields.error(report, "a limit needs at least one of `max`, `min`, `default`, …");
            return None;
        }
        Some(LimitItem { kind: kind?, values })
    })
}

fn network_policy(report: &mut Report, cursor: &Cursor<'_>) -> Option<NetworkPolicy> {
    #[derive(Clone, Copy, PartialEq)]
    enum Word {
        Ingress,
        Egress,
        SameNamespace,
        Dns,
    }
    let directions = [("Ingress", Word::Ingress), ("Egress", Word::Egress)];
    let allowances = [("SameNamespace", Word::SameNamespace), ("DNS", Word::Dns)];
    cursor.fields(report, |report, fields| {
        let mut words = |report: &mut Report, name, known: &[(&str, Word)]| {
            fields.optional(name).map_or_else(
                || Some(Vec::new()),
                |cursor| cursor.list(report, |report, item| item.one_of(report, known)),
            )
        };
        let deny = words(report, "deny", &directions);
        let allow = words(report, "allow", &allowances);
        let mut namespaces = |report: &mut Report, name| {
            fields.optional(name).map_or_else(
                || Some(Vec::new()),
                |cursor| {
                    cursor.list(report, |report, item| item.checked(report, names::check_dns_label))
                },
            )
        };
        let allow_from = namespaces(report, "allowFromNamespaces");
        let allow_to = namespaces(report, "allowToNamespaces");
        let (deny, allow) = (deny?, allow?);
        let denies = |word| deny.is_empty() || deny.contains(&word);
        Some(NetworkPolicy {
            deny_ingress: denies(Word::Ingress),
            deny_egress: denies(Word::Egress),
            allow_same_namespace: allow.contains(&Word::SameNamespace),
            allow_dns: allow.contains(&Word::Dns),
            allow_from: allow_from?,
            allow_to: allow_to?,
        })
    })
}
