//! The rights that `deploy/agent/rbac.yaml` gives, as the API server sees them.

mod common;

use common::{Bed, Outcome, eventually};
use hanse_agent::kube::access::{self, Right};
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

#[tokio::test]
async fn the_agent_may_what_it_needs_and_no_more() -> Outcome {
    let bed = Bed::with_agent().await?;
    let agent = bed.agent().await?;
    // RBAC takes a moment to be enforced.
    let needed = access::needed();
    eventually("the needed rights", async || Ok(having(&agent, &needed, false).await?.is_empty()))
        .await?;
    let none: [String; 0] = [];
    assert_eq!(having(&agent, &access::forbidden(), true).await?, none);

    // The same questions tell an administrator from the agent, so they can fail.
    let admin = bed.admin().await?;
    assert_eq!(having(&admin, &access::forbidden(), false).await?, none);
    let nobody = bed.cluster().client_for("nobody", None).await?;
    assert_eq!(having(&nobody, &needed, true).await?, none);
    Ok(())
}
