//! The story, told of scenes: every scene of `scenes/*.scene` is one test, named `<file>: <its sentence>`.
//!
//! The language of scenes is described in `scenes/README.md`.

mod boot;
mod expect;
mod hostile;
mod language;
mod nonsense;
mod properties;
mod random;
mod scene;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use libtest_mimic::{Arguments, Failed, Trial};

use scene::Scene;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials = language::trials();
    let files = files();
    trials.extend(language::coverage(&files));
    for (file, text) in files {
        match scene::scenes(&file, &text) {
            Ok(scenes) => trials.extend(scenes.into_iter().flat_map(trials_of)),
            // A file that cannot be read is a test that fails, so that the others still run.
            Err(error) => trials.push(Trial::test(format!("{file}: can be read"), move || Err(error.into()))),
        }
    }
    trials.extend((0..hostile::ROUNDS).map(|round| {
        let name = format!("hostile: nonsense is told without harm, round {round}");
        Trial::test(name, move || hostile::round(round).map_err(Failed::from))
    }));
    libtest_mimic::run(&arguments, trials).exit_code()
}

type Property = fn(&Scene) -> Result<(), String>;

/// What holds for every scene, by the name of the test.
const PROPERTIES: [(&str, Property); 4] = [
    ("in whatever order its events arrive", properties::order_of_arrival),
    ("among strangers", properties::strangers),
    ("with events lost", properties::losses),
    ("without names and arguments, as a report tells it", properties::redacted),
];

fn trials_of(scene: Scene) -> Vec<Trial> {
    let name = format!("{}: {}", scene.file, scene.sentence);
    let scene = Arc::new(scene);
    let of = |(property, holds): &(&str, Property)| {
        let (scene, holds) = (Arc::clone(&scene), *holds);
        Trial::test(format!("{name}; {property}"), move || holds(&scene).map_err(Failed::from))
    };
    let mut trials: Vec<Trial> = PROPERTIES.iter().map(of).collect();
    trials.insert(0, Trial::test(name.clone(), move || scene.check().map_err(Failed::from)));
    trials
}

/// Names, without `.scene`, and texts of all scene files, in order of name.
fn files() -> Vec<(String, String)> {
    // Scenes of somebody who writes some are in a place of his own.
    let dir = std::env::var_os("LASTRITES_SCENES")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/story/scenes"), PathBuf::from);
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
