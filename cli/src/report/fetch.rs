//! What the hub shows of a cluster and of groups of people, as evidence.

use hanse_domain::access::checkpoint::Checkpoint;
use hanse_domain::access::directory::MAX_MEMBERSHIPS;
use hanse_domain::access::object::{AccessContent, AccessKey, AccessKind, MAX_OBJECTS, Origin};
use hanse_domain::history::roster::ClusterEntry;
use hanse_domain::ids::Digest;
use hanse_proto::admin::get_inventory_response::Part;
use hanse_proto::admin::{
    AccessScope, ClusterView, GetInventoryRequest, InventoryChange, ListGroupsRequest,
};
use tonic::Code;

use super::evidence::{Budget, CHECKPOINTS, Evidence, HubSays, OBJECTS, Signed, Version};
use super::groups::{GROUPS, Group};
use super::past::Past;
use super::question::{Question, When};
use super::standing::{Expected, Uncounted, needed};
use crate::access::moment;
use crate::failure::{Failure, Outcome};
use crate::hub::Hub;
use crate::text::time;

/// Most checkpoints by a replaced key that are kept, to say that they do not count.
const MAX_RETIRED: usize = 100;

/// All that the hub shows of one cluster in the time asked.
pub(crate) async fn evidence(
    hub: &Hub,
    entry: &ClusterEntry,
    question: &Question,
    past: &Past,
    fleet: Digest,
) -> Outcome<Evidence> {
    let when = question.when;
    let scope = AccessScope {
        clusters: vec![entry.name.clone()],
        all_namespaces: true,
        at: Some(moment::wire(when.start())),
        ..AccessScope::default()
    };
    let until = match when {
        When::At(_) => None,
        When::Period { to, .. } => Some(moment::wire(to)),
    };
    let request = GetInventoryRequest { scope: Some(scope), until };
    let mut service = hub.access_service();
    let mut stream = match hub.try_call(service.get_inventory(request)).await? {
        Ok(stream) => stream,
        Err(status) if status.code() == Code::NotFound => return Ok(Evidence::default()),
        Err(status) => return Err(hub.refined_failure(&status).await),
    };
    let mut sent = Sent::new(entry, past, fleet);
    while let Some(message) = hub.next(&mut stream).await? {
        sent.take(message.part.ok_or_else(|| unreadable("an empty message"))?)?;
    }
    sent.end(when)
}

/// The groups of people at the end of the time asked.
pub(crate) async fn groups(hub: &Hub, question: &Question) -> Outcome<Vec<Group>> {
    let request = ListGroupsRequest { at: Some(moment::wire(question.when.end())) };
    let mut service = hub.access_service();
    let mut stream = hub.call(service.list_groups(request)).await?;
    let mut budget = Budget::new(GROUPS);
    let mut memberships = 0_usize;
    let mut out = Vec::new();
    while let Some(group) = hub.next(&mut stream).await? {
        let members = group.members.unwrap_or_default();
        let group = Group {
            imported_at: time(group.imported_at.as_ref()),
            directory: group.directory,
            imported_by: group.imported_by,
            name: members.group,
            users: members.users,
            groups: members.groups,
        };
        memberships += group.users.len() + group.groups.len();
        if memberships > MAX_MEMBERSHIPS || !budget.spend(&group) {
            return Err(too_large("the groups of people are too many or too large".to_owned())
                .hint("import fewer groups: those that bindings name are enough"));
        }
        out.push(group);
    }
    Ok(out)
}

/// What came of one cluster so far.
struct Sent<'p> {
    entry: &'p ClusterEntry,
    expected: Expected<'p>,
    /// Whether what comes is of this cluster; another may have had its name.
    ours: bool,
    versions: Vec<Version>,
    checkpoints: Vec<(Checkpoint, Signed)>,
    retired: Vec<Signed>,
    hub: HubSays,
    objects_left: Budget,
    checkpoints_left: Budget,
}

impl<'p> Sent<'p> {
    fn new(entry: &'p ClusterEntry, past: &'p Past, fleet: Digest) -> Self {
        let cluster = entry.id;
        Self {
            entry,
            expected: Expected { fleet, cluster, recipients: past.recipients(cluster) },
            ours: false,
            versions: Vec::new(),
            checkpoints: Vec::new(),
            retired: Vec::new(),
            hub: HubSays::default(),
            objects_left: Budget::new(OBJECTS),
            checkpoints_left: Budget::new(CHECKPOINTS),
        }
    }

