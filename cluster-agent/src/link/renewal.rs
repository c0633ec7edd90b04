//! A new certificate at two thirds of the old one's life, with a new key each time.

use std::time::Duration;

use hanse_proto::agent::RenewCertificateRequest;
use hanse_proto::agent::agent_service_client::AgentServiceClient;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use tonic::transport::Channel;

use crate::identity::store::{IdentityStore, StoreError};
use crate::identity::{
    CertificateError, Credentials, Identity, Request, chain_from_pem, verify_chain,
};

const TIMEOUT: Duration = Duration::from_secs(15);
const SHORTEST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_mins(5);
/// How far a renewal may be from two thirds, as a part of the lifetime.
const JITTER: f64 = 0.05;

/// Why a certificate was not renewed.
#[derive(Debug, thiserror::Error)]
pub(super) enum RenewalError {
    #[error("the hub does not answer in time")]
    Timeout,
    #[error("the hub refuses: {}", .0.message())]
    Refused(Box<tonic::Status>),
    #[error("the new certificate cannot be used")]
    Certificate(#[from] CertificateError),
    #[error("the new certificate cannot be stored")]
    Store(#[from] StoreError),
}

/// When to renew next.
#[derive(Debug)]
pub(super) struct Renewal {
    due: Timestamp,
    retry_at: Option<Instant>,
    warned: Option<Instant>,
}

impl Renewal {
    /// Two thirds into the certificate's life, give or take.
    pub(super) fn plan(credentials: &Credentials) -> Self {
        let lifetime = credentials.lifetime().as_secs_f64();
        let share = 2.0 / 3.0 + (rand::random::<f64>() * 2.0 - 1.0) * JITTER;
        let offset = SignedDuration::try_from_secs_f64((lifetime * share).max(0.0));
        let due = credentials.obtained_at.checked_add(offset.unwrap_or(SignedDuration::ZERO));
        let due = due.unwrap_or(credentials.obtained_at);
        Self { due, retry_at: None, warned: None }
    }

    /// Completes when it is time to renew. Short sleeps, since a clock may be set in between.
    pub(super) async fn wait(&self) {
        if let Some(at) = self.retry_at {
            tokio::time::sleep_until(at).await;
        }
        loop {
            let left = self.due.duration_since(Timestamp::now());
            let Ok(left) = Duration::try_from(left) else {
                return;
            };
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(Duration::from_mins(1))).await;
        }
    }

    /// Notes a failure: the next try comes after a hundredth of the lifetime.
    pub(super) fn failed(&mut self, credentials: &Credentials, error: &RenewalError) {
        let hundredth = Duration::try_from(credentials.lifetime() / 100).unwrap_or_default();
        let delay = hundredth.clamp(SHORTEST_RETRY, LONGEST_RETRY);
        self.retry_at = Some(Instant::now() + delay);
        let why = crate::terminal::chain(error);
        tracing::info!("the certificate is not renewed yet: {why}");
        self.warn_if_late(credentials, Timestamp::now());
    }

    /// Warns, at most each minute, when less than a quarter of the lifetime is left.
    pub(super) fn warn_if_late(&mut self, credentials: &Credentials, now: Timestamp) {
        let left = credentials.left(now);
        let late = left.as_secs_f64() < credentials.lifetime().as_secs_f64() / 4.0;
        let told = self.warned.is_some_and(|at| at.elapsed() < Duration::from_mins(1));
        if late && !told {
            self.warned = Some(Instant::now());
            let until = credentials.certificate.not_after;
            tracing::warn!("the certificate is valid until {until} and could not be renewed");
        }
    }
}

/// Asks for a new certificate, checks it and stores it.
pub(super) async fn renew(
    client: &mut AgentServiceClient<Channel>,
    identity: &Identity,
    store: &IdentityStore,
) -> Result<Identity, RenewalError> {
    let request = Request::make()?;
    let message = RenewCertificateRequest { csr: request.csr.clone().into() };
    let answer = tokio::time::timeout(TIMEOUT, client.renew_certificate(message))
        .await
        .map_err(|_| RenewalError::Timeout)?
        .map_err(|status| RenewalError::Refused(Box::new(status)))?
        .into_inner();
    let chain: Vec<Vec<u8>> = answer.chain.iter().map(|der| der.to_vec()).collect();
    let now = Timestamp::now();
    let ca = chain_from_pem(&identity.ca_pem)?;
    verify_chain(&chain, ca.first().ok_or(CertificateError::Missing)?, now)?;
    let credentials = Credentials::new(&chain, &request, now)?;
    if credentials.certificate.uri != identity.credentials.certificate.uri {
        return Err(CertificateError::OtherName.into());
    }
    let renewed = Identity { credentials, ..identity.clone() };
    store.save(&renewed).await?;
    Ok(renewed)
}
