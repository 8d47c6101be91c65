//! Says who the service is: the attributes of its OpenTelemetry resource, from its own words, the environment, files of the container and
//! what the process knows of itself. It is one pure function, so that both kits give the same attributes for the same inputs;
//! `kit/contract/resource.json` is run by both.

use std::collections::BTreeMap;

/// All that the attributes depend on. Empty texts stand for what is not known.
pub struct Inputs<'a> {
    /// A variable of the environment.
    pub env: &'a dyn Fn(&str) -> String,
    /// The content of a file.
    pub file: &'a dyn Fn(&str) -> String,
    /// The service's name, in the words of the program.
    pub name: &'a str,
    /// The service's version, in the words of the program.
    pub version: &'a str,
    /// Random; for `service.instance.id`.
    pub instance: &'a str,
    /// The name of the program's file.
    pub executable: &'a str,
    /// The number of the process.
    pub pid: i64,
    /// The name of the host.
    pub host: &'a str,
    /// In the words of the semantic conventions.
    pub arch: &'a str,
    /// In the words of the semantic conventions.
    pub os: &'a str,
    /// `go` or `rust`.
    pub language: &'a str,
    /// The name of the runtime.
    pub runtime: &'a str,
    /// The version of the runtime.
    pub runtime_version: &'a str,
    /// The version of the kit.
    pub kit_version: &'a str,
}

/// One attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attr {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: AttrValue,
    /// The environment says it, so that the program's own attributes do not replace it.
    pub env: bool,
}

/// A value of an attribute of the resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttrValue {
    /// A text.
    Text(String),
    /// A whole number.
    Int(i64),
}

/// The variable with attributes for everything.
const VARIABLE: &str = "OTEL_RESOURCE_ATTRIBUTES";
/// How many attributes the variable may have.
const MAX_ATTRIBUTES: usize = 128;
/// Bytes of a key of the variable; a longer one is malformed.
const MAX_KEY: usize = 256;
/// Bytes of a value; a longer one is cut.
const MAX_VALUE: usize = 4096;
/// Bytes of a file that are looked at.
const MAX_FILE: usize = 65_536;

/// What Kubernetes' downward API is asked for: attribute, variable, and the variable that counts inside a cluster when that is not set.
const KUBERNETES: [(&str, &str, &str); 7] = [
    ("k8s.cluster.name", "K8S_CLUSTER_NAME", ""),
    ("k8s.container.name", "K8S_CONTAINER_NAME", "CONTAINER_NAME"),
    ("k8s.deployment.name", "K8S_DEPLOYMENT_NAME", ""),
    ("k8s.namespace.name", "K8S_NAMESPACE_NAME", "POD_NAMESPACE"),
    ("k8s.node.name", "K8S_NODE_NAME", "NODE_NAME"),
    ("k8s.pod.name", "K8S_POD_NAME", "POD_NAME"),
    ("k8s.pod.uid", "K8S_POD_UID", "POD_UID"),
];

/// Returns the attributes sorted by key. `OTEL_RESOURCE_ATTRIBUTES` wins over what was found out, `OTEL_SERVICE_NAME` over it, and nothing over
/// `telemetry.sdk.*`. The second value says what is wrong with the variable, empty when nothing is; one that is malformed counts as absent.
pub fn read(inputs: &Inputs<'_>) -> (Vec<Attr>, String) {
    let mut found = Found::default();
    let executable = if inputs.executable.is_empty() { "process" } else { inputs.executable };
    found.text("service.name", if inputs.name.is_empty() { format!("unknown_service:{executable}") } else { inputs.name.to_owned() });
    found.text("service.version", inputs.version);
    found.text("service.instance.id", inputs.instance);
    found.text("process.executable.name", inputs.executable);
    found.text("process.runtime.name", inputs.runtime);
    found.text("process.runtime.version", inputs.runtime_version);
    found.text("host.name", inputs.host);
    found.text("host.arch", inputs.arch);
    found.text("os.type", inputs.os);
    found.text("container.id", container_id(inputs.file));
    found.kubernetes(inputs);
    if inputs.pid > 0 {
        found.set("process.pid", AttrValue::Int(inputs.pid), false);
    }
    let problem = match parse(&(inputs.env)(VARIABLE)) {
        Ok(attributes) => {
            attributes.into_iter().for_each(|(key, value)| found.set(&key, AttrValue::Text(value), true));
            String::new()
        }
        Err(problem) => problem,
    };
    let name = (inputs.env)("OTEL_SERVICE_NAME");
    if !name.is_empty() {
        found.set("service.name", AttrValue::Text(cut(&name).to_owned()), true);
    }
    for (key, value) in
        [("telemetry.sdk.name", "clew"), ("telemetry.sdk.language", inputs.language), ("telemetry.sdk.version", inputs.kit_version)]
    {
        found.set(key, AttrValue::Text(value.to_owned()), true);
    }
    (found.0.into_iter().map(|(key, (value, env))| Attr { key, value, env }).collect(), problem)
}

