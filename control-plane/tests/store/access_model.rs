//! Random reports against a log in memory that is asked by reading all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hanse_control_plane::store::{
    AccessChange, AccessContents, AccessMoment, AccessReport, Recorded, Sighting, Store, VersionRow,
};
use hanse_domain::access::inventory::{Inventory, bucket_of};
use hanse_domain::access::object::{AccessContent, AccessKey, Origin, leaf};
use hanse_domain::ids::{ClusterId, Digest};
use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::access::{content, key, origin};
use crate::make::{by, cluster_id, joined};
use crate::place::Place;

type Seen = Option<(Arc<AccessContent>, Origin)>;

/// A version, as anybody would write it down.
#[derive(Clone, Debug, PartialEq)]
struct Entry {
    key: AccessKey,
    seen: Seen,
    at: i64,
    learned: i64,
}

/// Every version of one cluster, in the order in which they came.
#[derive(Default)]
struct Log {
    entries: Vec<Entry>,
}

impl Log {
    fn newest(&self, key: &AccessKey) -> Option<&Entry> {
        self.entries.iter().rev().find(|entry| entry.key == *key)
    }

    /// Adds a version, no earlier than the one before, if it says something else.
    fn add(&mut self, key: &AccessKey, seen: &Seen, at: i64, learned: i64) {
        let before = self.newest(key);
        let floor = before.map_or(i64::MIN, |before| before.at);
        if before.map_or(seen.is_some(), |before| before.seen != *seen) {
            let (key, seen) = (key.clone(), seen.clone());
            self.entries.push(Entry { key, seen, at: at.max(floor), learned });
        }
    }

    fn at(&self, at: i64, known_at: i64) -> BTreeMap<&AccessKey, &Entry> {
        let mut state = BTreeMap::new();
        for entry in &self.entries {
            if entry.at <= at && entry.learned <= known_at {
                state.insert(&entry.key, entry);
            }
        }
        state.retain(|_, entry| entry.seen.is_some());
        state
    }

    fn root(&self) -> Digest {
        let mut inventory = Inventory::default();
        for (key, entry) in self.at(i64::MAX, i64::MAX) {
            let (content, origin) = entry.seen.as_ref().unwrap();
            let digest = Digest::of(&content.encode());
            inventory.set(key, Some(leaf(key, &digest, origin)));
        }
        inventory.root()
    }
}

pub(crate) async fn random_reports(place: Place) {
    let store = place.open().await;
    let (ours, theirs) = (cluster_id(1), cluster_id(2));
    joined(&store, "prod", ours).await;
    joined(&store, "dev", theirs).await;
    let seed = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let (mut our_log, mut their_log) = (Log::default(), Log::default());
    for step in 0..80 {
        report(&store, &mut random, ours, &mut our_log, step).await;
        if step % 8 == 0 {
            report(&store, &mut random, theirs, &mut their_log, step).await;
        }
    }
    assert!(our_log.entries.len() > 100);

    let last = our_log.entries.iter().map(|entry| entry.learned).max().unwrap();
    for _ in 0..150 {
        let (at, known_at) = moment(&mut random, &our_log, i64::MIN);
        same(&store, ours, &our_log, at, known_at).await;
    }
    same(&store, ours, &our_log, i64::MAX / 2, None).await;
    same(&store, theirs, &their_log, i64::MAX / 2, None).await;
    follows(&store, &mut random, ours, &our_log).await;

    // Within what is kept, every answer is what it was.
    for part in [4, 2] {
        let cutoff = our_log.entries[our_log.entries.len() / part].learned;
        while store.compact_access(time(cutoff), 3).await.unwrap() > 0 {}
        assert_eq!(store.access_history_from().await.unwrap(), Some(time(cutoff)));
        for _ in 0..100 {
            let (at, known_at) = moment(&mut random, &our_log, cutoff);
            same(&store, ours, &our_log, at, known_at).await;
        }
        same(&store, ours, &our_log, cutoff, Some(cutoff)).await;
        assert_eq!(store.access_root(ours).await.unwrap().unwrap().root, our_log.root());
        assert_eq!(place.tamper(UNNAMED).await, 0);
        assert_eq!(place.tamper(MISCOUNTED).await, 0);
    }

    // In the end, only what is there is kept.
    let end = time(last + 1_000_000_000);
    while store.compact_access(end, 50).await.unwrap() > 0 {}
    same(&store, ours, &our_log, i64::MAX / 2, None).await;
    same(&store, theirs, &their_log, i64::MAX / 2, None).await;
    assert_eq!(place.tamper("DELETE FROM access_past").await, 0);
    assert_eq!(place.tamper("DELETE FROM access_objects WHERE content IS NULL").await, 0);
    assert_eq!(place.tamper(UNNAMED).await, 0);
}

