use std::collections::BTreeSet;

use anyhow::Result;
use arrivage_model::{Location, Object};
use arrivage_store::{Persistence, StoreError};
use chrono::{TimeDelta, Utc};
use futures::{StreamExt, TryStreamExt, stream};

use crate::places::{Folder, Place, Server, Stack, content, drain, read_all};

/// Every promise, over every store.
macro_rules! every_store {
    ($($promise:ident)*) => {
        every_store!(@ folder Folder: $($promise)*);
        every_store!(@ s3 Server: $($promise)*);
        every_store!(@ ministack Stack: $($promise)*);
    };
    (@ $module:ident $place:ident: $($promise:ident)*) => {
        mod $module {
            $(
                #[tokio::test]
                async fn $promise() -> anyhow::Result<()> {
                    super::$promise(&super::$place::new().await?).await
                }
            )*
        }
    };
}

every_store! {
    it_says_what_stands_there
    it_reads_any_range_exactly
    it_reads_an_empty_object
    it_never_hands_out_another_content
    what_is_not_there_is_gone
    what_is_in_no_bucket_is_a_wrong_setting
    it_lists_in_the_order_of_the_keys
    it_lists_page_by_page
    keys_are_kept_to_the_letter
    a_reader_reads_it_all
}

async fn head(place: &dyn Place, key: &str) -> Result<Object, StoreError> {
    place.store().head(&place.location(key), None).await
}

async fn keys(place: &dyn Place, prefix: &str) -> Result<Vec<String>> {
    let bucket = place.location("").bucket;
    let mut keys = Vec::new();
    let mut after = None;
    loop {
        let page = place
            .store()
            .list(&bucket, prefix, after.as_deref())
            .await?;
        assert!(page.objects.len() <= 1000);
        keys.extend(page.objects.into_iter().map(|object| object.location.key));
        after = page.next;
        if after.is_none() {
            return Ok(keys);
        }
    }
}

async fn it_says_what_stands_there(place: &dyn Place) -> Result<()> {
    place.put("a/b.csv", b"one,two\n").await?;
    let object = head(place, "a/b.csv").await?;
    assert_eq!(object.location, place.location("a/b.csv"));
    assert_eq!(object.size, Some(8));
    assert!(!object.etag.as_str().contains('"'));
    assert_eq!(object.version_id, None);
    let age = Utc::now() - object.last_modified.expect("a time");
    assert!(age.abs() < TimeDelta::minutes(1), "{age}");

    let bucket = place.location("").bucket;
    let page = place.store().list(&bucket, "a/", None).await?;
    let [listed] = &page.objects[..] else {
        panic!("{page:?}");
    };
    assert_eq!(listed.location, object.location);
    assert_eq!(listed.etag, object.etag, "as every source can say it");
    assert_eq!(listed.size, object.size);

    place.put("a/b.csv", b"one,six\n").await?;
    let changed = head(place, "a/b.csv").await?;
    assert_ne!(changed.etag, object.etag);
    place.put("a/b.csv", b"one,two\n").await?;
    let back = head(place, "a/b.csv").await?;
    assert_eq!(back.etag, object.etag, "it names a content, not a time");
    Ok(())
}

async fn it_reads_any_range_exactly(place: &dyn Place) -> Result<()> {
    let bytes = content(300_000);
    place.put("a", &bytes).await?;
    let object = head(place, "a").await?;
    let ends = [
        (0, 300_000),
        (0, 1),
        (1, 2),
        (0, 299_999),
        (299_999, 300_000),
        (70_000, 200_001),
    ];
    for (start, end) in ends {
        for size in [object.size, None] {
            let object = Object {
                size,
                ..object.clone()
            };
            let body = place.store().read(&object, start..end).await?;
            assert_eq!(body.range, start..end);
            assert_eq!(body.total, 300_000);
            assert!(body.last_modified.is_some());
            let came = drain(body).await?;
            assert!(
                came == bytes[start as usize..end as usize],
                "{start}..{end}"
            );
        }
    }
    Ok(())
}

async fn it_reads_an_empty_object(place: &dyn Place) -> Result<()> {
    place.put("empty", b"").await?;
    let object = head(place, "empty").await?;
    assert_eq!(object.size, Some(0));
    let body = place.store().read(&object, 0..0).await?;
    assert_eq!((body.range.clone(), body.total), (0..0, 0));
    assert_eq!(drain(body).await?, b"");
    let (bytes, error) = read_all(place.store(), object, Persistence::default()).await;
    assert_eq!((bytes, error.map(|e| e.to_string())), (vec![], None));
    Ok(())
}

async fn it_never_hands_out_another_content(place: &dyn Place) -> Result<()> {
    place.put("a", b"the old one").await?;
    let old = head(place, "a").await?;
    for new in ["the new one", "new", "a longer one than ever"] {
        place.put("a", new.as_bytes()).await?;
        for range in [0..11, 4..7, 10..11] {
            let outcome = match place.store().read(&old, range.clone()).await {
                Ok(body) => drain(body).await,
                Err(error) => Err(error),
            };
            let changed = matches!(outcome, Err(StoreError::Changed(_)));
            assert!(changed, "{new:?} {range:?}: {outcome:?}");
        }
    }
    place.put("a", b"the old one").await?;
    let body = place.store().read(&old, 4..7).await?;
    assert_eq!(drain(body).await?, b"old", "the same content again");
    Ok(())
}

