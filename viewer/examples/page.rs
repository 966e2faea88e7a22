//! A recording as a page: `cargo run -p lastrites --example page -- FILE OUT.html`.

use std::{fs::File, path::Path};

use lastrites::{page, view::load};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (Some(file), Some(out)) = (arguments.next(), arguments.next()) else {
        eprintln!("give a file of lastrites and a name: traces/samples/power-cut.lrt page.html");
        std::process::exit(2);
    };
    let model = load::now(Path::new(&file), None).expect("a recording");
    let mut out = File::create(out).expect("a new file");
    page::write(&model, &mut out).expect("written");
}
