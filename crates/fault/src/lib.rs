//! Named places where a test has the program killed, stopped, or cut off.
//!
//! `ARRIVAGE_FAULT=chunk.before_commit=kill@3` kills the process the third time
//! that it comes to that place; several faults stand behind each other with commas
//! between them. What strikes is told on stderr: `fault: chunk.before_commit kill`.
//!
//! Without debug assertions, so in every release, nothing of this is there:
//! [`reach`] and [`check`] are `const fn` then, which can neither read the
//! environment nor send a signal, and the places have no names.

#[cfg(debug_assertions)]
mod armed;
mod point;

#[cfg(debug_assertions)]
pub use armed::{Action, VARIABLE, check, reach};
pub use point::Point;

/// Passes by.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub const fn reach<E>(_: Point) -> Result<(), E> {
    Ok(())
}

/// Finds nothing wrong.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub const fn check() -> Result<(), String> {
    Ok(())
}