#[derive(Default)]
struct Found(BTreeMap<String, (AttrValue, bool)>);

impl Found {
    fn set(&mut self, key: &str, value: AttrValue, env: bool) {
        self.0.insert(key.to_owned(), (value, env));
    }

    /// Sets a text unless it is empty.
    fn text(&mut self, key: &str, value: impl AsRef<str>) {
        let value = value.as_ref();
        if !value.is_empty() {
            self.set(key, AttrValue::Text(cut(value).to_owned()), false);
        }
    }

    fn kubernetes(&mut self, inputs: &Inputs<'_>) {
        let env = inputs.env;
        let inside = !env("KUBERNETES_SERVICE_HOST").is_empty();
        if inside {
            self.text("k8s.namespace.name", (inputs.file)("/var/run/secrets/kubernetes.io/serviceaccount/namespace").trim_matches(SPACE));
            self.text("k8s.pod.name", env("HOSTNAME"));
        }
        for (key, variable, plain) in KUBERNETES {
            if inside && !plain.is_empty() {
                self.text(key, env(plain));
            }
            self.text(key, env(variable));
        }
    }
}

const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

fn cut(text: &str) -> &str {
    let mut end = text.len().min(MAX_VALUE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Reads `key=value,…` with percent-encoding on both sides. A key that comes again replaces the value.
fn parse(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut out = Vec::new();
    for (i, element) in text.split(',').enumerate() {
        let element = element.trim_matches(SPACE);
        if element.is_empty() {
            continue;
        }
        let wrong = |what: &str| format!("parse {VARIABLE}: element {}: {what}; the variable counts as absent", i + 1);
        let (key, value) = element.split_once('=').ok_or_else(|| wrong("no ="))?;
        let decoded = |s: &str| decode(s.trim_matches(SPACE)).ok_or_else(|| wrong("not percent-encoded UTF-8"));
        let (key, value) = (decoded(key)?, decoded(value)?);
        if key.is_empty() || key.len() > MAX_KEY {
            return Err(wrong("the key has no or over 256 bytes"));
        }
        if out.len() == MAX_ATTRIBUTES {
            return Err(wrong("over 128 attributes"));
        }
        out.push((key, cut(&value).to_owned()));
    }
    Ok(out)
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [c, tail @ ..] = rest {
        rest = tail;
        if *c != b'%' {
            bytes.push(*c);
            continue;
        }
        let [high, low, tail @ ..] = rest else {
            return None;
        };
        bytes.push((char::from(*high).to_digit(16)? << 4 | char::from(*low).to_digit(16)?) as u8);
        rest = tail;
    }
    String::from_utf8(bytes).ok()
}

/// Finds the 64 digits that container runtimes give: anywhere in the control group's path, or behind `containers/` in the mounts, where other
/// digests of that length stand too.
fn container_id(file: &dyn Fn(&str) -> String) -> String {
    let cgroup = file("/proc/self/cgroup");
    if let Some(id) = digest(head(&cgroup)) {
        return id.to_owned();
    }
    let mounts = file("/proc/self/mountinfo");
    let mut rest = head(&mounts);
    while let Some(at) = rest.find("containers/") {
        rest = &rest[at + "containers/".len()..];
        let end = rest.bytes().position(|c| !hex(c)).unwrap_or(rest.len());
        if end == 64 {
            return rest[..end].to_owned();
        }
    }
    String::new()
}

fn head(text: &str) -> &str {
    let mut end = text.len().min(MAX_FILE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn hex(c: u8) -> bool {
    matches!(c, b'0'..=b'9' | b'a'..=b'f')
}

/// The first run of exactly 64 lower-case hex digits.
fn digest(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let run = bytes[at..].iter().take_while(|c| hex(**c)).count();
        if run == 64 {
            return Some(&text[at..at + run]);
        }
        at += run + 1;
    }
    None
}
