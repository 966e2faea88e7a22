//! Bundles the recording of a real machine that `lastrites demo` shows where it cannot record, once
//! there is one.

use std::path::Path;

const SAMPLE: &str = "../traces/samples/sysvinit-respawn.lrt";

fn main() {
    println!("cargo::rustc-check-cfg=cfg(bundled_sample)");
    println!("cargo::rerun-if-changed={SAMPLE}");
    if Path::new(SAMPLE).is_file() {
        println!("cargo::rustc-cfg=bundled_sample");
    }
}
