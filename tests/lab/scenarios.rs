//! Every scenario is a test of its own, named after its file.

use std::process::ExitCode;

use lastrites_tests::lab::{Scenario, run};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let names = match Scenario::names() {
        Ok(names) => names,
        Err(error) => {
            eprintln!("scenarios: {error}");
            return ExitCode::FAILURE;
        }
    };
    let trials = names.into_iter().map(|name| Trial::test(name.clone(), move || scenario(&name))).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn scenario(name: &str) -> Result<(), Failed> {
    let scenario = Scenario::load(name)?;
    let outcome = run(&scenario, &mut |line| println!("{line}"))?;
    if outcome.complaints.is_empty() {
        return Ok(());
    }
    Err(format!("{}\nthe guest's files are in {}", outcome.complaints.join("\n"), outcome.dir.display())
        .into())
}
