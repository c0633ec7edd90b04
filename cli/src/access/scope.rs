//! `-n`, `-A`, `--clusters`, `--at` and `--known-at`: where and when a question is asked.

use hanse_domain::names;
use hanse_proto::admin::AccessScope;
use jiff::Timestamp;

use super::known::Reach;
use super::moment;
use crate::failure::{Failure, Outcome};
use crate::selector;

/// Which clusters.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Clusters {
    /// Only these clusters: names (prod-1,prod-2) or labels (env=prod,region in (eu,us))
    #[arg(long, value_name = "NAMES|SELECTOR")]
    clusters: Option<String>,
}

/// Which namespaces of which clusters.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Where {
    /// Only in this namespace; several with commas
    #[arg(short, long = "namespace", value_name = "NAMESPACE", value_delimiter = ',')]
    namespaces: Vec<String>,

    /// In every namespace
    #[arg(short = 'A', long, conflicts_with = "namespaces")]
    all_namespaces: bool,

    #[command(flatten)]
    clusters: Clusters,
}

/// Which moment.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct When {
    /// As it was then: 2026-03-03T14:30:00Z, 2026-03-03 (its start, UTC), or 2h, 3d ago
    #[arg(long, value_name = "TIME")]
    at: Option<String>,

    /// As the hub knew it then
    #[arg(long, value_name = "TIME")]
    known_at: Option<String>,
}

/// What is meant when no namespace is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unnamed {
    /// All namespaces, each by itself.
    Everywhere,
    /// The cluster as a whole: what holds in every namespace.
    WholeCluster,
}

impl Clusters {
    /// Names, or a selector.
    pub(crate) fn scope(&self) -> Outcome<AccessScope> {
        let Some(text) = &self.clusters else { return Ok(AccessScope::default()) };
        if text.trim().is_empty() {
            return Err(Failure::usage("--clusters is empty")
                .hint("leave it out for every cluster, or see `hanse cluster list`"));
        }
        if !text.contains(['=', '!', '(', '/']) {
            let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
            let clusters: Vec<String> = names.map(str::to_owned).collect();
            for name in &clusters {
                names::check_dns_label(name).map_err(|e| {
                    Failure::usage(format!("`{name}` is not a cluster's name"))
                        .why(e.to_string())
                        .hint("clusters are chosen by names (prod-1,prod-2) or labels (env=prod)")
                })?;
            }
            return Ok(AccessScope { clusters, ..AccessScope::default() });
        }
        selector::parse(text).map_err(|failure| {
            failure.hint("for example: --clusters 'env=prod,region in (eu,us)'")
        })?;
        Ok(AccessScope { cluster_selector: text.clone(), ..AccessScope::default() })
    }
}

impl Where {
    /// `reach`: where the objects of the question are.
    pub(crate) fn scope(&self, unnamed: Unnamed, reach: Option<Reach>) -> Outcome<AccessScope> {
        let mut scope = self.clusters.scope()?;
        for namespace in &self.namespaces {
            names::check_dns_label(namespace).map_err(|e| {
                Failure::usage(format!("`{namespace}` is not a namespace")).why(e.to_string())
            })?;
        }
        if reach == Some(Reach::Cluster) {
            if let Some(namespace) = self.namespaces.first() {
                return Err(Failure::usage(format!(
                    "it is not in namespace {namespace}, nor in any"
                ))
                .why("what is asked about belongs to the cluster as a whole")
                .hint("leave -n out"));
            }
            return Ok(scope);
        }
        scope.namespaces.clone_from(&self.namespaces);
        scope.namespaces.sort();
        scope.namespaces.dedup();
        scope.all_namespaces = self.namespaces.is_empty() && unnamed == Unnamed::Everywhere;
        Ok(scope)
    }
}

