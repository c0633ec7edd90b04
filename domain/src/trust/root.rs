//! The trust root: whose signatures count for what. In the manner of the root role of The Update
//! Framework (TUF): versions follow each other, each signed by the one before and by itself.
//!
//! ```text
//! hanse trust-root v1
//! version 2
//! previous <digest of version 1>
//! key alice ssh-ed25519 AAAA…
//! key bob sk-ssh-ed25519@openssh.com AAAA…
//! root 1 alice bob
//! roster 1 alice
//! danger 2 alice bob
//! author alice kinds=* namespaces=* clusters=* hazards=yes
//! author bob kinds=FederatedRoleBinding namespaces=payments,shop-* clusters=env=prod hazards=no
//! ```
//!
//! Version 1 has `nonce <64 hexadecimal digits>` in place of `previous`, so that two fleets never have
//! the same; its digest is the fleet's id.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::str::FromStr;

use super::scope::Scope;
use super::signature::PublicKey;
use crate::history::encoding::{Lines, Malformed};
use crate::ids::Digest;
use crate::names::{self, InvalidName};

const WHAT: &str = "trust root";
const HEADER: &str = "hanse trust-root v1";
/// Most bytes that a trust root may have.
pub const MAX_ROOT_BYTES: usize = 256 * 1024;

/// Highest threshold of a role: a statement carries few signatures, and each agent checks them all.
pub const MAX_THRESHOLD: usize = 4;

/// The name of a key, unique in its trust root: a DNS label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyName(String);

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for KeyName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        names::check_dns_label(text).map(|()| Self(text.to_owned()))
    }
}

/// Whose signatures count for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustRoot {
    /// 1, 2, 3 …
    pub version: u64,
    /// What it follows.
    pub origin: Origin,
    /// Every key, by its name. No key has two names.
    pub keys: BTreeMap<KeyName, PublicKey>,
    /// Who may replace the trust root.
    pub root: Quorum,
    /// Who may accept, label and remove clusters, and vouches for their age recipients.
    pub roster: Quorum,
    /// Who must sign a document that by itself shows a hazard, besides its author.
    pub danger: Quorum,
    /// Who may sign documents, and which.
    pub authors: BTreeMap<KeyName, Scope>,
}

/// What a trust root follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nothing: it is the first. 32 random bytes.
    Nonce(Digest),
    /// The version before, by its digest.
    Previous(Digest),
}

/// Some keys, and how many of them must sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quorum {
    /// 1 at least, `MAX_THRESHOLD` at the most, and not more than there are keys.
    pub threshold: usize,
    /// Whose signatures count.
    pub names: BTreeSet<KeyName>,
}

impl Quorum {
    /// Whether enough of them have signed.
    pub fn is_met(&self, signers: &BTreeSet<KeyName>) -> bool {
        self.names.intersection(signers).count() >= self.threshold
    }
}

