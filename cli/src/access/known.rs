//! The resources that every cluster has, with their short names and groups, so that nobody has to
//! write `deployments.apps`. As in Kubernetes 1.36; others are written with their group.

/// Where objects of a resource are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    Namespaced,
    /// Not in a namespace, so that a RoleBinding cannot give it.
    Cluster,
}

/// One resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) group: &'static str,
    /// Plural, as rules write it.
    pub(crate) name: &'static str,
    /// As kubectl knows it.
    short: &'static [&'static str],
    pub(crate) reach: Reach,
    /// Whether there are subresources; all but `status` for the reader's eyes only.
    pub(crate) subresources: bool,
}

use Reach::{Cluster, Namespaced};

const fn n(
    group: &'static str,
    name: &'static str,
    short: &'static [&'static str],
    subresources: bool,
) -> Known {
    Known { group, name, short, reach: Namespaced, subresources }
}

const fn c(
    group: &'static str,
    name: &'static str,
    short: &'static [&'static str],
    subresources: bool,
) -> Known {
    Known { group, name, short, reach: Cluster, subresources }
}

const RBAC: &str = "rbac.authorization.k8s.io";
const ADMISSION: &str = "admissionregistration.k8s.io";
const AUTHN: &str = "authentication.k8s.io";
const AUTHZ: &str = "authorization.k8s.io";
const CERTIFICATES: &str = "certificates.k8s.io";
const NETWORKING: &str = "networking.k8s.io";
const STORAGE: &str = "storage.k8s.io";
const RESOURCE: &str = "resource.k8s.io";
const FLOW: &str = "flowcontrol.apiserver.k8s.io";

const ALL: &[Known] = &[
    n("", "pods", &["po"], true),
    n("", "secrets", &[], false),
    n("", "configmaps", &["cm"], false),
    n("", "services", &["svc"], true),
    n("", "serviceaccounts", &["sa"], true),
    n("", "endpoints", &["ep"], false),
    n("", "events", &["ev"], false),
    n("", "limitranges", &["limits"], false),
    n("", "persistentvolumeclaims", &["pvc"], true),
    n("", "podtemplates", &[], false),
    n("", "replicationcontrollers", &["rc"], true),
    n("", "resourcequotas", &["quota"], true),
    n("", "bindings", &[], false),
    c("", "namespaces", &["ns"], true),
    c("", "nodes", &["no"], true),
    c("", "persistentvolumes", &["pv"], true),
    c("", "componentstatuses", &["cs"], false),
    c("", "users", &[], false),
    c("", "groups", &[], false),
    n("apps", "deployments", &["deploy"], true),
    n("apps", "daemonsets", &["ds"], true),
    n("apps", "statefulsets", &["sts"], true),
    n("apps", "replicasets", &["rs"], true),
    n("apps", "controllerrevisions", &[], false),
    n("batch", "jobs", &[], true),
    n("batch", "cronjobs", &["cj"], true),
    n("autoscaling", "horizontalpodautoscalers", &["hpa"], true),
    n("policy", "poddisruptionbudgets", &["pdb"], true),
    n(NETWORKING, "ingresses", &["ing"], true),
    n(NETWORKING, "networkpolicies", &["netpol"], false),
    c(NETWORKING, "ingressclasses", &[], false),
    c(NETWORKING, "ipaddresses", &["ip"], false),
    c(NETWORKING, "servicecidrs", &[], true),
    n(RBAC, "roles", &[], false),
    n(RBAC, "rolebindings", &[], false),
    c(RBAC, "clusterroles", &[], false),
    c(RBAC, "clusterrolebindings", &[], false),
    c(STORAGE, "storageclasses", &["sc"], false),
    c(STORAGE, "csidrivers", &[], false),
    c(STORAGE, "csinodes", &[], false),
    n(STORAGE, "csistoragecapacities", &[], false),
    c(STORAGE, "volumeattachments", &[], true),
    c(STORAGE, "volumeattributesclasses", &["vac"], false),
    c(ADMISSION, "validatingwebhookconfigurations", &[], false),
    c(ADMISSION, "mutatingwebhookconfigurations", &[], false),
    c(ADMISSION, "validatingadmissionpolicies", &[], true),
    c(ADMISSION, "validatingadmissionpolicybindings", &[], false),
    c(ADMISSION, "mutatingadmissionpolicies", &[], false),
    c(ADMISSION, "mutatingadmissionpolicybindings", &[], false),
    c("apiextensions.k8s.io", "customresourcedefinitions", &["crd", "crds"], true),
    c("apiregistration.k8s.io", "apiservices", &[], true),
    c(AUTHN, "tokenreviews", &[], false),
    c(AUTHN, "selfsubjectreviews", &[], false),
    c(AUTHN, "userextras", &[], true),
    c(AUTHN, "uids", &[], false),
    c(AUTHZ, "subjectaccessreviews", &[], false),
    c(AUTHZ, "selfsubjectaccessreviews", &[], false),
    c(AUTHZ, "selfsubjectrulesreviews", &[], false),
    n(AUTHZ, "localsubjectaccessreviews", &[], false),
    c(CERTIFICATES, "certificatesigningrequests", &["csr"], true),
    c(CERTIFICATES, "signers", &[], false),
    c(CERTIFICATES, "clustertrustbundles", &[], false),
    n("coordination.k8s.io", "leases", &[], false),
    n("discovery.k8s.io", "endpointslices", &[], false),
    n("events.k8s.io", "events", &[], false),
    c(FLOW, "flowschemas", &[], true),
    c(FLOW, "prioritylevelconfigurations", &[], true),
    c("node.k8s.io", "runtimeclasses", &[], false),
    c("scheduling.k8s.io", "priorityclasses", &["pc"], false),
    n(RESOURCE, "resourceclaims", &[], true),
    n(RESOURCE, "resourceclaimtemplates", &[], false),
    c(RESOURCE, "resourceslices", &[], false),
    c(RESOURCE, "deviceclasses", &[], false),
];

