//! A process with a fault, and many of them at once.

use std::fmt::Debug;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use arrivage_fault::{Action, Point, VARIABLE};
use arrivage_testkit::{Background, eventually};
use arrivage_tests::{Arrivage, Destination};
use tokio::sync::Semaphore;
use tokio::task::{self, JoinSet, LocalSet};

const SOON: Duration = Duration::from_secs(60);

/// Most of them wait for the end of a lease.
const AT_ONCE: usize = 6;

/// What happens, where, and at which time that a process comes there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Strike {
    pub(crate) point: Point,
    pub(crate) action: Action,
    pub(crate) nth: u32,
}

impl Strike {
    /// As the environment variable has it.
    pub(crate) fn text(self) -> String {
        let Self { point, action, nth } = self;
        format!("{}={action}@{nth}", point.name())
    }

    /// `breaks`: the connection, before or after the request took effect.
    pub(crate) fn breaking(point: Point, nth: u32) -> Self {
        let [_, _, action] = Action::of(point);
        Self { point, action, nth }
    }
}

/// The program with a fault.
pub(crate) struct Struck {
    pub(crate) process: Background,
    told: String,
}

impl Struck {
    pub(crate) fn start(arrivage: &Arrivage, arguments: &[&str], strike: Strike) -> Result<Self> {
        Self::start_with(arrivage, arguments, strike, &strike.text())
    }

    /// With further faults, that the test does not wait for.
    pub(crate) fn start_with(
        arrivage: &Arrivage,
        arguments: &[&str],
        strike: Strike,
        faults: &str,
    ) -> Result<Self> {
        let mut command = arrivage.command(arguments);
        command.env(VARIABLE, faults);
        let name = format!("{VARIABLE}={faults} arrivage {}", arguments.join(" "));
        Ok(Self {
            process: Background::spawn(&name, command)?,
            told: format!("fault: {} {}", strike.point.name(), strike.action),
        })
    }

    /// Waits until the fault has killed it.
    pub(crate) async fn killed(&mut self) -> Result<()> {
        let status = self.process.wait(SOON).await?;
        let output = self.process.output();
        ensure!(status.signal() == Some(9), "{status}\n{output}");
        self.told_of_it();
        Ok(())
    }

    /// Waits until the fault has stopped it.
    pub(crate) async fn stopped(&mut self) -> Result<()> {
        let stat = format!("/proc/{}/stat", self.process.id());
        let is_stopped = |stat: &str| {
            let state = stat.rsplit(')').next().unwrap_or_default();
            state.trim_start().starts_with('T')
        };
        let process = &mut self.process;
        eventually(SOON, "the process to stop", async || {
            if let Ok(Some(status)) = process.ended() {
                return Some(Err(anyhow::anyhow!("{status}\n{}", process.output())));
            }
            let stat = fs::read_to_string(&stat).ok()?;
            is_stopped(&stat).then_some(Ok(()))
        })
        .await?;
        self.told_of_it();
        Ok(())
    }

    /// Waits until it has ended by itself, with this code, after the fault.
    pub(crate) async fn ended(&mut self, code: i32) -> Result<()> {
        let status = self.process.wait(SOON).await?;
        let output = self.process.output();
        ensure!(status.code() == Some(code), "{status}\n{output}");
        self.told_of_it();
        Ok(())
    }

    /// It logged something like that.
    pub(crate) fn said(&self, words: &str) -> bool {
        self.process.output().contains(words)
    }

    /// Another took its arrival over, and it found out.
    pub(crate) fn was_fenced(&self) -> bool {
        self.said("another process has it now")
    }

    fn told_of_it(&self) {
        let output = self.process.output();
        assert!(output.contains(&self.told), "{}\n{output}", self.told);
    }
}

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Postgres,
    Sqlite,
}

impl Kind {
    pub(crate) async fn destination(self) -> Result<Destination> {
        match self {
            Self::Postgres => Destination::postgres().await,
            Self::Sqlite => Destination::sqlite(),
        }
    }
}

/// Plays the story of each case, several at once, and names those that went wrong.
pub(crate) async fn each<C, F>(cases: impl IntoIterator<Item = C>, story: impl Fn(C) -> F)
where
    C: Debug + 'static,
    F: Future<Output = Result<()>> + 'static,
{
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut stories = JoinSet::new();
    let here = LocalSet::new();
    for case in cases {
        let (name, turns) = (format!("{case:?}"), Arc::clone(&turns));
        let story = story(case);
        let told = async move {
            let _turn = turns.acquire_owned().await;
            let told = task::spawn_local(story).await.context("it panicked");
            told.flatten().with_context(|| name)
        };
        stories.spawn_local_on(told, &here);
    }
    let wrong = here.run_until(async {
        let mut wrong = Vec::new();
        while let Some(told) = stories.join_next().await {
            if let Err(error) = told.map_err(anyhow::Error::from).flatten() {
                wrong.push(format!("{error:#}"));
            }
        }
        wrong
    });
    let wrong = wrong.await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// Makes two tests of each `async fn story(kind: Kind)`.
macro_rules! on_each {
    ($($story:ident),+ $(,)?) => {$(
        mod $story {
            #[tokio::test]
            async fn sqlite() {
                super::$story(crate::strike::Kind::Sqlite).await;
            }

            #[tokio::test]
            async fn postgres() {
                super::$story(crate::strike::Kind::Postgres).await;
            }
        }
    )+};
}

pub(crate) use on_each;
