//! The wire of Hanse, generated from `hanse/*/v1/*.proto`, and nothing else: conversions live where
//! the wire meets the domain. JSON is protobuf's own mapping and the stable form for scripts.

/// The generated code of all packages, nested as protobuf nests them.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic, reason = "generated")]
pub mod hanse {
    pub mod admin {
        pub mod v1 {
            include!(concat!(env!("OUT_DIR"), "/hanse.admin.v1.rs"));
            include!(concat!(env!("OUT_DIR"), "/hanse.admin.v1.serde.rs"));
        }
    }
    pub mod agent {
        pub mod v1 {
            include!(concat!(env!("OUT_DIR"), "/hanse.agent.v1.rs"));
            include!(concat!(env!("OUT_DIR"), "/hanse.agent.v1.serde.rs"));
        }
    }
    pub mod enroll {
        pub mod v1 {
            include!(concat!(env!("OUT_DIR"), "/hanse.enroll.v1.rs"));
            include!(concat!(env!("OUT_DIR"), "/hanse.enroll.v1.serde.rs"));
        }
    }
}

pub use hanse::{admin::v1 as admin, agent::v1 as agent, enroll::v1 as enroll};

/// The compiled descriptors of every service, so that a test can walk them.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
