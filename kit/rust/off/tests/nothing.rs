//! Builds the program with and without the kit and compares what is in it.

use std::path::{Path, PathBuf};
use std::process::Command;

fn cargo() -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo
}

/// Builds the program with `features` into a folder of its own.
fn build(features: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join(features);
    let status = cargo()
        .args(["build", "--release", "--quiet", "--offline", "--features", features, "--target-dir"])
        .arg(&target)
        .status()
        .expect("cargo runs");
    assert!(status.success(), "build with {features}");
    target.join("release").join("clew-off")
}

fn run(program: &Path) -> String {
    let output = Command::new(program).env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9").output().expect("it runs");
    assert!(output.status.success());
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Names of the kit in the program's bytes: paths of its modules stand in symbols and in the places of panics.
fn traces_of_the_kit(program: &Path) -> usize {
    let bytes = std::fs::read(program).expect("the program");
    let count = |needle: &[u8]| bytes.windows(needle.len()).filter(|w| *w == needle).count();
    // The crate's own name has a dash and the workspace's folder none of these.
    count(b"4clew") + count(b"clew::") + count(b"clew/src/")
}

#[test]
fn without_the_kit_nothing_of_it_is_in_the_program() {
    let (off, kit) = (build("off"), build("kit"));
    assert_eq!(run(&off), "headers 0\nthreads 1\n");
    let with = run(&kit);
    assert!(with.contains("headers 1\n") || with.contains("headers 2\n"), "{with}");
    assert!(!with.contains("threads 1\n"), "the control has the kit's threads: {with}");
    assert_eq!(traces_of_the_kit(&off), 0);
    assert!(traces_of_the_kit(&kit) > 100, "the control has the kit in it");
}

#[test]
fn without_the_kit_the_crate_depends_on_tracing_alone() {
    let output =
        cargo().args(["tree", "--offline", "--edges", "normal", "--prefix", "none", "--features", "off"]).output().expect("cargo runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let mut names: Vec<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names, ["clew", "clew-off", "pin-project-lite", "tracing", "tracing-core"]);
}

/// The crates that a program gets with the kit, itself left out.
fn weight(features: &str) -> usize {
    let output = Command::new(env!("CARGO"))
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../clew"))
        .args(["tree", "--offline", "--edges", "normal", "--prefix", "none", "--no-default-features", "--features", features])
        .output()
        .expect("cargo runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let mut names: Vec<&str> = text.lines().map(|line| line.trim_end_matches(" (*)")).filter(|l| !l.is_empty()).collect();
    names.sort_unstable();
    names.dedup();
    assert!(names.len() > 5, "{text}");
    names.len()
}

#[test]
fn the_kit_is_light() {
    let (plain, tls) = (weight("kit"), weight("kit,tls"));
    assert!(plain <= 12, "{plain} crates without TLS");
    assert!(tls <= 40, "{tls} crates with TLS");
}
