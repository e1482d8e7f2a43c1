use std::fs::File;
use std::path::Path;

use arrivage_model::Location;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat, fstat, openat, statat};
use rustix::io::Errno;

use super::Stamp;
use crate::StoreError;

/// To pass through a directory, one need not be allowed to list it.
#[cfg(target_os = "linux")]
const PASS: OFlags = OFlags::PATH;
#[cfg(not(target_os = "linux"))]
const PASS: OFlags = OFlags::RDONLY;

const LINK: &str = "leads over a symbolic link, which is never followed";

/// A regular file, and its stamp from when it was opened.
pub(super) struct Opened {
    pub(super) file: File,
    pub(super) stamp: Stamp,
}

impl Opened {
    /// Whether the file is still as it was when it was opened. It is not if
    /// another one took its place: losing a name changes a file, too.
    pub(super) fn is_untouched(&self) -> Result<bool, Errno> {
        Ok(Stamp::of(&fstat(&self.file)?) == self.stamp)
    }
}

/// Opens a regular file below `root`, step by step, so that no link leads
/// astray, even one that is put there at this moment. Never waits for a writer
/// of a named pipe.
pub(super) fn file(root: &Path, location: &Location) -> Result<Opened, StoreError> {
    let refuse = |why| StoreError::Refused {
        location: location.clone(),
        why,
    };
    let fail = |errno| failed(location, errno);

    let steps = steps(&location.key).map_err(refuse)?;
    let Some((name, directories)) = steps.split_last() else {
        return Err(refuse("is no file"));
    };
    let directory = directory(root, directories, location)?;
    let stat = statat(&directory, *name, AtFlags::SYMLINK_NOFOLLOW).map_err(fail)?;
    is_file(&stat).map_err(refuse)?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = openat(&directory, *name, flags | OFlags::CLOEXEC, Mode::empty()).map_err(fail)?;
    let stat = fstat(&file).map_err(fail)?;
    is_file(&stat).map_err(refuse)?;
    Ok(Opened {
        file: File::from(file),
        stamp: Stamp::of(&stat),
    })
}

/// Opens a directory below `root` in the same way.
pub(super) fn directory(
    root: &Path,
    steps: &[&str],
    location: &Location,
) -> Result<OwnedFd, StoreError> {
    let flags = PASS | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut directory = openat(CWD, root, flags, Mode::empty()).map_err(|errno| match errno {
        Errno::NOENT | Errno::NOTDIR | Errno::ACCESS => StoreError::Misconfigured {
            what: format!("the folder {} cannot be opened", root.display()),
            source: Some(std::io::Error::from(errno).into()),
        },
        errno => failed(location, errno),
    })?;
    for step in steps {
        directory = enter(directory.as_fd(), step).map_err(|errno| failed(location, errno))?;
    }
    Ok(directory)
}

/// Opens a directory in another one; [`Errno::LOOP`] if it is a link.
pub(super) fn enter(directory: BorrowedFd<'_>, name: &str) -> Result<OwnedFd, Errno> {
    let flags = PASS | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match openat(directory, name, flags, Mode::empty()) {
        Err(Errno::NOTDIR) => {
            let stat = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
            let link = FileType::from_raw_mode(stat.st_mode) == FileType::Symlink;
            Err(if link { Errno::LOOP } else { Errno::NOTDIR })
        }
        answer => answer,
    }
}

/// The names on the way to a key, none of which leads up or nowhere.
pub(super) fn steps(key: &str) -> Result<Vec<&str>, &'static str> {
    if key.is_empty() {
        return Ok(Vec::new());
    }
    let steps: Vec<_> = key.split('/').collect();
    if steps.iter().any(|step| matches!(*step, "" | "." | "..")) {
        return Err("is no plain path below its folder");
    }
    if key.contains('\0') {
        return Err("contains U+0000, which no file name can hold");
    }
    Ok(steps)
}

fn is_file(stat: &Stat) -> Result<(), &'static str> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(()),
        FileType::Directory => Err("is a directory"),
        FileType::Symlink => Err(LINK),
        _ => Err("is no regular file"),
    }
}

pub(super) fn failed(location: &Location, errno: Errno) -> StoreError {
    let source = std::io::Error::from(errno);
    match errno {
        Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG => StoreError::Gone(location.clone()),
        Errno::LOOP => StoreError::Refused {
            location: location.clone(),
            why: LINK,
        },
        Errno::ACCESS | Errno::PERM => StoreError::Denied {
            location: location.clone(),
            source: source.into(),
        },
        Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::AGAIN | Errno::BUSY => {
            StoreError::Busy {
                retry_after: None,
                source: source.into(),
            }
        }
        _ => StoreError::Unavailable(source.into()),
    }
}
