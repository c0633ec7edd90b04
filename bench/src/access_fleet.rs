//! A fleet's access that is made up, by the distribution in [`DISTRIBUTION`]. The same every time.

use hanse_domain::access::directory::Directory;
use hanse_domain::access::object::{
    AccessContent, AccessKey, AccessKind, LabelSelector, RawSubject, RoleReference,
};
use hanse_domain::access::request::Request;
use hanse_domain::history::roster::Labels;
use hanse_domain::ids::ClusterId;
use hanse_domain::kinds::role::PolicyRule;

/// What the figures of access are measured on.
pub(crate) const DISTRIBUTION: &str = "\
    the fleet of P8 and P9: per cluster 74 roles as Kubernetes has them (cluster-admin with wildcards; admin, \
    edit and view aggregated), 40 cluster roles of operators out of 400 in the fleet, one in eight with a \
    wildcard, and 2 roles in each of 200 (P8: 50) namespaces out of 1,000 names, their rules out of 2,000 contents; \
    5 service accounts a namespace. Bindings: 1% cluster-wide; 40% to view, edit or admin, 25% to an \
    operator's role, 35% to a role of the namespace; 70% name one subject, 20% two, 10% three. Subjects \
    are of one of 2,000 teams: half of them its group, 3 in 10 a service account of the namespace, 2 in 10 \
    one of its 25 people; of 100 bindings one names system:authenticated, system:serviceaccounts or all \
    service accounts of the namespace. Names of bindings are from 20,000, one in 100 has its own. Small \
    numbers are likelier everywhere (the square of a uniform number). The directory: 2,000 groups of 25 \
    people, one in 10 with another group within";

/// How large a fleet is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) clusters: usize,
    pub(crate) bindings: usize,
    /// Of a cluster.
    pub(crate) namespaces: usize,
    /// Distinct contents of roles in namespaces.
    pub(crate) contents: usize,
}

const ALL_NAMESPACES: usize = 1_000;
const TEAMS: usize = 2_000;
const TEAM: usize = 25;
const OPERATORS: usize = 40;
const ALL_OPERATORS: usize = 400;
const ACCOUNTS: usize = 5;
const VERBS: [&str; 7] = ["get", "list", "watch", "create", "update", "patch", "delete"];
const RESOURCES: [(&str, &str); 16] = [
    ("", "pods"),
    ("", "configmaps"),
    ("", "services"),
    ("apps", "deployments"),
    ("", "secrets"),
    ("", "pods/log"),
    ("", "events"),
    ("apps", "statefulsets"),
    ("batch", "jobs"),
    ("batch", "cronjobs"),
    ("", "serviceaccounts"),
    ("", "pods/exec"),
    ("networking.k8s.io", "ingresses"),
    ("apps", "deployments/scale"),
    ("rbac.authorization.k8s.io", "rolebindings"),
    ("", "persistentvolumeclaims"),
];

/// Numbers that only look random (`SplitMix64`).
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `end`, each as likely.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % end).unwrap_or_default()
    }

    /// Below `end`, small ones likelier: the square of a uniform number.
    fn skewed(&mut self, end: usize) -> usize {
        const PARTS: usize = 1 << 20;
        let part = self.below(PARTS);
        part * part / PARTS * end / PARTS
    }

    fn of<'l, T>(&mut self, list: &'l [T]) -> Option<&'l T> {
        list.get(self.skewed(list.len()))
    }
}

/// The id of the nth cluster.
pub(crate) fn cluster(n: usize) -> ClusterId {
    let first = 0x0192_f0c1_0000_7000_8000_0000_0000_0000_u128;
    ClusterId(uuid::Uuid::from_u128(first + u128::try_from(n).unwrap_or_default()))
}

/// A namespace of some clusters; small numbers are of more of them.
pub(crate) fn namespace(n: usize) -> String {
    format!("team-{n}")
}

/// All objects of the nth cluster of a fleet.
pub(crate) fn objects(size: Size, n: usize) -> impl Iterator<Item = (AccessKey, AccessContent)> {
    let seed = u64::try_from(n).unwrap_or_default();
    let mut random = Random::new(seed + 1);
    let namespaces: Vec<usize> = (0..size.namespaces)
        .map(|at| {
            at * ALL_NAMESPACES / size.namespaces + random.below(ALL_NAMESPACES / size.namespaces)
        })
        .collect();
    let operators: Vec<usize> = (0..OPERATORS)
        .map(|at| at * ALL_OPERATORS / OPERATORS + random.below(ALL_OPERATORS / OPERATORS))
        .collect();
    let bootstrap = (0..BOOTSTRAP).map(bootstrap_role);
    let operator_roles: Vec<_> = operators.iter().map(|&at| operator_role(at)).collect();
    let inside: Vec<_> =
        namespaces.iter().flat_map(|&at| in_namespace(at, size.contents, &mut random)).collect();
    let bindings = (0..size.bindings).map(move |at| {
        let within = (at * 100 >= size.bindings)
            .then(|| namespaces.get(random.below(size.namespaces)).copied().unwrap_or_default());
        binding(at, n, within, &operators, &mut random)
    });
    bootstrap.chain(operator_roles).chain(inside).chain(bindings)
}

