//! `cargo xtask soak`: the program under every fault at once, for as long as wanted, and then an
//! auditor who does not know the program. See `docs/soak.md`.

mod courier;
mod crew;
mod deliveries;
mod faults;
mod files;
mod http;
mod plan;
mod plant;
mod stage;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use xtask::chance::Chance;
use xtask::place::cargo;
use xtask::postgres::Cluster;
use xtask::process::tied;
use xtask::proxy::Proxy;

use courier::Courier;
use crew::Crew;
use deliveries::Deliveries;
use faults::{Tally, around};
use plan::Losses;
use plant::Plant;
use stage::Stage;

/// More files come when fewer than this are unfinished.
const BACKLOG: u64 = 40;

/// From one file to the next, and from one look at the bell to the next.
const DELIVERY: Duration = Duration::from_millis(250);

/// How long an answer of the database is under way: a load then has a middle for faults to hit,
/// which costs the machine nothing.
const DISTANCE: Duration = Duration::from_millis(30);

/// How long the rest may take, once nothing goes wrong any more.
const REST: Duration = Duration::from_secs(1200);

/// When nothing has moved for this long, nothing will.
const STILL: Duration = Duration::from_secs(60);

pub(crate) fn soak(arguments: &[&str]) -> Result<ExitCode> {
    let order = Order::read(arguments)?;
    build()?;
    let mut cluster = Cluster::start_new().context("PostgreSQL does not start")?;
    let stage = Stage::set(&cluster.url())?;
    println!(
        "soak: {} minutes, seed {}, in {}",
        order.duration.as_secs() / 60,
        order.seed,
        stage.folder.display()
    );
    let tally = Arc::new(Tally::default());
    let losses = Losses::default();
    let proxy = {
        let (losses, tally, plant) = (losses.clone(), Arc::clone(&tally), order.plant);
        let distance = plant.and_then(Plant::distance).unwrap_or(DISTANCE);
        Proxy::start(&stage.database, distance, move |question| {
            let planted = plant.and_then(|plant| plant.judge(&question));
            planted.unwrap_or_else(|| losses.judge(question, &tally))
        })?
    };
    stage.configure(proxy.url())?;
    migrate(&stage)?;
    if let Some(plant) = order.plant {
        plant.before(&stage.database)?;
    }

    let mut crew = Crew::start(stage.folder.clone())?;
    let deliveries = run(
        &order,
        &mut cluster,
        &stage,
        &proxy,
        &losses,
        &tally,
        &mut crew,
    )?;
    println!("{} processes, {} files", crew.started(), deliveries.count());
    print!("{tally}");
    // What a planted bug holds up may never end.
    let limit = order.plant.map_or(REST, |_| STILL);
    let mut problems = rest(&stage, &deliveries, &tally, &mut crew, limit)?;
    crew.dismiss()?;
    problems.append(&mut crew.problems);
    let too_few = tally.too_few();
    if order.duration >= Duration::from_secs(30 * 60) && !too_few.is_empty() {
        problems.push(format!(
            "fewer than {} of: {}",
            faults::ENOUGH,
            too_few.join("; ")
        ));
    }
    if let Some(plant) = order.plant {
        plant.after(&stage.database)?;
        println!("planted: {plant:?}");
    }
    println!("{}", taken_over(&stage)?);
    for problem in &problems {
        println!("problem: {problem}");
    }
    println!("seed {}", order.seed);
    let audited = audit(&stage)?;
    Ok(match audited && problems.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// What was asked for.
struct Order {
    duration: Duration,
    seed: u64,
    plant: Option<Plant>,
}

impl Order {
    fn read(arguments: &[&str]) -> Result<Self> {
        let mut order = Self {
            duration: Duration::from_secs(5 * 60),
            seed: 1,
            plant: None,
        };
        let mut arguments = arguments.iter();
        while let Some(&name) = arguments.next() {
            let value = arguments
                .next()
                .with_context(|| format!("{name} needs a value"))?;
            match name {
                "--minutes" => order.duration = Duration::from_secs(value.parse::<u64>()? * 60),
                "--seed" => order.seed = value.parse()?,
                "--plant" => {
                    let plant = Plant::named(value);
                    order.plant =
                        Some(plant.context("--plant takes lost, doubled, forgetful or unfenced")?);
                }
                _ => bail!("soak takes --minutes, --seed and --plant, not {name}"),
            }
        }
        Ok(order)
    }
}

/// The dev profile: its overflow checks and debug assertions are a part of the test.
fn build() -> Result<()> {
    let mut build = cargo(&["build", "--quiet", "--package", "arrivage-cli"]);
    let built = build.args(["--package", "arrivage-auditor"]).status()?;
    ensure!(built.success(), "the programs do not build");
    Ok(())
}

fn migrate(stage: &Stage) -> Result<()> {
    let status = tied(stage::program())
        .arg("migrate")
        .current_dir(&stage.folder)
        .status()?;
    ensure!(status.success(), "arrivage migrate: {status}");
    Ok(())
}

/// The faults and the files, all at the same time, until the time is over; then no fault is left.
fn run<'a>(
    order: &Order,
    cluster: &mut Cluster,
    stage: &'a Stage,
    proxy: &Proxy,
    losses: &Losses,
    tally: &Tally,
    crew: &mut Crew,
) -> Result<Deliveries<'a>> {
    let mut chance = Chance::new(order.seed);
    let mut chances = || Chance::new(chance.seed());
    let (acts, restarts, files, carries) = (chances(), chances(), chances(), chances());
    let end = Instant::now() + order.duration;
    let failed = AtomicBool::new(false);
    let is_over = || Instant::now() > end || failed.load(Ordering::SeqCst);
    let fails = |result: Result<()>| {
        failed.fetch_or(result.is_err(), Ordering::SeqCst);
        result
    };
    let mut deliveries = Deliveries::new(stage, files.clone());
    thread::scope(|scope| {
        let restarts = scope.spawn(|| fails(plan::restart(cluster, tally, restarts, is_over)));
        let courier = Courier::new(&stage.bell, &stage.doorbell, carries);
        let delivers = scope.spawn(|| {
            fails(deliver(
                &mut deliveries,
                courier,
                files,
                stage,
                tally,
                is_over,
            ))
        });
        let acted = fails(plan::conduct(crew, proxy, losses, tally, acts, is_over));
        losses.forget();
        restarts.join().expect("it does not panic")?;
        delivers.join().expect("it does not panic")?;
        acted
    })?;
    crew.wake(tally)?;
    Ok(deliveries)
}

