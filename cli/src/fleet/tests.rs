//! What is believed, and what is kept.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use hanse_domain::change::Change;
use hanse_domain::fleet::Edit;
use hanse_domain::history::roster::ClusterEntry;
use hanse_domain::ids::ClusterId;
use hanse_domain::trust::chain::RootChain;
use hanse_domain::trust::root::TrustRoot;

use super::*;

/// A trust root with the key of somebody who signs nothing here.
pub(super) fn trust() -> RootChain {
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdcZQTHE0zWCAiZtxpy5o1g3r31XcR/MYxW2buEFIeu";
    let root = TrustRoot::single([7; 32], "ann".parse().unwrap(), key.parse().unwrap());
    RootChain::begin(root).unwrap()
}

#[test]
fn what_is_kept_is_where_the_xdg_specification_says() {
    let base = |pairs: &'static [(&str, &str)]| {
        let env = |name: &str| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| v.into());
        cache::base(env).map(|path| path.display().to_string())
    };
    assert_eq!(base(&[("HOME", "/h")]).as_deref(), Some("/h/.cache/hanse/fleets"));
    let both = &[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")];
    assert_eq!(base(both).as_deref(), Some("/x/hanse/fleets"));
    assert_eq!(base(&[("XDG_CACHE_HOME", "relative")]), None);
}

/// An author with a key, and statements by them.
struct Author {
    key: hanse_signing::Key,
    root: TrustRoot,
}

impl Author {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        hanse_signing::make_key_file(&path, "ann", None).unwrap();
        let key = hanse_signing::KeyFile::read(&path).unwrap().open(None).unwrap();
        let root = TrustRoot::single([7; 32], "ann".parse().unwrap(), key.public_key().clone());
        Self { key, root }
    }

    /// A history of so many statements: a cluster, then a role each.
    fn history(&self, statements: u128) -> Vec<CommittedStatement> {
        let mut replay = Replay::begin(self.root.digest(), &self.root.encode()).unwrap();
        (0..statements)
            .map(|number| {
                let next = self.next(&replay.fleet, edit(number));
                replay.take(&next).unwrap();
                next
            })
            .collect()
    }

    fn next(&self, base: &Fleet, edit: Edit) -> CommittedStatement {
        let change = Change::propose(base, vec![edit], "", jiff::Timestamp::UNIX_EPOCH).unwrap();
        CommittedStatement {
            signatures: self.key.sign(&change.bytes).unwrap().into(),
            changes: change.changes.encode().into(),
            contents: change.contents.into_iter().map(Into::into).collect(),
            statement: change.bytes.into(),
            newest: 0,
        }
    }
}

fn edit(number: u128) -> Edit {
    if number == 0 {
        let id = ClusterId(uuid::Uuid::from_u128(1));
        return Edit::PutCluster(ClusterEntry::new(id, "one".to_owned(), [].into()));
    }
    let role = format!(
        "apiVersion: hanse.dev/v1alpha1\nkind: FederatedRole\nmetadata: {{name: r-{number}}}\n\
         spec: {{placement: {{clusterSelector: {{}}}}, rules: [{{apiGroups: [''], resources: [pods], verbs: [get]}}]}}\n"
    );
    let documents = hanse_domain::parse::parse_files([("x", role.as_bytes())]).unwrap();
    Edit::Put(documents.into_iter().next().unwrap().into())
}

#[tokio::test]
async fn what_is_kept_is_what_was_verified() {
    let author = Author::new();
    let id = author.root.digest();
    let mut replay = Replay::begin(id, &author.root.encode()).unwrap();
    for statement in author.history(6) {
        replay.take(&statement).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), id).await.unwrap();
    assert!(store.load(id).unwrap().is_none());
    store.store(&replay).unwrap();
    let mut again = store.load(id).unwrap().unwrap();
    assert_eq!(again.number(), 6);
    assert_eq!(
        (again.fleet.root(), again.fleet.history),
        (replay.fleet.root(), replay.fleet.history)
    );
    let generation = |replay: &Replay| replay.fleet.members().values().next().unwrap().generation;
    assert_eq!(generation(&again), generation(&replay));
    // It goes on from there.
    again.take(&author.next(&replay.fleet, edit(6))).unwrap();

    let kept = std::fs::read(store.file()).unwrap();
    assert!(store.load(Digest::of(b"another fleet")).is_err());
    for at in (0..kept.len()).step_by(7) {
        let mut flipped = kept.clone();
        flipped[at] ^= 1;
        std::fs::write(store.file(), &flipped).unwrap();
        assert!(store.load(id).is_err(), "byte {at}");
        std::fs::write(store.file(), &kept[..at]).unwrap();
        assert!(store.load(id).is_err(), "cut at {at}");
    }
}

#[test]
fn only_the_next_statement_as_it_was_signed_is_taken() {
    let author = Author::new();
    let begin = || Replay::begin(author.root.digest(), &author.root.encode()).unwrap();
    assert!(Replay::begin(Digest::of(b"another"), &author.root.encode()).is_err());
    let history = author.history(3);
    let mut replay = begin();
    assert!(replay.take(&history[1]).is_err(), "one is left out");
    replay.take(&history[0]).unwrap();
    assert!(replay.take(&history[0]).is_err(), "once more");
    let mut other = history[1].clone();
    other.signatures = history[0].signatures.clone();
    assert!(replay.take(&other).is_err(), "another statement's signature");
    other = history[1].clone();
    other.contents = Vec::new();
    assert!(replay.take(&other).is_err(), "nothing that it brings");
    replay.take(&history[1]).unwrap();
    assert_eq!(replay.number(), 2);
}
