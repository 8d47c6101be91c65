//! Properties of sampling, headers, policies and sanitising that hold for every input: random bytes never panic, limits hold on both sides,
//! what is written can be read.

#![cfg(all(feature = "kit", not(target_family = "wasm")))]

use std::cell::Cell;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use clew::policy::{Document, Facts, Holder, MAX_BYTES, MAX_RULES, Poller, Request, Response, Rule, Snapshot, World};
use clew::propagation::*;
use clew::sampling::{Limiter, Ratio, Sampler, Threshold, cause_randomness, child, forced, state_threshold};
use clew::{Component, Level, Member, TraceId, resource_rules, sanitise};

/// A small generator, the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// A text of pieces that matter to the parsers, with a few characters that matter to none.
    fn text(&mut self, pieces: &[&str], most: usize) -> String {
        let mut out = String::new();
        for _ in 0..self.below(most) {
            match self.below(8) {
                0 => out.push(char::from_u32(self.below(0x300) as u32).unwrap_or('x')),
                1 => out.push(['\u{2028}', '\u{1f600}', 'ſ', '\0'][self.below(4)]),
                _ => out.push_str(pieces[self.below(pieces.len())]),
            }
        }
        out
    }
}

const TRACE: TraceId = TraceId([0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43, 0xdd, 0x84, 0x48, 0xeb, 0x21, 0x1c, 0x80, 0x31, 0x9c]);

fn state(text: &str) -> Option<Arc<str>> {
    (!text.is_empty()).then(|| text.into())
}

#[test]
fn random_tracestates_stay_tracestates_and_keep_their_randomness() {
    let mut r = Random(1);
    let pieces = ["ot=", "th:", "rv:", "8", "f", "e666", "ffffffffffffff", ";", ",", "a=1", "b=", " ", "x:y", "@", "A"];
    for _ in 0..50_000 {
        let line = r.text(&pieces, 12);
        let read = parse_tracestate(&[&line]).into_owned();
        assert_eq!(parse_tracestate(&[&read]), read, "{line:?}");
        let before = state(&read);
        let randomness = cause_randomness(TRACE, before.as_ref());
        for (name, d) in [("child", child(TRACE, 1, before.as_ref())), ("forced", forced(true, before.as_ref()))] {
            let text = d.state.as_deref().unwrap_or_default();
            assert_eq!(parse_tracestate(&[text]), text, "{name} of {read:?}");
            assert_eq!(cause_randomness(TRACE, d.state.as_ref()), randomness, "{name} of {read:?}");
            let th = state_threshold(d.state.as_ref());
            assert!(th.is_none_or(|t| name == "child" && (randomness >= t.0) == d.sampled), "{name} of {read:?} leaves {th:?}");
        }
        let replaced = replace_ot(&read, "th:c");
        assert_eq!(ot_value(&replaced), Some("th:c"));
        assert_eq!(parse_tracestate(&[&replaced]), replaced);
    }
}