fn deliver(
    deliveries: &mut Deliveries<'_>,
    mut courier: Courier,
    mut chance: Chance,
    stage: &Stage,
    tally: &Tally,
    is_over: impl Fn() -> bool,
) -> Result<()> {
    while !is_over() {
        // No answer: the database is away for a moment.
        if let Ok(finished) = finished(stage)
            && deliveries.count().saturating_sub(finished) < BACKLOG
        {
            deliveries.deliver(tally)?;
        }
        courier.go(tally)?;
        thread::sleep(around(DELIVERY, &mut chance));
    }
    courier.finish(tally)
}

/// Waits until everything is loaded. Returns what stands in the way of saying so.
fn rest(
    stage: &Stage,
    deliveries: &Deliveries<'_>,
    tally: &Tally,
    crew: &mut Crew,
    limit: Duration,
) -> Result<Vec<String>> {
    deliveries.write_manifest()?;
    let begin = Instant::now();
    let mut seen = (Instant::now(), (0, 0, 0));
    let mut said = Instant::now();
    loop {
        crew.look_after(tally)?;
        let queued = stage.doorbell.length()?;
        let known = stage.count("SELECT count(*) FROM arrivage.arrivals")?;
        let finished = finished(stage)?;
        if queued == 0 && known == finished && known >= deliveries.count() {
            println!("the rest took {} s", begin.elapsed().as_secs());
            return Ok(Vec::new());
        }
        let now = format!(
            "{queued} messages in the queue, {known} of {} contents known, {finished} finished",
            deliveries.count()
        );
        let progress =
            stage.count("SELECT coalesce(sum(checkpoint_records), 0) FROM arrivage.arrivals")?;
        // Under a lease something may still come of it; a process killed while it removed the rows
        // of an overwritten object leaves one of ten minutes.
        let leased = stage.count(
            "SELECT count(*) FROM arrivage.arrivals WHERE state = 'loading' AND lease_until > now()",
        )?;
        if seen.1 != (queued, finished, progress) || leased > 0 {
            seen = (Instant::now(), (queued, finished, progress));
        }
        if seen.0.elapsed() > STILL || begin.elapsed() > limit {
            println!("{}", stage.unfinished()?);
            return Ok(vec![format!("the backlog does not empty: {now}")]);
        }
        if said.elapsed() > Duration::from_secs(10) {
            println!("{now}");
            said = Instant::now();
        }
        thread::sleep(Duration::from_millis(250));
    }
}

fn finished(stage: &Stage) -> Result<u64> {
    stage.count("SELECT count(*) FROM arrivage.arrivals WHERE state NOT IN ('waiting', 'loading')")
}

/// How much of a load's middle the faults have hit.
fn taken_over(stage: &Stage) -> Result<String> {
    let again = stage.count("SELECT count(*) FROM arrivage.arrivals WHERE attempts > 1")?;
    let most = stage.count("SELECT coalesce(max(attempts), 0) FROM arrivage.arrivals")?;
    Ok(format!(
        "{again} arrivals were claimed more than once, one of them {most} times"
    ))
}

/// Has the auditor compare sources and database. True: nothing is lost, doubled or changed.
fn audit(stage: &Stage) -> Result<bool> {
    let status = tied(stage::auditor())
        .arg("--manifest")
        .arg(stage.manifest())
        .arg("--inbox")
        .arg(stage.inbox())
        .args(["--database", &stage.database])
        .args(["--endpoint", &stage.endpoint])
        .args(["--bucket", &stage.bucket])
        .status()
        .context("the auditor cannot be run")?;
    Ok(status.success())
}
