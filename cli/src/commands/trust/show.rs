//! The trust root, for people and for scripts.

use hanse_domain::fleet::Fleet;
use hanse_domain::trust::root::{Quorum, TrustRoot};
use serde_json::{Value, json};

use super::Format;
use crate::commands::describe::pairs;
use crate::failure::{Exit, Outcome};
use crate::output;
use crate::table::Table;

pub(super) fn show(fleet: &Fleet, format: Format) -> Outcome {
    match format {
        Format::Table => output::data(&text(fleet))?,
        Format::Text => output::exact(&fleet.trust.current().root.encode())?,
        Format::Json => output::json_as_written(&value(fleet))?,
    }
    Ok(Exit::OK)
}

fn roles(root: &TrustRoot) -> [(&'static str, &'static str, &Quorum); 3] {
    [
        ("root", "replace the trust root", &root.root),
        ("roster", "accept, label and remove clusters", &root.roster),
        ("danger", "besides the author, what is hazardous", &root.danger),
    ]
}

fn names(quorum: &Quorum) -> Vec<String> {
    quorum.names.iter().map(ToString::to_string).collect()
}

fn text(fleet: &Fleet) -> String {
    let current = fleet.trust.current();
    let root = &current.root;
    let mut keys = Table::new(["KEY", "TYPE", "FINGERPRINT"]);
    for (name, key) in &root.keys {
        keys.row([name.to_string(), key.kind().to_string(), key.fingerprint()]);
    }
    let mut quorums = Table::new(["ROLE", "SIGNATURES", "KEYS", "MAY"]);
    for (role, may, quorum) in roles(root) {
        let of = format!("{} of {}", quorum.threshold, quorum.names.len());
        quorums.row([role.to_owned(), of, names(quorum).join(", "), may.to_owned()]);
    }
    let mut authors = Table::new(["AUTHOR", "MAY SIGN"]);
    for (name, scope) in &root.authors {
        authors.row([name.to_string(), scope.to_string()]);
    }
    let mut versions = Table::new(["VERSION", "IN FORCE AFTER REVISION", "DIGEST"]);
    for version in fleet.trust.versions() {
        versions.row([
            version.root.version.to_string(),
            version.since.to_string(),
            format!("sha256:{}", version.digest),
        ]);
    }
    let head = pairs(&[
        ("Fleet".to_owned(), format!("sha256:{}", fleet.id())),
        ("Version".to_owned(), root.version.to_string()),
        ("Revision".to_owned(), format!("{}, verified on this machine", fleet.number)),
    ]);
    format!("{head}\n{keys}\n{quorums}\n{authors}\n{versions}")
}

fn value(fleet: &Fleet) -> Value {
    let current = fleet.trust.current();
    let root = &current.root;
    let keys: Vec<Value> = root
        .keys
        .iter()
        .map(|(name, key)| {
            json!({ "name": name.to_string(), "type": key.kind().to_string(),
                "fingerprint": key.fingerprint(), "key": key.to_string() })
        })
        .collect();
    let roles: serde_json::Map<String, Value> = roles(root)
        .into_iter()
        .map(|(role, _, quorum)| {
            (role.to_owned(), json!({ "threshold": quorum.threshold, "keys": names(quorum) }))
        })
        .collect();
    let authors: serde_json::Map<String, Value> = root
        .authors
        .iter()
        .map(|(name, scope)| (name.to_string(), json!(scope.to_string())))
        .collect();
    let versions: Vec<Value> = fleet
        .trust
        .versions()
        .map(|version| {
            json!({ "version": version.root.version, "since": version.since.0,
                "digest": version.digest.to_string() })
        })
        .collect();
    json!({
        "fleet": format!("sha256:{}", fleet.id()),
        "version": root.version,
        "digest": current.digest.to_string(),
        "revision": fleet.number.0,
        "keys": keys,
        "roles": roles,
        "authors": authors,
        "versions": versions,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_a_person_asks_of_a_trust_root() {
        insta::assert_snapshot!(text(&crate::fleet::example("")), @"
        Fleet:     sha256:febae65ac6263fb4bcc0b77966cba026cf79631265aa114d960cddc237896529
        Version:   1
        Revision:  4, verified on this machine

        KEY   TYPE          FINGERPRINT
        ann   ssh-ed25519   SHA256:B2aOWEKajXTCMule7wxji5bwFLehHRUXaOnSvcEXjYc

        ROLE     SIGNATURES   KEYS   MAY
        root     1 of 1       ann    replace the trust root
        roster   1 of 1       ann    accept, label and remove clusters
        danger   1 of 1       ann    besides the author, what is hazardous

        AUTHOR   MAY SIGN
        ann      kinds=* namespaces=* clusters=* hazards=yes

        VERSION   IN FORCE AFTER REVISION   DIGEST
        1         0                         sha256:febae65ac6263fb4bcc0b77966cba026cf79631265aa114d960cddc237896529
        ");
    }
}
