//! Objects that a queue announces, from the upload to the rows: ministack and PostgreSQL.

mod aws;
mod deaf;
mod objects;
#[cfg(debug_assertions)]
mod queue_points;

mod hundred_objects;
mod notified_again;
