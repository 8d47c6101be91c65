//! Compiles the shop's words without protoc: protox parses them in Rust.

const WORDS: &str = "../../proto/shop.proto";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed={WORDS}");
    let files = protox::compile([WORDS], ["../../proto"])?;
    tonic_prost_build::configure().compile_fds(files)?;
    Ok(())
}
