use std::fmt;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};
use signal_hook::consts::SIGCONT;
use signal_hook::flag;

use crate::Point;

/// The environment variable that names the faults.
pub const VARIABLE: &str = "ARRIVAGE_FAULT";

/// What happens at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// SIGKILL of itself.
    Kill,
    /// SIGSTOP of itself; SIGCONT lets it go on.
    Stop,
    /// The connection breaks before the request has come through.
    Error,
    /// The connection breaks after the request has taken effect.
    Lost,
}

impl Action {
    /// Every one that a place may have.
    #[must_use]
    pub fn of(point: Point) -> [Self; 3] {
        let breaks = if point.is_after() {
            Self::Lost
        } else {
            Self::Error
        };
        [Self::Kill, Self::Stop, breaks]
    }

    fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Stop => "stop",
            Self::Error => "error",
            Self::Lost => "lost",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is to happen, and when.
#[derive(Debug)]
struct Fault {
    point: Point,
    action: Action,
    /// At which time it is reached.
    nth: u32,
    reached: AtomicU32,
}

/// Whether every fault that the environment names is one; else what is wrong.
pub fn check() -> Result<(), String> {
    match plan() {
        Ok(_) => Ok(()),
        Err(problem) => Err(problem.clone()),
    }
}

/// Does what the environment wants to happen at this place. An error is what a
/// broken connection gives, for the caller to deal with as with any other.
pub fn reach<E: From<io::Error>>(point: Point) -> Result<(), E> {
    let faults = plan().as_deref().unwrap_or_default();
    for fault in faults.iter().filter(|fault| fault.point == point) {
        if fault.reached.fetch_add(1, Ordering::SeqCst) + 1 == fault.nth {
            fault.strike()?;
        }
    }
    Ok(())
}

fn plan() -> &'static Result<Vec<Fault>, String> {
    static PLAN: OnceLock<Result<Vec<Fault>, String>> = OnceLock::new();
    PLAN.get_or_init(|| parse(&std::env::var(VARIABLE).unwrap_or_default()))
}

fn parse(text: &str) -> Result<Vec<Fault>, String> {
    let words = text.split(',').map(str::trim);
    words.filter(|word| !word.is_empty()).map(fault).collect()
}

/// `chunk.begun=kill`, `chunk.begun=kill@3`.
fn fault(word: &str) -> Result<Fault, String> {
    let wrong = |what: &str| format!("{VARIABLE}: {word}: {what}");
    let (name, what) = word
        .split_once('=')
        .ok_or_else(|| wrong("expected POINT=ACTION"))?;
    let (action, nth) = what.split_once('@').unwrap_or((what, "1"));
    let point = Point::ALL.iter().find(|point| point.name() == name);
    let point = *point.ok_or_else(|| wrong("there is no such point"))?;
    let of_it = Action::of(point);
    let action = of_it.iter().find(|known| known.name() == action);
    let action = *action.ok_or_else(|| wrong(&format!("expected one of {of_it:?}")))?;
    let nth = nth.parse().ok().filter(|nth| *nth > 0);
    Ok(Fault {
        point,
        action,
        nth: nth.ok_or_else(|| wrong("expected a number from 1 on after @"))?,
        reached: AtomicU32::new(0),
    })
}

impl Fault {
    fn strike(&self) -> io::Result<()> {
        let Self { point, action, .. } = self;
        let name = point.name();
        writeln!(io::stderr(), "fault: {name} {action}")?;
        match action {
            Action::Kill => loop {
                kill_process(getpid(), Signal::KILL)?;
                thread::yield_now();
            },
            Action::Stop => stop(),
            Action::Error | Action::Lost => Err(io::Error::new(
                io::ErrorKind::ConnectionReset,
                format!("the connection broke at {name}"),
            )),
        }
    }
}

/// Returns when somebody has let the process go on. The signal may stop this thread
/// a moment later than it is sent.
fn stop() -> io::Result<()> {
    let continued = Arc::new(AtomicBool::new(false));
    flag::register(SIGCONT, Arc::clone(&continued))?;
    kill_process(getpid(), Signal::STOP)?;
    while !continued.load(Ordering::SeqCst) {
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_named_by_place_action_and_time() {
        let check = |text: &str, expect: &[(Point, Action, u32)]| {
            let faults = parse(text).expect(text);
            let found: Vec<_> = faults.iter().map(|f| (f.point, f.action, f.nth)).collect();
            assert_eq!(found, expect, "{text}");
        };
        check("", &[]);
        check("chunk.begun=kill", &[(Point::ChunkBegun, Action::Kill, 1)]);
        check(
            "claim.committed=lost@2, renew.begun=stop",
            &[
                (Point::ClaimCommitted, Action::Lost, 2),
                (Point::RenewBegun, Action::Stop, 1),
            ],
        );
    }

    #[test]
    fn what_would_test_nothing_is_refused() {
        let check = |text: &str, expect: &str| {
            let problem = parse(text).expect_err(text);
            assert!(problem.contains(expect), "{problem}");
        };
        check("chunk.began=kill", "no such point");
        check("chunk.begun", "POINT=ACTION");
        check("chunk.begun=explode", "[Kill, Stop, Error]");
        check("chunk.begun=lost", "[Kill, Stop, Error]");
        check("chunk.committed=error", "[Kill, Stop, Lost]");
        check("chunk.begun=kill@0", "from 1 on");
        check("chunk.begun=kill,nonsense", "nonsense");
    }

    #[test]
    fn every_place_has_a_name_of_its_own() {
        let mut names: Vec<_> = Point::ALL.iter().map(|point| point.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Point::ALL.len());
    }
}
