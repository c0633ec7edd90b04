//! Keys that stay in ssh-agent.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hanse_domain::trust::signature::{PublicKey, signed_bytes};
use ssh_agent_client_rs::{Client, Error, Identity};

use crate::checked;

/// How long the agent may take to list its keys.
const LIST: Duration = Duration::from_secs(5);

/// How long the agent may take to sign: a person touches a token or answers a question meanwhile.
const SIGN: Duration = Duration::from_mins(2);

/// Why the agent does not help.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Nobody answers at the socket.
    #[error("no ssh-agent answers at {path}: {error}")]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// It answers in a way that is not understood.
    #[error("the ssh-agent at {path} answers what cannot be understood: {why}")]
    Confused {
        /// The socket.
        path: PathBuf,
        /// What is wrong with the answer.
        why: String,
    },
    /// It did not sign: the key is gone, or the person said no, or the token was not touched.
    #[error("ssh-agent refused to sign with {}", key.fingerprint())]
    Refused {
        /// The key.
        key: Box<PublicKey>,
    },
    /// It took too long.
    #[error("the ssh-agent at {path} did not answer in {} s", after.as_secs())]
    Late {
        /// The socket.
        path: PathBuf,
        /// How long it had.
        after: Duration,
    },
    /// What it signed does not verify.
    #[error("ssh-agent's signature with {} does not verify", key.fingerprint())]
    Faulty {
        /// The key.
        key: Box<PublicKey>,
    },
}

/// An ssh-agent.
#[derive(Clone, Debug)]
pub struct Agent {
    path: PathBuf,
}

impl Agent {
    /// The agent at a socket, as `SSH_AUTH_SOCK` names it. It is connected to when it is asked.
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// The keys that may sign, in the agent's order. Others, and certificates, are left out.
    pub fn keys(&self) -> Result<Vec<PublicKey>, AgentError> {
        let identities =
            self.client(LIST)?.list_all_identities().map_err(|e| self.failed(e, LIST))?;
        let key = |identity| match identity {
            Identity::PublicKey(key) => PublicKey::from_key_data(key.key_data().clone()).ok(),
            Identity::Certificate(_) => None,
        };
        Ok(identities.into_iter().filter_map(key).collect())
    }

    /// The PEM block of a signature over the message.
    pub fn sign(&self, key: &PublicKey, message: &[u8]) -> Result<Vec<u8>, AgentError> {
        let public = ssh_key::PublicKey::new(key.key_data().clone(), "");
        let signature = match self.client(SIGN)?.sign(public, &signed_bytes(message)) {
            Err(Error::RemoteFailure) => {
                return Err(AgentError::Refused { key: Box::new(key.clone()) });
            }
            signature => signature.map_err(|e| self.failed(e, SIGN))?,
        };
        checked(key, message, &signature)
            .ok_or_else(|| AgentError::Faulty { key: Box::new(key.clone()) })
    }

    fn client(&self, timeout: Duration) -> Result<Client, AgentError> {
        let connect = || {
            let stream = UnixStream::connect(&self.path)?;
            stream.set_read_timeout(Some(timeout))?;
            stream.set_write_timeout(Some(timeout))?;
            Ok(stream)
        };
        let stream = connect()
            .map_err(|error| AgentError::Unreachable { path: self.path.clone(), error })?;
        Ok(Client::with_read_write(Box::new(stream)))
    }

    fn failed(&self, error: Error, after: Duration) -> AgentError {
        let path = self.path.clone();
        match error {
            Error::AgentCommunicationError(error)
                if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) =>
            {
                AgentError::Late { path, after }
            }
            Error::AgentCommunicationError(error) => AgentError::Unreachable { path, error },
            Error::UnknownMessageType(_)
            | Error::InvalidMessage(_)
            | Error::SSHKey(_)
            | Error::SSHEncoding(_)
            | Error::RemoteFailure => AgentError::Confused { path, why: error.to_string() },
        }
    }
}
