//! Shows a new server certificate each day, long before the old one ends.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::auth::CertificateAuthority;
use crate::net::TlsConfig;
use crate::service::ServiceError;

const PAUSE: Duration = Duration::from_hours(24);

/// Runs until `soft`.
pub async fn run(
    ca: Arc<CertificateAuthority>,
    names: Vec<String>,
    listeners: Vec<Arc<TlsConfig>>,
    soft: CancellationToken,
) -> Result<(), ServiceError> {
    while soft.run_until_cancelled(sleep(PAUSE)).await.is_some() {
        match ca.issue_server(&names, Timestamp::now()) {
            Ok(identity) => {
                for listener in &listeners {
                    if let Err(error) = listener.replace_identity(&identity) {
                        tracing::error!(%error, "the new server certificate cannot be shown");
                    }
                }
            }
            Err(error) => tracing::error!(%error, "cannot make a new server certificate"),
        }
    }
    Ok(())
}