async fn what_is_not_there_is_gone(place: &dyn Place) -> Result<()> {
    place.put("a", b"x").await?;
    let object = head(place, "a").await?;
    place.delete("a").await?;
    let outcome = head(place, "a").await;
    assert!(matches!(outcome, Err(StoreError::Gone(_))), "{outcome:?}");
    let outcome = place.store().read(&object, 0..1).await;
    assert!(matches!(outcome, Err(StoreError::Gone(_))), "{outcome:?}");
    assert_eq!(keys(place, "").await?, [""; 0]);
    Ok(())
}

async fn what_is_in_no_bucket_is_a_wrong_setting(place: &dyn Place) -> Result<()> {
    place.put("a", b"x").await?;
    let location = Location {
        bucket: "no-such-bucket-here".to_owned(),
        ..place.location("a")
    };
    let object = Object {
        location: location.clone(),
        ..head(place, "a").await?
    };
    let store = place.store();
    let errors = [
        store.head(&location, None).await.expect_err("a head"),
        store.read(&object, 0..1).await.expect_err("a body"),
        store
            .list(&location.bucket, "", None)
            .await
            .expect_err("a page"),
    ];
    for error in errors {
        assert!(error.is_misconfigured(), "{error:?}");
        assert!(error.to_string().contains("no-such-bucket-here"), "{error}");
    }
    Ok(())
}

async fn it_lists_in_the_order_of_the_keys(place: &dyn Place) -> Result<()> {
    let all = [
        "a", "b!", "b/a/c", "b/a.", "b/b", "b0", "ba", "c/d/e/f", "é",
    ];
    for key in all {
        place.put(key, b"x").await?;
    }
    let check = async |prefix: &str| {
        let expect: BTreeSet<_> = all
            .into_iter()
            .filter(|key| key.starts_with(prefix))
            .collect();
        let listed = keys(place, prefix).await?;
        assert!(listed.iter().eq(expect), "{prefix:?}: {listed:?}");
        anyhow::Ok(())
    };
    for prefix in [
        "", "b", "b/", "b/a", "b/a/", "c/d", "c/d/e/f", "c/d/e/f/", "x", "é", "//", "..",
    ] {
        check(prefix).await?;
    }
    Ok(())
}

async fn it_lists_page_by_page(place: &dyn Place) -> Result<()> {
    let mut all: Vec<_> = (0..1100)
        .map(|number| format!("{}/{number}", number % 3))
        .chain((0..1100).map(|number| format!("many/{number}")))
        .collect();
    stream::iter(&all)
        .map(|key| place.put(key, b"x"))
        .buffer_unordered(16)
        .try_collect::<()>()
        .await?;
    all.sort();
    assert_eq!(keys(place, "").await?, all);
    all.retain(|key| key.starts_with("many/1"));
    assert_eq!(keys(place, "many/1").await?, all);
    Ok(())
}

async fn keys_are_kept_to_the_letter(place: &dyn Place) -> Result<()> {
    let mut all: Vec<_> = [
        "with space.csv",
        "a+b.csv",
        "a%20b.csv",
        "a%2Bb+c d.csv",
        "100%.csv",
        "%",
        "nfc-\u{e9}.csv",
        "nfd-e\u{301}.csv",
        "two\nlines.csv",
        "tab\tand\rreturn",
        "quote\"and'back\\slash`",
        "<a>&amp;b;",
        "?query=1&x#fragment",
        "$(rm);|*[]{}~^:@!,=",
        " leading and trailing ",
        "日本語/🦀.csv",
        "-rf",
        ".hidden",
        "x.part",
        "dir/sub dir/+",
    ]
    .map(str::to_owned)
    .into();
    all.extend(place.own_awkward_keys());
    for key in &all {
        place.put(key, key.as_bytes()).await?;
    }
    for key in &all {
        let object = head(place, key).await?;
        assert_eq!(object.location.key, *key);
        let body = place.store().read(&object, 0..key.len() as u64).await?;
        assert_eq!(drain(body).await?, key.as_bytes(), "{key:?}");
    }
    all.sort();
    assert_eq!(keys(place, "").await?, all);
    for key in &all {
        let listed = keys(place, key).await?;
        assert!(listed.contains(key), "{key:?} as a prefix: {listed:?}");
    }
    Ok(())
}

async fn a_reader_reads_it_all(place: &dyn Place) -> Result<()> {
    let bytes = content(100_001);
    place.put("a", &bytes).await?;
    let object = Object {
        size: None,
        ..head(place, "a").await?
    };
    for part in [1 << 12, 99_999, 100_001, 1 << 20] {
        let persistence = Persistence {
            part,
            ..Persistence::default()
        };
        let (came, error) = read_all(place.store(), object.clone(), persistence).await;
        assert!(error.is_none(), "{error:?}");
        assert!(came == bytes);
    }
    Ok(())
}
