//! The lab by hand.
//!
//!     cargo run -p lastrites-tests --bin lab -- COMMAND
//!
//! `lab help` says which. Programs that go into guests are taken from the release build.

use std::{
    io::{BufRead as _, IsTerminal as _, Write as _},
    path::Path,
    process::ExitCode,
};

use lastrites_tests::lab::{
    Error, Image, Outcome, Scenario, extract_btf, judge_again, prepare, refresh_samples, run, start,
    truth_table,
};

const HELP: &str = "\
lab list                  scenarios and images
lab images [NAME...]      builds images that are not there yet, all of them unless named
lab btf DIR               writes the BTF of all images' kernels there, which live tests hold the probe against
                          (LASTRITES_BTF_DIR)
lab run SCENARIO...       runs scenarios, and says what is seen; files stay in target/lab/SCENARIO
lab judge SCENARIO...     judges the files of their last runs again, without a guest
lab truth                 how well the stories of the last runs agree with the witness, as a Markdown table
lab shell SCENARIO        boots the guest of a scenario, does nothing, and takes commands for it from standard
                          input; at its end the power goes
lab samples [SCENARIO...] runs those that have a sample, and renews traces/samples

Programs come from target/release (LASTRITES_LAB_BIN: another directory); images are kept in
~/.cache/lastrites-lab (LASTRITES_LAB_CACHE). LASTRITES_LAB_SEED repeats a random moment.";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match words.split_first() {
        Some((command, rest)) => match (command.as_str(), rest) {
            ("list", []) => list(),
            ("images", names) => images(names),
            ("btf", [dir]) => btf(dir),
            ("run", names @ [_, ..]) => judge_all(names, run),
            ("judge", names @ [_, ..]) => judge_all(names, judge_again),
            ("truth", []) => truth_table().map(|table| {
                print!("{table}");
                true
            }),
            ("shell", [name]) => shell(name),
            ("samples", names) => refresh_samples(names, &mut |line| println!("{line}")).map(|()| true),
            ("help" | "--help", _) => {
                println!("{HELP}");
                Ok(true)
            }
            _ => Err(Error::new(format!("cannot do {:?}\n\n{HELP}", words.join(" ")))),
        },
        None => Err(Error::new(HELP)),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("lab: {error}");
            ExitCode::FAILURE
        }
    }
}

fn list() -> Result<bool, Error> {
    for name in Scenario::names()? {
        println!("scenario {name}: {}", Scenario::load(&name)?.about.trim().replace('\n', " "));
    }
    for name in Image::names()? {
        println!("image {name}");
    }
    Ok(true)
}

fn images(names: &[String]) -> Result<bool, Error> {
    let names = if names.is_empty() { Image::names()? } else { names.to_vec() };
    for name in names {
        let image = Image::get(&name)?;
        println!("{name}: {}", image.dir.display());
    }
    Ok(true)
}

fn btf(dir: &str) -> Result<bool, Error> {
    let images = Image::names()?.iter().map(|name| Image::get(name)).collect::<Result<Vec<_>, _>>()?;
    for release in extract_btf(&images, Path::new(dir))? {
        println!("{release}");
    }
    Ok(true)
}

/// Runs a scenario, or judges it again.
type Judge = fn(&Scenario, &mut dyn FnMut(&str)) -> Result<Outcome, Error>;

fn judge_all(names: &[String], judge: Judge) -> Result<bool, Error> {
    let mut good = true;
    for name in names {
        let scenario = Scenario::load(name)?;
        println!("== {name}: {}", scenario.about.trim());
        match judge(&scenario, &mut |line| println!("{line}")) {
            Ok(outcome) => {
                for complaint in &outcome.complaints {
                    println!("WRONG: {complaint}");
                }
                good &= outcome.complaints.is_empty();
                println!("files are in {}", outcome.dir.display());
            }
            Err(error) => {
                println!("FAILED: {error}");
                good = false;
            }
        }
    }
    Ok(good)
}

fn shell(name: &str) -> Result<bool, Error> {
    let prepared = prepare(&Scenario::load(name)?)?;
    eprintln!("booting; console: {}/console-1.log", prepared.dir.display());
    let mut guest = start(&prepared, 1, "")?;
    let prompt = || {
        if std::io::stdin().is_terminal() {
            print!("guest# ");
            // A prompt that is not shown is no reason to stop.
            let _ = std::io::stdout().flush();
        }
    };
    prompt();
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|e| Error::new(format!("standard input: {e}")))?;
        let answer = guest.run(&line)?;
        print!("{}", answer.text);
        if answer.status != 0 {
            println!("(status {})", answer.status);
        }
        prompt();
    }
    Ok(true)
}
