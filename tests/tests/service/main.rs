//! What a service shows to those who look after it: probes, metrics, logs.

mod logs;
mod probes;
mod secrets;