#[test]
fn random_headers_are_read_or_refused() {
    let mut r = Random(2);
    let pieces = ["00-", "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "-", "-01", "-1", "-d", "ff", "cc-", "0", "é"];
    for _ in 0..50_000 {
        let text = r.text(&pieces, 8);
        if let Some(p) = parse_traceparent(&text) {
            let mut written = String::new();
            append_traceparent(&mut written, p.trace_id, p.span_id, p.flags);
            assert_eq!(parse_traceparent(&written), Some(p));
        }
        if let Some(b3) = parse_b3(&text) {
            assert!(b3.trace_id.is_valid() && b3.span_id.is_valid() && !(b3.sampled && b3.deferred));
        }
        parse_b3_multi(&text, &r.text(&pieces, 3), "1", "");
    }
}

#[test]
fn random_baggage_is_written_as_it_was_read() {
    let mut r = Random(3);
    let pieces = ["a", "b", "=", ",", ";", "%41", "%C3%A9", "%ff", "%", " ", "\t", "p=1", "\"", "\\", "k=v,"];
    for _ in 0..50_000 {
        let line = r.text(&pieces, 40);
        let (members, _) = parse_baggage(&[&line]);
        assert!(members.len() <= MAX_BAGGAGE_MEMBERS && members.iter().all(|m| is_token(&m.key)));
        let mut written = String::new();
        let left = append_baggage(&mut written, &members, &|_| true);
        assert!(written.len() <= MAX_BAGGAGE_BYTES);
        if left == 0 {
            assert_eq!(parse_baggage(&[&written]).0, members, "{line:?}");
        }
    }
}

#[test]
fn headers_are_read_and_written_up_to_their_limits() {
    assert_eq!(parse_tracestate(&[&format!("a=1{}", ",".repeat(32_765))]), "a=1");
    assert_eq!(parse_tracestate(&[&format!("a=1{}", ",".repeat(32_766))]), "");
    for (length, kept) in [(8192, 1), (8193, 0)] {
        let text = format!("a={}", "v".repeat(length - 2));
        let (members, dropped) = parse_baggage(&[&text]);
        assert_eq!((members.len(), dropped), (kept, 1 - kept as u64), "{length} bytes");
        let member = Member { key: "a".into(), value: text[2..].into(), properties: String::new() };
        let mut out = String::from("before");
        let left = append_baggage(&mut out, [&member], &|_| true);
        assert_eq!((out.len(), left), (6 + kept * length, 1 - kept as u64), "{length} bytes");
    }
    let patterns: Vec<String> = (0..1025).map(|i| format!("h{i}")).collect();
    let targets = Targets::new(&patterns);
    assert!(targets.matches("h1023") && !targets.matches("h1024"));
}

#[test]
fn random_documents_are_read_or_refused() {
    let mut r = Random(4);
    let pieces = [
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"version\"",
        "\"level\"",
        "\"off\"",
        "\"sampling\"",
        "\"rules\"",
        "\"match\"",
        "\"th\"",
        "\"e666\"",
        "1",
        "-",
        "0.5e3",
        "null",
        "true",
        "\"\\u00e9\"",
        "\"\\ud83d\"",
        "\"",
        "\\",
        " ",
    ];
    for _ in 0..50_000 {
        let text = r.text(&pieces, 20);
        if let Ok(document) = Document::parse(text.as_bytes()) {
            assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok_and(|v| v.is_object()), "{text:?} was read");
            Snapshot::compile(&document, None, None).sampler(&Facts { route: &text, ..Facts::default() }, 0);
        }
        let bytes: Vec<u8> = (0..r.below(40)).map(|_| r.next() as u8).collect();
        let _ = Document::parse(&bytes);
    }
}

