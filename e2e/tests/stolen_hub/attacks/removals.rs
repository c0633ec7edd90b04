//! Condition 5: that whoever took something away might.

use anyhow::Result;
use hanse_domain::fleet::Edit;
use hanse_proto::agent::session_response::Message;

use super::{Attack, Heist, within_limits};

pub(super) const ALL: [Attack; 2] = [
    Attack {
        name: "a document that is left out",
        condition: 5,
        says: "FederatedRoleBinding/shop-devs is left out",
        make: left_out,
    },
    Attack {
        name: "a document removed by an author who may not",
        condition: 5,
        says: "may not sign FederatedRoleBinding/shop-devs",
        make: removed,
    },
];

fn left_out(heist: &Heist<'_>) -> Result<Vec<Message>> {
    let mut draft = heist.past.draft(within_limits("x"))?;
    draft.manifest(heist.here)?.documents.remove(&"FederatedRoleBinding/shop-devs".parse()?);
    heist.show(&heist.past.and(draft, &[&heist.keys.lim])?)
}

fn removed(heist: &Heist<'_>) -> Result<Vec<Message>> {
    let edits = vec![Edit::Remove("FederatedRoleBinding/shop-devs".parse()?)];
    heist.show(&heist.past.and(heist.past.draft(edits)?, &[&heist.keys.lim])?)
}