impl When {
    /// Puts the moments into a scope.
    pub(crate) fn put(&self, scope: &mut AccessScope, now: Timestamp) -> Outcome<()> {
        let read = |text: &Option<String>| {
            text.as_deref().map(|text| moment::parse(text, now)).transpose()
        };
        scope.at = read(&self.at)?.map(moment::wire);
        scope.known_at = read(&self.known_at)?.map(moment::wire);
        Ok(())
    }
}

/// "in namespace payments", "in all namespaces", "in the whole cluster".
pub(crate) fn place(scope: &AccessScope) -> String {
    match scope.namespaces.as_slice() {
        [] if scope.all_namespaces => "in all namespaces".to_owned(),
        [] => "in the whole cluster".to_owned(),
        [one] => format!("in namespace {one}"),
        more => format!("in namespaces {}", more.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        place: Where,
        #[command(flatten)]
        when: When,
    }

    fn scope(words: &str, unnamed: Unnamed, reach: Option<Reach>) -> Outcome<AccessScope> {
        let line =
            Line::try_parse_from([&["x"][..], &words.split('|').collect::<Vec<_>>()].concat())
                .map_err(|e| Failure::usage(e.to_string()))?;
        let mut scope = line.place.scope(unnamed, reach)?;
        line.when.put(&mut scope, "2026-03-10T12:00:00Z".parse().unwrap())?;
        Ok(scope)
    }

    #[test]
    fn clusters_are_names_or_labels() {
        let read = |text: &str| {
            let scope = scope(&format!("--clusters|{text}"), Unnamed::Everywhere, None).unwrap();
            (scope.clusters.join("+"), scope.cluster_selector)
        };
        assert_eq!(read("prod-1"), ("prod-1".into(), String::new()));
        assert_eq!(read("prod-1, prod-2,"), ("prod-1+prod-2".into(), String::new()));
        for selector in ["env=prod", "!legacy", "region in (eu,us)", "example.com/tier", "a!=b,c=d"]
        {
            assert_eq!(read(selector), (String::new(), selector.into()));
        }
        for bad in ["", " ", "Prod", "a b", "env=a b", "=x", "(a)"] {
            let words = format!("--clusters|{bad}");
            assert!(scope(&words, Unnamed::Everywhere, None).is_err(), "{bad}");
        }
    }

    #[test]
    fn without_a_namespace_the_question_decides() {
        let shown = |words: &str, unnamed, reach| {
            scope(words, unnamed, reach).map_or_else(|e| e.summary(), |scope| place(&scope))
        };
        let all = ["--at", "1h"].join("|");
        let (pods, nodes) = (Some(Reach::Namespaced), Some(Reach::Cluster));
        assert_eq!(shown(&all, Unnamed::Everywhere, pods), "in all namespaces");
        assert_eq!(shown(&all, Unnamed::Everywhere, None), "in all namespaces");
        assert_eq!(shown(&all, Unnamed::Everywhere, nodes), "in the whole cluster");
        assert_eq!(shown(&all, Unnamed::WholeCluster, pods), "in the whole cluster");
        assert_eq!(shown("-A", Unnamed::WholeCluster, pods), "in the whole cluster");
        assert_eq!(shown("-n|b,a|-n|a", Unnamed::Everywhere, pods), "in namespaces a, b");
        assert_eq!(shown("-n|a", Unnamed::WholeCluster, None), "in namespace a");
        assert!(shown("-n|a", Unnamed::Everywhere, nodes).starts_with("it is not in namespace a"));
        assert!(shown("-n|A b", Unnamed::Everywhere, pods).starts_with("`A b` is not a namespace"));
        assert!(shown("-n|a|-A", Unnamed::Everywhere, pods).contains("cannot be used with"));
    }

    #[test]
    fn moments_travel_as_they_were_meant() {
        let scope = scope("--at|2026-03-03|--known-at|2h", Unnamed::Everywhere, None).unwrap();
        assert_eq!(scope.at.map(|at| at.seconds), Some(1_772_496_000));
        assert_eq!(scope.known_at.map(|at| at.seconds), Some(1_773_136_800));
    }
}
