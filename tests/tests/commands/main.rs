//! The commands, one by one: what they do, what they say, and their exit codes.

mod items;

mod broken_files;
mod checking;
mod configuration;
mod loading;
mod loading_from_s3;
mod maintenance;
mod migrating;
mod overwriting;
mod pausing;
mod processing;
mod reconciling;
mod replaying;
mod retaining;
mod rights;
mod rows;
mod unloading;
mod values;
