//! P9: questions over the access of a whole fleet. In this process, without a cluster or a hub, with
//! the index and the questions that the hub has.
//!
//! Answers are visited by reference, as the hub filters and counts them; what it costs to make a page
//! of them into grants that are sent is a figure of its own. The floor of a question is one pass over as
//! many rows of 16 bytes as the fleet has roles, bindings or both: what the memory allows.

use std::hint::black_box;
use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::Result;
use hanse_domain::access::directory::Directory;
use hanse_domain::access::index::{Footprint, Index};
use hanse_domain::access::query::{Asker, Question};
use hanse_domain::access::request::Scope;
use hanse_domain::access::subject::{Identity, Subject};
use rustix::time::{ClockId, clock_gettime};

use crate::access_fleet::{
    DISTRIBUTION, Random, Size, changed, cluster, directory, namespace, objects, person, request,
};
use crate::output::{self, Progress};
use crate::report::{Figure, Report, number};
use crate::stats::{Samples, ms};

const FLEET: Size = Size { clusters: 1_000, bindings: 10_000, namespaces: 200, contents: 2_000 };
/// Of which one axis is doubled at a time.
const SMALL: Size = Size { clusters: 250, bindings: 5_000, namespaces: 200, contents: 2_000 };
const PAGE: usize = 1_000;

/// When this thread had used so much CPU time: what else runs on the machine does not count.
struct Cpu(Duration);

impl Cpu {
    fn now() -> Self {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        Self(Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default()))
    }

    fn elapsed(&self) -> Duration {
        Self::now().0.saturating_sub(self.0)
    }
}

/// A fleet's index, and what it takes to ask it.
struct Asked {
    size: Size,
    index: Index,
    directory: Directory,
    random: Random,
    loading: Duration,
}

/// What a question took, and how many answers it had.
struct Took {
    time: Duration,
    answers: usize,
}

pub(crate) fn measure(repetitions: usize, report: &mut Report) -> Result<()> {
    output::say("putting 1,000 clusters with 10,000 bindings each together");
    let mut fleet = Asked::new(FLEET)?;
    let footprint = fleet.index.footprint();
    sizes(&fleet, footprint, report);
    questions(&mut fleet, repetitions, report);
    drop(fleet);
    slopes(repetitions, report)?;
    report.notes.push(DISTRIBUTION.to_owned());
    report.notes.push(format!(
        "P9: CPU time of one thread; questions over all clusters, answers visited by reference; \"members\" lists those of groups, \
         too. Requests and namespaces follow the same distribution, one in 20 asks about a path. Floor: \
         one pass over as many rows of 16 bytes as the fleet has roles; where every binding is looked \
         at, over as many of 4. A page is {PAGE} grants"
    ));
    Ok(())
}

impl Asked {
    fn new(size: Size) -> Result<Self> {
        let mut index = Index::default();
        let mut loading = Duration::ZERO;
        let mut progress = Progress::new("loading a cluster", size.clusters);
        for n in 0..size.clusters {
            let made: Vec<_> = objects(size, n).collect();
            let started = Cpu::now();
            index.load(cluster(n), made);
            loading += started.elapsed();
            progress.done(n);
        }
        Ok(Self { size, index, directory: directory()?, random: Random::new(9), loading })
    }

    /// Who can do something, in every cluster; no more than `most` answers, made into grants if there is
    /// a limit.
    fn who_can(&mut self, scope: &Scope, direct: bool, most: Option<usize>) -> Took {
        let asked = request(&mut self.random);
        let (started, mut answers) = (Cpu::now(), 0);
        let mut question = Question::new(asked);
        for n in 0..self.size.clusters {
            let (index, directory) = (&self.index, &self.directory);
            let flow =
                question.who_can(index, cluster(n), scope, directory, direct, &mut |answer| {
                    answers += 1;
                    match most {
                        None => {
                            black_box((answer.subject, answer.namespace()));
                            ControlFlow::Continue(())
                        }
                        Some(most) => {
                            black_box(answer.grant());
                            if answers >= most {
                                ControlFlow::Break(())
                            } else {
                                ControlFlow::Continue(())
                            }
                        }
                    }
                });
            if flow.is_break() {
                break;
            }
        }
        Took { time: started.elapsed(), answers }
    }

    fn somebody(&mut self) -> Identity {
        Identity::of(&Subject::of_username(&person(&mut self.random)), &self.directory)
    }

    fn somewhere(&mut self) -> Scope {
        Scope::Namespace(namespace(self.random.below(1_000)))
    }

