//! The README shows what the program says.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::samples::sample;

fn readme() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")
}

fn text() -> String {
    std::fs::read_to_string(readme()).expect("the README")
}

/// What stands behind the line of a command, as far as it is indented or empty, and where in the page.
fn shown<'a>(page: &'a str, command: &str) -> (usize, &'a str) {
    let line = format!("    $ {command}\n");
    let from = page.find(&line).unwrap_or_else(|| panic!("no `{command}` in the README")) + line.len();
    let lines = page[from..].split_inclusive('\n');
    let len: usize =
        lines.take_while(|line| line.starts_with("    ") || line.trim().is_empty()).map(str::len).sum();
    (from, page[from..from + len].trim_end())
}

#[test]
fn its_story_is_the_one_that_explain_tells() {
    let page = text();
    let (from, shown) = shown(&page, "lastrites explain traces/samples/sysvinit-respawn.lrt");
    let output = Command::new(env!("CARGO_BIN_EXE_lastrites"))
        .arg("explain")
        .arg(sample("sysvinit-respawn"))
        .env("COLUMNS", "100")
        .env_remove("NO_COLOR")
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs");
    let told = String::from_utf8(output.stdout).expect("UTF-8");
    let indented = |line: &str| if line.is_empty() { String::new() } else { format!("    {line}") };
    let told = told.lines().map(indented).collect::<Vec<_>>().join("\n");
    let told = told.trim_end();
    if std::env::var_os("LASTRITES_BLESS").is_some() {
        let new = format!("{}{told}{}", &page[..from], &page[from + shown.len()..]);
        std::fs::write(readme(), new).expect("written");
        return;
    }
    assert!(shown == told, "the README's story is stale (LASTRITES_BLESS=1 takes this):\n{told}");
}

/// Of lines that are too long for the page, `...` stands for what is left out.
#[test]
fn what_it_has_report_say_is_what_report_says() {
    let dir = tempfile::tempdir().expect("a directory");
    let output = Command::new(env!("CARGO_BIN_EXE_lastrites"))
        .args(["report", "--file"])
        .arg(sample("sysvinit-respawn"))
        .current_dir(dir.path())
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs");
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    let page = text();
    let (_, shown) = shown(&page, "lastrites report");
    assert_eq!(shown.lines().count(), said.lines().count(), "{said}");
    for (shown, said) in shown.lines().map(str::trim).zip(said.lines()) {
        let mut rest = said;
        for (at, part) in shown.split("...").enumerate() {
            let found = rest.find(part).filter(|found| at > 0 || *found == 0);
            rest = &rest[found.unwrap_or_else(|| panic!("README: {shown}\nreport: {said}")) + part.len()..];
        }
        assert!(rest.is_empty() || shown.ends_with("..."), "README: {shown}\nreport: {said}");
    }
}
