//! Whatever edits come one after the other, the fleet is what all that it holds makes of it.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::history::manifest::{Manifest, Pin, fleet_leaf};
use crate::history::merkle;
use crate::history::roster::Labels;
use crate::parse::parse_document;
use crate::plan::{self, PlanError};
use crate::trust::root::{Origin, Quorum, TrustRoot};

/// Clusters, documents and names are drawn from so few that they meet.
const FEW: u64 = 5;
const RECIPIENT: &str = "age1";

fn trust() -> RootChain {
    let nobody = Quorum { threshold: 1, names: BTreeSet::new() };
    RootChain::begin(TrustRoot {
        version: 1,
        origin: Origin::Nonce(Digest([7; 32])),
        keys: BTreeMap::new(),
        root: nobody.clone(),
        roster: nobody.clone(),
        danger: nobody,
        authors: BTreeMap::new(),
    })
    .unwrap()
}

fn id(n: u64) -> ClusterId {
    ClusterId(Uuid::from_u64_pair(0, n))
}

fn document(kind: &str, name: u64, placement: &str, spec: &str) -> Edit {
    let text = format!(
        "apiVersion: hanse.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: x{name}}}\nspec:\n  \
         placement: {placement}\n{spec}"
    );
    Edit::Put(Arc::new(parse_document(text.as_bytes()).unwrap()))
}

fn role(name: u64, placement: &str, form: u64) -> Edit {
    let verb = ["get", "list"][usize::try_from(form % 2).unwrap()];
    let rules = format!("  rules:\n  - {{apiGroups: [''], resources: [pods], verbs: [{verb}]}}\n");
    document("FederatedRole", name, placement, &rules)
}

/// A binding to one role, and to another one where an override matches.
fn binding(name: u64, placement: &str, role: u64, other: u64) -> Edit {
    document(
        "FederatedRoleBinding",
        name,
        placement,
        &format!(
            "  roleRef: {{kind: FederatedRole, name: x{role}}}\n  \
             subjects: [{{kind: User, name: ada}}]\n  namespaces: [shop]\n  overrides:\n  \
             - clusterSelector: {{matchLabels: {{env: dev}}}}\n    \
             patch: {{roleRef: {{kind: FederatedRole, name: x{other}}}}}\n"
        ),
    )
}

fn secret(name: u64, placement: &str, version: u64) -> Edit {
    let sealed = "YWdlLWVuY3J5cHRpb24ub3JnL3YxCg==";
    let spec =
        format!("  namespaces: [shop]\n  version: {version}\n  keys: [k]\n  payload: {sealed}\n");
    document("FederatedSecret", name, placement, &spec)
}

fn wrap(name: u64, version: u64, cluster: u64) -> Edit {
    let reference = WrapRef { secret: format!("x{name}"), cluster: id(cluster) };
    Edit::PutWrap(Arc::new(Wrap {
        reference,
        version,
        recipient: RECIPIENT.to_owned(),
        key: vec![1],
    }))
}

fn cluster(n: u64, name: u64, labels: &[(&str, &str)]) -> Edit {
    let labels: Labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let entry = ClusterEntry::new(id(n), format!("c{name}"), labels);
    Edit::PutCluster(ClusterEntry { recipient: Some(RECIPIENT.to_owned()), ..entry })
}

fn edit() -> impl Strategy<Value = Edit> {
    let few = || 0..FEW;
    let placement = || {
        prop::sample::select(vec![
            "{clusterSelector: {}}",
            "{clusterSelector: {matchLabels: {env: prod}}}",
            "{clusterSelector: {matchLabels: {env: prod, region: eu}}}",
            "{clusterSelector: {matchLabels: {env: prod}}, clusterNames: [c1, c9]}",
            "{clusterSelector: {matchExpressions: [{key: env, operator: In, values: [dev, test]}]}}",
            "{clusterSelector: {matchExpressions: [{key: env, operator: NotIn, values: [dev]}]}}",
            "{clusterSelector: {matchLabels: {env: dev}, \
             matchExpressions: [{key: region, operator: In, values: [eu]}]}}",
            "{clusterSelector: {matchExpressions: [{key: region, operator: Exists}]}}",
            "{clusterSelector: {matchExpressions: [{key: region, operator: DoesNotExist}]}}",
            "{clusterNames: [c1, c2]}",
        ])
    };
    let labels = prop::sample::select(vec![
        &[("env", "prod")][..],
        &[("env", "prod"), ("region", "eu")],
        &[("env", "dev"), ("region", "us")],
        &[("env", "test")],
        &[],
    ]);
    let kind = prop::sample::select(vec![
        Kind::FederatedRole,
        Kind::FederatedRoleBinding,
        Kind::FederatedSecret,
    ]);
    prop_oneof![
        4 => (few(), placement(), few()).prop_map(|(n, at, form)| role(n, at, form)),
        3 => (few(), placement(), few(), few()).prop_map(|(n, at, r, o)| binding(n, at, r, o)),
        2 => (0u64..2, placement(), 1u64..3).prop_map(|(n, at, version)| secret(n, at, version)),
        3 => (0u64..2, 1u64..3, few()).prop_map(|(n, version, c)| wrap(n, version, c)),
        2 => (kind, few()).prop_map(|(kind, n)| {
            Edit::Remove(DocumentRef { kind, name: format!("x{n}") })
        }),
        4 => (few(), few(), labels).prop_map(|(n, more, labels)| {
            // Mostly the name of its own.
            cluster(n, if more == 0 { 1 } else { n }, labels)
        }),
        1 => few().prop_map(|n| Edit::RemoveCluster(id(n))),
    ]
}