    /// What somebody can do, in every cluster.
    fn what_can(&mut self) -> Took {
        let identity = self.somebody();
        let (started, mut answers) = (Cpu::now(), 0);
        let mut asker = Asker::new(identity);
        for n in 0..self.size.clusters {
            let _ = asker.what_can(&self.index, cluster(n), &Scope::AllNamespaces, &mut |answer| {
                answers += 1;
                black_box(answer.subject);
                ControlFlow::Continue(())
            });
        }
        Took { time: started.elapsed(), answers }
    }

    /// Whether somebody can do something, in one cluster or in every.
    fn can_i(&mut self, clusters: usize) -> Took {
        let (identity, wanted, scope) =
            (self.somebody(), request(&mut self.random), self.somewhere());
        let first = self.random.below(self.size.clusters);
        let started = Cpu::now();
        let (mut question, mut asker) = (Question::new(wanted), Asker::new(identity));
        let answers = (0..clusters)
            .map(|n| cluster((first + n) % self.size.clusters))
            .filter(|cluster| question.allows(&self.index, *cluster, &scope, &mut asker))
            .count();
        Took { time: started.elapsed(), answers }
    }

    /// One binding that comes and goes again, in any cluster: half of both.
    fn change(&mut self) -> Took {
        let n = self.random.below(self.size.clusters);
        let at = self.random.below(self.size.bindings);
        let (key, content) = changed(at, &mut self.random);
        let started = Cpu::now();
        self.index.apply(cluster(n), &key, Some(&content));
        self.index.apply(cluster(n), &key, None);
        Took { time: started.elapsed() / 2, answers: 1 }
    }
}

/// Times and numbers of answers of one question that was asked again and again.
#[derive(Default)]
struct Series {
    times: Samples,
    answers: usize,
}

impl Series {
    fn push(&mut self, took: &Took) {
        self.times.push(took.time);
        self.answers += took.answers;
    }

    fn per_question(&self) -> usize {
        self.answers / self.times.len().max(1)
    }
}

fn sizes(fleet: &Asked, footprint: Footprint, report: &mut Report) {
    let Footprint {
        bindings, binding_bytes, role_bytes, other_bytes, symbol_bytes, symbols, ..
    } = footprint;
    let each = |bytes: usize| ratio(bytes, bindings);
    for (what, bytes) in [
        ("bytes a binding: its own", binding_bytes),
        ("the same: each cluster's roles", role_bytes),
        ("the same: what clusters have in common", symbol_bytes),
    ] {
        report.figures.push(Figure::single("P9", what, "B", each(bytes)));
    }
    let own = binding_bytes + role_bytes + symbol_bytes;
    let what = "bytes a binding, with roles and all that clusters have in common";
    report.judge_number(("P9", what), "then", (each(own), 16.0, "B"));
    let [texts, subjects, sets, contents, labels] = symbols;
    report.notes.push(format!(
        "P9: {bindings} bindings take {} MiB; namespaces and service accounts {} MiB more. The fleet has \
         {texts} distinct texts, {subjects} subjects, {sets} sets of subjects, {contents} contents of \
         roles and {labels} of labels. Loading all took {} s without making the objects",
        own >> 20,
        other_bytes >> 20,
        number(fleet.loading.as_secs_f64()),
    ));
}

