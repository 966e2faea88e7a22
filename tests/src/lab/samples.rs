//! Recordings of real guests for traces/samples, refreshed by running their scenarios again.

use std::{fs, process::Command};

use super::{
    error::{Error, Result, output},
    place::{program, samples_dir},
    run::run,
    scenario::Scenario,
};

/// Runs every scenario that has a sample, or those named, and saves its recording.
pub fn refresh(names: &[String], tell: &mut dyn FnMut(&str)) -> Result<()> {
    for name in Scenario::names()? {
        let scenario = Scenario::load(&name)?;
        let Some(sample) = &scenario.sample else { continue };
        if !names.is_empty() && !names.contains(&name) {
            continue;
        }
        tell(&format!("scenario {name}"));
        let outcome = run(&scenario, tell)?;
        if !outcome.complaints.is_empty() {
            return Err(Error::new(format!(
                "{name}: not fit for a sample:\n{}",
                outcome.complaints.join("\n")
            )));
        }
        let dir = samples_dir();
        fs::create_dir_all(&dir).map_err(|e| Error::file(&dir, "create it", e))?;
        let to = dir.join(format!("{}.lrt", sample.name));
        let new = to.with_extension("new");
        let _ = fs::remove_file(&new);
        output(
            Command::new(program("lastrites")?)
                .args(["save", "--recording", &sample.boot.to_string(), "--file"])
                .arg(outcome.dir.join("ring.lrt"))
                .arg(&new),
        )?;
        fs::rename(&new, &to).map_err(|e| Error::file(&to, "put the sample into place", e))?;
        tell(&format!("{}: {} bytes", to.display(), fs::metadata(&to).map_or(0, |m| m.len())));
    }
    Ok(())
}