impl TrustRoot {
    /// A first trust root with one key in every role. `nonce`: 32 random bytes.
    pub fn single(nonce: [u8; 32], name: KeyName, key: PublicKey) -> Self {
        let alone = Quorum { threshold: 1, names: [name.clone()].into() };
        Self {
            version: 1,
            origin: Origin::Nonce(Digest(nonce)),
            keys: [(name.clone(), key)].into(),
            root: alone.clone(),
            roster: alone.clone(),
            danger: alone,
            authors: [(name, Scope::everything())].into(),
        }
    }

    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = format!("{HEADER}\nversion {}\n", self.version);
        let _ = match self.origin {
            Origin::Nonce(nonce) => writeln!(out, "nonce {nonce}"),
            Origin::Previous(digest) => writeln!(out, "previous {digest}"),
        };
        for (name, key) in &self.keys {
            let _ = writeln!(out, "key {name} {key}");
        }
        for (role, quorum) in self.roles() {
            let _ = write!(out, "{role} {}", quorum.threshold);
            for name in &quorum.names {
                let _ = write!(out, " {name}");
            }
            out.push('\n');
        }
        for (name, scope) in &self.authors {
            let _ = writeln!(out, "author {name} {scope}");
        }
        out.into_bytes()
    }

    fn roles(&self) -> [(&'static str, &Quorum); 3] {
        [("root", &self.root), ("roster", &self.roster), ("danger", &self.danger)]
    }

    /// Reads a trust root. Errors: not canonical, a role without enough keys, a key with two names.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let root = Self::parse(bytes)?;
        if root.encode() == bytes {
            Ok(root)
        } else {
            Err(Malformed { what: WHAT, why: "not in canonical order or form".to_owned() })
        }
    }

    /// Reads what a person wrote: keys and authors in any order. Everything else as in `decode`.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut lines = Lines::open(WHAT, HEADER, bytes, MAX_ROOT_BYTES)?;
        let version = lines.field("version")?.parse().map_err(|e| lines.fail(e))?;
        let origin = match lines.optional("nonce") {
            Some(nonce) => Origin::Nonce(nonce.parse().map_err(|e| lines.fail(e))?),
            None => Origin::Previous(lines.field("previous")?.parse().map_err(|e| lines.fail(e))?),
        };
        let mut keys = BTreeMap::new();
        while let Some(value) = lines.optional("key") {
            let (name, key) =
                value.split_once(' ').ok_or_else(|| lines.fail("a name and a key expected"))?;
            let name: KeyName = name.parse().map_err(|e| lines.fail(e))?;
            let key: PublicKey = key.parse().map_err(|e| lines.fail(e))?;
            if keys.values().any(|other| *other == key) {
                return Err(lines.fail(format_args!("the key of {name} has another name already")));
            }
            if keys.insert(name.clone(), key).is_some() {
                return Err(lines.fail(format_args!("{name} has a key already")));
            }
        }
        let root = quorum(&mut lines, "root", &keys)?;
        let roster = quorum(&mut lines, "roster", &keys)?;
        let danger = quorum(&mut lines, "danger", &keys)?;
        let mut authors = BTreeMap::new();
        while let Some(value) = lines.optional("author") {
            let (name, scope) =
                value.split_once(' ').ok_or_else(|| lines.fail("a name and a scope expected"))?;
            let name = known(&lines, name, &keys)?;
            let scope = scope.parse().map_err(|e| lines.fail(e))?;
            if authors.insert(name.clone(), scope).is_some() {
                return Err(lines.fail(format_args!("{name} is an author already")));
            }
        }
        lines.end()?;
        let first = matches!(origin, Origin::Nonce(_));
        if version == 0 || first != (version == 1) {
            let why = "version 1 has a `nonce`, later ones have `previous`".to_owned();
            return Err(Malformed { what: WHAT, why });
        }
        Ok(Self { version, origin, keys, root, roster, danger, authors })
    }

    /// The digest that statements name.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.encode())
    }

    /// The names of keys.
    pub fn names_of(&self, keys: &BTreeSet<PublicKey>) -> BTreeSet<KeyName> {
        let ours = self.keys.iter().filter(|(_, key)| keys.contains(key));
        ours.map(|(name, _)| name.clone()).collect()
    }
}

fn known(
    lines: &Lines<'_>,
    name: &str,
    keys: &BTreeMap<KeyName, PublicKey>,
) -> Result<KeyName, Malformed> {
    let name: KeyName = name.parse().map_err(|e| lines.fail(e))?;
    if keys.contains_key(&name) {
        Ok(name)
    } else {
        Err(lines.fail(format_args!("there is no key with the name {name}")))
    }
}

fn quorum(
    lines: &mut Lines<'_>,
    role: &str,
    keys: &BTreeMap<KeyName, PublicKey>,
) -> Result<Quorum, Malformed> {
    let mut words = lines.field(role)?.split(' ');
    let threshold = words.next().unwrap_or_default().parse().map_err(|e| lines.fail(e))?;
    let mut names = BTreeSet::new();
    for name in words {
        if !names.insert(known(lines, name, keys)?) {
            return Err(lines.fail(format_args!("{name} is here twice")));
        }
    }
    if threshold > MAX_THRESHOLD {
        return Err(lines.fail(format_args!("{threshold} keys, more than {MAX_THRESHOLD}")));
    }
    if threshold == 0 || threshold > names.len() {
        let s = |count| if count == 1 { "" } else { "s" };
        return Err(lines.fail(format_args!(
            "{role} asks for {threshold} signature{} and names {} key{}",
            s(threshold),
            names.len(),
            s(names.len())
        )));
    }
    Ok(Quorum { threshold, names })
}
