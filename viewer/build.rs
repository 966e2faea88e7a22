//! The demonstration bundles the recording of a real machine, for where it cannot record: without it
//! nothing is built.

use std::path::Path;

const SAMPLE: &str = "../traces/samples/sysvinit-respawn.lrt";

fn main() {
    println!("cargo::rerun-if-changed={SAMPLE}");
    if !Path::new(SAMPLE).is_file() {
        println!("cargo::error={SAMPLE} is missing: `lab samples sysvinit_respawn` records it anew");
    }
}
