//! Whom one believes: the pinned fleet, what was verified, and the key that signs.

use std::path::Path;

use hanse_domain::fleet::Fleet;
use hanse_domain::trust::root::Quorum;

use super::findings::Findings;
use crate::change::signing;
use crate::config::FleetPin;
use crate::failure::Outcome;
use crate::fleet;
use crate::hub::Hub;
use crate::text::{count, escape};

pub(super) async fn trust(hub: &Hub, findings: &mut Findings) -> Outcome<()> {
    findings.section("trust");
    let pinned = hub.fleet_pin();
    let fleet = match fleet::fetch(hub).await {
        Ok(fleet) => fleet,
        Err(failure) => {
            findings.failure(&failure);
            return Ok(());
        }
    };
    report(&fleet, pinned.is_some(), findings);
    key(hub, &fleet, findings).await;
    Ok(())
}

fn report(fleet: &Fleet, pinned: bool, findings: &mut Findings) {
    let pin = String::from(FleetPin(fleet.id()));
    if pinned {
        findings.ok(format!("this context names the fleet {pin}"));
    } else {
        findings.warning(
            format!("the fleet {pin} was taken as the hub showed it"),
            "compare it with `hanse trust show` on another author's machine",
        );
    }
    findings.ok(match fleet.number.0 {
        0 => "nothing was signed yet".to_owned(),
        number => {
            format!("every statement up to {number} is signed by whom the trust root allowed it")
        }
    });
    let root = &fleet.trust.current().root;
    let authors = count(root.authors.len(), "author");
    findings.ok(format!("version {} of the trust root is in force, with {authors}", root.version));
    let roles = [
        ("root", &root.root, "replace the trust root"),
        ("roster", &root.roster, "say which clusters belong to the fleet"),
    ];
    for (role, quorum, what) in roles {
        if let Some(text) = no_spare(quorum, what) {
            findings.warning(text, format!("add a key to the role `{role}`: hanse trust edit"));
        }
    }
}

/// What is lost with a key of a role in which every key is needed.
fn no_spare(quorum: &Quorum, what: &str) -> Option<String> {
    if quorum.names.len() > quorum.threshold {
        return None;
    }
    let names: Vec<String> = quorum.names.iter().map(ToString::to_string).collect();
    Some(match names.as_slice() {
        [name] => {
            format!("only {name} can {what}: whoever loses that key cannot do it any more")
        }
        names => format!(
            "only {} together can {what}: when one of these keys is lost, nobody can any more",
            names.join(", ")
        ),
    })
}

/// Whether a key at hand is one of the trust root. Who only reads needs none.
async fn key(hub: &Hub, fleet: &Fleet, findings: &mut Findings) {
    let root = &fleet.trust.current().root;
    let keys: Vec<_> = root.keys.values().cloned().collect();
    match signing::find(hub, &keys).await {
        Ok(signer) => {
            let names = root.names_of(&[signer.public_key().clone()].into());
            let name = names.first().map(ToString::to_string).unwrap_or_default();
            findings.ok(format!("you sign as {name}, with {}", signer.public_key().fingerprint()));
            let file = signing::key_file(hub, &keys);
            file.as_deref().into_iter().for_each(|file| apart_from_hub(file, findings));
        }
        Err(failure) => findings.warning(
            format!("you can read and not sign: {}", failure.summary()),
            failure.hint_text().unwrap_or_default().to_owned(),
        ),
    }
}

/// What a hub keeps beside its database and its keys.
const HUB_FILE: &str = "hub.json";

/// A stolen hub can sign nothing, unless the key is stolen with it.
fn apart_from_hub(file: &Path, findings: &mut Findings) {
    // A public key is no secret; the private one may be beside it.
    let file = if file.extension().is_some_and(|end| end == "pub") {
        file.with_extension("")
    } else {
        file.to_owned()
    };
    let Ok(file) = file.canonicalize() else { return };
    if file.with_file_name(HUB_FILE).exists() {
        findings.warning(
            "the key is on the hub's machine: who steals the hub has it".to_owned(),
            format!(
                "move {} to a machine of your own, and name it as `signingKey` of the context there",
                escape(&file.display().to_string())
            ),
        );
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_key_beside_a_hub_is_warned_of() {
        let directory = tempfile::tempdir().unwrap();
        let warned = |name: &str| {
            let mut findings = Findings::default();
            findings.section("trust");
            apart_from_hub(&directory.path().join(name), &mut findings);
            findings.text().contains("who steals the hub has it")
        };
        for name in ["admin.key", "alone.pub"] {
            std::fs::write(directory.path().join(name), "").unwrap();
        }
        assert!(!warned("admin.key"), "there is no hub");
        std::fs::write(directory.path().join(HUB_FILE), "{}").unwrap();
        assert!(warned("admin.key") && warned("admin.key.pub"));
        assert!(!warned("alone.pub"), "the private key is elsewhere");
        let link = directory.path().join("elsewhere");
        std::fs::create_dir(&link).unwrap();
        std::os::unix::fs::symlink("../admin.key", link.join("key")).unwrap();
        assert!(warned("elsewhere/key"));
    }

    #[test]
    fn a_role_without_a_spare_key_is_warned_of() {
        let warned = |threshold, names: &[&str]| {
            let names = names.iter().map(|name| name.parse().unwrap()).collect();
            no_spare(&Quorum { threshold, names }, "do it")
        };
        assert!(warned(1, &["ann"]).unwrap().contains("only ann can do it"));
        assert!(warned(2, &["ann", "bob"]).unwrap().contains("only ann, bob together can do it"));
        assert_eq!((warned(1, &["ann", "bob"]), warned(2, &["ann", "bob", "eve"])), (None, None));
    }

    #[test]
    fn what_is_believed_is_said() {
        let mut findings = Findings::default();
        findings.section("trust");
        report(&fleet::example(""), false, &mut findings);
        let text = anstream::adapter::strip_str(&findings.text()).to_string();
        insta::assert_snapshot!(text, @r"
        trust
          ‼ the fleet sha256:febae65ac6263fb4bcc0b77966cba026cf79631265aa114d960cddc237896529 was taken as the hub showed it
            hint: compare it with `hanse trust show` on another author's machine
          √ every statement up to 4 is signed by whom the trust root allowed it
          √ version 1 of the trust root is in force, with 1 author
          ‼ only ann can replace the trust root: whoever loses that key cannot do it any more
            hint: add a key to the role `root`: hanse trust edit
          ‼ only ann can say which clusters belong to the fleet: whoever loses that key cannot do it any more
            hint: add a key to the role `roster`: hanse trust edit

        In order, with 3 warnings.
        ");
    }
}
