//! Whom one believes: the pinned fleet, what was verified, and the key that signs.

use hanse_domain::fleet::Fleet;

use super::findings::Findings;
use crate::change::signing;
use crate::config::FleetPin;
use crate::failure::Outcome;
use crate::fleet;
use crate::hub::Hub;
use crate::text::count;

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
    if root.keys.len() == 1 {
        findings.warning(
            "one key signs everything: who loses it cannot change the fleet any more".to_owned(),
            "add a second one to the role `root`: hanse trust edit",
        );
    }
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
        }
        Err(failure) => findings.warning(
            format!("you can read and not sign: {}", failure.summary()),
            failure.hint_text().unwrap_or_default().to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
          ‼ one key signs everything: who loses it cannot change the fleet any more
            hint: add a second one to the role `root`: hanse trust edit

        In order, with 2 warnings.
        ");
    }
}
