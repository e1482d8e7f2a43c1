use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use arrivage_tests::{Running, Scene};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

/// How KEDA reckons how many Jobs to start at a poll.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Strategy {
    /// Subtracts the unfinished Jobs: the query counts what they load.
    Default,
    /// Subtracts those without a running pod alone: the query counts what waits.
    Accurate,
    /// Fills up to the most there may be. The chart does not offer it.
    Eager,
}

/// As `GetEffectiveMaxScale` and `createJobs` in KEDA's `pkg/scaling/executor/scale_jobs.go` have it,
/// with a `targetQueryValue` of 1.
fn jobs_to_start(strategy: Strategy, answer: i64, running: i64, pending: i64, max: i64) -> i64 {
    let max_scale = answer.min(max);
    let (more, most) = match strategy {
        Strategy::Default => (max_scale - running, answer),
        Strategy::Accurate if max_scale + running > max => (max - running, answer),
        Strategy::Accurate => (max_scale - pending, answer),
        Strategy::Eager => (max_scale.min(max - running - pending), max),
    };
    more.min(most).max(0)
}

#[test]
fn the_table_of_the_documentation_is_right() {
    // Arrivals that wait and that are being loaded, unfinished Jobs and those without a running pod.
    let check = |[waiting, loading, running, pending]: [i64; 4], expect: [i64; 5]| {
        let both = waiting + loading;
        let start = |strategy, answer| jobs_to_start(strategy, answer, running, pending, 10);
        let found = [
            start(Strategy::Default, both),
            start(Strategy::Default, waiting),
            start(Strategy::Accurate, waiting),
            start(Strategy::Accurate, both),
            start(Strategy::Eager, both),
        ];
        assert_eq!(found, expect);
    };
    check([3, 3, 3, 0], [3, 0, 3, 6, 6]);
    check([3, 0, 3, 3], [0, 0, 0, 0, 3]);
    check([3, 0, 3, 0], [0, 0, 3, 3, 3]);
    check([5, 4, 9, 5], [0, 0, 1, 1, 0]);
    check([2, 0, 0, 0], [2, 2, 2, 2, 2]);
    check([0, 3, 0, 0], [3, 0, 0, 3, 3]);
    check([5, 0, 5, 5], [0, 0, 0, 0, 0]);
}

/// A second of a cluster takes so long here.
const SECOND: Duration = Duration::from_millis(20);

/// What the chart sets, read from what it renders.
struct Chart {
    query: String,
    max_replicas: i64,
    backoff_limit: u32,
    polling: u32,
}

impl Chart {
    fn read() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let text = fs::read_to_string(root.join("deploy/kubernetes/keda-jobs/arrivage.yaml"))?;
        let value = |key: &str| {
            let mut lines = text.lines().map(str::trim);
            let found = lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
            found
                .map(|value| value.trim_matches('"'))
                .context(key.to_owned())
        };
        Ok(Self {
            query: value("query")?.to_owned(),
            max_replicas: value("maxReplicaCount")?.parse()?,
            backoff_limit: value("backoffLimit")?.parse()?,
            polling: value("pollingInterval")?.parse()?,
        })
    }
}

/// KEDA and the Job controller, and the pods of the Jobs as processes.
pub(crate) struct Cluster<'a> {
    scene: &'a Scene,
    chart: Chart,
    strategy: Strategy,
    jobs: Vec<Job>,
    polls: Interval,
    end: Instant,
}

struct Job {
    name: String,
    failures: u32,
    state: State,
}

enum State {
    Running(Running),
    BackingOff(Instant),
    Finished,
}

impl<'a> Cluster<'a> {
    pub(crate) fn new(scene: &'a Scene, strategy: Strategy) -> Result<Self> {
        let mut chart = Chart::read()?;
        if let Strategy::Accurate = strategy {
            chart.query = chart.query.replace("outstanding", "waiting");
        }
        let mut polls = interval(SECOND * chart.polling);
        polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self {
            scene,
            chart,
            strategy,
            jobs: Vec::new(),
            polls,
            end: Instant::now() + Duration::from_secs(150),
        })
    }

    /// How many Jobs were started until now.
    pub(crate) fn started(&self) -> usize {
        self.jobs.len()
    }

    /// Whether so many arrivals are loaded or failed, and every Job has finished.
    pub(crate) async fn is_at_rest(&mut self, arrivals: u64) -> Result<bool> {
        ensure!(Instant::now() < self.end, "it does not come to rest");
        self.tend()?;
        let at_rest = "SELECT count(*) FROM arrivage.arrivals WHERE state IN ('loaded', 'failed')";
        let resting = self.scene.destination.count(at_rest).await;
        Ok(resting == i64::try_from(arrivals)? && self.unfinished() == 0)
    }

    /// Waits for KEDA's next poll, and does what it does.
    pub(crate) async fn poll(&mut self) -> Result<()> {
        self.polls.tick().await;
        self.tend()?;
        let waiting_for_pod = |job: &&Job| matches!(job.state, State::BackingOff(_));
        let pending = i64::try_from(self.jobs.iter().filter(waiting_for_pod).count())?;
        let running = self.unfinished();
        let answer: i64 = self
            .scene
            .destination
            .sql(&self.chart.query)
            .await?
            .parse()?;
        let max = self.chart.max_replicas;
        for _ in 0..jobs_to_start(self.strategy, answer, running, pending, max) {
            let name = format!("arrivage-{}", self.jobs.len() + 1);
            self.jobs.push(Job {
                state: State::Running(pod(self.scene, &name)?),
                name,
                failures: 0,
            });
        }
        assert!(self.unfinished() <= max, "too many at once");
        Ok(())
    }

    /// Kills the pod of this Job, as the kernel does when memory is short.
    pub(crate) fn kill(&mut self, name: &str) -> Result<()> {
        let job = self.jobs.iter_mut().find(|job| job.name == name);
        match job.map(|job| &mut job.state) {
            Some(State::Running(pod)) => pod.process.kill9(),
            _ => anyhow::bail!("{name} has no pod"),
        }
    }

    /// What the Job controller does with pods that have ended, by `podFailurePolicy` and
    /// `backoffLimit`.
    fn tend(&mut self) -> Result<()> {
        for job in &mut self.jobs {
            match &mut job.state {
                State::Finished => {}
                State::BackingOff(until) if *until > Instant::now() => {}
                State::BackingOff(_) => job.state = State::Running(pod(self.scene, &job.name)?),
                State::Running(pod) => {
                    let Some(status) = pod.process.ended()? else {
                        continue;
                    };
                    job.failures += u32::from(!status.success());
                    job.state = match status.code() {
                        Some(0 | 2 | 3) => State::Finished,
                        _ if job.failures > self.chart.backoff_limit => State::Finished,
                        _ => {
                            let pause = SECOND * 10 * (1 << (job.failures - 1));
                            State::BackingOff(Instant::now() + pause)
                        }
                    };
                }
            }
        }
        Ok(())
    }

    fn unfinished(&self) -> i64 {
        let unfinished = |job: &&Job| !matches!(job.state, State::Finished);
        self.jobs.iter().filter(unfinished).map(|_| 1).sum()
    }
}

fn pod(scene: &Scene, job: &str) -> Result<Running> {
    scene.arrivage.start(&["process", "--one", "--owner", job])
}