/// One more binding, or the same with other subjects: what changes in a cluster.
pub(crate) fn changed(at: usize, random: &mut Random) -> (AccessKey, AccessContent) {
    binding(at, 0, Some(random.skewed(ALL_NAMESPACES)), &[0], random)
}

/// Requests that people ask about, with subresources and names among them.
pub(crate) fn request(random: &mut Random) -> Request {
    if random.below(20) == 0 {
        return Request::Path { verb: "get".to_owned(), path: "/metrics".to_owned() };
    }
    let (group, resource) = random.of(&RESOURCES).copied().unwrap_or_default();
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    Request::Resource {
        verb: random.of(&VERBS).copied().unwrap_or_default().to_owned(),
        api_group: group.to_owned(),
        resource: resource.to_owned(),
        subresource: subresource.to_owned(),
        name: (random.below(5) == 0).then(|| format!("object-{}", random.below(50))),
    }
}

/// Somebody of whom much or little is known.
pub(crate) fn person(random: &mut Random) -> String {
    member(random.skewed(TEAMS), random.below(TEAM))
}

pub(crate) fn directory() -> anyhow::Result<Directory> {
    Ok(Directory::new((0..TEAMS).map(|team| {
        let within = if team % 10 == 9 { vec![group(team - 1)] } else { Vec::new() };
        (group(team), (0..TEAM).map(|n| member(team, n)).collect(), within)
    }))?)
}

fn group(team: usize) -> String {
    format!("team-{team}")
}

fn member(team: usize, n: usize) -> String {
    format!("user-{}@example.org", team * TEAM + n)
}

const BOOTSTRAP: usize = 74;

fn rule(groups: &[&str], resources: &[&str], verbs: &[&str]) -> PolicyRule {
    let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
    PolicyRule {
        api_groups: texts(groups),
        resources: texts(resources),
        verbs: texts(verbs),
        ..PolicyRule::default()
    }
}

fn bootstrap_role(n: usize) -> (AccessKey, AccessContent) {
    let to = |role: &str| format!("rbac.authorization.k8s.io/aggregate-to-{role}");
    let mut labels: Labels =
        [("kubernetes.io/bootstrapping".to_owned(), "rbac-defaults".to_owned())].into();
    let mut aggregates = None;
    let reads = || read_rules(&["get", "list", "watch"]);
    let writes = || read_rules(&["create", "update", "patch", "delete"]);
    let names = ["view", "edit", "admin"];
    let (name, rules) = match n {
        0 => {
            let all = rule(&["*"], &["*"], &["*"]);
            let paths =
                PolicyRule { non_resource_urls: vec!["*".to_owned()], ..rule(&[], &[], &["*"]) };
            ("cluster-admin".to_owned(), vec![all, paths])
        }
        1..=3 => {
            let name = names.get(n - 1).copied().unwrap_or_default();
            let selector = LabelSelector {
                match_labels: [(to(name), "true".to_owned())].into(),
                ..LabelSelector::default()
            };
            aggregates = Some(vec![selector]);
            let mut rules = reads();
            if n > 1 {
                rules.extend(writes());
            }
            if n > 2 {
                rules.push(rule(
                    &["rbac.authorization.k8s.io"],
                    &["roles", "rolebindings"],
                    &["*"],
                ));
            }
            (name.to_owned(), rules)
        }
        4..=6 => {
            let name = names.get(n - 4).copied().unwrap_or_default();
            labels.insert(to(name), "true".to_owned());
            let rules = if n == 4 { reads() } else { writes() };
            (format!("system:aggregate-to-{name}"), rules)
        }
        7 => {
            let urls = ["/healthz", "/metrics", "/metrics/*", "/version*"].map(str::to_owned);
            let paths = PolicyRule { non_resource_urls: urls.to_vec(), ..rule(&[], &[], &["get"]) };
            ("system:monitoring".to_owned(), vec![paths])
        }
        _ => (format!("system:controller:{n}"), some_rules(n, 2 + n % 5, &mut Random::new(7))),
    };
    (
        AccessKey::cluster(AccessKind::ClusterRole, name),
        AccessContent::Role { rules, labels, aggregates },
    )
}

/// As view, edit and admin have them: by API group.
fn read_rules(verbs: &[&str]) -> Vec<PolicyRule> {
    ["", "apps", "batch", "networking.k8s.io"]
        .iter()
        .map(|group| {
            let resources =
                RESOURCES.iter().filter(|(of, resource)| of == group && *resource != "secrets");
            let resources: Vec<&str> = resources.map(|(_, resource)| *resource).collect();
            rule(&[*group], &resources, verbs)
        })
        .collect()
}

