//! Shows the decisions of this module to `kit/rust/driver`, which compares them with those of the Go kit. Nothing else calls it.

use std::time::{Duration, SystemTime};

use super::answer::judge;
use super::pacer::{Answer, Outcome, Pacer, Verdict};

/// What an answer over HTTP means.
pub struct Judged {
    pub outcome: &'static str,
    pub asked: Duration,
    pub rejected: i64,
    pub text: String,
}

/// Says what an answer over HTTP means.
pub fn answer(status: u16, retry_after: &str, body: &[u8], now: SystemTime) -> Judged {
    let a = judge(status, retry_after, body, now);
    let outcome = OUTCOMES.iter().find(|(_, o)| *o == a.outcome).map_or("", |(name, _)| name);
    Judged { outcome, asked: a.asked, rejected: a.rejected, text: a.text }
}

const OUTCOMES: [(&str, Outcome); 5] = [
    ("delivered", Outcome::Delivered),
    ("retry", Outcome::Retry),
    ("refused", Outcome::Refused),
    ("too_large", Outcome::TooLarge),
    ("not_served", Outcome::NotServed),
];

/// How long an attempt takes and what comes of it.
pub struct Attempt<'a> {
    pub took: Duration,
    pub asked: Duration,
    pub answer: &'a str,
}

/// When an attempt starts, how long it may take, what the breaker is, and the verdict.
pub struct Paced {
    pub starts: Duration,
    pub allowed: Duration,
    pub during: i64,
    pub verdict: &'static str,
    pub after: i64,
}

/// Lets attempts happen one after the other. A batch follows on the other.
pub fn pace(random: f64, timeout: Duration, attempts: &[Attempt<'_>]) -> Vec<Paced> {
    let mut pacer = Pacer::default();
    let mut now = Duration::ZERO;
    pacer.begin(now);
    let one = |a: &Attempt<'_>| {
        now = now.max(pacer.ready);
        let starts = now;
        let allowed = pacer.start(now, timeout);
        let during = pacer.breaker();
        now += a.took;
        let outcome = OUTCOMES.iter().find(|(name, _)| *name == a.answer).map_or(Outcome::Delivered, |(_, o)| *o);
        let answer = Answer { outcome, asked: a.asked, rejected: 0, word: String::new(), text: String::new() };
        let verdict = pacer.finish(now, &answer, random);
        let after = pacer.breaker();
        if verdict != Verdict::Again {
            pacer.begin(now);
        }
        let verdict = match verdict {
            Verdict::Delivered => "delivered",
            Verdict::Again => "again",
            Verdict::GiveUp => "give_up",
            Verdict::Dropped => "dropped",
        };
        Paced { starts, allowed, during, verdict, after }
    };
    attempts.iter().map(one).collect()
}
