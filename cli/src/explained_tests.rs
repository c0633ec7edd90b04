//! The table against the parser: every field that is explained is taken, and every field that is
//! taken is explained.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use hanse_domain::parse::{ParseError, parse_files};
use serde_json::{Map, Value};

use super::*;

const SELECTOR_EXAMPLE: &str =
    "{matchLabels: {env: prod}, matchExpressions: [{key: region, operator: In, values: [eu]}]}";

const HEAD: &str = "
apiVersion: hanse.dev/v1alpha1
kind: KIND
metadata: {name: example, labels: {a: b}, annotations: {a: b}}
spec:
  drift: Report
  placement: {clusterNames: [a], clusterSelector: SELECTOR}
  overrides: [{clusterSelector: SELECTOR, patch: {drift: Enforce}}]
";

const NAMESPACES: [&str; 1] = ["
  labels: {a: b}
  annotations: {a: b}
  podSecurity: restricted
  resourceQuota: {hard: {pods: 5}}
  limitRange: {limits: [{type: Container, max: {cpu: 1}, min: {cpu: 1}, default: {cpu: 1}, defaultRequest: {cpu: 1}, maxLimitRequestRatio: {cpu: 2}}]}
  networkPolicy: {deny: [Ingress], allow: [DNS], allowFromNamespaces: [a], allowToNamespaces: [b]}
"];

const ROLES: [&str; 2] = [
    "
  scope: Namespace
  rules: [{apiGroups: [''], resources: [pods], verbs: [get], resourceNames: [a]}]
",
    "
  scope: Cluster
  rules: [{nonResourceURLs: [/metrics], verbs: [get]}]
",
];

const BINDING_HEAD: &str = "
  subjects: [{kind: ServiceAccount, name: a, namespace: b}]
  roleRef: {kind: FederatedRole, name: a}
  expiresAt: 2030-01-01T00:00:00Z
  reason: because
";

/// An age file is known by its first line.
const SECRETS: [&str; 1] = ["
  type: Opaque
  namespaces: [a]
  version: 1
  keys: [password]
  payload: YWdlLWVuY3J5cHRpb24ub3JnL3YxCg==
  owners: [{name: ann, recipient: age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p, wrap: YWdlLWVuY3J5cHRpb24ub3JnL3YxCg==}]
"];

const INVARIANTS: [&str; 4] = [
    "
  deny:
    access: [{apiGroups: [''], resources: [secrets], verbs: [get], resourceNames: [a]}]
    namespaces: {names: [a]}
  except: {users: [a], groups: [b], serviceAccounts: [{namespace: a, name: b}], namespaces: [c]}
  system: Include
  reason: because
",
    "
  deny: {access: [{nonResourceURLs: [/metrics], verbs: [get]}]}
",
    "
  deny: {reach: [secrets], namespaces: {selector: SELECTOR}}
",
    "
  deny: {reach: [cluster-admin, node]}
",
];

fn examples(kind: Kind) -> Vec<Value> {
    let bodies: Vec<String> = match kind {
        Kind::FederatedNamespace => NAMESPACES.map(str::to_owned).to_vec(),
        Kind::FederatedRole => ROLES.map(str::to_owned).to_vec(),
        Kind::FederatedRoleBinding => {
            ["namespaces: [a]", "namespaceSelector: SELECTOR", "clusterWide: true"]
                .map(|scope| format!("{BINDING_HEAD}  {scope}\n"))
                .to_vec()
        }
        Kind::FederatedSecret => SECRETS.map(str::to_owned).to_vec(),
        Kind::AccessInvariant => INVARIANTS.map(str::to_owned).to_vec(),
    };
    let head: Vec<String> = HEAD
        .lines()
        .filter(|line| kind != Kind::FederatedSecret || !line.contains("overrides:"))
        .filter(|line| kind != Kind::AccessInvariant || !line.contains("  drift:"))
        .map(|line| {
            let invariant = kind == Kind::AccessInvariant;
            if invariant {
                line.replace("drift: Enforce", "reason: another")
            } else {
                line.to_owned()
            }
        })
        .collect();
    let head = head.join("\n");
    let yaml = |body: &String| {
        format!("{head}{body}").replace("KIND", kind.name()).replace("SELECTOR", SELECTOR_EXAMPLE)
    };
    bodies.iter().map(|body| serde_saphyr::from_str(&yaml(body)).unwrap()).collect()
}

/// The paths of all fields of an example; maps of any keys count as one field.
fn paths(value: &Value, path: &str, free: &BTreeSet<String>, out: &mut BTreeSet<String>) {
    if !path.is_empty() {
        out.insert(path.to_owned());
    }
    if let Some(map) = value.as_object().filter(|_| !free.contains(path)) {
        for (key, value) in map {
            let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            paths(value, &below, free, out);
        }
    } else if let Some(items) = value.as_array() {
        for item in items {
            let mut below = BTreeSet::new();
            paths(item, &format!("{path}[]"), free, &mut below);
            below.remove(&format!("{path}[]"));
            out.extend(below);
        }
    }
}

fn free_maps(kind: Kind) -> BTreeSet<String> {
    let is_free = |field: &Field| field.kind.starts_with("map[") || field.kind == "patch";
    fields(kind).into_iter().filter(is_free).map(|field| field.path).collect()
}

#[test]
fn every_explained_field_is_taken_by_the_parser() {
    for kind in Kind::ALL {
        let mut seen = BTreeSet::new();
        for example in examples(kind) {
            let text = serde_json::to_string_pretty(&example).unwrap();
            let parsed = parse_files([("example", text.as_bytes())]);
            assert!(parsed.is_ok(), "{kind:?}: {parsed:?}");
            paths(&example, "", &free_maps(kind), &mut seen);
        }
        let explained: BTreeSet<String> =
            fields(kind).into_iter().map(|field| field.path).collect();
        assert_eq!(explained, seen, "{kind:?}");
    }
}

/// A field that is like no other, so that the parser makes no guess but lists all that it knows.
const UNKNOWN: &str = "qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq";
const KNOWN_ARE: &str = "known are ";

fn without_indices(path: &str) -> String {
    let mut inside = false;
    let keep = |c: &char| {
        inside = (inside || *c == '[') && *c != ']';
        !inside && *c != ']'
    };
    path.chars().filter(keep).collect()
}

/// Puts an unknown field into the map at each path in turn; the parser then names the fields that it
/// knows there, and they are those that the table has.
#[test]
fn every_field_of_the_parser_is_explained() {
    let mut compared = 0;
    for kind in Kind::ALL {
        for example in examples(kind) {
            let mut maps = Vec::new();
            map_pointers(&example, String::new(), String::new(), &free_maps(kind), &mut maps);
            for (pointer, path) in maps {
                let mut broken = example.clone();
                let map = broken.pointer_mut(&pointer).and_then(Value::as_object_mut).unwrap();
                map.insert(UNKNOWN.to_owned(), Value::Bool(true));
                let text = serde_json::to_string_pretty(&broken).unwrap();
                let errors = parse_files([("example", text.as_bytes())]).unwrap_err();
                let place = format!("{path}.{UNKNOWN}").replace("[]", "");
                let inside = |e: &&ParseError| {
                    without_indices(&e.path) == place.trim_start_matches('.')
                        && e.message.contains(KNOWN_ARE)
                };
                let error = errors.iter().find(inside).unwrap();
                let (_, known) = error.message.split_once(KNOWN_ARE).unwrap();
                let mut known: BTreeSet<&str> = known.split(", ").collect();
                if kind == Kind::FederatedSecret {
                    // Known so that it can be refused in words of its own.
                    known.remove("overrides");
                }
                let all = fields(kind);
                let explained: BTreeSet<&str> =
                    all.iter().filter_map(|field| child_of(&field.path, &path)).collect();
                assert_eq!(explained, known, "{kind:?} {path}");
                compared += 1;
            }
        }
    }
    assert!(compared > 40, "{compared}");
}

fn map_pointers(
    value: &Value,
    pointer: String,
    path: String,
    free: &BTreeSet<String>,
    out: &mut Vec<(String, String)>,
) {
    if let Some(map) = value.as_object().filter(|_| !free.contains(&path)) {
        children(map, &pointer, &path, free, out);
        out.push((pointer, path));
    } else if let Some(items) = value.as_array() {
        for (index, item) in items.iter().enumerate() {
            map_pointers(item, format!("{pointer}/{index}"), path.clone(), free, out);
        }
    }
}

fn children(
    map: &Map<String, Value>,
    pointer: &str,
    path: &str,
    free: &BTreeSet<String>,
    out: &mut Vec<(String, String)>,
) {
    for (key, value) in map {
        let list = if value.as_array().is_some_and(|items| items.iter().any(Value::is_object)) {
            "[]"
        } else {
            ""
        };
        let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}{list}") };
        map_pointers(value, format!("{pointer}/{key}"), below, free, out);
    }
}

#[test]
fn children_are_direct() {
    assert_eq!(child_of("spec.rules[].verbs", "spec.rules"), Some("verbs"));
    assert_eq!(child_of("spec.rules[].verbs", "spec"), None);
    assert_eq!(child_of("spec.rules", "spec"), Some("rules"));
    assert_eq!(child_of("spec", ""), Some("spec"));
    assert_eq!(child_of("spec", "spec"), None);
}
