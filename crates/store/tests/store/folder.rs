use std::fs::{self, File, OpenOptions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::Result;
use arrivage_model::{LOCAL_BUCKET, Location, Object};
use arrivage_store::{Body, Persistence, Store, StoreError};
use arrivage_testkit::eventually;
use futures::StreamExt;
use rustix::fs::{FileType, Mode, mknodat};

use crate::places::{Folder, Place, content, drain, read_all};

async fn refused(folder: &Folder, key: &str) -> String {
    let location = folder.location(key);
    let error = folder.store.head(&location, None).await.expect_err(key);
    assert!(matches!(error, StoreError::Refused { .. }), "{error:?}");
    let object = Object {
        size: None,
        ..any_object(location)
    };
    let error = folder.store.read(&object, 0..1).await.expect_err(key);
    assert!(matches!(error, StoreError::Refused { .. }), "{error:?}");
    error.to_string()
}

fn any_object(location: Location) -> Object {
    Object {
        location,
        etag: arrivage_model::ETag::parse("any").expect("a tag"),
        version_id: None,
        size: Some(1),
        last_modified: None,
        sequencer: None,
    }
}

async fn keys(folder: &Folder) -> Result<Vec<String>> {
    let page = folder.store.list("inbox", "", None).await?;
    assert_eq!(page.next, None);
    Ok(page
        .objects
        .into_iter()
        .map(|object| object.location.key)
        .collect())
}

#[tokio::test]
async fn no_key_leads_out_of_the_folder() -> Result<()> {
    let folder = Folder::new().await?;
    let outside = tempfile::NamedTempFile::new()?;
    let name = outside
        .path()
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    folder.put("sub/a", b"x").await?;
    let absolute = outside.path().to_string_lossy();
    let (beside, around) = (format!("../{name}"), format!("sub/../../{name}"));
    for key in [
        absolute.as_ref(),
        "",
        "/",
        ".",
        "..",
        &beside,
        &around,
        "sub/../sub/a",
        "sub//a",
        "sub/./a",
        "sub/a/",
        "sub/",
        "a\0",
    ] {
        refused(&folder, key).await;
    }
    Ok(())
}

#[tokio::test]
async fn links_are_never_followed() -> Result<()> {
    let folder = Folder::new().await?;
    let outside = tempfile::tempdir()?;
    fs::write(outside.path().join("secret"), "secret")?;
    folder.put("real/a", b"x").await?;
    symlink(outside.path().join("secret"), folder.path("file-out"))?;
    symlink(outside.path(), folder.path("directory-out"))?;
    symlink("real/a", folder.path("file-in"))?;
    symlink("real", folder.path("directory-in"))?;
    symlink("nowhere", folder.path("dangling"))?;
    for key in [
        "file-out",
        "directory-out/secret",
        "file-in",
        "directory-in/a",
        "dangling",
    ] {
        let error = refused(&folder, key).await;
        assert!(error.contains("symbolic link"), "{error}");
    }
    assert_eq!(keys(&folder).await?, ["real/a"]);
    Ok(())
}

#[tokio::test]
async fn what_is_no_regular_file_is_refused_without_waiting() -> Result<()> {
    let folder = Folder::new().await?;
    folder.put("directory/a", b"x").await?;
    let root = File::open(folder.directory.path())?;
    mknodat(&root, "pipe", FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
    let _socket = std::os::unix::net::UnixListener::bind(folder.path("socket"))?;
    assert!(refused(&folder, "pipe").await.contains("no regular file"));
    assert!(refused(&folder, "socket").await.contains("no regular file"));
    assert!(refused(&folder, "directory").await.contains("a directory"));
    assert_eq!(keys(&folder).await?, ["directory/a"]);

    let device = Location::folder(LOCAL_BUCKET, "dev/zero");
    let error = folder
        .store
        .head(&device, None)
        .await
        .expect_err("a device");
    assert!(matches!(error, StoreError::Refused { .. }), "{error:?}");
    let below = folder
        .store
        .head(&folder.location("directory/a/b"), None)
        .await;
    assert!(matches!(below, Err(StoreError::Gone(_))), "{below:?}");
    Ok(())
}

#[tokio::test]
async fn a_path_outside_of_every_source_is_in_the_local_bucket() -> Result<()> {
    let folder = Folder::new().await?;
    folder.put("a", b"x").await?;
    let path = fs::canonicalize(folder.path("a"))?;
    let location: Location = path.to_str().expect("UTF-8").parse()?;
    assert_eq!(location.bucket, LOCAL_BUCKET);
    let object = folder.store.head(&location, None).await?;
    assert_eq!(drain(folder.store.read(&object, 0..1).await?).await?, b"x");

    let directory = location.key.strip_suffix('a').expect("a directory");
    let page = folder.store.list(LOCAL_BUCKET, directory, None).await?;
    assert_eq!(page.objects, [object]);
    Ok(())
}

#[tokio::test]
async fn names_that_are_not_utf8_are_left_out() -> Result<()> {
    let folder = Folder::new().await?;
    folder.put("good", b"x").await?;
    let bad = std::ffi::OsStr::from_bytes(b"bad\xff");
    fs::write(folder.directory.path().join(bad), "x")?;
    fs::create_dir(folder.directory.path().join(bad).with_extension("d"))?;
    assert_eq!(keys(&folder).await?, ["good"]);
    Ok(())
}

#[tokio::test]
async fn a_page_goes_on_where_the_one_before_ended() -> Result<()> {
    let folder = Folder::new().await?;
    let mut all = Vec::new();
    for directory in ["", "a/", "a/b/", "a/b/c/", "b/", "e/"] {
        for file in ["a.csv", "b", "b.csv", "c0"] {
            all.push(format!("{directory}{file}"));
        }
    }
    // A file and a directory cannot have one name.
    all.retain(|key| key != "b" && key != "a/b");
    for key in &all {
        folder.put(key, b"x").await?;
    }
    fs::create_dir(folder.path("c"))?;
    fs::create_dir(folder.path("d"))?;
    all.sort();
    for limit in 1..=all.len() + 1 {
        let mut came = Vec::new();
        let mut after = None;
        loop {
            let page = folder
                .store
                .entries("inbox", "", after.as_deref(), limit)
                .await?;
            assert!(page.entries.len() <= limit);
            came.extend(page.entries.into_iter().map(|entry| entry.location.key));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(came, all, "{limit} at a time");
    }
    Ok(())
}

/// A file that was written a while ago, so that every change shows in its times.
async fn settled(folder: &Folder, key: &str, bytes: &[u8]) -> Result<Object> {
    folder.put(key, bytes).await?;
    let path = folder.path(key);
    eventually(Duration::from_secs(5), "a file of some age", async || {
        let changed = fs::metadata(&path).ok()?;
        let changed = Duration::new(changed.ctime() as u64, changed.ctime_nsec() as u32);
        let age = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH + changed);
        (age.ok()? > Duration::from_millis(200)).then_some(())
    })
    .await;
    Ok(folder.store.head(&folder.location(key), None).await?)
}

const LARGE: usize = 8 << 20;

/// Reads a little, does something to the file, and reads on: the bytes that
/// came, and what ended them.
async fn disturbed(act: impl FnOnce(&Path) -> Result<()>) -> Result<(Vec<u8>, Option<StoreError>)> {
    let folder = Folder::new().await?;
    let object = settled(&folder, "a", &content(LARGE)).await?;
    let Body { mut chunks, .. } = folder.store.read(&object, 0..LARGE as u64).await?;
    let mut came = Vec::new();
    while came.is_empty() {
        came.extend(chunks.next().await.expect("a block")?);
    }
    act(&folder.path("a"))?;
    while let Some(block) = chunks.next().await {
        match block {
            Ok(block) => came.extend(block),
            Err(error) => return Ok((came, Some(error))),
        }
    }
    Ok((came, None))
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_read_is_never_mixed() -> Result<()> {
    let changed = async |act: fn(&Path) -> Result<()>| {
        let (came, error) = disturbed(act).await?;
        assert!(matches!(error, Some(StoreError::Changed(_))), "{error:?}");
        assert!(came.len() < LARGE && content(LARGE).starts_with(&came));
        anyhow::Ok(())
    };
    // In place, with the size and the time of before.
    changed(|path| {
        let file = OpenOptions::new().write(true).open(path)?;
        let modified = file.metadata()?.modified()?;
        file.write_all_at(&[0; 64], LARGE as u64 - 64)?;
        Ok(file.set_modified(modified)?)
    })
    .await?;
    changed(|path| Ok(File::options().write(true).open(path)?.set_len(100)?)).await?;
    changed(|path| Ok(fs::write(path, vec![0; LARGE])?)).await?;
    changed(|path| {
        let other = path.with_extension("new");
        fs::write(&other, vec![0; LARGE])?;
        Ok(fs::rename(other, path)?)
    })
    .await?;

    let (came, error) = disturbed(|path| Ok(fs::remove_file(path)?)).await?;
    assert!(matches!(error, Some(StoreError::Gone(_))), "{error:?}");
    assert!(content(LARGE).starts_with(&came));
    Ok(())
}

#[tokio::test]
async fn a_file_that_is_only_touched_is_read_to_its_end() -> Result<()> {
    let same = async |act: fn(&Path) -> Result<()>| {
        let (came, error) = disturbed(act).await?;
        assert!(error.is_none(), "{error:?}");
        assert!(came == content(LARGE));
        anyhow::Ok(())
    };
    same(|path| {
        Ok(fs::set_permissions(
            path,
            fs::Permissions::from_mode(0o600),
        )?)
    })
    .await?;
    same(|path| Ok(fs::hard_link(path, path.with_extension("link"))?)).await?;
    same(|path| {
        let twin = path.with_extension("twin");
        fs::copy(path, &twin)?;
        Ok(fs::rename(twin, path)?)
    })
    .await
}

#[tokio::test]
async fn the_same_size_and_time_do_not_make_the_same_content() -> Result<()> {
    let folder = Folder::new().await?;
    let object = settled(&folder, "a", b"the old one").await?;
    let modified = fs::metadata(folder.path("a"))?.modified()?;
    fs::write(folder.path("a"), b"the new one")?;
    File::options()
        .write(true)
        .open(folder.path("a"))?
        .set_modified(modified)?;

    let now = folder.store.head(&object.location, None).await?;
    assert_eq!(
        (now.size, now.last_modified),
        (object.size, object.last_modified)
    );
    assert_ne!(now.etag, object.etag);
    let (bytes, error) = read_all(folder.store(), object, Persistence::default()).await;
    assert!(matches!(error, Some(StoreError::Changed(_))), "{error:?}");
    assert_eq!(bytes, b"");
    Ok(())
}

#[tokio::test]
async fn a_young_file_may_change_at_any_moment() -> Result<()> {
    let folder = Folder::new().await?;
    let location = folder.location("a");
    // Some of these changes fall into one tick of the file system's clock.
    for _ in 0..100 {
        fs::write(folder.path("a"), b"one")?;
        let one = folder.store.head(&location, None).await?;
        fs::write(folder.path("a"), b"two")?;
        let two = folder.store.head(&location, None).await?;
        assert_ne!(one.etag, two.etag);
    }
    Ok(())
}

#[tokio::test]
async fn the_tag_is_the_blake3_of_the_bytes() -> Result<()> {
    let folder = Folder::new().await?;
    folder.put("a", b"").await?;
    let object = folder.store.head(&folder.location("a"), None).await?;
    let empty = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
    assert_eq!(object.etag.as_str(), empty);
    Ok(())
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_a_wrong_setting() -> Result<()> {
    let folder = Folder::new().await?;
    folder.put("a", b"x").await?;
    fs::remove_dir_all(folder.directory.path())?;
    let location = folder.location("a");
    let errors = [
        folder
            .store
            .head(&location, None)
            .await
            .expect_err("a head"),
        folder
            .store
            .read(&any_object(location), 0..1)
            .await
            .expect_err("a body"),
        folder
            .store
            .list("inbox", "", None)
            .await
            .expect_err("a page"),
    ];
    for error in errors {
        assert!(error.is_misconfigured(), "{error:?}");
    }
    Ok(())
}
