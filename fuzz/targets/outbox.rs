#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| lbproxy::fuzzing::run("outbox", data));
