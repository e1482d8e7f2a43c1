//! The programs of a soak: killed, stopped, asked to leave, and always replaced.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use anyhow::Result;
use xtask::chance::Chance;
use xtask::process::{Process, Signal, tied};

use super::faults::{Fault, Tally};
use super::stage::program;

/// What the configuration says.
const LEASE: Duration = Duration::from_secs(3);

/// After this long, whoever was asked to leave is not going to: ten times `drain`.
const LEAVES: Duration = Duration::from_secs(30);

/// How many may be stopped at the same time, so that somebody works.
const MOST_STOPPED: usize = 2;

/// A panic; and what shows that question and answer on a connection no longer belong together.
const NEVER_SAID: [&str; 4] = [
    "panicked at",
    "there is already a transaction in progress",
    "expected CopyInResponse",
    "received more ReadyForQuery messages than expected",
];

const ROLES: [&str; 6] = ["process", "process", "process", "run", "watch", "watch"];

/// One process for each role.
pub(crate) struct Crew {
    folder: PathBuf,
    members: Vec<Member>,
    started: usize,
    /// What no program may do.
    pub(crate) problems: Vec<String>,
}

struct Member {
    role: &'static str,
    /// Of the process, and of its log.
    number: usize,
    process: Process,
    doing: Doing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    Work,
    StandStill { until: Instant },
    Leave { asked: Instant },
}

impl Crew {
    /// Starts everybody, from the folder with the configuration.
    pub(crate) fn start(folder: PathBuf) -> Result<Self> {
        let mut crew = Self {
            folder,
            members: Vec::new(),
            started: 0,
            problems: Vec::new(),
        };
        for role in ROLES {
            let member = crew.hire(role)?;
            crew.members.push(member);
        }
        Ok(crew)
    }

    /// How many processes were started.
    pub(crate) fn started(&self) -> usize {
        self.started
    }

    /// Continues who has stood still for long enough, replaces who has left, and notes who ended
    /// without having been asked.
    pub(crate) fn look_after(&mut self, tally: &Tally) -> Result<()> {
        for place in 0..self.members.len() {
            let member = &mut self.members[place];
            if let Some(status) = member.process.ended()? {
                self.note_end(place, status);
                self.replace(place)?;
                continue;
            }
            match member.doing {
                Doing::StandStill { until } if Instant::now() > until => {
                    member.process.signal(Signal::CONT)?;
                    member.doing = Doing::Work;
                    tally.count(Fault::Stop);
                }
                Doing::Leave { asked } if asked.elapsed() > LEAVES => {
                    let name = member.name();
                    self.problems.push(format!(
                        "{name} was asked to leave and is still there after {LEAVES:?}"
                    ));
                    self.members[place].process.kill()?;
                    self.replace(place)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// kill -9 for one that works, and another in its place.
    pub(crate) fn kill(&mut self, chance: &mut Chance, tally: &Tally) -> Result<()> {
        let Some(place) = self.anyone(chance) else {
            return Ok(());
        };
        let member = &mut self.members[place];
        if member.process.ended()?.is_some() {
            return Ok(());
        }
        member.process.kill()?;
        tally.count(match member.role {
            "watch" => Fault::KillWatcher,
            _ => Fault::KillProcessor,
        });
        self.replace(place)
    }

    /// SIGSTOP for one that works, until its lease is over.
    pub(crate) fn stop(&mut self, chance: &mut Chance) -> Result<()> {
        let stands = |member: &&Member| matches!(member.doing, Doing::StandStill { .. });
        if self.members.iter().filter(stands).count() >= MOST_STOPPED {
            return Ok(());
        }
        let Some(place) = self.anyone(chance) else {
            return Ok(());
        };
        let member = &mut self.members[place];
        if member.process.ended()?.is_none() {
            member.process.signal(Signal::STOP)?;
            let after = Duration::from_millis(500 + chance.below(3_000));
            let until = Instant::now() + LEASE + after;
            member.doing = Doing::StandStill { until };
        }
        Ok(())
    }

    /// SIGTERM for one that works.
    pub(crate) fn terminate(&mut self, chance: &mut Chance, tally: &Tally) -> Result<()> {
        let Some(place) = self.anyone(chance) else {
            return Ok(());
        };
        let member = &mut self.members[place];
        if member.process.ended()?.is_none() {
            member.process.signal(Signal::TERM)?;
            member.doing = Doing::Leave {
                asked: Instant::now(),
            };
            tally.count(Fault::Terminate);
        }
        Ok(())
    }

    /// Continues everybody now.
    pub(crate) fn wake(&mut self, tally: &Tally) -> Result<()> {
        for member in &mut self.members {
            if let Doing::StandStill { until } = &mut member.doing {
                *until = Instant::now();
            }
        }
        self.look_after(tally)
    }

    /// Asks everybody to leave, and waits for it.
    pub(crate) fn dismiss(&mut self) -> Result<()> {
        for member in &mut self.members {
            if member.process.ended()?.is_none() {
                member.process.signal(Signal::TERM)?;
                member.doing = Doing::Leave {
                    asked: Instant::now(),
                };
            }
        }
        for place in 0..self.members.len() {
            let member = &mut self.members[place];
            match member.process.wait(LEAVES) {
                Ok(status) => self.note_end(place, status),
                Err(_) => {
                    let name = member.name();
                    self.problems
                        .push(format!("{name} does not leave within {LEAVES:?}"));
                }
            }
            self.keep_log(place)?;
        }
        Ok(())
    }

    fn anyone(&self, chance: &mut Chance) -> Option<usize> {
        let works = |place: &usize| self.members[*place].doing == Doing::Work;
        let working: Vec<usize> = (0..self.members.len()).filter(works).collect();
        (!working.is_empty()).then(|| working[chance.index(working.len())])
    }

    /// It is in order only for one that was asked: with 0, or by the signal itself as long as it
    /// does not catch it yet.
    fn note_end(&mut self, place: usize, status: ExitStatus) {
        let member = &self.members[place];
        let was_asked = matches!(member.doing, Doing::Leave { .. });
        let is_in_order = status.success() || status.signal() == Some(Signal::TERM.as_raw());
        if !(was_asked && is_in_order) {
            let name = member.name();
            self.problems.push(format!("{name} ended: {status}"));
        }
    }

    fn replace(&mut self, place: usize) -> Result<()> {
        self.keep_log(place)?;
        self.members[place] = self.hire(self.members[place].role)?;
        Ok(())
    }

    fn hire(&mut self, role: &'static str) -> Result<Member> {
        self.started += 1;
        let mut command = tied(program());
        command.arg(role).current_dir(&self.folder).env_clear();
        command.envs([
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ]);
        Ok(Member {
            role,
            number: self.started,
            process: Process::spawn(role, command)?,
            doing: Doing::Work,
        })
    }

    fn keep_log(&mut self, place: usize) -> Result<()> {
        let member = &self.members[place];
        let said = member.process.output();
        for words in NEVER_SAID.iter().filter(|words| said.contains(**words)) {
            let name = member.name();
            self.problems.push(format!("{name} said {words:?}"));
        }
        let log = format!("{:05}-{}.log", member.number, member.role);
        Ok(fs::write(self.folder.join("logs").join(log), said)?)
    }
}

impl Member {
    /// As its log is called.
    fn name(&self) -> String {
        format!(
            "{:05}-{} (process {})",
            self.number,
            self.role,
            self.process.id()
        )
    }
}
