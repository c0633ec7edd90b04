//! Decisions, groups, provenance and paths.

use hanse_domain::access::object::{AccessKey, AccessKind};
use hanse_domain::access::read::read;
use hanse_domain::fleet::Edit;
use hanse_domain::render::render;
use hanse_proto::admin;
use hanse_proto::admin::access_subject::Kind;
use hanse_proto::admin::decision_response::Part;

use crate::access::{
    Eyes, administrator, binding, client, everywhere, first, get_secrets, now, role, rule, sealed,
    who,
};
use crate::agent::accepted;
use crate::author::{self, commit, fleet, propose};
use crate::hub::Hub;

fn subject(kind: Kind, name: &str) -> admin::AccessSubject {
    let (namespace, name) = (String::new(), name.to_owned());
    admin::AccessSubject { kind: kind.into(), namespace, name }
}

fn in_namespaces(names: &[&str]) -> admin::AccessScope {
    let namespaces = names.iter().map(|name| (*name).to_owned()).collect();
    admin::AccessScope { namespaces, ..Default::default() }
}

async fn decide(
    hub: &Hub,
    scope: admin::AccessScope,
    subject: admin::AccessSubject,
    groups: &[&str],
) -> Vec<admin::Decision> {
    let request = admin::ListDecisionsRequest {
        scope: Some(scope),
        request: Some(get_secrets()),
        subject: Some(subject),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
    };
    let mut stream = client(hub).await.list_decisions(request).await.unwrap().into_inner();
    let mut all = Vec::new();
    while let Some(message) = stream.message().await.unwrap() {
        if let Part::Decision(decision) = message.part.unwrap() {
            all.push(decision);
        }
    }
    all
}

pub(crate) async fn decisions_are_what_the_api_server_says(hub: &Hub) {
    let [prod] = accepted(hub, ["prod"]).await;
    let (mut talk, _) = prod.connect(hub).await;
    let mut eyes = Eyes::new(&prod);
    first(&mut eyes);
    let mut one = rule(&["get"], &["secrets"]);
    one.resource_names = vec!["only".to_owned()];
    eyes.put(role("one", vec![one]));
    eyes.put(binding("ops", "one", "one", &[("User", "dora")]));
    eyes.sync(&mut talk).await;

    let anna = || subject(Kind::User, "anna");
    let said = decide(hub, in_namespaces(&["ops", "payments"]), anna(), &[]).await;
    let short: Vec<_> = said.iter().map(|d| (d.namespace.as_str(), d.allowed)).collect();
    assert_eq!(short, [("ops", false), ("payments", true)]);
    let path = &said[1].grants[0];
    assert_eq!(path.binding.as_ref().unwrap().name, "readers");
    assert_eq!(path.role.as_ref().unwrap().kind, "ClusterRole");
    assert_eq!(path.rule.as_ref().unwrap().verbs, ["get", "list"]);
    assert_eq!(path.provenance.as_ref().unwrap().manager, "kubectl");
    // In the cluster as a whole not, in one namespace yes.
    let said = decide(hub, everywhere(), anna(), &[]).await;
    let short: Vec<_> = said.iter().map(|d| (d.namespace.as_str(), d.allowed)).collect();
    assert_eq!(short, [("", false), ("payments", true)]);
    // A group that is said to be there counts; without a name only a rule without names does.
    let ben = || subject(Kind::User, "ben");
    assert!(decide(hub, in_namespaces(&["payments"]), ben(), &["sre"]).await[0].allowed);
    let near = decide(hub, in_namespaces(&["payments"]), ben(), &[]).await.remove(0);
    assert_eq!(
        (near.allowed, near.nearest[0].role.as_ref().unwrap().name.as_str()),
        (false, "pods")
    );
    let dora = decide(hub, in_namespaces(&["ops"]), subject(Kind::User, "dora"), &[]).await;
    assert!(!dora[0].allowed);
    let (any, _) = who(hub, in_namespaces(&["ops"])).await;
    assert!(any.contains(&"prod \"ops\" dora".to_owned()), "{any:?}");
    let masters = decide(hub, everywhere(), subject(Kind::Group, "system:masters"), &[]).await;
    assert!(masters[0].allowed && masters[0].grants[0].binding.is_none());
    // Bad questions are refused.
    let request = admin::ListDecisionsRequest { subject: Some(anna()), ..Default::default() };
    let refused = client(hub).await.list_decisions(request).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::InvalidArgument);
    for scope in [
        admin::AccessScope { clusters: vec!["nobody".to_owned()], ..Default::default() },
        admin::AccessScope { cluster_selector: "a in b".to_owned(), ..Default::default() },
    ] {
        let request = admin::ListInventoriesRequest { scope: Some(scope) };
        assert!(client(hub).await.list_inventories(request).await.is_err());
    }
}

