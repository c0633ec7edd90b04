//! A fleet with several authors, to attack: whom its trust root lets sign what, and what they said.
//!
//! ```text
//! ada  root, roster, danger, everything        lea  the namespaces shop and shop-*, on env=prod, no hazards
//! bob  root, danger, everything                rob  roster
//!                                              eve  nothing: her key is in no trust root
//! ```

use std::sync::Arc;

use hanse_domain::bundle::{Condition, Refusal};
use hanse_domain::document::Document;
use hanse_domain::fleet::Edit;
use hanse_domain::history::changes::{Subject, Transition, WrapRef};
use hanse_domain::history::manifest::Pin;
use hanse_domain::history::roster::ClusterEntry;
use hanse_domain::history::wrap::Wrap;
use hanse_domain::ids::{Digest, RevisionNumber};
use hanse_domain::trust::root::TrustRoot;
use ssh_key::PrivateKey;

use crate::support::{
    READS_PODS, cluster, cluster_id, document, everywhere, key, namespace, public, put, role, text,
};
use crate::world::{Agent, World};

pub(crate) const RECIPIENT: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

pub(crate) fn ada() -> PrivateKey {
    key(1)
}

pub(crate) fn bob() -> PrivateKey {
    key(2)
}

pub(crate) fn lea() -> PrivateKey {
    key(3)
}

pub(crate) fn rob() -> PrivateKey {
    key(4)
}

pub(crate) fn eve() -> PrivateKey {
    key(9)
}

/// A trust root with these keys and the lines behind them.
pub(crate) fn root(head: &str, keys: &[(&str, &PrivateKey)], roles: &str) -> TrustRoot {
    let lines = keys.iter().map(|(name, key)| format!("key {name} {}\n", public(key)));
    let keys: String = lines.collect();
    TrustRoot::parse(format!("hanse trust-root v1\n{head}\n{keys}{roles}").as_bytes()).unwrap()
}

pub(crate) const LEAS_SCOPE: &str = "kinds=FederatedNamespace,FederatedRoleBinding,FederatedSecret \
                                     namespaces=shop,shop-* clusters=env=prod hazards=no";

pub(crate) fn first_root() -> TrustRoot {
    let nonce = Digest([1; 32]);
    root(
        &format!("version 1\nnonce {nonce}"),
        &[("ada", &ada()), ("bob", &bob()), ("lea", &lea()), ("rob", &rob())],
        &format!(
            "root 1 ada bob\nroster 1 ada rob\ndanger 2 ada bob\n\
             author ada kinds=* namespaces=* clusters=* hazards=yes\n\
             author bob kinds=* namespaces=* clusters=* hazards=yes\nauthor lea {LEAS_SCOPE}\n"
        ),
    )
}

/// The next version, without lea.
pub(crate) fn without_lea(world: &World) -> TrustRoot {
    let current = world.fleet.trust.current();
    root(
        &format!("version {}\nprevious {}", current.root.version + 1, current.digest),
        &[("ada", &ada()), ("bob", &bob()), ("rob", &rob())],
        "root 1 ada bob\nroster 1 ada rob\ndanger 2 ada bob\n\
         author ada kinds=* namespaces=* clusters=* hazards=yes\n\
         author bob kinds=* namespaces=* clusters=* hazards=yes\n",
    )
}

/// The three clusters' entries, each with a recipient.
pub(crate) fn entry(n: u128, labels: &[(&str, &str)]) -> ClusterEntry {
    let name = ["prod-1", "prod-2", "dev-1"][usize::try_from(n).unwrap() - 1];
    ClusterEntry { recipient: Some(RECIPIENT.to_owned()), ..cluster(n, name, labels) }
}

