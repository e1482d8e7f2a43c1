mod check;
mod history;
mod load;
mod orders;
mod pause;
mod preview;
mod process;
mod reconcile;
mod replay;
mod serve;
mod unload;

pub(crate) use self::orders::Orders;

use arrivage_fault::{Point, reach};
use indicatif::MultiProgress;

use crate::arguments::{Arguments, Command};
use crate::exit::{self, Failure};
use crate::logging;
use crate::output;
use crate::signals;
use crate::wiring::{Schema, Wiring, configuration};

/// Runs the command; returns the exit code.
pub(crate) async fn execute(arguments: Arguments) -> u8 {
    let listens = matches!(
        &arguments.command,
        Command::Run(_) | Command::Watch(_) | Command::Process(_) | Command::Load(_)
    );
    if listens && let Err(failure) = catch_signals() {
        return exit::report(&failure);
    }
    let bars = MultiProgress::new();
    let level = if listens { "info" } else { "warn" };
    logging::start(&arguments.common, level, &bars);
    match dispatch(arguments, &bars).await {
        Ok(code) => code,
        Err(failure) => exit::report(&failure),
    }
}

fn catch_signals() -> Result<(), Failure> {
    signals::catch().map_err(Failure::person)?;
    reach::<std::io::Error>(Point::SignalsCaught).map_err(Failure::again)
}

async fn dispatch(arguments: Arguments, bars: &MultiProgress) -> Result<u8, Failure> {
    arrivage_fault::check().map_err(Failure::usage)?;
    if let Command::Preview(options) = &arguments.command {
        return preview::preview(&arguments.common, options).await;
    }
    let config = configuration(&arguments.common)?;
    if let Command::Check(check) = arguments.command {
        return check::check(config, check).await;
    }
    let verbose = arguments.common.verbose > 0;
    let database = config.database()?.url.to_string();
    let wiring = Wiring::new(config)?;
    let done = match arguments.command {
        Command::Run(start) => serve::run(&wiring, &start).await,
        Command::Watch(start) => serve::watch(&wiring, &start).await,
        Command::Process(options) => process::process(&wiring, &options, bars).await,
        Command::Load(options) => load::load(&wiring, &options, bars).await,
        Command::Migrate => migrate(&wiring).await,
        Command::Arrivals(options) => history::arrivals(&wiring, &options).await,
        Command::Show(options) => history::show(&wiring, &options).await,
        Command::Rejects(options) => history::rejects(&wiring, &options).await,
        Command::Replay(options) => replay::replay(&wiring, &options).await,
        Command::Reconcile(options) => reconcile::reconcile(&wiring, &options, verbose).await,
        Command::Unload(options) => unload::unload(&wiring, &options).await,
        Command::Dismiss(options) => unload::dismiss(&wiring, &options).await,
        Command::Cancel(options) => unload::cancel(&wiring, &options).await,
        Command::Pause(options) => pause::pause(&wiring, &options).await,
        Command::Resume(options) => pause::resume(&wiring, &options).await,
        Command::Check(_) | Command::Preview(_) => Ok(exit::DONE),
    };
    done.map_err(|failure| failure.naming(&database))
}

async fn migrate(wiring: &Wiring) -> Result<u8, Failure> {
    let never = tokio_util::sync::CancellationToken::new();
    wiring.open(Schema::Migrate, false, &never).await?;
    let names: Vec<String> = wiring
        .router
        .pipelines()
        .iter()
        .map(|p| p.name.clone())
        .collect();
    wiring.ledger.retain(&names).await?;
    output::say("the ledger is up to date");
    Ok(exit::DONE)
}