pub(crate) async fn members_of_groups_are_listed(hub: &Hub) {
    let (cluster, mut eyes) = sealed(hub, "prod").await;
    let (mut talk, _) = cluster.connect(hub).await;
    first(&mut eyes);
    eyes.sync(&mut talk).await;
    let before = now();
    let group = |group: &str, users: &[&str], groups: &[&str]| {
        let all = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        admin::GroupMembers { group: group.to_owned(), users: all(users), groups: all(groups) }
    };
    let import = |groups| admin::ImportGroupsRequest { directory: "corp".to_owned(), groups };
    let groups = vec![group("sre", &["eva"], &["night"]), group("night", &["finn", "eva"], &[])];
    let done = administrator(hub).await.import_groups(import(groups.clone())).await.unwrap();
    let done = done.into_inner();
    assert_eq!((done.groups, done.memberships, done.changed), (2, 4, true));
    let again = administrator(hub).await.import_groups(import(groups)).await.unwrap();
    assert!(!again.into_inner().changed);
    let (grants, _) = who(hub, in_namespaces(&["payments"])).await;
    let names: Vec<&str> = grants.iter().filter_map(|grant| grant.rsplit(' ').next()).collect();
    for name in ["anna", "eva", "finn", "sre"] {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    let at = Some(crate::access::proto_time(before));
    let (past, _) = who(hub, admin::AccessScope { at, ..in_namespaces(&["payments"]) }).await;
    assert!(!past.iter().any(|grant| grant.ends_with("finn")), "{past:?}");
    let request = admin::ListGroupsRequest { at: None };
    let mut stream = client(hub).await.list_groups(request).await.unwrap().into_inner();
    let listed = stream.message().await.unwrap().unwrap();
    assert_eq!((listed.directory.as_str(), listed.imported_by.as_str()), ("corp", "admin"));
    assert_eq!(listed.members.unwrap(), group("night", &["eva", "finn"], &[]));
    // Before what is kept, which begins as soon as the hub has looked after it.
    let at = Some(pbjson_types::Timestamp::default());
    let mut refused = None;
    for _ in 0..100 {
        let answer = client(hub).await.list_groups(admin::ListGroupsRequest { at }).await;
        refused = answer.err();
        if refused.is_some() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(refused.unwrap().code(), tonic::Code::InvalidArgument);
    let bad = administrator(hub).await.import_groups(import(vec![group("a\n", &[], &[])])).await;
    assert_eq!(bad.unwrap_err().code(), tonic::Code::InvalidArgument);
}

pub(crate) async fn a_claim_counts_when_the_history_bears_it_out(hub: &Hub) {
    let [prod] = accepted(hub, ["prod"]).await;
    let documents = vec![
        author::document(
            "apiVersion: hanse.dev/v1alpha1\nkind: FederatedNamespace\nmetadata: {name: payments}\n\
             spec:\n  placement: {clusterSelector: {}}\n",
        ),
        author::document(
            "apiVersion: hanse.dev/v1alpha1\nkind: FederatedRole\nmetadata: {name: read}\nspec:\n  \
             placement: {clusterSelector: {}}\n  rules:\n    - {apiGroups: [''], resources: \
             [secrets], verbs: [get]}\n",
        ),
        author::binding("team", "read"),
    ];
    let number = commit(hub, documents).await.unwrap();
    let current = fleet(hub).await;
    let member = current.member(prod.id).unwrap();
    let labels = &member.entry.labels;
    let (mut talk, _) = prod.connect(hub).await;
    let mut eyes = Eyes::new(&prod);
    let mut declared = None;
    for (reference, made) in render(current.placed_on(member), labels, now()).objects {
        let Some(kind) = AccessKind::from_name(reference.kind.name()) else { continue };
        let object = read(kind, &made.object.body).unwrap().unwrap();
        if kind == AccessKind::RoleBinding {
            assert_eq!(object.origin.source, "FederatedRoleBinding/team");
            assert_eq!(object.origin.revision, Some(number));
            declared = Some(object.clone());
        }
        eyes.set(object.key, Some((object.content, object.origin)), now());
    }
    let declared = declared.unwrap();
    // Somebody in the cluster says the same of a binding of their own.
    let own = AccessKey::namespaced(AccessKind::RoleBinding, "payments", "own");
    eyes.set(own, Some((declared.content.clone(), declared.origin.clone())), now());
    // And of a revision that there is not.
    let mut origin = declared.origin.clone();
    origin.revision = Some(u64::MAX);
    let late = AccessKey::namespaced(AccessKind::RoleBinding, "payments", "late");
    eyes.set(late, Some((declared.content.clone(), origin)), now());
    eyes.sync(&mut talk).await;
    let claims = async || {
        let request = admin::ListWhoCanRequest {
            scope: Some(in_namespaces(&["payments"])),
            request: Some(get_secrets()),
            direct: true,
        };
        let mut stream = client(hub).await.list_who_can(request).await.unwrap().into_inner();
        let mut all = Vec::new();
        while let Some(message) = stream.message().await.unwrap() {
            if let admin::grant_response::Part::Grant(grant) = message.part.unwrap()
                && let Some(binding) = grant.binding
            {
                let known = grant.provenance.unwrap();
                all.push((binding.name, known.document, known.verified, known.author));
            }
        }
        all.sort();
        all
    };
    let name = declared.key.name.clone();
    let team = "FederatedRoleBinding/team".to_owned();
    let expected = |verified: bool| {
        let author = if verified { "admin" } else { "" };
        let mut all = vec![
            (name.clone(), team.clone(), verified, author.to_owned()),
            ("late".to_owned(), team.clone(), false, String::new()),
            ("own".to_owned(), team.clone(), false, String::new()),
        ];
        all.sort();
        all
    };
    assert_eq!(claims().await, expected(true));
    // The document has moved on and the cluster has not yet: what it has was declared once.
    let moved = author::document(
        "apiVersion: hanse.dev/v1alpha1\nkind: FederatedRoleBinding\nmetadata: {name: team}\nspec:\n  \
         placement: {clusterSelector: {}}\n  subjects: [{kind: Group, name: others}]\n  \
         roleRef: {kind: FederatedRole, name: read}\n  namespaces: [payments]\n",
    );
    commit(hub, vec![moved]).await.unwrap();
    assert_eq!(claims().await, expected(true));
    // It was changed by hand: it is not what was declared.
    let (_, changed) = binding("payments", "x", "admin", &[("User", "eve"), ("Group", "team")]);
    let mut content = declared.content.clone();
    if let (
        hanse_domain::access::object::AccessContent::Binding { subjects, .. },
        hanse_domain::access::object::AccessContent::Binding { subjects: more, .. },
    ) = (&mut content, changed)
    {
        *subjects = more;
    }
    let (key, origin) = (declared.key.clone(), declared.origin.clone());
    let at = now();
    let closed = eyes.checkpoint(at);
    let change = eyes.set(key, Some((content, origin)), at);
    let report = eyes.report(vec![change], Some(closed));
    eyes.tell(&mut talk, report).await;
    let mut seen = claims().await;
    seen.dedup();
    assert_eq!(seen, expected(false));
}

pub(crate) async fn paths_are_found_and_previewed(hub: &Hub) {
    let (cluster, mut eyes) = sealed(hub, "prod").await;
    let (mut talk, _) = cluster.connect(hub).await;
    let mut binds = rule(&["bind"], &["clusterroles"]);
    binds.api_groups = vec!["rbac.authorization.k8s.io".to_owned()];
    let mut creates = rule(&["create"], &["clusterrolebindings"]);
    creates.api_groups.clone_from(&binds.api_groups);
    let mut all = rule(&["*"], &["*"]);
    all.api_groups = vec!["*".to_owned()];
    eyes.put(role("cluster-admin", vec![all]));
    eyes.put(role("binder", vec![binds, creates]));
    eyes.put(binding("", "binder", "binder", &[("User", "mallory")]));
    eyes.sync(&mut talk).await;
    let request = admin::ListEscalationsRequest {
        scope: Some(everywhere()),
        targets: vec!["cluster-admin".to_owned()],
        ..Default::default()
    };
    let mut stream = client(hub).await.list_escalations(request).await.unwrap().into_inner();
    let first = stream.message().await.unwrap().unwrap().part.unwrap();
    let admin::escalation_response::Part::Escalation(path) = first else { panic!("{first:?}") };
    assert_eq!(path.subject.unwrap().name, "mallory");
    assert_eq!((path.target.as_str(), path.steps[0].edge.as_str()), ("cluster-admin", "bind"));
    let grant = path.steps[0].grant.as_ref().unwrap();
    assert_eq!(grant.provenance.as_ref().unwrap().manager, "kubectl");
    let end = stream.message().await.unwrap().unwrap().part.unwrap();
    assert!(matches!(end, admin::escalation_response::Part::View(view) if view.count == 1));

    // A change that lets a team read Secrets.
    let edits: Vec<Edit> = vec![
        author::document(
            "apiVersion: hanse.dev/v1alpha1\nkind: FederatedNamespace\nmetadata: {name: payments}\n\
             spec:\n  placement: {clusterSelector: {}}\n",
        ),
        author::document(
            "apiVersion: hanse.dev/v1alpha1\nkind: FederatedRole\nmetadata: {name: read}\nspec:\n  \
             placement: {clusterSelector: {}}\n  rules:\n    - {apiGroups: [''], resources: \
             [secrets], verbs: [get]}\n",
        ),
        author::binding("team", "read"),
    ];
    let proposed = propose(&fleet(hub).await, edits);
    let request = admin::PreviewAccessRequest {
        statement: proposed.statement,
        contents: proposed.contents,
        changes: proposed.changes,
    };
    let mut stream =
        administrator(hub).await.preview_access(request.clone()).await.unwrap().into_inner();
    let first = stream.message().await.unwrap().unwrap().part.unwrap();
    let admin::preview_access_response::Part::Opened(path) = first else { panic!("{first:?}") };
    assert_eq!(
        (path.subject.unwrap().name.as_str(), path.namespace.as_str()),
        ("team", "payments")
    );
    let end = stream.message().await.unwrap().unwrap().part.unwrap();
    assert!(matches!(end, admin::preview_access_response::Part::View(view) if view.count == 1));
    let (grants, _) = who(hub, in_namespaces(&["payments"])).await;
    assert!(!grants.iter().any(|grant| grant.ends_with("team")), "nothing was changed");
    let refused = client(hub).await.preview_access(request).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::PermissionDenied);
}
