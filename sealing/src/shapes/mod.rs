//! What a person has in hand (an env file, a registry's login, a certificate) as the data of a
//! Secret, and what Kubernetes asks of each type. Pure: the files are read elsewhere.

mod docker;
mod env_file;
mod pairs;
mod types;

pub use docker::{DockerLogin, from_docker_login};
pub use env_file::from_env_file;
pub use pairs::{from_basic_auth, from_ssh_key, from_tls};
pub use types::{BASIC_AUTH, DOCKER_CONFIG, DOCKER_CONFIG_JSON, OPAQUE, SSH_AUTH, TLS, check_type};

use crate::data::DataError;

/// Input that makes no secret. No value is in it, and no text of the input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// A key or a size that a Secret cannot have.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A line of an env file.
    #[error("line {line} of the env file {problem}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A key that the type asks for.
    #[error("a secret of the type {secret_type} needs {needs}")]
    Missing {
        /// The type.
        secret_type: &'static str,
        /// Its key or keys.
        needs: &'static str,
    },
    /// A value that is not what the type says.
    #[error("`{key}` {problem}")]
    Value {
        /// The value's key.
        key: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A type whose secrets the cluster makes for itself.
    #[error("secrets of the type {secret_type} are not distributed: {why}")]
    Refused {
        /// The type.
        secret_type: &'static str,
        /// Why.
        why: &'static str,
    },
}