/// A binding of a ClusterRole to somebody in one namespace, on `env=prod`.
pub(crate) fn grant(name: &str, cluster_role: &str, to: &str, namespace: &str) -> Document {
    document(&text(
        "FederatedRoleBinding",
        name,
        &format!(
            "  placement: {{clusterSelector: {{matchLabels: {{env: prod}}}}}}\n  \
             roleRef: {{kind: ClusterRole, name: {cluster_role}}}\n  \
             subjects: [{{kind: User, name: {to}}}]\n  namespaces: [{namespace}]\n"
        ),
    ))
}

pub(crate) fn secret(name: &str, namespace: &str, version: u64) -> Document {
    let sealed = "YWdlLWVuY3J5cHRpb24ub3JnL3YxCg==";
    let spec = format!(
        "  namespaces: [{namespace}]\n  version: {version}\n  keys: [k]\n  payload: {sealed}\n"
    );
    document(&everywhere("FederatedSecret", name, &spec))
}

pub(crate) fn wrap(secret: &str, version: u64, n: u128, key: u8) -> Wrap {
    let reference = WrapRef { secret: secret.to_owned(), cluster: cluster_id(n) };
    Wrap { reference, version, recipient: RECIPIENT.to_owned(), key: vec![key] }
}

pub(crate) fn put_wrap(wrap: Wrap) -> Edit {
    Edit::PutWrap(Arc::new(wrap))
}

pub(crate) fn of(reference: &str) -> Subject {
    reference.parse().unwrap()
}

pub(crate) fn wrap_of(secret: &str, n: u128) -> Subject {
    Subject::Wrap(WrapRef { secret: secret.to_owned(), cluster: cluster_id(n) })
}

pub(crate) const fn pin(digest: Digest, number: u64) -> Pin {
    Pin { digest, number: RevisionNumber(number) }
}

pub(crate) const fn comes(digest: Digest) -> Transition {
    Transition { before: None, after: Some(digest) }
}

pub(crate) const fn goes(digest: Digest) -> Transition {
    Transition { before: Some(digest), after: None }
}

/// 1: rob accepts the clusters. 2: ada puts a role, two namespaces and a secret with its keys.
/// 3: lea puts a binding in her namespace.
pub(crate) fn people() -> World {
    let mut world = World::new(first_root());
    let entries = [(1, "prod"), (2, "prod"), (3, "dev")]
        .map(|(n, env)| Edit::PutCluster(entry(n, &[("env", env)])));
    world.commit(entries.to_vec(), &[&rob()]);
    let edits = vec![
        put(role("reads", READS_PODS)),
        put(namespace("shop", "")),
        put(namespace("billing", "")),
        put(secret("db", "billing", 1)),
        put_wrap(wrap("db", 1, 1, 1)),
        put_wrap(wrap("db", 1, 2, 2)),
    ];
    world.commit(edits, &[&ada()]);
    world.commit(vec![put(grant("views", "view", "lea", "shop"))], &[&lea()]);
    world
}

/// The same, and what the agent of prod-1 then holds.
pub(crate) fn people_and_agent() -> (World, Agent) {
    let world = people();
    let mut agent = Agent::new(1, &world);
    agent.follow(&world);
    (world, agent)
}

/// The refusal is this one, for this condition.
macro_rules! assert_refused {
    ($refusal:expr, $condition:ident, $pattern:pat $(if $guard:expr)?) => {{
        let refusal: hanse_domain::bundle::Refusal = $refusal;
        assert!(matches!(&refusal, $pattern $(if $guard)?), "{refusal:?}");
        assert_eq!(refusal.condition(), hanse_domain::bundle::Condition::$condition, "{refusal}");
    }};
}
pub(crate) use assert_refused;

/// Refused since the signers of a statement may not say that.
pub(crate) fn assert_not_allowed(refusal: &Refusal, of: u64, condition: Condition, why: &str) {
    let Refusal::NotAllowed { number, condition: found, why: found_why } = refusal else {
        panic!("{refusal:?}")
    };
    assert_eq!((number.0, *found), (of, condition), "{refusal}");
    assert!(found_why.to_string().contains(why), "{found_why}");
}
