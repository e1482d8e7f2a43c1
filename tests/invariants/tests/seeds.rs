//! The seeds of the fuzz targets, and what the fuzzer has found, hold what has to hold.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use arrivage_invariants::ALL;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

/// Of a folder, the names of what is in it.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let name = |entry: fs::DirEntry| entry.file_name().into_string().expect("plain names");
    entries
        .map(|entry| name(entry.expect("readable")))
        .collect()
}

macro_rules! seeds {
    ($($target:ident),*) => {
        $(
            #[test]
            fn $target() {
                let seeds = fuzz().join("seeds").join(stringify!($target));
                for name in names(&seeds) {
                    // Shown where one of them fails.
                    println!("{name}");
                    arrivage_invariants::$target(&fs::read(seeds.join(name)).expect("a file"));
                }
            }
        )*

        const REPLAYED: &[&str] = &[$(stringify!($target)),*];
    };
}

mod hold {
    use super::*;

    seeds!(
        csv,
        json,
        fixed_width,
        encodings,
        compressed,
        zip,
        tar,
        parquet,
        avro,
        notification,
        configuration,
        preview
    );

    #[test]
    fn every_target_has_seeds_and_none_is_left_out() {
        let all: BTreeSet<_> = ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
        let replayed: BTreeSet<_> = REPLAYED.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(replayed, all);
        assert_eq!(names(&fuzz().join("seeds")), all);
        let targets = names(&fuzz().join("targets")).into_iter();
        let targets: BTreeSet<_> = targets
            .map(|name| name.trim_end_matches(".rs").to_owned())
            .collect();
        assert_eq!(targets, all);
        let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).expect("a manifest");
        for name in &all {
            assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
            assert!(names(&fuzz().join("seeds").join(name)).len() >= 4, "{name}");
        }
    }
}
