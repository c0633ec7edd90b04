//! A bundle that somebody changed is refused, whatever was changed and however well.

use hanse_domain::access::checkpoint::Checkpoint;
use hanse_domain::access::object::AccessContent;
use hanse_domain::ids::Digest;

use super::super::archive::{FOLDER, Reader, SUMS, Writer};
use super::super::evidence::Evidence;
use super::world::{Agent, World, at, binding, example, question, signed};
use super::{moment, period, refused};

/// The files of a bundle in order.
pub(super) fn unpack(bundle: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut reader = Reader::open(bundle).unwrap();
    let mut files = Vec::new();
    while let Some(path) = reader.peek().map(str::to_owned) {
        if path == SUMS {
            break;
        }
        let content = reader.file(&path, usize::MAX).unwrap();
        files.push((path, content));
    }
    files
}

pub(super) fn pack(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (path, content) in files {
        writer.file(path, content).unwrap();
    }
    writer.end().unwrap()
}

/// Changes one file's text, and the digests to fit.
fn edited(bundle: &[u8], path: &str, edit: impl FnOnce(String) -> String) -> Vec<u8> {
    let mut files = unpack(bundle);
    let (_, content) = files.iter_mut().find(|(name, _)| name == path).unwrap();
    let before = String::from_utf8(std::mem::take(content)).unwrap();
    let after = edit(before.clone());
    assert_ne!(before, after, "nothing was changed in {path}");
    *content = after.into_bytes();
    pack(&files)
}

fn bundle(world: &World) -> Vec<u8> {
    world.bundle(&question(period("04T12:00:00", "15T00:00:00")))
}

#[test]
fn unpacking_and_packing_changes_nothing() {
    let bundle = bundle(&example());
    assert_eq!(pack(&unpack(&bundle)), bundle);
}

#[test]
fn an_altered_file_is_refused() {
    let bundle = bundle(&example());
    let objects = "clusters/prod-1/objects.jsonl";
    let replace =
        |from: &'static str, to: &'static str| move |text: String| text.replacen(from, to, 1);
    let dropped = |text: String| {
        let lines: Vec<&str> = text.lines().filter(|line| !line.contains("oops")).collect();
        lines.join("\n") + "\n"
    };
    let contradicted = "the objects are not those that the clusters' agents signed for";
    for (path, edit, expected) in [
        // Objects.
        (
            objects,
            Box::new(replace("\"secrets\"", "\"pods\"")) as Box<dyn FnOnce(String) -> String>,
            contradicted,
        ),
        (objects, Box::new(replace("\"eve\"", "\"ada\"")), contradicted),
        (objects, Box::new(replace("kubectl-create", "hanse-agent")), contradicted),
        (objects, Box::new(dropped), contradicted),
        (objects, Box::new(replace("\"at\":\"2026-03-10", "\"at\":\"2026-03-09")), contradicted),
        (
            objects,
            Box::new(replace("\"at\":\"2026-03-11", "\"at\":\"2026-03-16")),
            "later than what was asked",
        ),
        (objects, Box::new(replace("{\"at\"", " {\"at\"")), "not in its canonical form"),
        (objects, Box::new(replace("\"key\"", "\"more\":1,\"key\"")), "unknown field"),
        (
            objects,
            Box::new(|text: String| format!("{text}{}\n", text.lines().last().unwrap())),
            "twice",
        ),
        (objects, Box::new(|text: String| text.trim_end().to_owned()), "does not end with a line"),
        // Checkpoints.
        (
            "clusters/prod-1/checkpoints.jsonl",
            Box::new(replace("objects 5", "objects 4")),
            "the signature does not cover",
        ),
        (
            "clusters/prod-1/checkpoints.jsonl",
            Box::new(|_| String::new()),
            "report.csv is not the report",
        ),
        (
            "clusters/prod-1/checkpoints.jsonl",
            Box::new(|text: String| text.split_once('\n').unwrap().1.to_owned()),
            "report.csv is not the report",
        ),
        // What the hub says.
        ("clusters/prod-1/hub.json", Box::new(replace("true", "false")), "not the report"),
        // What was asked.
        (
            "manifest.json",
            Box::new(replace("\"2026-03-15T00:00:00Z\"", "\"2026-03-14T00:00:00Z\"")),
            "not the report",
        ),
        (
            "manifest.json",
            Box::new(replace("\"revision\": 2", "\"revision\": 1")),
            "it names statement 1",
        ),
        (
            "manifest.json",
            Box::new(replace("evidence v1", "evidence v2")),
            "a format that this program does not know",
        ),
        // The report.
        ("report.csv", Box::new(replace("eve", "ada")), "report.csv is not the report"),
        ("report.json", Box::new(replace("eve", "ada")), "report.json is not the report"),
        ("report.html", Box::new(replace("eve", "ada")), "report.html is not the report"),
        ("README.md", Box::new(replace("verify", "belief")), "README.md"),
    ] {
        let found = refused(&edited(&bundle, path, edit));
        assert!(found.contains(expected), "{path}: {expected}: {found}");
    }
}

