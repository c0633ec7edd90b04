//! Which key signs: the first of these that may.
//!
//! 1. The file that the context names. A key that is not in it (a `.pub` file, one on a token), or
//!    that has a passphrase, is taken from ssh-agent if it is there.
//! 2. ssh-agent; keys on tokens last, since they want to be touched.
//! 3. The default files of ssh.

use std::path::Path;

use hanse_domain::trust::signature::PublicKey;
use hanse_signing::{Agent, KeyFile};

use super::{Source, Surroundings, refused};
use crate::failure::{Failure, Outcome};
use crate::text::count;

/// The default files of ssh, below the home.
const DEFAULTS: [&str; 2] = [".ssh/id_ed25519", ".ssh/id_ecdsa"];

/// How many keys an error names.
const SHOWN: usize = 5;

pub(super) fn find(
    wanted: &[PublicKey],
    configured: Option<&Path>,
    surroundings: &Surroundings,
) -> Outcome<(PublicKey, Source)> {
    if let Some(path) = configured {
        return named(wanted, path, surroundings);
    }
    let mut tried = Vec::new();
    match agent(surroundings) {
        Ok((agent, mut keys)) => {
            keys.sort_by_key(|key| key.kind().is_hardware());
            if let Some(key) = keys.iter().find(|key| wanted.contains(key)) {
                return Ok((key.clone(), Source::Agent(agent)));
            }
            tried.push(format!(
                "ssh-agent: it has {}, none of them wanted",
                count(keys.len(), "key")
            ));
        }
        Err(why) => tried.push(format!("ssh-agent: {why}")),
    }
    for path in surroundings.home.iter().flat_map(|home| DEFAULTS.map(|name| home.join(name))) {
        if !path.exists() {
            tried.push(format!("{}: it does not exist", path.display()));
            continue;
        }
        match KeyFile::read(&path) {
            Ok(file) if file.is_public() => {
                tried.push(format!("{}: its private key is not in it", path.display()));
            }
            Ok(file) if wanted.contains(file.public_key()) => {
                return Ok((file.public_key().clone(), Source::File(Box::new(file))));
            }
            Ok(file) => {
                let key = file.public_key().fingerprint();
                tried.push(format!("{}: {key} is not wanted", path.display()));
            }
            Err(error) => tried.push(error.to_string()),
        }
    }
    Err(Failure::new("no-signing-key", "none of the keys at hand may sign this")
        .details(tried.into_iter().map(|line| format!("tried {line}")))
        .why(who_may(wanted))
        .hint("ssh-add FILE, or name the key's file as `signingKey` of the context"))
}

/// The key of a file that somebody chose: no other will do.
fn named(
    wanted: &[PublicKey],
    path: &Path,
    surroundings: &Surroundings,
) -> Outcome<(PublicKey, Source)> {
    let file = KeyFile::read(path).map_err(|e| refused(&e))?;
    let key = file.public_key().clone();
    if !wanted.contains(&key) {
        let what =
            format!("the key of {}, {}, may not sign this", path.display(), key.fingerprint());
        return Err(Failure::new("no-signing-key", what)
            .why(who_may(wanted))
            .hint("`signingKey` of the context names the file; hanse trust show"));
    }
    if !file.is_public() && !file.is_encrypted() {
        return Ok((key, Source::File(Box::new(file))));
    }
    let why = match agent(surroundings) {
        Ok((agent, keys)) if keys.contains(&key) => return Ok((key, Source::Agent(agent))),
        Ok(_) => "ssh-agent does not have it".to_owned(),
        Err(why) => why,
    };
    if file.is_public() {
        let what = format!("the private key of {} is not in the file", path.display());
        let private = path.with_extension("");
        return Err(Failure::new("no-signing-key", what)
            .why(why)
            .hint(format!("ssh-add {}", private.display())));
    }
    Ok((key, Source::File(Box::new(file))))
}

/// The agent and its keys, or why there is none.
fn agent(surroundings: &Surroundings) -> Result<(Agent, Vec<PublicKey>), String> {
    let path = surroundings.agent.as_deref().ok_or("SSH_AUTH_SOCK is not set")?;
    let agent = Agent::at(path);
    let keys = agent.keys().map_err(|error| error.to_string())?;
    Ok((agent, keys))
}

fn who_may(wanted: &[PublicKey]) -> String {
    let shown: Vec<String> = wanted.iter().take(SHOWN).map(PublicKey::fingerprint).collect();
    match wanted.len().saturating_sub(SHOWN) {
        0 if shown.is_empty() => "no key may".to_owned(),
        0 => format!("these may: {}", shown.join(", ")),
        more => format!("these may: {} and {more} more", shown.join(", ")),
    }
}
