//! P13: what it costs an author's machine to seal a new version of one secret for 1,000 clusters. In
//! this process, without a cluster or a hub, with the code that `hanse secret rotate` runs: from the
//! recipients as the roster has them to the wrapped keys as a statement lists them. The floor is as
//! many plain age files, of as many bytes and to the same recipients.
//!
//! CPU time of the whole process, so that what else runs on the machine does not count.

use std::io::Write as _;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use hanse_domain::history::changes::WrapRef;
use hanse_domain::history::wrap::Wrap;
use hanse_domain::ids::{ClusterId, Digest};
use hanse_sealing::{Identity, Recipient, SecretContext, SecretData, seal, wrap};
use rustix::time::{ClockId, clock_gettime};

use crate::output::Progress;
use crate::report::{Figure, Report};
use crate::stats::{Samples, ms};

const CLUSTERS: usize = 1_000;
/// A repetition takes about half a second with its floor.
const MOST_REPETITIONS: usize = 20;
const SECRET: &str = "payments-db";

/// One cluster of the roster.
struct Holder {
    id: ClusterId,
    recipient: String,
    /// The same for the age library.
    plain: age::x25519::Recipient,
}

pub(crate) fn measure(repetitions: usize, report: &mut Report) -> Result<()> {
    let repetitions = repetitions.clamp(1, MOST_REPETITIONS);
    let holders = (0..CLUSTERS).map(holder).collect::<Result<Vec<_>>>()?;
    let mut data = SecretData::default();
    data.insert("username", b"payments".as_slice())?;
    data.insert("password", vec![b'x'; 32])?;
    let mut progress = Progress::new("P13: one secret for 1,000 clusters", repetitions);
    let (mut floor, mut rotated) = (Samples::default(), Samples::default());
    for repetition in 0..repetitions {
        let version = u64::try_from(repetition)? + 1;
        let length = plaintext_length(version);
        floor.push(cpu_of(|| plain(&holders, length))?);
        rotated.push(cpu_of(|| rotate(&holders, &data, version))?);
        progress.done(repetition);
    }
    let what = "rotating one secret for 1,000 clusters, CPU";
    report.figures.push(Figure::latency("P13", what, &rotated).over(&floor));
    let ratio = ms(rotated.median()) / ms(floor.median()).max(f64::MIN_POSITIVE);
    report.judge_number(("P13", what), "first", (ms(rotated.median()), 200.0, "ms"));
    let what = "the same over as many plain age files";
    report.judge_number(("P13", what), "then", (ratio, 1.1, "×"));
    report.notes.push(
        "P13: CPU time of this process: the payload sealed, each recipient read from the roster's \
         text and checked, its key wrapped, encoded and digested. Floor: as many age files of a \
         wrapped key's length to recipients that were read before; nothing is checked or encoded"
            .to_owned(),
    );
    Ok(())
}

fn holder(n: usize) -> Result<Holder> {
    let recipient = Identity::make_random().recipient().to_string();
    Ok(Holder {
        id: format!("0192f0c1-0000-7000-8000-{n:012x}").parse()?,
        plain: recipient.parse().map_err(|why| anyhow!("no recipient: {why}"))?,
        recipient,
    })
}

fn context(version: u64) -> SecretContext {
    SecretContext {
        fleet: [1; 32],
        name: SECRET.to_owned(),
        namespaces: ["payments".to_owned()].into(),
        secret_type: "Opaque".to_owned(),
        version,
    }
}

/// How long the text in a wrapped key is; see `hanse_sealing::wrap`.
fn plaintext_length(version: u64) -> usize {
    let lines = ["# hanse secret key v1", "# fleet ", "# name ", SECRET, "# version "];
    let key = "AGE-SECRET-KEY-1".len() + 58;
    lines.iter().map(|line| line.len()).sum::<usize>() + 64 + version.to_string().len() + key + 5
}

/// As the command does it.
fn rotate(holders: &[Holder], data: &SecretData, version: u64) -> Result<()> {
    let context = context(version);
    let (payload, key) = seal(&context, data)?;
    let mut digests = vec![Digest::of(payload.as_bytes())];
    for holder in holders {
        let recipient: Recipient = holder.recipient.parse()?;
        let wrapped = Wrap {
            reference: WrapRef { secret: SECRET.to_owned(), cluster: holder.id },
            version,
            recipient: holder.recipient.clone(),
            key: wrap(&key, &context, &recipient)?,
        };
        digests.push(wrapped.digest());
    }
    complete(digests.len() - 1)
}

/// With nothing of Hanse.
fn plain(holders: &[Holder], length: usize) -> Result<()> {
    let plaintext = vec![b'x'; length];
    let mut files = Vec::with_capacity(holders.len());
    for holder in holders {
        let encryptor = age::Encryptor::with_recipients(std::iter::once(&holder.plain as _))?;
        let mut writer = encryptor.wrap_output(Vec::new())?;
        writer.write_all(&plaintext)?;
        files.push(writer.finish()?);
    }
    complete(files.len())
}

fn complete(count: usize) -> Result<()> {
    if count != CLUSTERS {
        bail!("{count} were made and not {CLUSTERS}");
    }
    Ok(())
}

fn cpu_of(work: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let before = cpu()?;
    work()?;
    Ok(cpu()?.saturating_sub(before))
}

/// CPU time of all threads of this process.
fn cpu() -> Result<Duration> {
    Ok(clock_gettime(ClockId::ProcessCPUTime).try_into()?)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn the_floor_writes_files_as_long_as_a_wrapped_key() {
        let (_, key) = seal(&context(12), &SecretData::default()).unwrap();
        let holder = holder(7).unwrap();
        let wrapped = wrap(&key, &context(12), &holder.recipient.parse().unwrap()).unwrap();
        let encryptor =
            age::Encryptor::with_recipients(std::iter::once(&holder.plain as _)).unwrap();
        let mut writer = encryptor.wrap_output(Vec::new()).unwrap();
        writer.write_all(&vec![b'x'; plaintext_length(12)]).unwrap();
        let file = writer.finish().unwrap();
        // The library adds a stanza of a random length to each header.
        let body = |file: &[u8]| {
            let at = file.windows(5).position(|window| window == b"\n--- ").unwrap();
            file.len() - at
        };
        assert_eq!(body(&file), body(&wrapped));
    }

    #[test]
    fn cpu_time_passes() {
        let spent = cpu_of(|| plain(&[holder(1)?], 10).or(Ok(()))).unwrap();
        assert!(spent > Duration::ZERO);
    }
}
