//! The package's `copyright` (DEP-5): our own, and the notices of every crate whose code is in the programs, as their
//! licences ask for.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

const HEAD: &str = "\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: lastrites
Comment: Made by tests/generated; LASTRITES_BLESS=1 makes it anew.
 The programs are linked with the code of other crates. What stands under crates/ is no file of this
 package, but the notice of such a crate; where it lets one choose, the licence was chosen that stands there.

Files: *
Copyright: 2026 the lastrites authors
License: Expat

Files: rust/library/*
Copyright: The Rust Project contributors
License: Expat
";

/// Texts of licences by their names here.
const TEXTS: &[(&str, &str)] = &[
    (
        "Expat",
        "Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the \"Software\"), to deal in the Software without restriction, including without limitation
the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and
to permit persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of
the Software.

THE SOFTWARE IS PROVIDED \"AS IS\", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO
THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF
CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS
IN THE SOFTWARE.",
    ),
    (
        "Apache-2.0",
        "On Debian systems the text of the Apache License, Version 2.0, is in /usr/share/common-licenses/Apache-2.0;
elsewhere it is at https://www.apache.org/licenses/LICENSE-2.0.",
    ),
    (
        "Zlib",
        "This software is provided 'as-is', without any express or implied warranty. In no event will the authors be held
liable for any damages arising from the use of this software.

Permission is granted to anyone to use this software for any purpose, including commercial applications, and to
alter it and redistribute it freely, subject to the following restrictions:

1. The origin of this software must not be misrepresented; you must not claim that you wrote the original
software. If you use this software in a product, an acknowledgment in the product documentation would be
appreciated but is not required.

2. Altered source versions must be plainly marked as such, and must not be misrepresented as being the original
software.

3. This notice may not be removed or altered from any source distribution.",
    ),
];

/// One crate whose code is in the programs.
struct Linked {
    name: String,
    licence: &'static str,
    notices: Vec<String>,
}

/// The file's text.
pub fn text() -> String {
    let linked = linked();
    let used: BTreeSet<&str> = linked.iter().map(|one| one.licence).chain(["Expat"]).collect();
    let mut out = HEAD.to_owned();
    for one in &linked {
        out.push_str(&format!("\nFiles: crates/{}/*\nCopyright: {}\n", one.name, one.notices.join("\n ")));
        out.push_str(&format!("License: {}\n", one.licence));
    }
    for (name, text) in TEXTS.iter().filter(|(name, _)| used.contains(name)) {
        out.push_str(&format!("\nLicense: {name}\n"));
        for line in text.lines() {
            out.push_str(&format!(" {}\n", if line.is_empty() { "." } else { line }));
        }
    }
    out
}

fn linked() -> Vec<Linked> {
    let tree = cargo(&[
        "tree",
        "--edges=normal,no-proc-macro",
        "--package=lastrites",
        "--package=lastrites-tracer",
        "--target=x86_64-unknown-linux-gnu",
        "--prefix=none",
        "--format={p}",
    ]);
    let names: BTreeSet<(&str, &str)> = tree
        .lines()
        .filter_map(|line| line.split_once(" v"))
        .map(|(name, rest)| (name, rest.split(' ').next().unwrap_or_default()))
        .filter(|(name, _)| !name.starts_with("lastrites"))
        .collect();
    assert!(names.len() > 40, "cargo names only {names:?}");
    // Crates of other systems need not be on this machine.
    let metadata = cargo(&["metadata", "--format-version=1", "--filter-platform=x86_64-unknown-linux-gnu"]);
    let metadata: Value = serde_json::from_str(&metadata).expect("JSON");
    let packages = metadata["packages"].as_array().expect("a list");
    let mut linked: Vec<Linked> = Vec::new();
    for (name, version) in names {
        let package = packages
            .iter()
            .find(|package| package["name"] == name && package["version"] == version)
            .unwrap_or_else(|| panic!("cargo has no metadata of {name} {version}"));
        let one =
            Linked { name: name.to_owned(), licence: licence(package), notices: notices(name, package) };
        match linked.last_mut() {
            // Two versions of it.
            Some(last) if last.name == one.name => last.notices.extend(one.notices),
            _ => linked.push(one),
        }
    }
    for one in &mut linked {
        let mut seen = BTreeSet::new();
        one.notices.retain(|notice| seen.insert(notice.clone()));
    }
    linked
}

fn cargo(words: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(words)
        .args(["--locked", "--offline"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The one that is chosen, where there is a choice.
fn licence(package: &Value) -> &'static str {
    let expression = package["license"].as_str().unwrap_or_default().replace('/', " OR ");
    assert!(
        !expression.contains(" AND "),
        "{}: {expression}: its paragraph has to be written",
        package["name"]
    );
    let offered: Vec<&str> = expression.split(" OR ").map(str::trim).collect();
    let wanted = [("MIT", "Expat"), ("Apache-2.0", "Apache-2.0"), ("Zlib", "Zlib")];
    let found = wanted.iter().find(|(spdx, _)| offered.contains(spdx));
    found.unwrap_or_else(|| panic!("{}: no text is here for {expression}", package["name"])).1
}

/// Who holds the rights, in the words of its licence files, or else its authors.
fn notices(name: &str, package: &Value) -> Vec<String> {
    let manifest = PathBuf::from(package["manifest_path"].as_str().expect("a path"));
    let dir = manifest.parent().expect("a directory");
    let mut files: Vec<PathBuf> = fs::read_dir(dir)
        .expect("cargo has its sources")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_lowercase();
            ["licen", "copy"].iter().any(|start| name.starts_with(start)) && path.is_file()
        })
        .collect();
    files.sort();
    let mut found = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap_or_default();
        found.extend(text.lines().filter_map(notice));
    }
    if found.is_empty() {
        let authors = package["authors"].as_array().into_iter().flatten();
        found.extend(authors.filter_map(|author| author.as_str()).map(str::to_owned));
    }
    if found.is_empty() {
        found.push(format!("the authors of {name}"));
    }
    found
}

/// What stands behind the word, if this is a notice and no form to fill in.
fn notice(line: &str) -> Option<String> {
    let rest = line.trim().strip_prefix("Copyright ")?;
    let marked = ["(c)", "(C)", "©"].iter().find_map(|mark| rest.strip_prefix(mark));
    let is_one = marked.is_some() || rest.starts_with(|c: char| c.is_ascii_digit());
    let words = marked.unwrap_or(rest).trim();
    (is_one && !words.is_empty() && !words.contains(['[', '{'])).then(|| words.to_owned())
}
