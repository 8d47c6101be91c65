//! The environment variables that the kit honours; those of the exporter are read where they are used. A value that is unknown or contradicts
//! another is told in one line, and the default holds.

use std::time::Duration;

use crate::Level;
use crate::config::Config;
use crate::policy::LogLevel;
use crate::sampling::{Ratio, Threshold};
use crate::span::limits::Limits;

/// Gives a variable; `None` when it is not set.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What the environment says beside the [`Config`].
#[derive(Debug)]
pub struct Environment {
    /// Nothing is to be recorded or sent.
    pub disabled: bool,
    /// `traceparent` and `tracestate` are read and written.
    pub context: bool,
    /// `baggage` is read and written.
    pub baggage: bool,
    /// The flag `random` is written.
    pub random_flag: bool,
    /// Between two collections of metrics; zero is the default.
    pub metric_interval: Duration,
    /// Where policies are asked for; empty for nowhere.
    pub policy_url: String,
    /// Of each question for policies.
    pub policy_headers: Vec<(String, String)>,
    /// Where the last good policy is kept; empty for nowhere.
    pub policy_cache: String,
}

const POLICY_PATH: &str = "/api/kit/policy";

struct Reader<'a> {
    lookup: Lookup<'a>,
    config: &'a mut Config,
}

/// Reads the environment into the configuration, which it wins over.
pub fn read(lookup: Lookup<'_>, config: &mut Config, limits: &mut Limits) -> Environment {
    let mut reader = Reader { lookup, config };
    let mut environment = Environment {
        disabled: reader.boolean("OTEL_SDK_DISABLED"),
        context: true,
        baggage: true,
        random_flag: true,
        metric_interval: Duration::ZERO,
        policy_url: String::new(),
        policy_headers: Vec::new(),
        policy_cache: reader.text("CLEW_POLICY_CACHE"),
    };
    reader.sampler();
    reader.propagators(&mut environment);
    reader.limits(limits);
    reader.levels();
    match reader.text("CLEW_TRACE_FLAGS_LEVEL").as_str() {
        "" | "2" => {}
        "1" => environment.random_flag = false,
        v => reader.refuse(format!("CLEW_TRACE_FLAGS_LEVEL={v:?}: write 1 or 2; roots use level 2")),
    }
    let v = reader.text("OTEL_METRIC_EXPORT_INTERVAL");
    match number(&v, 100, 24 * 3600 * 1000) {
        Some(ms) => environment.metric_interval = Duration::from_millis(ms as u64),
        None if v.is_empty() => {}
        None => reader.refuse(format!("OTEL_METRIC_EXPORT_INTERVAL={v:?}: write milliseconds from 100; collecting every 15 s")),
    }
    let url = Some(reader.text("CLEW_POLICY_URL")).filter(|url| !url.is_empty()).unwrap_or_else(|| reader.text("CLEW_ENDPOINT"));
    if !url.is_empty() {
        // With the path or without it, as the Go kit takes it.
        let mut base = url.trim_end_matches('/');
        let whole;
        if !base.contains("://") {
            reader.refuse("CLEW_POLICY_URL, or else CLEW_ENDPOINT: it has no scheme; http:// is taken".to_owned());
            whole = format!("http://{base}");
            base = &whole;
        }
        environment.policy_url = format!("{}{POLICY_PATH}", base.strip_suffix(POLICY_PATH).unwrap_or(base));
    }
    let (headers, wrong) = crate::export::policy_headers(lookup);
    environment.policy_headers = headers;
    reader.config.refused.extend(wrong);
    environment
}

fn number(text: &str, least: usize, most: usize) -> Option<usize> {
    text.parse().ok().filter(|n| (least..=most).contains(n))
}

/// Splits at commas and leaves out what is empty.
fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