fn operator_role(n: usize) -> (AccessKey, AccessContent) {
    let mut random = Random::new(1_000_000 + u64::try_from(n).unwrap_or_default());
    let mut rules = some_rules(n, 3 + n % 6, &mut random);
    match n % 24 {
        0 => rules.push(rule(&["*"], &["*"], &["get", "list", "watch"])),
        8 => rules.push(rule(&[""], &["secrets", "configmaps"], &["*"])),
        16 => rules.push(rule(&["apps"], &["*/scale"], &["*"])),
        _ => {}
    }
    let content = AccessContent::Role { rules, labels: Labels::new(), aggregates: None };
    (AccessKey::cluster(AccessKind::ClusterRole, format!("operator-{n}")), content)
}

fn some_rules(n: usize, count: usize, random: &mut Random) -> Vec<PolicyRule> {
    (0..count)
        .map(|at| {
            let (group, resource) = random.of(&RESOURCES).copied().unwrap_or_default();
            let verbs = VERBS.get(..=random.below(VERBS.len())).unwrap_or_default();
            let mut made =
                rule(&[group], &[resource, &format!("{resource}-{}", (n + at) % 97)], verbs);
            if random.below(6) == 0 {
                made.resource_names = vec![format!("object-{}", random.below(50))];
            }
            made
        })
        .collect()
}

/// A namespace, its service accounts and its roles.
fn in_namespace(
    at: usize,
    contents: usize,
    random: &mut Random,
) -> Vec<(AccessKey, AccessContent)> {
    let name = namespace(at);
    let labels: Labels = [
        ("kubernetes.io/metadata.name".to_owned(), name.clone()),
        ("pod-security.kubernetes.io/enforce".to_owned(), "baseline".to_owned()),
    ]
    .into();
    let mut out = vec![(
        AccessKey::cluster(AccessKind::Namespace, name.clone()),
        AccessContent::Namespace { labels },
    )];
    out.extend((0..ACCOUNTS).map(|n| {
        let key = AccessKey::namespaced(AccessKind::ServiceAccount, name.clone(), account(n));
        (key, AccessContent::ServiceAccount { token_secret: false })
    }));
    out.extend((0..2).map(|n| {
        let form = random.skewed(contents);
        let mut of_form = Random::new(2_000_000 + u64::try_from(form).unwrap_or_default());
        let rules = some_rules(form, 1 + form % 5, &mut of_form);
        let key = AccessKey::namespaced(AccessKind::Role, name.clone(), format!("role-{n}"));
        (key, AccessContent::Role { rules, labels: Labels::new(), aggregates: None })
    }));
    out
}

fn account(n: usize) -> String {
    format!("robot-{n}")
}

fn binding(
    at: usize,
    cluster: usize,
    within: Option<usize>,
    operators: &[usize],
    random: &mut Random,
) -> (AccessKey, AccessContent) {
    let (kind, role) = match random.below(100) {
        0..40 => (
            "ClusterRole",
            random.of(&["view", "edit", "admin"]).copied().unwrap_or_default().to_owned(),
        ),
        40..75 if within.is_some() => ("Role", format!("role-{}", random.below(2))),
        _ => (
            "ClusterRole",
            format!("operator-{}", random.of(operators).copied().unwrap_or_default()),
        ),
    };
    let count = match random.below(10) {
        0..7 => 1,
        7..9 => 2,
        _ => 3,
    };
    let team = random.skewed(TEAMS);
    let mut subjects: Vec<RawSubject> = (0..count).map(|_| subject(team, within, random)).collect();
    if random.below(100) == 0 {
        let of_all = ["system:authenticated".to_owned(), "system:serviceaccounts".to_owned()];
        let of_one = within.map(|at| format!("system:serviceaccounts:{}", namespace(at)));
        let groups: Vec<String> = of_all.into_iter().chain(of_one).collect();
        subjects = random.of(&groups).map(|name| raw("Group", "", name)).into_iter().collect();
    }
    let name = if at % 100 == 99 {
        format!("own-{cluster}-{at}")
    } else {
        format!("binding-{}", at % 20_000)
    };
    let key = match within {
        None => AccessKey::cluster(AccessKind::ClusterRoleBinding, name),
        Some(at) => AccessKey::namespaced(AccessKind::RoleBinding, namespace(at), name),
    };
    let role = RoleReference { kind: kind.to_owned(), name: role };
    (key, AccessContent::Binding { role, subjects })
}

fn subject(team: usize, within: Option<usize>, random: &mut Random) -> RawSubject {
    match (random.below(10), within) {
        (0..5, _) => raw("Group", "", &group(team)),
        (5..8, Some(at)) => raw("ServiceAccount", &namespace(at), &account(random.below(ACCOUNTS))),
        _ => raw("User", "", &member(team, random.below(TEAM))),
    }
}

fn raw(kind: &str, namespace: &str, name: &str) -> RawSubject {
    RawSubject { kind: kind.to_owned(), namespace: namespace.to_owned(), name: name.to_owned() }
}
