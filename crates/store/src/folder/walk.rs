use std::collections::BinaryHeap;
use std::path::Path;

use arrivage_model::Location;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, statat};
use rustix::io::Errno;

use super::complaints::Complaints;
use super::{Stamp, open};
use crate::StoreError;

/// A regular file, unread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it is.
    pub location: Location,
    /// Stays the same as long as its bytes do.
    pub stamp: Stamp,
}

/// Some of the files below a prefix.
#[derive(Clone, Debug, Default)]
pub struct EntryPage {
    /// In the order of their keys. May be empty although more pages follow.
    pub entries: Vec<Entry>,
    /// Asks for the page after this one; none after the last.
    pub next: Option<String>,
}

/// Walks the tree in the order of the keys. Holds no more names than `limit`
/// of each directory on the way, and reads a directory again where it has more.
pub(super) fn entries(
    complaints: &Complaints,
    root: &Path,
    wanted: &Location,
    after: Option<&str>,
    limit: usize,
) -> Result<EntryPage, StoreError> {
    let prefix = wanted.key.as_str();
    let base = prefix.rfind('/').map_or("", |end| &prefix[..=end]);
    let Ok(steps) = open::steps(base.trim_end_matches('/')) else {
        return Ok(EntryPage::default());
    };
    if base.ends_with("//") || base == "/" {
        return Ok(EntryPage::default());
    }
    let directory = match open::directory(root, &steps, wanted) {
        Ok(directory) => directory,
        Err(StoreError::Gone(_) | StoreError::Refused { .. }) => return Ok(EntryPage::default()),
        Err(error) => return Err(error),
    };
    let mut walk = Walk {
        complaints,
        wanted,
        after,
        limit: limit.max(1),
        entries: Vec::new(),
    };
    walk.directory(directory.as_fd(), base)?;
    let full = walk.entries.len() == walk.limit;
    let last = walk.entries.last().filter(|_| full);
    Ok(EntryPage {
        next: last.map(|entry| entry.location.key.clone()),
        entries: walk.entries,
    })
}

struct Walk<'a> {
    complaints: &'a Complaints,
    wanted: &'a Location,
    after: Option<&'a str>,
    limit: usize,
    entries: Vec<Entry>,
}

impl Walk<'_> {
    /// Adds what lies below a directory, whose keys all begin with `base`.
    fn directory(&mut self, directory: BorrowedFd<'_>, base: &str) -> Result<(), StoreError> {
        let mut cursor = None;
        loop {
            let room = self.limit - self.entries.len();
            let names = match self.names(directory, base, cursor.as_deref(), room) {
                Ok(names) => names,
                Err(Errno::ACCESS | Errno::PERM) if base != self.wanted.key && !base.is_empty() => {
                    self.left_out(base, "we may not read this directory");
                    return Ok(());
                }
                Err(errno) => return Err(open::failed(&self.location(base), errno)),
            };
            let all = names.len() < room;
            for key in &names {
                self.visit(directory, base, key)?;
                if self.entries.len() == self.limit {
                    return Ok(());
                }
            }
            if all {
                return Ok(());
            }
            cursor = names.into_iter().next_back();
        }
    }

    /// A name that ends with a slash is a directory.
    fn visit(
        &mut self,
        directory: BorrowedFd<'_>,
        base: &str,
        key: &str,
    ) -> Result<(), StoreError> {
        let name = &key[base.len()..];
        if let Some(name) = name.strip_suffix('/') {
            return match open::enter(directory, name) {
                Ok(below) => self.directory(below.as_fd(), key),
                Err(errno) => self.skip(key, errno),
            };
        }
        match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {
                self.entries.push(Entry {
                    location: self.location(key),
                    stamp: Stamp::of(&stat),
                });
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(errno) => self.skip(key, errno),
        }
    }

    /// What went away, or became something else, since its name was read.
    fn skip(&self, key: &str, errno: Errno) -> Result<(), StoreError> {
        match errno {
            Errno::NOENT | Errno::NOTDIR | Errno::LOOP => Ok(()),
            Errno::ACCESS | Errno::PERM => {
                self.left_out(key, "we may not look at it");
                Ok(())
            }
            errno => Err(open::failed(&self.location(key), errno)),
        }
    }

    /// The first `room` keys in a directory beyond the cursor, directories with
    /// a slash at the end, which is where their files stand in the order.
    fn names(
        &self,
        directory: BorrowedFd<'_>,
        base: &str,
        cursor: Option<&str>,
        room: usize,
    ) -> Result<Vec<String>, Errno> {
        let mut first = BinaryHeap::new();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let readable = openat(directory, ".", flags, Mode::empty())?;
        for entry in Dir::new(readable)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else {
                let name = entry.file_name().to_string_lossy();
                self.left_out(&format!("{base}{name}"), "its name is not UTF-8");
                continue;
            };
            if matches!(name, "." | "..") {
                continue;
            }
            let mut key = format!("{base}{name}");
            let kind = match entry.file_type() {
                FileType::Unknown => match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                    Err(_) => continue,
                },
                kind => kind,
            };
            match kind {
                FileType::Directory => key.push('/'),
                FileType::RegularFile => {}
                _ => continue,
            }
            if !self.wants(&key) || cursor.is_some_and(|cursor| key.as_str() <= cursor) {
                continue;
            }
            if key.len() > Location::MAX_KEY {
                self.left_out(&key, "its path is too long for a key");
                continue;
            }
            first.push(key);
            if first.len() > room {
                first.pop();
            }
        }
        Ok(first.into_sorted_vec())
    }

    fn wants(&self, key: &str) -> bool {
        let prefix = self.wanted.key.as_str();
        if !key.starts_with(prefix) {
            return false;
        }
        match self.after {
            Some(after) => key > after || (key.ends_with('/') && after.starts_with(key)),
            None => true,
        }
    }

    fn left_out(&self, key: &str, why: &'static str) {
        self.complaints.skipped(&self.wanted.bucket, key, why);
    }

    fn location(&self, key: &str) -> Location {
        Location::folder(&self.wanted.bucket, key)
    }
}
