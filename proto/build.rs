//! Compiles the protobuf files with a compiler in Rust, so that no `protoc` needs to be installed.

use std::path::PathBuf;

use prost::Message as _;

const FILES: [&str; 7] = [
    "hanse/admin/v1/access.proto",
    "hanse/admin/v1/fleet.proto",
    "hanse/admin/v1/cluster.proto",
    "hanse/admin/v1/drift.proto",
    "hanse/admin/v1/identity.proto",
    "hanse/agent/v1/agent.proto",
    "hanse/enroll/v1/enroll.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for file in FILES {
        println!("cargo:rerun-if-changed={file}");
    }
    let descriptors = protox::compile(FILES, ["."])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let encoded = descriptors.encode_to_vec();
    std::fs::write(out.join("descriptors.bin"), &encoded)?;
    tonic_prost_build::configure()
        .bytes(".")
        .compile_well_known_types(true)
        .extern_path(".google.protobuf", "::pbjson_types")
        .compile_fds(descriptors)?;
    pbjson_build::Builder::new().register_descriptors(&encoded)?.build(&[".hanse"])?;
    Ok(())
}
