//! `hanse report access`: worked out on this machine from what clusters' agents signed for.

use std::fs::File;
use std::io::{BufWriter, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use clap::{Arg, ValueEnum};
use hanse_domain::history::statement::to_microseconds;
use hanse_proto::admin::{AccessRequest, AccessScope};
use jiff::Timestamp;
use tempfile::NamedTempFile;

use crate::access::moment;
use crate::access::resource::MaybeWhat;
use crate::access::scope::{Unnamed, Where};
use crate::app::Session;
use crate::failure::{Exit, Failure, Outcome};
use crate::fleet;
use crate::hub::Hub;
use crate::output;
use crate::report::answer::Answer;
use crate::report::bundle::{Builder, Manifest};
use crate::report::fetch;
use crate::report::groups;
use crate::report::past::Past;
use crate::report::question::{Asked, Place, Question, When};
use crate::report::sheets::{Composer, Sheet, Sheets};
use crate::report::summary::{Head, Summary};
use crate::text::{count, escape};

#[derive(Debug, clap::Args)]
#[command(mut_args(past))]
#[command(after_help = "\
Without VERB RESOURCE every rule of every subject is reported. With --from and --to, whatever held at
any time between, with its beginning and its end.

Examples:
  hanse report access --clusters env=prod --at 2026-03-03 --out report.html
  hanse report access get secrets -n payments --from 2026-01-01 --to 2026-04-01 --out q1.tar
  hanse report verify q1.tar --trust-root DIGEST")]
pub(crate) struct Args {
    #[command(flatten)]
    what: MaybeWhat,

    #[command(flatten)]
    place: Where,

    /// As it was then: 2026-03-03T14:30:00Z, 2026-03-03 (its start, UTC), or 2h, 3d ago
    #[arg(long, value_name = "TIME")]
    at: Option<String>,

    /// Whatever held at any time from then on
    #[arg(long, value_name = "TIME", conflicts_with = "at")]
    from: Option<String>,

    /// … until then; now by default
    #[arg(long, value_name = "TIME", requires = "from")]
    to: Option<String>,

    /// Output format; by default what the name of --out says, or csv
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    output: Option<Form>,

    /// Write to a file that is not there yet, instead of to the standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Overwrite the file
    #[arg(long, requires = "out")]
    force: bool,
}

/// A report is of the past. `mut_arg` would put VERB behind the other words.
fn past(arg: Arg) -> Arg {
    if arg.get_id() == "verb" { arg.help("With RESOURCE: only who could do this") } else { arg }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// A row for each path, for spreadsheets
    Csv,
    /// The same for scripts
    Json,
    /// One page to read and to print
    Html,
    /// A tar file with all of them and the evidence, for `hanse report verify`
    Bundle,
}

impl Args {
    pub(super) async fn run(self, session: &Session) -> Outcome {
        let form = self.form()?;
        if let Some(out) = self.out.as_deref().filter(|out| !self.force && out.exists()) {
            return Err(exists(out));
        }
        let made_at = to_microseconds(Timestamp::now());
        let question = self.question(made_at)?;
        let hub = session.hub().await?;
        let target = Target::new(self.out.as_deref())?;
        let (mut sheets, bundle) = make(&hub, &question, made_at, form == Form::Bundle).await?;
        match bundle {
            Some(builder) => {
                let file = builder.end(&mut sheets).map_err(|e| not_written(&e))?;
                let file = file.into_inner().map_err(|e| not_written(e.error()))?;
                target.copy(file)?;
            }
            None => target.sheet(match form {
                Form::Csv | Form::Bundle => &mut sheets.csv,
                Form::Json => &mut sheets.json,
                Form::Html => &mut sheets.html,
            })?,
        }
        target.keep(self.out.as_deref(), self.force)?;
        self.say(&sheets.summary, form)
    }

    fn form(&self) -> Outcome<Form> {
        let extension = self.out.as_ref().and_then(|out| out.extension()?.to_str());
        let named = match extension {
            Some("json") => Some(Form::Json),
            Some("html" | "htm") => Some(Form::Html),
            Some("tar") => Some(Form::Bundle),
            Some("csv") => Some(Form::Csv),
            Some(_) | None => None,
        };
        let form = self.output.or(named).unwrap_or(Form::Csv);
        if form == Form::Bundle && self.out.is_none() {
            return Err(Failure::usage("a bundle needs a file").hint("-o bundle --out FILE.tar"));
        }
        Ok(form)
    }

    fn question(&self, now: Timestamp) -> Outcome<Question> {
        let asked = self.what.asked()?;
        for warning in asked.iter().flat_map(|asked| &asked.warnings) {
            output::warn(warning);
        }
        let read = |text: &str| moment::parse(text, now).map(to_microseconds);
        let to = self.to.as_deref().map_or(Ok(now), read)?;
        let when = match (&self.at, &self.from) {
            (_, Some(from)) => When::Period { from: read(from)?, to },
            (Some(at), None) => When::At(read(at)?),
            (None, None) => When::At(now),
        };
        if let When::Period { from, to } = when {
            moment::in_order(from, to)?;
        }
        let reach = asked.as_ref().and_then(|asked| asked.reach);
        let scope = self.place.scope(Unnamed::Everywhere, reach)?;
        Ok(Question {
            place: place(&scope),
            clusters: scope.clusters,
            cluster_selector: scope.cluster_selector,
            request: asked.map(|asked| request(asked.request)),
            when,
        })
    }

    /// What was written, and what is not proven in it.
    fn say(&self, summary: &Summary, form: Form) -> Outcome {
        let totals = summary.totals();
        let proven = format!("{} of {} proven", totals.proven, count(totals.clusters, "cluster"));
        let what = format!(
            "{} by {}; {proven}",
            count(totals.grants, "path"),
            count(totals.subjects, "subject")
        );
        for cluster in summary.clusters.iter().filter(|cluster| !cluster.contradicted) {
            for note in cluster.notes.iter().take(3) {
                output::note(&escape(&format!("cluster {}: {note}", cluster.name)));
            }
        }
        if let Some(out) = &self.out {
            let out = escape(&out.display().to_string()).into_owned();
            output::note(&format!("wrote {out}: {what}"));
            if form == Form::Bundle {
                output::note(&format!("verify it anywhere: hanse report verify {out}"));
            }
        } else {
            output::note(&what);
        }
        let contradicted: Vec<String> = summary
            .clusters
            .iter()
            .filter(|cluster| cluster.contradicted)
            .flat_map(|cluster| {
                cluster.notes.iter().map(|note| format!("cluster {}: {note}", cluster.name))
            })
            .collect();
        if contradicted.is_empty() {
            return Ok(Exit::OK);
        }
        Err(Failure::new(
            "untrusted-inventory",
            "the hub shows other objects than the clusters' agents signed for",
        )
        .details(contradicted)
        .why("something was added, altered or left out; the report says so and is evidence of that")
        .hint("do not trust this hub until it is known why: keep its database as it is, and see docs/evidence.md"))
    }
}

type Bundle = Builder<BufWriter<File>>;

/// Asks the hub for everything, a cluster at a time, and works the report out.
async fn make(
    hub: &Hub,
    question: &Question,
    made_at: Timestamp,
    bundled: bool,
) -> Outcome<(Sheets, Option<Bundle>)> {
    let (head, past, mut bundle) = history(hub, made_at, bundled).await?;
    let entries = past.selected(question)?;
    known(question, &past)?;
    let groups = fetch::groups(hub, question).await?;
    let directory = groups::directory(&groups)
        .map_err(|why| Failure::new("hub-error", "the groups of people cannot be used").why(why))?;
    let manifest = Manifest::new(question, &head, &entries);
    if let Some(bundle) = &mut bundle {
        bundle.manifest(&manifest, &groups).map_err(|e| not_written(&e))?;
    }
    let mut composer = Composer::new(question, &head, &groups)?;
    for (entry, listed) in entries.into_iter().zip(&manifest.clusters) {
        let evidence = fetch::evidence(hub, &entry, question, &past, head.fleet).await?;
        if let Some(bundle) = &mut bundle {
            let files = evidence.files().ok_or_else(|| too_large(&entry.name))?;
            bundle.cluster(&listed.folder, &files).map_err(|e| not_written(&e))?;
        }
        let answer = Answer::of(question, entry, evidence, &past, head.fleet, &directory)?;
        composer.cluster(&answer)?;
    }
    Ok((composer.end()?, bundle))
}

/// The verified history, into the bundle too.
async fn history(
    hub: &Hub,
    made_at: Timestamp,
    bundled: bool,
) -> Outcome<(Head, Past, Option<Bundle>)> {
    let begin = |root: &[u8]| {
        let builder = if bundled { Some(begun(root).map_err(|e| not_written(&e))?) } else { None };
        Ok((Past::default(), builder))
    };
    let (fleet, (past, bundle)) =
        fleet::walk_with_bytes(hub, begin, |(past, bundle), bytes, _, change, signers| {
            past.push(change, signers);
            bundle
                .as_mut()
                .map_or(Ok(()), |bundle| bundle.statement(bytes))
                .map_err(|e| not_written(&e))
        })
        .await?;
    let (revision, history) = (fleet.number.0, fleet.history);
    Ok((Head { fleet: fleet.id(), revision, history, made_at }, past, bundle))
}

fn begun(root: &[u8]) -> std::io::Result<Bundle> {
    Builder::begin(BufWriter::new(tempfile::tempfile()?), root)
}

/// A name that no cluster has had is a mistake.
fn known(question: &Question, past: &Past) -> Outcome<()> {
    let entries = past.selected(question)?;
    match question.clusters.iter().find(|name| !entries.iter().any(|entry| entry.name == **name)) {
        None => Ok(()),
        Some(name) => Err(Failure::new(
            "not-found",
            format!("there was no cluster `{name}` {}", question.when.words()),
        )
        .hint("hanse cluster list; `hanse revisions` shows when one joined")),
    }
}

fn place(scope: &AccessScope) -> Place {
    match scope.namespaces.as_slice() {
        [] if scope.all_namespaces => Place::Everywhere,
        [] => Place::Cluster,
        names => Place::Namespaces(names.to_vec()),
    }
}

fn request(asked: AccessRequest) -> Asked {
    let AccessRequest { verb, api_group, resource, subresource, name, path } = asked;
    Asked { verb, api_group, resource, subresource, name, path }
}

/// Where the report goes. A file comes to its place as a whole, or not at all.
enum Target {
    Stdout,
    File(NamedTempFile),
}

impl Target {
    fn new(out: Option<&Path>) -> Outcome<Self> {
        let Some(out) = out else { return Ok(Self::Stdout) };
        let folder = match out.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            Some(_) | None => Path::new("."),
        };
        NamedTempFile::new_in(folder)
            .map(Self::File)
            .map_err(|e| Failure::io(format!("no file can be made in {}", folder.display()), &e))
    }

    fn sheet(&self, sheet: &mut Sheet) -> Outcome<()> {
        let mut from = sheet.read().map_err(|e| not_written(&e))?;
        match self {
            Self::Stdout => {
                let mut all = Vec::new();
                from.read_to_end(&mut all).map_err(|e| not_written(&e))?;
                output::exact(&all)
            }
            Self::File(file) => {
                let mut to = BufWriter::new(file.as_file());
                std::io::copy(&mut from, &mut to)
                    .and_then(|_| to.flush())
                    .map_err(|e| not_written(&e))
            }
        }
    }

    fn copy(&self, mut from: File) -> Outcome<()> {
        let Self::File(file) = self else { return Ok(()) };
        from.rewind().map_err(|e| not_written(&e))?;
        std::io::copy(&mut from, &mut file.as_file()).map_err(|e| not_written(&e))?;
        Ok(())
    }

    fn keep(self, out: Option<&Path>, force: bool) -> Outcome<()> {
        let (Self::File(file), Some(out)) = (self, out) else { return Ok(()) };
        file.as_file().sync_all().map_err(|e| not_written(&e))?;
        let kept = if force { file.persist(out) } else { file.persist_noclobber(out) };
        match kept {
            Ok(_) => Ok(()),
            Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => {
                Err(exists(out))
            }
            Err(error) => {
                Err(Failure::io(format!("{} cannot be written", out.display()), &error.error))
            }
        }
    }
}

fn exists(out: &Path) -> Failure {
    Failure::new("file", format!("{} is there already", out.display()))
        .why("a report may be evidence and is not overwritten")
        .hint("name another file, or overwrite it: --force")
}

fn too_large(cluster: &str) -> Failure {
    Failure::new("report-too-large", format!("the evidence of cluster {cluster} is too large"))
        .why("whoever verifies a bundle does not read more of one cluster")
        .hint("ask about a shorter period")
}

fn not_written(error: &std::io::Error) -> Failure {
    Failure::io("the report cannot be written", error)
}
