//! What a service shows to those who look after it: probes, metrics, logs.

mod dashboard;
mod logs;
mod probes;
mod secrets;