fn questions(fleet: &mut Asked, repetitions: usize, report: &mut Report) {
    let roles = fleet.index.footprint().roles;
    let rows: Vec<[u32; 4]> =
        (0..roles).map(|n| [u32::try_from(n).unwrap_or_default(); 4]).collect();
    let words = vec![1_u32; fleet.index.footprint().bindings];
    let mut progress = Progress::new("P9: each question over 1,000 clusters", repetitions);
    let (mut over_roles, mut over_bindings) = (Samples::default(), Samples::default());
    let mut series: [Series; 8] = Default::default();
    for repetition in 0..repetitions {
        over_roles.push(timed(|| rows.iter().filter(|row| row.first() == Some(&7)).count()));
        over_bindings.push(timed(|| words.iter().filter(|word| **word == 7).count()));
        let scope = fleet.somewhere();
        let took = [
            fleet.who_can(&scope, true, None),
            fleet.who_can(&scope, false, None),
            fleet.who_can(&scope, false, Some(PAGE)),
            fleet.who_can(&Scope::AllNamespaces, false, Some(PAGE)),
            fleet.what_can(),
            fleet.can_i(1),
            fleet.can_i(fleet.size.clusters),
            fleet.change(),
        ];
        for (series, took) in series.iter_mut().zip(&took) {
            series.push(took);
        }
        progress.done(repetition);
    }
    let names = [
        "who-can -n, subjects that bindings name",
        "who-can -n, members, too",
        "who-can -n, a page of grants",
        "who-can -A, a page of grants",
        "what-can -A",
        "can-i in one cluster",
        "can-i -n",
        "one changed binding",
    ];
    for (at, (name, series)) in names.iter().zip(&series).enumerate() {
        let what = format!("{name} ({} answers)", series.per_question());
        let figure = Figure::latency("P9", &what, &series.times);
        report.figures.push(match at {
            4 => figure.over(&over_bindings),
            5 | 7 => figure.in_micros(),
            _ => figure.over(&over_roles),
        });
    }
    let [direct, _, page, everywhere, ..] = &series;
    for (series, name) in [
        (direct, "who-can -n, subjects that bindings name"),
        (page, "who-can -n with members, a page"),
        (everywhere, "who-can -A with members, a page"),
    ] {
        for (stage, most) in [("first", 10.0), ("then", 1.0)] {
            let p99 = ms(series.times.p99());
            report.judge_number(("P9", &format!("{name}: p99")), stage, (p99, most, "ms"));
        }
    }
    whole(fleet, report);
}

/// What one answer costs where all are taken: who can do something anywhere.
fn whole(fleet: &mut Asked, report: &mut Report) {
    let took: Vec<Took> =
        (0..5).map(|_| fleet.who_can(&Scope::AllNamespaces, false, None)).collect();
    let answers: usize = took.iter().map(|took| took.answers).sum();
    let time: Duration = took.iter().map(|took| took.time).sum();
    let what =
        format!("who-can -A, each of all answers ({} a question)", answers / took.len().max(1));
    let each = time.as_secs_f64() * 1e9 / float(answers);
    report.figures.push(Figure::single("P9", &what, "ns", each));
}

/// What doubling one axis does to the costs.
fn slopes(repetitions: usize, report: &mut Report) -> Result<()> {
    let doubled = [
        ("clusters", Size { clusters: 2 * SMALL.clusters, ..SMALL }),
        ("bindings a cluster", Size { bindings: 2 * SMALL.bindings, ..SMALL }),
        ("distinct roles", Size { contents: 2 * SMALL.contents, ..SMALL }),
    ];
    let mut small = Asked::new(SMALL)?;
    for (axis, size) in doubled {
        let mut large = Asked::new(size)?;
        let bytes = |fleet: &Asked| {
            let footprint = fleet.index.footprint();
            ratio(footprint.bytes() - footprint.other_bytes, footprint.bindings)
        };
        let mut series: [[Series; 3]; 2] = Default::default();
        for _ in 0..repetitions {
            for (fleet, series) in [&mut small, &mut large].into_iter().zip(&mut series) {
                let scope = fleet.somewhere();
                let took = [fleet.who_can(&scope, true, None), fleet.can_i(1), fleet.change()];
                for (series, took) in series.iter_mut().zip(&took) {
                    series.push(took);
                }
            }
        }
        let [before, after] = &series;
        for ((name, before), after) in
            ["who-can -n", "can-i", "one change"].iter().zip(before).zip(after)
        {
            let grows = ms(after.times.median()) / ms(before.times.median()).max(f64::MIN_POSITIVE);
            let more = float(after.per_question()) / float(before.per_question());
            let mut what = format!("{name}: twice the {axis}");
            if *name == "who-can -n" {
                what = format!("{what} ({} × the answers)", number(more));
            }
            report.figures.push(Figure::single("P9", &what, "×", grows));
            let most = match (*name, axis) {
                ("who-can -n", "clusters") => 2.4,
                ("who-can -n", _) => (1.2 * more.max(1.0) * 100.0).round() / 100.0,
                (_, "bindings a cluster") => 2.0,
                _ => 1.3,
            };
            report.judge_number(("P9", &what), "first", (grows, most, "×"));
        }
        let what = format!("bytes a binding: twice the {axis}");
        report.figures.push(Figure::single("P9", &what, "×", bytes(&large) / bytes(&small)));
    }
    Ok(())
}

fn timed(work: impl FnOnce() -> usize) -> Duration {
    let started = Cpu::now();
    black_box(work());
    started.elapsed()
}

fn ratio(one: usize, other: usize) -> f64 {
    float(one) / float(other)
}

/// Of a count that is far from the end of what is exact.
fn float(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from).max(f64::MIN_POSITIVE)
}