/// Contents that no version names.
const UNNAMED: &str = "DELETE FROM access_contents WHERE id NOT IN ( \
                       SELECT content FROM access_objects WHERE content IS NOT NULL UNION \
                       SELECT content FROM access_past WHERE content IS NOT NULL)";

/// Clusters whose objects say another number of bytes than is kept.
const MISCOUNTED: &str = "UPDATE access_clusters SET bytes = 0 WHERE bytes <> ( \
                          SELECT COALESCE(SUM(octet_length(c.json)), 0) FROM access_objects o \
                          JOIN access_contents c ON c.id = o.content \
                          WHERE o.cluster_id = access_clusters.cluster_id)";

/// Reports something, sometimes twice, and writes it into the log.
async fn report(store: &Store, random: &mut StdRng, cluster: ClusterId, log: &mut Log, step: i64) {
    let clock = step * 1_000;
    let mut report = AccessReport {
        changes: Vec::new(),
        whole_buckets: BTreeSet::new(),
        gone_at: time(clock - random.random_range(0..1_500)),
        unseen: BTreeMap::new(),
        skipped: 0,
    };
    let mut at = clock;
    for _ in 0..random.random_range(0..7) {
        let key = key(random.random_range(0..14));
        let seen = random.random_bool(0.7).then(|| {
            let content = content(key.kind, random.random_range(0..4));
            (Arc::new(content), origin(random.random_range(0..2)))
        });
        // Now and then late, maybe earlier than what is known of the object.
        let late = if random.random_bool(0.3) { random.random_range(0..9_000) } else { 0 };
        at += random.random_range(0..40);
        report.changes.push(AccessChange { key, seen, at: time(at - late) });
    }
    if random.random_bool(0.2) {
        let buckets = (0..14).filter(|_| random.random_bool(0.4));
        report.whole_buckets = buckets.map(|n| bucket_of(&key(n).hash())).collect();
        if random.random_bool(0.3) {
            report.whole_buckets = (0..=u8::MAX).collect();
        }
        // Some that are there are said to be, too.
        for (key, entry) in log.at(i64::MAX, i64::MAX) {
            if random.random_bool(0.6) && !report.changes.iter().any(|c| c.key == *key) {
                let at = time(entry.at);
                report.changes.push(AccessChange {
                    key: key.clone(),
                    seen: entry.seen.clone(),
                    at,
                });
            }
        }
    }
    // The hub's clock may go back.
    let now = time(clock + random.random_range(-3_000..3_000));
    let done = store.record_access(by(cluster), &report, &Sighting::default(), now).await.unwrap();

    let learned = done.learned_at.as_microsecond();
    if let Some(before) = log.entries.last() {
        assert!(learned >= before.learned + i64::from(!done.changed.is_empty()));
    }
    let gone = gone(&report, log);
    let mut changed = BTreeMap::new();
    for change in &report.changes {
        log.add(&change.key, &change.seen, change.at.as_microsecond(), learned);
    }
    for key in gone {
        log.add(&key, &None, report.gone_at.as_microsecond(), learned);
    }
    drop_instants(log, learned);
    for entry in log.entries.iter().filter(|entry| entry.learned == learned) {
        changed.insert(entry.key.clone(), entry.seen.as_ref().map(|seen| Arc::clone(&seen.0)));
    }
    if !done.changed.is_empty() {
        assert_eq!(done.changed.iter().cloned().collect::<BTreeMap<_, _>>(), changed);
    }
    assert_eq!(done.root, log.root());
    assert_eq!(usize::try_from(done.objects).unwrap(), log.at(i64::MAX, i64::MAX).len());

    if random.random_bool(0.3) {
        let again = store.record_access(by(cluster), &report, &Sighting::default(), now).await;
        let before = Some(done.learned_at);
        assert_eq!(again.unwrap(), Recorded { changed: Vec::new(), before, ..done });
    }
}

/// What is there and in a whole bucket, and not among the changes.
fn gone(report: &AccessReport, log: &Log) -> Vec<AccessKey> {
    (log.at(i64::MAX, i64::MAX).into_keys())
        .filter(|key| report.whole_buckets.contains(&bucket_of(&key.hash())))
        .filter(|key| !report.changes.iter().any(|change| change.key == **key))
        .cloned()
        .collect()
}

/// Takes out versions that were so at no moment, and what then repeats the one before.
fn drop_instants(log: &mut Log, learned: i64) {
    loop {
        let entries = &log.entries;
        let next = |at: usize| entries[at + 1..].iter().find(|e| e.key == entries[at].key);
        let before = |at: usize| entries[..at].iter().rev().find(|e| e.key == entries[at].key);
        let needless = (0..entries.len()).filter(|at| entries[*at].learned == learned).find(|at| {
            let instant = next(*at).is_some_and(|next| next.at == entries[*at].at);
            let was = before(*at).and_then(|before| before.seen.as_ref());
            instant || was == entries[*at].seen.as_ref()
        });
        match needless {
            Some(at) => log.entries.remove(at),
            None => return,
        };
    }
}

