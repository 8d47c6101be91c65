//! Sets `cfg(loom)` for this package alone. As a flag for the whole build it would change tokio and others, too.

fn main() {
    println!("cargo::rustc-cfg=loom");
    println!("cargo::rerun-if-changed=build.rs");
}