/// Enough for most further edits to be possible.
fn start() -> Vec<Edit> {
    let mut edits =
        vec![secret(0, "{clusterSelector: {}}", 1), secret(1, "{clusterNames: [c1]}", 1)];
    for n in 0..FEW {
        let env = ["prod", "dev"][usize::try_from(n % 2).unwrap()];
        edits.push(cluster(n, n, &[("env", env), ("region", "eu")]));
        edits.push(role(n, "{clusterSelector: {}}", 0));
        edits.push(wrap(0, 1, n));
    }
    edits
}

/// What a fleet holds, kept in the simplest way.
#[derive(Default)]
struct Model {
    roster: BTreeMap<ClusterId, (ClusterEntry, RevisionNumber)>,
    documents: BTreeMap<DocumentRef, (Arc<Document>, RevisionNumber)>,
    wraps: BTreeMap<WrapRef, (Arc<Wrap>, RevisionNumber)>,
}

impl Model {
    fn apply(&mut self, edit: &Edit, number: RevisionNumber) {
        match edit {
            Edit::Put(document) => {
                self.documents.insert(document.reference.clone(), (Arc::clone(document), number));
            }
            Edit::Remove(reference) => drop(self.documents.remove(reference)),
            Edit::PutCluster(entry) => drop(self.roster.insert(entry.id, (entry.clone(), number))),
            Edit::RemoveCluster(id) => drop(self.roster.remove(id)),
            Edit::PutWrap(wrap) => {
                self.wraps.insert(wrap.reference.clone(), (Arc::clone(wrap), number));
            }
            Edit::RemoveWrap(reference) => drop(self.wraps.remove(reference)),
            Edit::PutRoot(_) => {}
        }
    }

    fn everything(&self) -> Everything {
        let owned = |(document, number): &(Arc<Document>, _)| (Document::clone(document), *number);
        Everything {
            roster: self.roster.values().cloned().collect(),
            documents: self.documents.values().map(owned).collect(),
            wraps: self.wraps.values().map(|(wrap, n)| (Wrap::clone(wrap), *n)).collect(),
        }
    }

    fn manifest(&self, id: ClusterId) -> Manifest {
        let (entry, number) = &self.roster[&id];
        let documents = self.documents.iter().filter(|(_, (d, _))| d.selects(entry));
        let wraps = self.wraps.iter().filter(|(reference, _)| reference.cluster == id);
        let pin = |digest, number| Pin { digest, number };
        Manifest {
            cluster: id,
            entry: pin(entry.digest(), *number),
            documents: documents.map(|(r, (d, n))| (r.clone(), pin(d.digest, *n))).collect(),
            wraps: wraps.map(|(r, (w, n))| (r.secret.clone(), pin(w.digest(), *n))).collect(),
        }
    }

    fn selected(&self, document: &Document) -> Vec<ClusterId> {
        let entries = self.roster.values().map(|(entry, _)| entry);
        entries.filter(|entry| document.selects(entry)).map(|entry| entry.id).collect()
    }

    /// Bindings without their role, and names that two clusters have.
    fn errors(&self, edits: &[Edit]) -> Vec<String> {
        let has_role = |role: &str| {
            let name = role.to_owned();
            self.documents.contains_key(&DocumentRef { kind: Kind::FederatedRole, name })
        };
        let bound = self.documents.values().flat_map(|(document, _)| {
            federated_roles(document).into_iter().map(|role| (&document.reference, role))
        });
        let mut errors: Vec<String> = bound
            .filter(|(_, role)| !has_role(role))
            .map(|(binding, role)| format!("{binding} without {role}"))
            .collect();
        for edit in edits {
            let Edit::PutCluster(new) = edit else { continue };
            let other =
                |(entry, _): &(ClusterEntry, _)| entry.name == new.name && entry.id != new.id;
            if self.roster.values().any(other) {
                errors.push(format!("another {}", new.name));
            }
        }
        errors
    }
}

fn shown(errors: &[PlanError]) -> Vec<String> {
    let shown = errors.iter().filter_map(|error| match error {
        PlanError::UnknownRole { binding, role, .. } | PlanError::RoleInUse { binding, role } => {
            Some(format!("{binding} without {role}"))
        }
        PlanError::ClusterName(name) => Some(format!("another {name}")),
        PlanError::Wrap { .. }
        | PlanError::Invalid { .. }
        | PlanError::TrustRoot(_)
        | PlanError::NotFound(_) => None,
    });
    shown.collect()
}

