#![no_main]

use std::panic;

// The library may panic over a broken file, which is caught: such a panic is no finding.
libfuzzer_sys::fuzz_target!(
    init: panic::set_hook(Box::new(|_| {})),
    |data: &[u8]| arrivage_invariants::parquet(data)
);