    fn take(&mut self, part: Part) -> Outcome<()> {
        match part {
            Part::Begin(begin) => {
                self.ours = begin.cluster_id == self.entry.id.to_string();
                self.hub.shown |= self.ours;
            }
            Part::Change(_) | Part::View(_) | Part::Checkpoint(_) if !self.ours => {}
            Part::Change(change) => {
                let version = version(&change)?;
                if !self.objects_left.spend(&version) {
                    return Err(self.too_large("objects and their changes"));
                }
                self.versions.push(version);
            }
            Part::View(view) => self.view(&view),
            Part::Checkpoint(signed) => self.checkpoint(Signed {
                checkpoint: signed.checkpoint.to_vec(),
                signature: signed.signature.to_vec(),
            })?,
        }
        Ok(())
    }

    fn view(&mut self, view: &ClusterView) {
        self.hub.covered = view.covered;
        self.hub.seen_until = time(view.seen_until.as_ref());
    }

    fn checkpoint(&mut self, signed: Signed) -> Outcome<()> {
        let read = match self.expected.read(&signed) {
            Ok(read) => Some(read),
            Err(Uncounted::Retired(_)) if self.retired.len() < MAX_RETIRED => None,
            Err(Uncounted::Retired(_)) => return Ok(()),
            Err(Uncounted::Foreign(_)) => {
                let unsigned = signed.signature.is_empty();
                let counted = if unsigned { &mut self.hub.unsigned } else { &mut self.hub.foreign };
                *counted += 1;
                return Ok(());
            }
        };
        if !signed.as_line().is_some_and(|line| self.checkpoints_left.spend(&line)) {
            return Err(self.too_large("checkpoints"));
        }
        match read {
            Some(read) => self.checkpoints.push((read, signed)),
            None => self.retired.push(signed),
        }
        Ok(())
    }

    fn end(self, when: When) -> Outcome<Evidence> {
        let too_many = self.too_large(&format!("objects at once: the most are {MAX_OBJECTS}"));
        let mut checkpoints = needed(self.checkpoints, when);
        checkpoints.extend(self.retired);
        let time = (when.start(), when.end());
        let evidence = Evidence::arranged(self.versions, checkpoints, self.hub, time);
        let there = evidence.versions.iter().filter(|version| version.at <= when.start()).count();
        if there > MAX_OBJECTS { Err(too_many) } else { Ok(evidence) }
    }

    fn too_large(&self, what: &str) -> Failure {
        too_large(format!("the hub sends too much of cluster {}: {what}", self.entry.name)).hint(
            "ask about a shorter period; look at what the cluster holds if that does not help",
        )
    }
}

/// More than whoever verifies a bundle reads: the hub is not trusted to end.
fn too_large(what: String) -> Failure {
    Failure::new("report-too-large", what).why("whoever verifies a report does not read more")
}

fn version(change: &InventoryChange) -> Outcome<Version> {
    let kind = AccessKind::from_name(&change.kind)
        .ok_or_else(|| unreadable(&format!("an object of kind {}", change.kind)))?;
    let key = AccessKey { kind, namespace: change.namespace.clone(), name: change.name.clone() };
    let at = time(change.at.as_ref()).ok_or_else(|| unreadable("an object without a time"))?;
    if change.content.is_empty() {
        return Ok(Version { at, key, content: None, origin: None });
    }
    let content = AccessContent::decode(&change.content).map_err(|e| unreadable(&e.to_string()))?;
    let origin = Origin::decode(&change.origin).map_err(|e| unreadable(&e.to_string()))?;
    if !content.fits(kind) {
        return Err(unreadable(&format!("{key} that is something else")));
    }
    Ok(Version { at, key, content: Some(content), origin: Some(origin) })
}

fn unreadable(what: &str) -> Failure {
    Failure::new("hub-error", "the hub's answer cannot be read as an inventory")
        .why(format!("it has sent {what}"))
        .hint("compare the versions of hub and command line: `hanse check`")
}
