//! The whole program as a subprocess, against real servers.
//!
//! [`Arrivage`] is one configuration in a directory of its own, and the program run with it: to its
//! end ([`Arrivage::run`]) or beside the test ([`Arrivage::start`]). [`Destination`] is the database
//! that it loads into, PostgreSQL or SQLite, and [`on_both!`] runs one story on each. [`Scene`] is all
//! of it for stories of processes that die, stop and take over, with a [`Delivery`] to load.
//!
//! The program is the one beside the test's own executable. `cargo nextest run --workspace` builds
//! it; where only these tests are run, `cargo build -p arrivage-cli` comes first.

mod delivery;
mod destination;
mod gate;
mod http;
mod program;
mod scene;

pub use arrivage_testkit::Chance;
pub use delivery::Delivery;
pub use destination::Destination;
pub use gate::Gate;
pub use http::ask;
pub use program::{Arrivage, Ended, Running};
pub use scene::{Arrival, Scene};

/// Makes two tests of each `async fn story(destination: Destination) -> anyhow::Result<()>`:
/// `story::sqlite` and `story::postgres`.
#[macro_export]
macro_rules! on_both {
    ($($story:ident),+ $(,)?) => {$(
        mod $story {
            #[tokio::test]
            async fn sqlite() -> anyhow::Result<()> {
                super::$story($crate::Destination::sqlite()?).await
            }

            #[tokio::test]
            async fn postgres() -> anyhow::Result<()> {
                super::$story($crate::Destination::postgres().await?).await
            }
        }
    )+};
}
