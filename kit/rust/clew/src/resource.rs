//! Who the service is: gathers what the process knows of itself; what follows from it is decided in `resource_rules`, as in the Go kit.

use std::io::Read;

use crate::resource_rules::{self, Attr, AttrValue, Inputs};
use crate::{Value, ids, wire};

/// The most bytes of a key.
const KEY_BYTES: usize = 256;

/// The most bytes of a file that are looked at.
const FILE_BYTES: u64 = 64 << 10;

/// The resource of this process.
pub struct Resource {
    /// `service.name`.
    pub service: String,
    /// `service.instance.id`.
    pub instance: String,
    /// The encoded message `Resource`, without tag and length.
    pub encoded: Vec<u8>,
    /// What is wrong with the environment; empty when nothing is.
    pub problem: String,
}

fn file(path: &str) -> String {
    let mut text = Vec::new();
    // What cannot be read is as if it were not there.
    let _ = std::fs::File::open(path).and_then(|f| f.take(FILE_BYTES).read_to_end(&mut text));
    String::from_utf8_lossy(&text).into_owned()
}

/// In the words of the semantic conventions.
fn arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "arm" => "arm32",
        "powerpc" => "ppc32",
        "powerpc64" => "ppc64",
        other => other,
    }
}

fn os() -> &'static str {
    match std::env::consts::OS {
        "macos" => "darwin",
        "solaris" => "solaris",
        "dragonfly" => "dragonflybsd",
        other => other,
    }
}

fn host() -> String {
    let name = file("/proc/sys/kernel/hostname");
    let name = if name.is_empty() { file("/etc/hostname") } else { name };
    let name = name.trim().to_owned();
    // Windows says it in the environment.
    if name.is_empty() { std::env::var("COMPUTERNAME").unwrap_or_default() } else { name }
}

/// A random UUID of version 4, as `service.instance.id` should be.
fn uuid() -> String {
    let high = ids::random() & !0xf000 | 0x4000;
    let low = ids::random() & !(0b11 << 62) | 0b10 << 62;
    format!("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32, high >> 16 & 0xffff, high & 0xffff, low >> 48, low & 0xffff_ffff_ffff)
}

/// What the program says wins over what was found out, and the environment over both.
fn merge(attributes: &mut Vec<Attr>, own: &[(String, String)]) {
    for (key, value) in own {
        let key = wire::cut(key, KEY_BYTES);
        match attributes.iter_mut().find(|a| a.key == key) {
            Some(known) if known.env => {}
            Some(known) => known.value = AttrValue::Text(value.clone()),
            None if key.is_empty() => {}
            None => attributes.push(Attr { key: key.to_owned(), value: AttrValue::Text(value.clone()), env: false }),
        }
    }
}

/// Finds out who the service is; `own` are attributes in the words of the program.
pub fn describe(name: &str, version: &str, own: &[(String, String)]) -> Resource {
    let executable =
        std::env::current_exe().ok().and_then(|path| path.file_name().map(|n| n.to_string_lossy().into_owned())).unwrap_or_default();
    let instance = uuid();
    let (mut attributes, problem) = resource_rules::read(&Inputs {
        env: &|name| std::env::var(name).unwrap_or_default(),
        file: &file,
        name,
        version,
        instance: &instance,
        executable: &executable,
        pid: std::process::id().into(),
        host: &host(),
        arch: arch(),
        os: os(),
        language: "rust",
        runtime: "rustc",
        runtime_version: "",
        kit_version: env!("CARGO_PKG_VERSION"),
    });
    merge(&mut attributes, own);
    let mut resource = Resource { service: String::new(), instance, encoded: Vec::new(), problem };
    for attribute in &attributes {
        let value = match &attribute.value {
            AttrValue::Text(text) => Value::Str(text),
            AttrValue::Int(n) => Value::Int(*n),
        };
        match (attribute.key.as_str(), value) {
            ("service.name", Value::Str(text)) => text.clone_into(&mut resource.service),
            ("service.instance.id", Value::Str(text)) => text.clone_into(&mut resource.instance),
            _ => {}
        }
        wire::key_value(&mut resource.encoded, 1, &attribute.key, value, 4096, 128);
    }
    resource
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_wins_over_what_was_found_and_the_environment_over_the_program() {
        let attr = |key: &str, value: &str, env| Attr { key: key.to_owned(), value: AttrValue::Text(value.to_owned()), env };
        let own = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let mut attributes = vec![attr("host.name", "found", false), attr("team", "environment", true)];
        let long = "é".repeat(200);
        merge(
            &mut attributes,
            &[own("host.name", "said"), own("team", "said"), own("", "x"), own("zone", "a"), own("zone", "b"), own(&long, "y")],
        );
        let cut = "é".repeat(KEY_BYTES / 2);
        assert_eq!(
            attributes,
            [attr("host.name", "said", false), attr("team", "environment", true), attr("zone", "b", false), attr(&cut, "y", false)]
        );
    }

    #[test]
    fn a_process_knows_its_service_and_its_program() {
        let resource = describe("orders", "1.4.2", &[("team".to_owned(), "checkout".to_owned())]);
        // The environment of whoever runs the test may name another.
        if std::env::var_os("OTEL_SERVICE_NAME").is_none() && std::env::var_os("OTEL_RESOURCE_ATTRIBUTES").is_none() {
            assert_eq!(resource.service, "orders");
        }
        let lengths: Vec<usize> = resource.instance.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{}", resource.instance);
        assert_eq!(resource.instance.as_bytes()[14], b'4');
        assert!(b"89ab".contains(&resource.instance.as_bytes()[19]), "{}", resource.instance);
        let encoded = String::from_utf8_lossy(&resource.encoded).into_owned();
        for part in ["service.name", "process.pid", "telemetry.sdk.language", "rust", "os.type", "checkout"] {
            assert!(encoded.contains(part), "no {part} in {encoded:?}");
        }
    }
}
