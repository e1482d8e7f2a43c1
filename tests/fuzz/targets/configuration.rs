#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| arrivage_invariants::configuration(data));
