//! The metrics of the process, as semantic conventions 1.43 name them, read from /proc: Linux says all of them, other systems the uptime
//! alone.

use super::collect::Emitter;
use super::engine::{Desc, Kind};
use super::labels::Labels;

const CPU_TIME: Desc = Desc::new("process.cpu.time", "s", Kind::Counter).float();
const MEMORY: Desc = Desc::new("process.memory.usage", "By", Kind::UpDown);
const VIRTUAL: Desc = Desc::new("process.memory.virtual", "By", Kind::UpDown);
const FILES: Desc = Desc::new("process.unix.file_descriptor.count", "{file_descriptor}", Kind::UpDown);
const THREADS: Desc = Desc::new("process.thread.count", "{thread}", Kind::UpDown);
const SWITCHES: Desc = Desc::new("process.context_switches", "{context_switch}", Kind::Counter);
const FAULTS: Desc = Desc::new("process.paging.faults", "{fault}", Kind::Counter);
const UPTIME: Desc = Desc::new("process.uptime", "s", Kind::Gauge).float();

/// The kernel gives times in ticks of 10 ms to programs, whatever its own are (USER_HZ).
const TICKS: f64 = 100.0;
/// The entries of /proc/self/fd that are counted on kernels before 6.2, which do not say how many there are.
const MAX_FILES: usize = 65_536;

/// Emits what there is. `began` is the start of the process in Unix nanoseconds, `now` the time of the collection.
pub fn emit(e: &mut Emitter<'_>, began: u64, now: u64) {
    let none = Labels::default();
    let one = |key: &str, value: &str| Labels::new(Kind::Counter, &[(key, value.into())]).0;
    if let Some(stat) = std::fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(Stat::parse) {
        e.float(&CPU_TIME, &one("cpu.mode", "user"), stat.user / TICKS);
        e.float(&CPU_TIME, &one("cpu.mode", "system"), stat.system / TICKS);
        e.int(&MEMORY, &none, resident());
        e.int(&VIRTUAL, &none, stat.virtual_bytes);
        if let Some(files) = open_files() {
            e.int(&FILES, &none, files);
        }
        e.int(&THREADS, &none, stat.threads);
        if let Some((voluntary, involuntary)) = switches() {
            e.int(&SWITCHES, &one("process.context_switch.type", "voluntary"), voluntary);
            e.int(&SWITCHES, &one("process.context_switch.type", "involuntary"), involuntary);
        }
        e.int(&FAULTS, &one("system.paging.fault.type", "major"), stat.major);
        e.int(&FAULTS, &one("system.paging.fault.type", "minor"), stat.minor);
    }
    e.float(&UPTIME, &none, now.saturating_sub(began) as f64 / 1e9);
}

/// What /proc/self/stat says.
#[derive(Debug, PartialEq)]
struct Stat {
    minor: i64,
    major: i64,
    /// Ticks.
    user: f64,
    /// Ticks.
    system: f64,
    threads: i64,
    virtual_bytes: i64,
}

impl Stat {
    /// The name in the second field may hold anything but its last parenthesis.
    fn parse(text: &str) -> Option<Stat> {
        let fields: Vec<&str> = text.get(text.rfind(')')? + 1..)?.split_ascii_whitespace().collect();
        let number = |i: usize| fields.get(i)?.parse::<i64>().ok();
        Some(Stat {
            minor: number(7)?,
            major: number(9)?,
            user: number(11)? as f64,
            system: number(12)? as f64,
            threads: number(17)?,
            virtual_bytes: number(20)?,
        })
    }
}

/// A line of /proc/self/status, in its unit.
fn status(text: &str, key: &str) -> Option<i64> {
    let line = text.lines().find_map(|l| l.strip_prefix(key))?;
    line.trim_start_matches(':').split_ascii_whitespace().next()?.parse().ok()
}

fn resident() -> i64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status(&text, "VmRSS").unwrap_or(0) * 1024
}

/// Switches of all threads: the kernel counts them by thread.
fn switches() -> Option<(i64, i64)> {
    let mut sums = (0, 0);
    for task in std::fs::read_dir("/proc/self/task").ok()?.take(1024).flatten() {
        let text = std::fs::read_to_string(task.path().join("status")).unwrap_or_default();
        sums.0 += status(&text, "voluntary_ctxt_switches").unwrap_or(0);
        sums.1 += status(&text, "nonvoluntary_ctxt_switches").unwrap_or(0);
    }
    Some(sums)
}

fn open_files() -> Option<i64> {
    const DIR: &str = "/proc/self/fd";
    match std::fs::metadata(DIR) {
        Ok(meta) if meta.len() > 0 => Some(meta.len() as i64),
        // The directory itself is open while it is counted.
        _ => Some(std::fs::read_dir(DIR).ok()?.take(MAX_FILES).count() as i64 - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_blanks_does_not_confuse() {
        let line = "7 (a) b (c) S 1 7 7 0 -1 4194560 1100 0 3 0 25 12 0 0 20 0 9 0 100 2097152 300 18446744073709551615";
        let want = Stat { minor: 1100, major: 3, user: 25.0, system: 12.0, threads: 9, virtual_bytes: 2_097_152 };
        assert_eq!(Stat::parse(line), Some(want));
        for cut in 0..line.len() - 40 {
            assert_eq!(Stat::parse(&line[..cut]), None, "{cut}");
        }
    }
}