impl Reader<'_> {
    /// A variable without spaces around it, empty when it is not set, which OpenTelemetry takes for the same.
    fn text(&self, name: &str) -> String {
        (self.lookup)(name).unwrap_or_default().trim().to_owned()
    }

    fn refuse(&mut self, line: String) {
        self.config.refused.push(line);
    }

    fn boolean(&mut self, name: &str) -> bool {
        let v = self.text(name);
        match v.to_ascii_lowercase().as_str() {
            "true" => return true,
            "" | "false" => {}
            _ => self.refuse(format!("{name}={v:?}: write true or false; it is false")),
        }
        false
    }

    /// Maps the samplers of OpenTelemetry. All of them respect a parent here, and every ratio is a consistent one.
    fn sampler(&mut self) {
        let (name, arg) = (self.text("OTEL_TRACES_SAMPLER"), self.text("OTEL_TRACES_SAMPLER_ARG"));
        let threshold = match name.strip_prefix("parentbased_").unwrap_or(&name) {
            "" => {
                if !arg.is_empty() {
                    self.refuse(format!(
                        "OTEL_TRACES_SAMPLER_ARG={arg:?} without OTEL_TRACES_SAMPLER: set that to parentbased_traceidratio; the argument is not used"
                    ));
                }
                return;
            }
            "always_on" => Threshold(0),
            "always_off" => Threshold::NEVER,
            // The specification's default is 1.
            "traceidratio" if arg.is_empty() => Threshold(0),
            "traceidratio" => match Ratio::parse(&arg) {
                Ok(ratio) => ratio.threshold(),
                Err(error) => {
                    self.refuse(format!("OTEL_TRACES_SAMPLER_ARG={arg:?}: {error}; all traces are kept"));
                    Threshold(0)
                }
            },
            _ => {
                return self.refuse(format!(
                    "OTEL_TRACES_SAMPLER={name:?}: not known; write always_on, always_off, traceidratio or one of them after parentbased_; the variable counts as absent"
                ));
            }
        };
        self.config.own.sampling.threshold = Some(threshold);
    }

    fn propagators(&mut self, environment: &mut Environment) {
        let v = self.text("OTEL_PROPAGATORS");
        if v.is_empty() {
            return;
        }
        let (mut context, mut baggage) = (false, false);
        for name in list(&v) {
            match name.as_str() {
                // B3 is always read when there is no traceparent, and never written.
                "tracecontext" | "b3" | "b3multi" => context = true,
                "baggage" => baggage = true,
                "none" if !v.contains(',') => {}
                "none" => {
                    return self.refuse(format!("OTEL_PROPAGATORS={v:?}: none stands beside others; using tracecontext,baggage"));
                }
                _ => {
                    return self.refuse(format!(
                        "OTEL_PROPAGATORS={v:?}: {name:?} is not known; write tracecontext, baggage, b3, b3multi or none"
                    ));
                }
            }
        }
        (environment.context, environment.baggage) = (context, baggage);
    }

    /// The narrower variable comes after the wider one, and so wins.
    fn limits(&mut self, limits: &mut Limits) {
        const MOST: usize = 10_000;
        self.limit(&mut limits.value_bytes, 64 << 10, "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT");
        self.limit(&mut limits.value_bytes, 64 << 10, "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT");
        self.limit(&mut limits.attributes, MOST, "OTEL_ATTRIBUTE_COUNT_LIMIT");
        self.limit(&mut limits.attributes, MOST, "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT");
        self.limit(&mut limits.events, MOST, "OTEL_SPAN_EVENT_COUNT_LIMIT");
        self.limit(&mut limits.links, MOST, "OTEL_SPAN_LINK_COUNT_LIMIT");
        self.limit(&mut limits.event_attributes, MOST, "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT");
        self.limit(&mut limits.link_attributes, MOST, "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT");
    }

    fn limit(&mut self, to: &mut usize, most: usize, name: &str) {
        let v = self.text(name);
        if v.is_empty() {
            return;
        }
        match number(&v, 0, most) {
            Some(n) => *to = n,
            None => self.refuse(format!("{name}={v:?}: write a number from 0 to {most}; the limit is {to}")),
        }
    }

    fn levels(&mut self) {
        let v = self.text("CLEW_LEVEL");
        if !v.is_empty() {
            match Level::parse(&v.to_ascii_lowercase()) {
                Some(level) => self.config.own.level = Some(level),
                None => self.refuse(format!(
                    "CLEW_LEVEL={v:?}: write off, edges, standard or detailed; the level is {}",
                    self.config.own.level.unwrap_or_default().name()
                )),
            }
        }
        let v = self.text("CLEW_LOG_LEVEL");
        if !v.is_empty() {
            match LogLevel::parse(&v.to_ascii_lowercase()) {
                Some(level) => self.config.own.log_level = Some(level),
                None => self.refuse(format!(
                    "CLEW_LOG_LEVEL={v:?}: write trace, debug, info, warn or error; the level is {}",
                    self.config.own.log_level.unwrap_or_default().name()
                )),
            }
        }
        let v = self.text("CLEW_PROPAGATE_TO");
        if !v.is_empty() {
            self.config.own.propagate_to = Some(list(&v));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::limits::LIMITS;

    fn read_all(variables: &[(&str, &str)]) -> (Environment, Config, Limits) {
        let lookup = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        let (mut config, mut limits) = (Config::new("orders", "1"), LIMITS);
        let environment = read(&lookup, &mut config, &mut limits);
        (environment, config, limits)
    }

    #[test]
    fn an_empty_environment_changes_nothing() {
        let (environment, config, limits) = read_all(&[("OTEL_SDK_DISABLED", ""), ("OTEL_PROPAGATORS", " ")]);
        assert!(!environment.disabled && environment.context && environment.baggage && environment.random_flag);
        assert!(config.refused.is_empty(), "{:?}", config.refused);
        assert_eq!(config.own, crate::policy::Document::default());
        assert_eq!((limits.attributes, limits.value_bytes), (128, 4096));
    }

    #[test]
    fn what_is_known_is_honoured() {
        let (environment, config, limits) = read_all(&[
            ("OTEL_SDK_DISABLED", "TRUE"),
            ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.1"),
            ("OTEL_PROPAGATORS", "tracecontext"),
            ("OTEL_ATTRIBUTE_COUNT_LIMIT", "10"),
            ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "20"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "2000"),
            ("CLEW_TRACE_FLAGS_LEVEL", "1"),
            ("CLEW_LEVEL", "Detailed"),
            ("CLEW_LOG_LEVEL", "warn"),
            ("CLEW_PROPAGATE_TO", "a.example, .b.example"),
            ("CLEW_ENDPOINT", "http://clew:7373/"),
        ]);
        assert!(environment.disabled && environment.context && !environment.baggage && !environment.random_flag);
        assert_eq!(environment.metric_interval, Duration::from_secs(2));
        assert_eq!(environment.policy_url, "http://clew:7373/api/kit/policy");
        assert_eq!(config.own.sampling.threshold.map(|t| t.to_string()).as_deref(), Some("e666"));
        assert_eq!(config.own.level, Some(Level::Detailed));
        assert_eq!(config.own.log_level, Some(LogLevel::Warn));
        assert_eq!(config.own.propagate_to, Some(vec!["a.example".to_owned(), ".b.example".to_owned()]));
        assert_eq!(limits.attributes, 20);
        assert!(config.refused.is_empty(), "{:?}", config.refused);
    }

    #[test]
    fn policies_are_asked_for_at_a_base_or_at_its_path() {
        for (name, value) in [
            ("CLEW_POLICY_URL", "http://clew:7373"),
            ("CLEW_POLICY_URL", "http://clew:7373/api/kit/policy"),
            ("CLEW_POLICY_URL", "http://clew:7373/api/kit/policy/"),
            ("CLEW_ENDPOINT", "http://clew:7373/"),
            ("CLEW_ENDPOINT", "clew:7373"),
        ] {
            assert_eq!(read_all(&[(name, value)]).0.policy_url, "http://clew:7373/api/kit/policy", "{name}={value}");
        }
        let (environment, config, _) = read_all(&[("CLEW_POLICY_HEADERS", "authorization=Bearer%20x, broken")]);
        assert_eq!(environment.policy_headers, [("authorization".to_owned(), "Bearer x".to_owned())]);
        assert_eq!(config.refused.len(), 1, "{:?}", config.refused);
    }

    #[test]
    fn what_is_wrong_is_told_in_one_line_each_and_the_default_holds() {
        for (name, value, expected) in [
            ("OTEL_SDK_DISABLED", "yes", "write true or false"),
            ("OTEL_TRACES_SAMPLER", "jaeger_remote", "not known"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.5", "without OTEL_TRACES_SAMPLER"),
            ("OTEL_PROPAGATORS", "tracecontext,xray", "\"xray\" is not known"),
            ("OTEL_PROPAGATORS", "none,baggage", "none stands beside others"),
            ("OTEL_SPAN_EVENT_COUNT_LIMIT", "-1", "from 0 to 10000; the limit is 128"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "99", "from 100"),
            ("CLEW_TRACE_FLAGS_LEVEL", "3", "write 1 or 2"),
            ("CLEW_LEVEL", "loud", "the level is standard"),
            ("CLEW_LOG_LEVEL", "loud", "the level is info"),
        ] {
            let (environment, config, limits) = read_all(&[(name, value)]);
            assert_eq!(config.refused.len(), 1, "{name}={value}: {:?}", config.refused);
            assert!(config.refused[0].contains(expected), "{}", config.refused[0]);
            assert!(!environment.disabled && environment.context && environment.baggage && environment.random_flag);
            assert_eq!(limits.events, 128);
        }
    }
}
