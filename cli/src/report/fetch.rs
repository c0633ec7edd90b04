//! What the hub shows of a cluster and of groups of people, as evidence.

use hanse_domain::access::checkpoint::Checkpoint;
use hanse_domain::access::object::{AccessContent, AccessKey, AccessKind, Origin};
use hanse_domain::history::roster::ClusterEntry;
use hanse_domain::ids::Digest;
use hanse_proto::admin::get_inventory_response::Part;
use hanse_proto::admin::{
    AccessScope, ClusterView, GetInventoryRequest, InventoryChange, ListGroupsRequest,
};
use tonic::Code;

use super::evidence::{Evidence, HubSays, MAX_CHECKPOINTS, MAX_VERSIONS, Signed, Version};
use super::groups::Group;
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
    Ok(sent.end(when))
}

/// The groups of people at the end of the time asked.
pub(crate) async fn groups(hub: &Hub, question: &Question) -> Outcome<Vec<Group>> {
    let request = ListGroupsRequest { at: Some(moment::wire(question.when.end())) };
    let mut service = hub.access_service();
    let mut stream = hub.call(service.list_groups(request)).await?;
    let mut out = Vec::new();
    while let Some(group) = hub.next(&mut stream).await? {
        let members = group.members.unwrap_or_default();
        out.push(Group {
            imported_at: time(group.imported_at.as_ref()),
            directory: group.directory,
            imported_by: group.imported_by,
            name: members.group,
            users: members.users,
            groups: members.groups,
        });
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
        }
    }

    fn take(&mut self, part: Part) -> Outcome<()> {
        match part {
            Part::Begin(begin) => {
                self.ours = begin.cluster_id == self.entry.id.to_string();
                self.hub.shown |= self.ours;
            }
            Part::Change(_) | Part::View(_) | Part::Checkpoint(_) if !self.ours => {}
            Part::Change(change) => self.versions.push(version(&change)?),
            Part::View(view) => self.view(&view),
            Part::Checkpoint(signed) => self.checkpoint(Signed {
                checkpoint: signed.checkpoint.to_vec(),
                signature: signed.signature.to_vec(),
            }),
        }
        if self.versions.len() > MAX_VERSIONS || self.checkpoints.len() > MAX_CHECKPOINTS {
            let what = format!("cluster {} changed too often in this time", self.entry.name);
            return Err(Failure::new("report-too-large", what)
                .why(format!("a report holds {MAX_VERSIONS} objects and changes of one cluster"))
                .hint("ask about a shorter period"));
        }
        Ok(())
    }

    fn view(&mut self, view: &ClusterView) {
        self.hub.covered = view.covered;
        self.hub.seen_until = time(view.seen_until.as_ref());
    }

    fn checkpoint(&mut self, signed: Signed) {
        match self.expected.read(&signed) {
            Ok(read) => self.checkpoints.push((read, signed)),
            Err(Uncounted::Retired(_)) if self.retired.len() < MAX_RETIRED => {
                self.retired.push(signed);
            }
            Err(Uncounted::Retired(_)) => {}
            Err(Uncounted::Foreign(_)) if signed.signature.is_empty() => self.hub.unsigned += 1,
            Err(Uncounted::Foreign(_)) => self.hub.foreign += 1,
        }
    }

    fn end(self, when: When) -> Evidence {
        let mut checkpoints = needed(self.checkpoints, when);
        checkpoints.extend(self.retired);
        Evidence::arranged(self.versions, checkpoints, self.hub, (when.start(), when.end()))
    }
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
