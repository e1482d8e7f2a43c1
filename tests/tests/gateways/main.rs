//! Files that come through a real SFTP gateway, `rclone serve sftp`, uploaded by a real client in each
//! of the ways that clients have: straight to the name, by another name and a rename, and cut in the
//! middle.

mod gateway;
mod rclone_before_a_bucket;
mod rclone_before_a_folder;
mod world;
