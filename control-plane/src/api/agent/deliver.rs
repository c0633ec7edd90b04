//! What a stream delivers: the newest bundle, when the agent has not got it.

use hanse_domain::ids::{ClusterId, Generation};
use hanse_proto::agent::session_response::Message as Out;

use super::session::{Live, Talk};
use crate::api::convert;
use crate::service::ServiceError;
use crate::service::delivery::Delivery;
use crate::service::sessions::Seen;

impl Talk {
    /// Sends the newest bundle, unless the agent has it.
    pub(super) async fn deliver(&mut self, live: &mut Live) -> Result<(), ServiceError> {
        let id = self.row.id;
        match self.services.delivery.bundle_for(id, live.have).await? {
            Delivery::Nothing => {}
            Delivery::Bundle(bundle) => {
                live.have = Some((bundle.generation, bundle.digest));
                if std::mem::take(&mut live.complained) {
                    let seen = self.services.sessions.seen(id).unwrap_or_default();
                    live.session.set_seen(Seen { ahead: None, ..seen });
                }
                self.out.push_back(Out::Bundle(convert::bundle(*bundle)));
            }
            Delivery::Ahead { ours } => self.complain(live, id, ours),
        }
        Ok(())
    }

    /// The agent holds more than this hub knows of: once a stream is enough to say so.
    fn complain(&self, live: &mut Live, id: ClusterId, ours: Generation) {
        if std::mem::replace(&mut live.complained, true) {
            return;
        }
        let theirs = live.have.map(|(generation, _)| generation);
        tracing::error!(
            cluster.id = %id,
            "cluster {} ({id}) holds generation {}, newer than this hub's {ours}: the hub was restored \
             from an old backup; nothing is delivered",
            self.row.name,
            theirs.unwrap_or_default()
        );
        let seen = self.services.sessions.seen(id).unwrap_or_default();
        live.session.set_seen(Seen { ahead: theirs, ..seen });
    }
}