type Forge<'f> = Box<dyn FnMut(&mut Evidence) + 'f>;

/// What a forger could sign who had the key.
fn resigned(evidence: &mut Evidence, secret: &[u8; 32], edit: impl Fn(&mut Checkpoint)) {
    for one in &mut evidence.checkpoints {
        let mut read = Checkpoint::decode(&one.checkpoint).unwrap();
        edit(&mut read);
        *one = signed(secret, &read);
    }
}

/// Each forger makes the whole report anew, and is refused for this reason.
fn refused_each(world: &World, cases: Vec<(&str, Forge<'_>, &str)>) {
    for (what, mut forge, expected) in cases {
        let asked = question(period("04T12:00:00", "15T00:00:00"));
        let (_, bundle) = world.report(&asked, |cluster, evidence| {
            if cluster == "prod-1" {
                forge(evidence);
            }
        });
        let found = refused(&bundle);
        assert!(found.contains("cluster prod-1: "), "{what}: {found}");
        assert!(found.contains(expected), "{what}: {found}");
    }
}

/// The forger makes the whole report anew from what was changed, so that only signatures are left.
#[test]
fn evidence_that_was_forged_with_its_report_is_refused() {
    let world = example();
    let stranger = Agent { secret: [9; 32], ..world.agents[0].clone() };
    let other = world.agents[1].clone();
    let cases: Vec<(&str, Forge<'_>, &str)> = vec![
        (
            "a dropped binding",
            Box::new(|e| e.versions.retain(|v| v.key.name != "devs")),
            "objects with the root",
        ),
        (
            "an added binding",
            Box::new(|e| {
                let mut extra = e.versions.iter().find(|v| v.key.name == "devs").unwrap().clone();
                extra.key.name = "devs-2".to_owned();
                let at = e.versions.iter().position(|v| v.key.name == "devs").unwrap() + 1;
                e.versions.insert(at, extra);
            }),
            "objects with the root",
        ),
        (
            "an altered subject",
            Box::new(|e| {
                let devs = e.versions.iter_mut().find(|v| v.key.name == "devs").unwrap();
                let Some(AccessContent::Binding { subjects, .. }) = &mut devs.content else {
                    panic!()
                };
                subjects[0].name = "nobody".to_owned();
            }),
            "objects with the root",
        ),
        (
            "a change that was hidden",
            Box::new(|e| e.versions.retain(|v| v.key.name != "oops")),
            "objects with the root",
        ),
        (
            "a change that was moved",
            Box::new(|e| {
                for version in e.versions.iter_mut().filter(|v| v.at == at("10T00:00:00")) {
                    version.at = at("10T06:00:00");
                }
            }),
            "objects with the root",
        ),
        (
            "a change that was invented",
            Box::new(|e| {
                let (key, _) = binding("", "oops", "", &[]);
                let mut invented = e.versions.iter().find(|v| v.key == key).unwrap().clone();
                invented.at = at("12T00:00:00");
                let mut gone = invented.clone();
                (gone.at, gone.content, gone.origin) = (at("13T00:00:00"), None, None);
                e.versions.extend([invented, gone]);
            }),
            "nothing changed from",
        ),
        (
            "a foreign key",
            Box::new(|e| {
                for signature in &mut e.checkpoints {
                    let read = Checkpoint::decode(&signature.checkpoint).unwrap();
                    *signature = signed(&stranger.secret, &read);
                }
            }),
            "signed by another key",
        ),
        (
            "another cluster's checkpoint",
            Box::new(|e| e.checkpoints.clone_from(&other.checkpoints)),
            "signed by another key",
        ),
        (
            "another cluster's objects and checkpoints",
            Box::new(|e| {
                *e = other.evidence(period("04T12:00:00", "15T00:00:00"));
            }),
            "signed by another key",
        ),
    ];
    refused_each(&world, cases);
}

#[test]
fn an_old_checkpoint_proves_no_later_moment() {
    let world = example();
    let asked = question(moment("06T00:00:00"));
    // The state of 4 March, with what was signed for it: nothing contradicts, and nothing is proven.
    let then = period("04T00:00:00", "04T12:00:00");
    let (_, bundle) = world.report(&asked, |cluster, evidence| {
        if cluster == "prod-1" {
            evidence.checkpoints = world.agents[0].evidence(then).checkpoints;
            evidence.versions.retain(|version| version.at <= at("04T00:00:00"));
        }
    });
    let mut standing = None;
    let seen = |answer: &super::super::answer::Answer| {
        if answer.entry.name == "prod-1" {
            standing = Some(answer.standing.clone());
        }
    };
    super::verify(&bundle[..], super::Pin::Unknown, |_| {}, seen).unwrap();
    let standing = standing.unwrap();
    assert_eq!(standing.whole(), super::Proof::Claimed);
    assert_eq!(standing.before, Some(at("05T00:00:00")));
}

#[test]
fn a_cluster_cannot_be_left_out() {
    let world = example();
    let asked = question(moment("06T00:00:00"));
    let mut files = unpack(&world.bundle(&asked));
    files.retain(|(path, _)| !path.starts_with("clusters/prod-2"));
    assert!(refused(&pack(&files)).contains("clusters/prod-2/objects.jsonl is missing"));
    let (_, manifest) = files.iter_mut().find(|(path, _)| path == "manifest.json").unwrap();
    let mut read = super::super::bundle::Manifest::decode(manifest).unwrap();
    read.clusters.pop();
    *manifest = read.encode();
    let found = refused(&pack(&files));
    assert!(found.contains("cluster prod-2 was in the fleet and is asked about"), "{found}");
}

#[test]
fn files_in_other_places_are_refused() {
    let bundle = bundle(&example());
    let files = unpack(&bundle);
    let mut more = files.clone();
    more.push(("evil.sh".to_owned(), b"true".to_vec()));
    assert!(refused(&pack(&more)).contains("evil.sh is too much"));
    let mut swapped = files.clone();
    let last = swapped.len() - 1;
    swapped.swap(last, last - 1);
    assert!(refused(&pack(&swapped)).contains("report.json is missing"));
    let mut sums = bundle.clone();
    let at = bundle.windows(FOLDER.len() + 9).rposition(|w| w.ends_with(b"README.md")).unwrap();
    sums[at - 3] ^= 1;
    assert!(refused(&sums).contains("SHA256SUMS names other digests"));
}

#[test]
fn a_bundle_is_whole_to_the_last_bit() {
    let world = example();
    let bundle = world.bundle(&question(moment("06T00:00:00")));
    for length in (0..bundle.len()).step_by(509).chain([bundle.len() - 1]) {
        refused(&bundle[..length]);
    }
    for at in (0..bundle.len()).step_by(211) {
        let mut flipped = bundle.clone();
        flipped[at] ^= 1;
        refused(&flipped);
    }
    let mut longer = bundle.clone();
    longer.push(0);
    assert!(refused(&longer).contains("something comes after its end"));
    assert!(refused(b"").contains("ends in the middle"));
    assert!(refused(&[b'x'; 4096]).contains("not an evidence bundle"));
}

/// Signed with the cluster's own key, and about something else.
#[test]
fn the_right_key_s_words_about_something_else_are_refused() {
    let world = example();
    let (secret, other) = (world.agents[0].secret, world.agents[1].id);
    let cases: Vec<(&str, Forge<'_>, &str)> = vec![
        (
            "a checkpoint of another fleet",
            Box::new(|e| resigned(e, &secret, |read| read.fleet = Digest::of(b"another"))),
            "it is of another fleet",
        ),
        (
            "a checkpoint of another cluster",
            Box::new(|e| resigned(e, &secret, |read| read.cluster = other)),
            "it is of another cluster",
        ),
        (
            "another number of objects",
            Box::new(|e| resigned(e, &secret, |read| read.objects += 1)),
            "objects with the root",
        ),
    ];
    refused_each(&world, cases);
}