/// A moment by both clocks near some that matter, not before the beginning.
fn moment(random: &mut StdRng, log: &Log, from: i64) -> (i64, Option<i64>) {
    let near = |random: &mut StdRng, of: fn(&Entry) -> i64| {
        let entry = &log.entries[random.random_range(0..log.entries.len())];
        (of(entry) + random.random_range(-1..=1)).max(from)
    };
    let at = near(random, |entry| entry.at);
    let known_at = near(random, |entry| entry.learned);
    (at, random.random_bool(0.8).then_some(known_at))
}

/// The store says of a moment what the log says.
async fn same(store: &Store, cluster: ClusterId, log: &Log, at: i64, known_at: Option<i64>) {
    let expected = log.at(at, known_at.unwrap_or(i64::MAX));
    let asked = AccessMoment { at: time(at), known_at: known_at.map(time) };
    let mut contents = AccessContents::default();

    let found = store.access_at(cluster, asked, &mut contents).await.unwrap();
    let found: BTreeMap<_, _> = found.into_iter().map(|state| (state.key, state.content)).collect();
    let states = expected
        .iter()
        .map(|(key, entry)| ((*key).clone(), Arc::clone(&entry.seen.as_ref().unwrap().0)));
    assert_eq!(found, states.collect(), "at {at}, known at {known_at:?}");

    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = store.access_objects_at(cluster, asked, after, 3).await.unwrap();
        let more = page.len() == 3;
        after = page.last().map(|row| row.key.hash());
        found.extend(page.iter().map(brief));
        if !more {
            break;
        }
    }
    assert!(found.is_sorted_by_key(|entry| entry.key.hash()));
    found.sort_by(|a, b| a.key.cmp(&b.key));
    assert!(found.iter().eq(expected.values().copied()), "{found:?} {expected:?}");

    let keys: Vec<AccessKey> = (0..14).map(key).collect();
    let from = store.provenance(cluster, &keys, Some(asked)).await.unwrap();
    let from =
        from.into_iter().map(|(key, row)| (key, (row.content, row.origin, row.at, row.learned_at)));
    let expected = expected.into_iter().map(|(key, entry)| {
        let (content, origin) = entry.seen.clone().unwrap();
        let content = Digest::of(&content.encode());
        (key.clone(), (content, origin, time(entry.at), time(entry.learned)))
    });
    assert_eq!(from.collect::<BTreeMap<_, _>>(), expected.collect());
}

/// Versions of a period, and what was learned since a moment.
async fn follows(store: &Store, random: &mut StdRng, cluster: ClusterId, log: &Log) {
    for _ in 0..30 {
        let (from, _) = moment(random, log, i64::MIN);
        let (until, known_at) = moment(random, log, from);
        let asked = AccessMoment { at: time(until), known_at: known_at.map(time) };
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let versions = store.access_versions(cluster, time(from), asked, after, 4);
            let page = versions.await.unwrap();
            let more = page.len() == 4;
            after = page.last().map(VersionRow::cursor);
            found.extend(page.iter().map(brief));
            if !more {
                break;
            }
        }
        let mut expected: Vec<&Entry> = (log.entries.iter())
            .filter(|entry| entry.at > from && entry.at <= until)
            .filter(|entry| entry.learned <= known_at.unwrap_or(i64::MAX))
            .collect();
        expected.sort_by_key(|entry| (entry.at, entry.key.hash(), entry.learned));
        assert!(found.iter().eq(expected), "{found:?}");

        let since = log.entries[random.random_range(0..log.entries.len())].learned;
        let mut contents = AccessContents::default();
        let changes = store.access_since(cluster, time(since), &mut contents).await.unwrap();
        let found = (changes.there.into_iter())
            .map(|state| (state.key, Some(state.content)))
            .chain(changes.gone.into_iter().map(|key| (key, None)));
        let expected = (log.entries.iter())
            .filter(|entry| entry.learned > since)
            .map(|entry| (entry.key.clone(), entry.seen.as_ref().map(|seen| Arc::clone(&seen.0))));
        assert_eq!(found.collect::<BTreeMap<_, _>>(), expected.collect());
    }
}

fn brief(row: &VersionRow) -> Entry {
    let seen = row.seen.as_ref().map(|seen| {
        let content = AccessContent::decode(&seen.content).unwrap();
        let origin = Origin::decode(&seen.origin).unwrap();
        assert_eq!(seen.leaf, leaf(&row.key, &Digest::of(&seen.content), &origin));
        (Arc::new(content), origin)
    });
    let (at, learned) = (row.at.as_microsecond(), row.learned_at.as_microsecond());
    Entry { key: row.key.clone(), seen, at, learned }
}

fn time(micros: i64) -> Timestamp {
    // As late as times go.
    Timestamp::from_microsecond(micros.min(253_402_207_200_000_000)).unwrap()
}