#[test]
fn documents_are_read_up_to_their_limits() {
    let problem = |text: String| Document::parse(text.as_bytes()).err().map(|f| f.to_string());
    let long = |n: usize| format!(r#"{{"a":"{}"}}"#, "x".repeat(n - 8));
    assert_eq!(problem(long(MAX_BYTES)), None);
    assert_eq!(problem(long(MAX_BYTES + 1)).as_deref(), Some("parse policy: over 262144 bytes; shorten it"));
    let many = |n: usize| vec!["{}"; n].join(",");
    assert_eq!(problem(format!(r#"{{"sampling":{{"rules":[{}]}}}}"#, many(MAX_RULES))), None);
    let over = problem(format!(r#"{{"sampling":{{"rules":[{}]}}}}"#, many(MAX_RULES + 1)));
    assert_eq!(over.as_deref(), Some("parse policy: sampling.rules: more than 10000; leave some out"));
    assert_eq!(problem(format!(r#"{{"redact":[{}]}}"#, many(MAX_RULES))), None);
    assert!(problem(format!(r#"{{"redact":[{}]}}"#, many(MAX_RULES + 1))).is_some());
}

/// The index finds what a walk through all rules finds.
#[test]
fn the_index_finds_the_first_rule() {
    let mut r = Random(5);
    let patterns = ["", "/a", "/a*", "/ab*", "*", "b", "b*", "/é*", "/a/b"];
    let texts = ["", "/a", "/ab", "/abc", "/a/b", "b", "bc", "/é", "é"];
    let matches = |pattern: &Option<String>, text: &str| match pattern.as_deref() {
        None => true,
        Some(p) => p.strip_suffix('*').map_or(p == text, |prefix| text.starts_with(prefix)),
    };
    for _ in 0..2_000 {
        let mut rules = Vec::new();
        for i in 0..1 + r.below(12) {
            let mut some = || (r.below(3) > 0).then(|| patterns[r.below(patterns.len())].to_owned());
            let matches = [some(), some(), some(), some()];
            rules.push(Rule { matches, threshold: Some(Threshold((i as u64 + 1) << 32)), ..Rule::default() });
        }
        let mut document = Document::default();
        document.sampling.rules = Some(rules.clone());
        let snapshot = Snapshot::compile(&document, None, None);
        for _ in 0..20 {
            let mut pick = || texts[r.below(texts.len())];
            let facts = Facts { route: pick(), name: pick(), method: pick(), kind: pick() };
            let fields = [facts.route, facts.name, facts.method, facts.kind];
            let first = rules.iter().find(|rule| rule.matches.iter().zip(fields).all(|(p, t)| matches(p, t)));
            let want = first.and_then(|rule| rule.threshold).unwrap_or_default();
            assert_eq!(snapshot.sampler(&facts, 0).threshold(), want, "{facts:?} of {rules:?}");
        }
    }
}

#[test]
fn ten_thousand_rules_cost_little_more_than_one() {
    let contract = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../contract/policy.json")).unwrap();
    let contract: serde_json::Value = serde_json::from_slice(&contract).unwrap();
    let bound = |name: &str| contract["bounds"][name].as_u64().unwrap();
    assert_eq!(bound("rules"), MAX_RULES as u64);
    let snapshot = |n: usize| {
        let mut document = Document::default();
        let rule = |i: usize| Rule { matches: [Some(format!("/r/{i}/*")), None, None, None], ..Rule::default() };
        document.sampling.rules = Some((0..n).map(rule).collect());
        Snapshot::compile(&document, None, None)
    };
    let (one, many) = (snapshot(1), snapshot(MAX_RULES));
    let cost = |snapshot: &Snapshot| {
        let ask = |_| {
            let start = Instant::now();
            for _ in 0..1_000 {
                std::hint::black_box(snapshot.sampler(&Facts { route: "/r/9999/x", ..Facts::default() }, 1));
            }
            start.elapsed()
        };
        (0..20).map(ask).min().unwrap()
    };
    // A walk through the rules would cost thousands of times as much.
    assert!(cost(&many) < bound("times_of_one") as u32 * cost(&one), "{:?} against {:?}", cost(&many), cost(&one));
}

#[test]
fn random_statements_and_urls_lose_their_secrets_only() {
    let mut r = Random(6);
    let pieces = [
        "'", "\"", "`", "\\", "$$", "$a$", "--", "/*", "*/", "#", "[", "]", "(", ")", "SELECT ", "FROM ", "t", "1", "e+", "é", "q'", ";",
        ",",
    ];
    for _ in 0..20_000 {
        let text = r.text(&pieces, 30);
        for system in ["postgresql", "mysql", "oracle.db", "microsoft.sql_server", ""] {
            let s = sanitise::sql(system, &text);
            assert!(s.text.len() <= 4096 && s.summary.len() <= 255);
            if !text.contains(['\'', '\\']) {
                let literal = format!("SELECT '{text}' FROM t");
                assert_eq!(sanitise::sql(system, &literal).text, "SELECT ? FROM t", "{literal:?}");
            }
        }
        let once = sanitise::url(&text).into_owned();
        assert_eq!(sanitise::url(&once), once);
        if !text.is_empty() && !text.contains(['/', '\\', '?', '#', '@', '&', ';', '=']) {
            assert_eq!(sanitise::url(&format!("https://u:{text}@h/p?token={text}")), "https://h/p?token=REDACTED");
        }
    }
}

#[test]
fn statements_are_cut_on_a_border() {
    let at = |text: String| sanitise::sql("postgresql", &text).text.len();
    assert_eq!(at(format!("SELECT {}", "a".repeat(4089))), 4096);
    assert_eq!(at(format!("SELECT {}", "a".repeat(4090))), 4096);
    assert_eq!(at(format!("SELECT {}é", "a".repeat(4088))), 4095);
    assert_eq!(at(format!("SELECT '{}' FROM t", "é".repeat(10_000))), "SELECT ?".len());
    assert_eq!(at(format!("/*{}*/ SELECT é", "a".repeat(16_371))), "SELECT".len());
}

#[test]
fn random_variables_describe_a_service_or_count_as_absent() {
    let mut r = Random(7);
    for _ in 0..20_000 {
        let text = r.text(&["a", "=", ",", "%41", "%ff", "%", " ", "service.name=", "k=v,"], 30);
        let inputs = resource_rules::Inputs {
            env: &|_| text.clone(),
            file: &|_| text.clone(),
            name: &text,
            version: "",
            instance: "",
            executable: "",
            pid: 1,
            host: &text,
            arch: "",
            os: "",
            language: "rust",
            runtime: "",
            runtime_version: "",
            kit_version: "",
        };
        let (attrs, problem) = resource_rules::read(&inputs);
        assert!(attrs.is_sorted_by(|a, b| a.key < b.key));
        assert!(problem.is_empty() || problem.ends_with("the variable counts as absent"));
    }
}

#[test]
fn higher_shares_keep_what_lower_shares_keep() {
    let mut r = Random(8);
    let shares = ["1/10000", "1%", "1/10", "1/2", "99%", "1"].map(|s| Sampler::new(Ratio::parse(s).unwrap().threshold()));
    let mut kept = 0;
    for _ in 0..200_000 {
        let id = TraceId(((u128::from(r.next()) << 64) | u128::from(r.next())).to_be_bytes());
        let decisions = shares.clone().map(|s| s.root(id).sampled);
        assert!(decisions.is_sorted() && decisions[5], "{id} gives {decisions:?}");
        kept += u32::from(decisions[2]);
    }
    assert!((19_400..20_600).contains(&kept), "1/10 keeps {kept} of 200,000");
}

#[test]
fn a_limiter_counts_every_root_of_every_thread() {
    let limiter = Limiter::new(Sampler::new(Threshold(0)), 10);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..125).for_each(|_| drop(limiter.sampler(1))));
        }
    });
    assert_eq!(limiter.sampler(2).threshold(), Ratio::parse("10/1000").unwrap().threshold());
}

#[test]
fn each_published_snapshot_is_whole() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = seen.clone();
    let publish = move |s: &Arc<Snapshot>| sink.lock().unwrap().push((s.version().to_owned(), s.level(Component::Http)));
    let holder = Holder::new(Document::default(), Box::new(publish));
    let now = SystemTime::UNIX_EPOCH;
    holder.apply(br#"{"version":"1","level":"off","ttl_seconds":1}"#, now).unwrap();
    assert!(holder.apply(b"{", now).is_err());
    assert_eq!(holder.expire(now), Some(now + Duration::from_secs(1)));
    assert_eq!(holder.expire(now + Duration::from_secs(1)), None);
    assert_eq!(*seen.lock().unwrap(), [(String::new(), Level::Standard), ("1".into(), Level::Off), (String::new(), Level::Standard)]);
}

/// A server by script and a clock that moves when somebody sleeps.
struct Script {
    now: SystemTime,
    /// How long the answer takes, its status, tag and body; status 0 is no answer.
    answers: Vec<(u64, u16, &'static str, &'static str)>,
    asked: Vec<String>,
    slept: Vec<Duration>,
}

impl World for Script {
    fn ask(&mut self, request: &Request<'_>) -> Option<Response> {
        let (took, status, etag, body) = self.answers[self.asked.len()];
        assert_eq!(request.clew_kit, "{}");
        self.asked.push(request.if_none_match.to_owned());
        self.now += Duration::from_secs(took);
        (status > 0).then(|| Response { status, etag: etag.to_owned(), body: body.into() })
    }

    fn now(&self) -> SystemTime {
        self.now
    }

    fn sleep(&mut self, duration: Duration) {
        self.slept.push(duration);
        self.now += duration;
    }

    fn random(&mut self) -> f64 {
        0.5
    }

    fn stopped(&self) -> bool {
        self.asked.len() == self.answers.len()
    }

    fn status(&self) -> String {
        "{}".to_owned()
    }

    fn panicked(&self) {
        unreachable!("the answers of this script are no cause for it");
    }
}

fn run(now: SystemTime, cache: Option<&std::path::Path>, answers: Vec<(u64, u16, &'static str, &'static str)>) -> (Arc<Holder>, Script) {
    let holder = Arc::new(Holder::new(Document::default(), Box::new(|_| {})));
    let mut script = Script { now, answers, asked: Vec::new(), slept: Vec::new() };
    Poller::new(holder.clone(), cache.map(Into::into)).run(&mut script);
    (holder, script)
}

#[test]
fn the_poller_follows_the_server() {
    let (holder, script) = run(
        SystemTime::UNIX_EPOCH,
        None,
        vec![
            (0, 200, "1", r#"{"version":"1","level":"off"}"#),
            (30, 304, "", ""),
            (5, 200, "2", r#"{"level":"all"}"#),
            (2, 200, "3", r#"{"version":"3","level":"edges"}"#),
            (0, 304, "", ""),
        ],
    );
    assert_eq!((holder.load().version(), holder.load().level(Component::App), holder.refused()), ("3", Level::Edges, 1));
    assert_eq!(script.asked, ["", "1", "1", "2", "3"]);
    assert_eq!(script.slept, [Duration::from_secs(1)], "only after an answer that came at once is there a pause");
}

#[test]
fn the_poller_backs_off_and_lets_the_document_expire() {
    let document = r#"{"version":"1","ttl_seconds":5,"redact":[{"key":"a","action":"drop"}]}"#;
    let down = (0, 0, "", "");
    let (holder, script) =
        run(SystemTime::UNIX_EPOCH, None, vec![(1, 200, "1", document), down, (0, 404, "", ""), (0, 500, "", ""), down, down, down, down]);
    // Half of 1 s, doubling to 30 s. The fourth pause is cut at the end of the five seconds.
    assert_eq!(script.slept, [500, 1000, 2000, 1500, 2500, 8000, 15_000].map(Duration::from_millis));
    assert!(holder.load().version().is_empty() && holder.load().redacts());
}

#[test]
fn the_poller_keeps_the_last_good_document() {
    let folder = std::env::temp_dir().join(format!("clew-policy-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let cache = folder.join("policy.json");
    let document = r#"{"version":"1","ttl_seconds":60,"redact":[{"key":"a","action":"drop"}]}"#;
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    run(start, Some(&cache), vec![(0, 200, "1", document), (0, 200, "2", "not JSON"), (10, 304, "", "")]);
    assert_eq!(std::fs::read_to_string(&cache).unwrap(), document);
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    // There was 1 s between the first two questions and before the third.
    let confirmed = start + Duration::from_secs(12);
    for (now, version) in [
        (confirmed + Duration::from_secs(49), "1"),
        (confirmed + Duration::from_secs(70), ""),
        (confirmed - Duration::from_secs(3600), "1"),
    ] {
        let (holder, _) = run(now, Some(&cache), vec![(0, 0, "", "")]);
        assert_eq!((holder.load().version(), holder.load().redacts()), (version, true));
    }
    let (holder, _) = run(start, Some(&folder), vec![(0, 200, "", document)]);
    assert_eq!((holder.load().version(), holder.refused()), ("1", 0), "a folder is no file");
    std::fs::remove_dir_all(&folder).unwrap();
}

/// A clock that is set back by an hour while the poller sleeps.
struct SetBack {
    script: Script,
    sleeps: u32,
}

impl World for SetBack {
    fn ask(&mut self, request: &Request<'_>) -> Option<Response> {
        self.script.ask(request)
    }

    fn now(&self) -> SystemTime {
        self.script.now
    }

    fn sleep(&mut self, duration: Duration) {
        self.script.sleep(duration);
        self.sleeps += 1;
        if self.sleeps == 1 {
            self.script.now -= Duration::from_secs(3600);
        }
    }

    fn random(&mut self) -> f64 {
        0.5
    }

    fn stopped(&self) -> bool {
        self.script.stopped()
    }

    fn status(&self) -> String {
        self.script.status()
    }

    fn panicked(&self) {
        self.script.panicked();
    }
}

/// Panics at the questions of these numbers.
struct Broken {
    script: Script,
    at: Vec<usize>,
    told: Cell<usize>,
}

impl World for Broken {
    fn ask(&mut self, request: &Request<'_>) -> Option<Response> {
        let answer = self.script.ask(request);
        assert!(!self.at.contains(&self.script.asked.len()), "the test breaks the poller");
        answer
    }

    fn now(&self) -> SystemTime {
        self.script.now
    }

    fn sleep(&mut self, duration: Duration) {
        self.script.sleep(duration);
    }

    fn random(&mut self) -> f64 {
        0.5
    }

    fn stopped(&self) -> bool {
        self.script.stopped()
    }

    fn status(&self) -> String {
        self.script.status()
    }

    fn panicked(&self) {
        self.told.set(self.told.get() + 1);
    }
}

#[test]
fn a_poller_that_panics_starts_anew_and_from_the_third_time_on_after_a_minute() {
    let holder = Arc::new(Holder::new(Document::default(), Box::new(|_| {})));
    let same = (1, 304, "", "");
    let answers =
        vec![same, (1, 200, "1", r#"{"version":"1","ttl_seconds":90}"#), same, same, same, same, (1, 200, "2", r#"{"version":"2"}"#)];
    let script = Script { now: SystemTime::UNIX_EPOCH, answers, asked: Vec::new(), slept: Vec::new() };
    let mut world = Broken { script, at: vec![1, 3, 4, 5, 6], told: Cell::new(0) };
    Poller::new(holder.clone(), None).run(&mut world);
    // The document of the second answer was confirmed last at its coming, and expires while the poller rests for the second minute.
    assert_eq!(world.script.slept, [100, 1000, 60_000, 26_000, 34_000, 60_000].map(Duration::from_millis));
    assert_eq!((holder.load().version(), world.told.get()), ("2", 5));
    assert_eq!(world.script.asked, ["", "", "1", "1", "1", "1", "1"], "what it knows outlives the panic");
}

#[test]
fn a_clock_that_is_set_back_does_not_stop_the_poller() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let holder = Arc::new(Holder::new(Document::default(), Box::new(|_| {})));
    let answers = vec![(0, 200, "1", r#"{"version":"1"}"#), (0, 200, "2", r#"{"version":"2"}"#)];
    let mut world = SetBack { script: Script { now, answers, asked: Vec::new(), slept: Vec::new() }, sleeps: 0 };
    Poller::new(holder, None).run(&mut world);
    let slept: Duration = world.script.slept.iter().sum();
    assert!(slept <= Duration::from_secs(2), "{slept:?}");
}
