//! What the testkit promises about processes and waiting.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use arrivage_testkit::{Background, eventually, tied};

const SOON: Duration = Duration::from_secs(20);

fn shell(script: &str) -> Result<Background> {
    let mut command = tied("sh");
    command.args(["-c", script]);
    Background::spawn("the script", command)
}

async fn said(process: &Background, line: &str) {
    eventually(SOON, line, async || {
        process.output().contains(line).then_some(())
    })
    .await;
}

/// Running, or stopped; not gone, and not waiting to be buried by its parent.
fn is_alive(id: u32) -> bool {
    state(id).is_some_and(|state| state != 'Z')
}

fn state(id: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(") ")?;
    after_name.chars().next()
}

#[tokio::test]
async fn its_output_and_its_end_can_be_seen() -> Result<()> {
    let mut process = shell("echo to stdout; echo to stderr >&2; exit 7")?;
    let status = process.wait(SOON).await?;
    assert_eq!(status.code(), Some(7));
    assert_eq!(process.output(), "to stdout\nto stderr\n");
    Ok(())
}

#[tokio::test]
async fn kill9_ends_it_without_a_chance_to_tidy_up() -> Result<()> {
    let mut process =
        shell("trap 'echo tidied' TERM EXIT; echo ready; while :; do sleep 0.01; done")?;
    said(&process, "ready").await;
    process.kill9()?;
    assert!(!Path::new(&format!("/proc/{}", process.id())).exists());
    assert!(!process.output().contains("tidied"));
    Ok(())
}

#[tokio::test]
async fn sigterm_lets_it_tidy_up() -> Result<()> {
    let mut process =
        shell("trap 'echo tidied; exit 3' TERM; echo ready; while :; do sleep 0.01; done")?;
    said(&process, "ready").await;
    process.sigterm()?;
    assert_eq!(process.wait(SOON).await?.code(), Some(3));
    assert!(process.output().contains("tidied"));
    Ok(())
}

#[tokio::test]
async fn a_frozen_process_goes_on_when_told() -> Result<()> {
    let mut process = shell("trap 'exit 0' TERM; echo ready; while :; do sleep 0.01; done")?;
    said(&process, "ready").await;
    process.sigstop()?;
    let id = process.id();
    eventually(SOON, "the frozen state", async || {
        (state(id) == Some('T')).then_some(())
    })
    .await;
    process.sigterm()?;
    process.sigcont()?;
    assert!(process.wait(SOON).await?.success());
    Ok(())
}

#[tokio::test]
async fn a_dropped_handle_kills_its_process_even_a_frozen_one() -> Result<()> {
    let mut process = shell("while :; do sleep 1; done")?;
    let id = process.id();
    process.sigstop()?;
    drop(process);
    assert!(!is_alive(id));
    Ok(())
}

#[tokio::test]
async fn a_process_outlives_the_thread_that_started_it() -> Result<()> {
    let started = std::thread::spawn(|| shell("echo ready; while :; do sleep 0.01; done"));
    let mut process = started.join().expect("the thread does not panic")?;
    said(&process, "ready").await;
    assert!(process.ended()?.is_none());
    Ok(())
}

#[tokio::test]
async fn a_tied_process_ends_when_its_parent_is_killed() -> Result<()> {
    // A shell in the parent's place: `exec` is not wanted, the child is to be its child.
    let child = tied("sleep");
    let arguments: Vec<_> = child.get_args().map(|a| a.to_string_lossy()).collect();
    let script = format!(
        "{} {} 600 & echo child $!; wait",
        child.get_program().display(),
        arguments.join(" ")
    );
    let mut parent = shell(&script)?;
    said(&parent, "child").await;
    let output = parent.output();
    let id = output
        .trim()
        .strip_prefix("child ")
        .context("the child's id")?
        .parse()?;
    // `setpriv` has become `sleep` when the kernel knows what to do.
    eventually(SOON, "the child", async || {
        let name = std::fs::read_to_string(format!("/proc/{id}/comm")).ok()?;
        (name.trim() == "sleep").then_some(())
    })
    .await;
    parent.kill9()?;
    eventually(SOON, "the child's end", async || {
        (!is_alive(id)).then_some(())
    })
    .await;
    Ok(())
}

#[tokio::test]
async fn a_program_that_is_missing_is_named() -> Result<()> {
    let mut process = Background::spawn("it", tied("no-such-program-here"))?;
    assert!(!process.wait(SOON).await?.success());
    assert!(process.output().contains("no-such-program-here"));
    Ok(())
}

#[tokio::test]
#[should_panic(expected = "processes.rs:")]
async fn waiting_in_vain_names_the_place() {
    eventually(Duration::from_millis(1), "the end of time", async || {
        None::<()>
    })
    .await;
}

#[tokio::test]
#[should_panic(expected = "in vain for the end of time")]
async fn waiting_in_vain_names_what_was_awaited_even_if_the_look_hangs() {
    eventually(Duration::from_millis(1), "the end of time", async || {
        std::future::pending::<Option<()>>().await
    })
    .await;
}