/// The resource of a name: plural, singular or short, in any case. The first one when several groups
/// have it and none is given.
pub(crate) fn find(name: &str, group: Option<&str>) -> Option<&'static Known> {
    let name = name.to_lowercase();
    let of_group = |known: &&Known| group.is_none_or(|group| group == known.group);
    ALL.iter().filter(of_group).find(|known| {
        known.name == name || known.short.contains(&&*name) || singular(known.name) == name
    })
}

/// Names of all, for near ones.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|known| known.name)
}

/// "secret" of "secrets", "policy" of "policies", "class" of "classes".
pub(crate) fn singular(plural: &str) -> String {
    if plural == "endpoints" {
        return plural.to_owned();
    }
    if let Some(stem) = plural.strip_suffix("ies") {
        return format!("{stem}y");
    }
    let es = ["sses", "statuses"].iter().any(|end| plural.ends_with(end));
    plural.strip_suffix(if es { "es" } else { "s" }).unwrap_or(plural).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plural_singular_or_short() {
        for (text, group, expected) in [
            ("secrets", None, Some(("", "secrets"))),
            ("Secret", None, Some(("", "secrets"))),
            ("po", None, Some(("", "pods"))),
            ("deploy", None, Some(("apps", "deployments"))),
            ("deployment", Some("apps"), Some(("apps", "deployments"))),
            ("deployment", Some("extensions"), None),
            ("networkpolicy", None, Some((NETWORKING, "networkpolicies"))),
            ("ingress", None, Some((NETWORKING, "ingresses"))),
            ("ingressclass", None, Some((NETWORKING, "ingressclasses"))),
            ("ipaddress", None, Some((NETWORKING, "ipaddresses"))),
            ("priorityclass", None, Some(("scheduling.k8s.io", "priorityclasses"))),
            ("componentstatus", None, Some(("", "componentstatuses"))),
            ("endpoints", None, Some(("", "endpoints"))),
            ("endpointslice", None, Some(("discovery.k8s.io", "endpointslices"))),
            ("storageclass", None, Some((STORAGE, "storageclasses"))),
            ("lease", None, Some(("coordination.k8s.io", "leases"))),
            ("crds", None, Some(("apiextensions.k8s.io", "customresourcedefinitions"))),
            ("events", None, Some(("", "events"))),
            ("events", Some("events.k8s.io"), Some(("events.k8s.io", "events"))),
            ("widgets", None, None),
        ] {
            let found = find(text, group).map(|known| (known.group, known.name));
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn no_short_name_means_two_things() {
        let mut words: Vec<&str> = ALL.iter().flat_map(|k| k.short.iter().copied()).collect();
        let plurals = ALL.iter().filter(|known| known.group != "events.k8s.io").map(|k| k.name);
        words.extend(plurals);
        words.sort_unstable();
        let all = words.len();
        words.dedup();
        assert_eq!(words.len(), all);
    }
}
