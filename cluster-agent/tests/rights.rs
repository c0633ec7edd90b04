//! The rights that `deploy/agent/rbac*.yaml` give, as the API server sees them.

mod common;

use common::{Bed, Outcome, eventually};
use hanse_agent::kube::access::{self, Right};
use hanse_agent::kube::writers::Model;
use kube::Client;

async fn having(client: &Client, rights: &[Right], wanted: bool) -> Outcome<Vec<String>> {
    let mut found = Vec::new();
    for right in rights {
        if access::has(client, right).await? == wanted {
            found.push(right.to_string());
        }
    }
    Ok(found)
}

async fn what_it_needs_and_no_more(bed: &Bed, model: Model) -> Outcome {
    let agent = bed.agent().await?;
    // RBAC takes a moment to be enforced.
    let needed = [access::needed(model), access::inventory()].concat();
    eventually("the needed rights", async || Ok(having(&agent, &needed, false).await?.is_empty()))
        .await?;
    let none: [String; 0] = [];
    let forbidden = access::forbidden(model);
    eventually("no other rights", async || Ok(having(&agent, &forbidden, true).await?.is_empty()))
        .await?;

    // The same questions tell an administrator from the agent, so they can fail.
    let admin = bed.admin().await?;
    assert_eq!(having(&admin, &forbidden, false).await?, none);
    let nobody = bed.cluster().client_for("nobody", None).await?;
    assert_eq!(having(&nobody, &needed, true).await?, none);
    Ok(())
}

#[tokio::test]
async fn the_agent_may_what_it_needs_and_no_more() -> Outcome {
    let bed = Bed::fenced(Model::Bind).await?;
    what_it_needs_and_no_more(&bed, Model::Bind).await?;
    bed.fence(Model::Impersonate).await?;
    what_it_needs_and_no_more(&bed, Model::Impersonate).await
}