fn ids<'m>(members: impl IntoIterator<Item = &'m Member>) -> Vec<ClusterId> {
    members.into_iter().map(|member| member.entry.id).collect()
}

/// The fleet is what the model makes of it, also where it is searched.
fn check(fleet: &Fleet, model: &Model) {
    assert!(fleet.members().keys().eq(model.roster.keys()));
    assert!(fleet.documents().keys().eq(model.documents.keys()));
    let leaves: Vec<Digest> = model
        .roster
        .keys()
        .map(|id| {
            let member = fleet.member(*id).unwrap();
            assert_eq!(*member.manifest, model.manifest(*id));
            assert_eq!(member.digest, member.manifest.digest());
            assert!(member.wraps().keys().eq(member.manifest.wraps.keys()));
            fleet_leaf(*id, member.digest)
        })
        .collect();
    assert_eq!(fleet.root(), merkle::root(&leaves));
    for (place, id) in model.roster.keys().enumerate() {
        assert_eq!(fleet.inclusion(*id), InclusionProof::derive(&leaves, place));
    }
    assert_eq!(fleet.inclusion(id(FEW)), None);
    let whole = Fleet::assemble(trust(), fleet.number, fleet.history, model.everything());
    assert_eq!(fleet.root(), whole.root());
    assert_eq!(fleet.clusters, whole.clusters);
    for (document, _) in model.documents.values() {
        let expected = model.selected(document);
        assert_eq!(ids(fleet.selected(document)), expected, "{}", document.reference);
        assert_eq!(ids(whole.selected(document)), expected, "{}", document.reference);
        if let Some(selector) = &document.placement.cluster_selector {
            let matches = |(entry, _): &&(ClusterEntry, _)| selector.matches(&entry.labels);
            let expected: Vec<ClusterId> =
                model.roster.values().filter(matches).map(|(entry, _)| entry.id).collect();
            assert_eq!(ids(fleet.matching(selector)), expected);
        }
    }
    for n in 0..FEW {
        let (name, role) = (format!("c{n}"), format!("x{n}"));
        let named = model.roster.values().filter(|(entry, _)| entry.name == name);
        assert!(ids(fleet.members_named(&name)).into_iter().eq(named.map(|(entry, _)| entry.id)));
        let wraps = model.wraps.keys().filter(|reference| reference.secret == role);
        assert!(fleet.clusters.with_wrap_of(&role).eq(wraps.map(|reference| reference.cluster)));
        let bindings = model.documents.values().map(|(document, _)| document);
        let bindings = bindings.filter(|d| federated_roles(d).contains(role.as_str()));
        assert!(fleet.bindings_of(&role).eq(bindings.map(|document| &document.reference)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn edits_make_what_the_whole_makes(
        steps in prop::collection::vec(prop::collection::vec(edit(), 1..5), 1..10),
    ) {
        let mut fleet = Fleet::new(trust());
        let mut model = Model::default();
        for edits in std::iter::once(start()).chain(steps) {
            let edits = fleet.effective(edits);
            let (next, touched) = fleet.with(&edits).unwrap();
            let mut after = Model {
                roster: model.roster.clone(),
                documents: model.documents.clone(),
                wraps: model.wraps.clone(),
            };
            for edit in &edits {
                after.apply(edit, next.number);
            }
            after.wraps.retain(|reference, _| after.roster.contains_key(&reference.cluster));
            let errors = plan::verify(&next, &edits);
            prop_assert_eq!(shown(&errors), after.errors(&edits));
            check(&next, &after);
            check(&fleet, &model);
            for (id, member) in next.members() {
                let before = fleet.member(*id);
                let same = before.is_some_and(|before| before.digest == member.digest);
                prop_assert_eq!(touched.contains(id), !same);
                let generation = if same { before.unwrap().generation } else { next.number };
                prop_assert_eq!(member.generation, generation);
            }
            prop_assert!(touched.iter().all(|id| next.member(*id).is_some()));
            if errors.is_empty() {
                (fleet, model) = (next, after);
            }
            // No wrapped key stays when what it opens has gone.
            for (reference, (wrap, _)) in &model.wraps {
                let name = reference.secret.clone();
                let secret = &model.documents[&DocumentRef { kind: Kind::FederatedSecret, name }];
                prop_assert_eq!(secret_version(&secret.0), Some(wrap.version));
            }
        }
        let mut all: Vec<Edit> = model.documents.into_keys().map(Edit::Remove).collect();
        all.extend(model.roster.into_keys().map(Edit::RemoveCluster));
        let (empty, _) = fleet.with(&fleet.effective(all)).unwrap();
        prop_assert_eq!(&empty.clusters, &index::Clusters::default());
        prop_assert_eq!(&empty.placements, &index::Placements::default());
        prop_assert_eq!(empty.root(), merkle::root(&[]));
    }
}
