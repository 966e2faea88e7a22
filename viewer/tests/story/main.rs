//! The story, told of scenes: every scene of `scenes/*.scene` is one test, named `<file>: <its sentence>`.
//!
//! The language of scenes is described in `scenes/README.md`.

mod boot;
mod expect;
mod scene;

use std::{fs, path::Path, process::ExitCode};

use libtest_mimic::{Arguments, Failed, Trial};

use scene::Scene;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    for (file, text) in files() {
        match scene::scenes(&file, &text) {
            Ok(scenes) => trials.extend(scenes.into_iter().map(trial)),
            // A file that cannot be read is a test that fails, so that the others still run.
            Err(error) => trials.push(Trial::test(format!("{file}: can be read"), move || Err(error.into()))),
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(scene: Scene) -> Trial {
    let name = format!("{}: {}", scene.file, scene.sentence);
    Trial::test(name, move || scene.check().map_err(Failed::from))
}

/// Names, without `.scene`, and texts of all scene files, in order of name.
fn files() -> Vec<(String, String)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/story/scenes");
    let entries = fs::read_dir(&dir).expect("the directory of the scenes");
    let paths = entries.map(|entry| entry.expect("an entry of that directory").path());
    let mut files: Vec<(String, String)> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "scene"))
        .map(|path| {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).expect("a scene file is text"))
        })
        .collect();
    files.sort();
    files
}
