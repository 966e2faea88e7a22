//! The shells themselves complete with what is in the repository.

use std::{fs, path::Path, process::Command};

use crate::viewer;

/// A home in which somebody imported something.
fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().expect("a directory");
    let imported = home.path().join(".local/share/lastrites/imported");
    fs::create_dir_all(&imported).expect("made");
    for file in ["db7.lrt", "bug.tar.gz", ".bug.tar.gz.glance", "junk"] {
        fs::write(imported.join(file), "").expect("written");
    }
    home
}

/// What `shell` offers, a word each. `script` finds the file of completions in `$1` and the line to complete in
/// the words behind it.
fn offered(shell: &str, args: &[&str], script: &str, file: &Path, words: &[&str]) -> Vec<String> {
    // Some make directories in it.
    let home = home();
    let output = Command::new(shell)
        .args(args)
        .args(["-c", script])
        .args(if shell == "fish" { &[][..] } else { &["-"][..] })
        .arg(file)
        .args(words)
        .env_remove("XDG_CONFIG_HOME")
        .env_remove("XDG_DATA_HOME")
        .env("HOME", home.path())
        .env("TERM", "dumb")
        .output()
        .unwrap_or_else(|e| panic!("{shell} does not run: {e}; `tests/run` installs it"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{shell}: {}{said}", String::from_utf8_lossy(&output.stderr));
    said.split_whitespace().map(str::to_owned).collect()
}

fn bash(words: &[&str]) -> Vec<String> {
    let script = "source \"$1\"; shift
        COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
        _lastrites_files lastrites \"${COMP_WORDS[COMP_CWORD]}\" \"${COMP_WORDS[COMP_CWORD-1]}\" 2>/dev/null
        printf '%s\\n' \"${COMPREPLY[@]}\"";
    offered("bash", &["--norc"], script, &viewer("completions/lastrites.bash"), words)
}

fn fish(words: &[&str]) -> Vec<String> {
    let script =
        // Where nothing is to be replaced, that is a failure to it.
        "source $argv[1]; complete -C (string join -- ' ' $argv[2..]) | string replace -r '\\t.*' ''; true";
    offered("fish", &["--no-config"], script, &viewer("completions/lastrites.fish"), words)
}

/// zsh offers nothing without a terminal. Its editor has begun to read when it asks for marked pastes (2004h): what is
/// typed before is the kernel's, for which the last key (kill the line) means something else.
fn zsh(words: &[&str]) -> Vec<String> {
    let script = "
        zmodload zsh/zpty
        zpty shell zsh -f -i
        zpty -w shell 'PROMPT= RPROMPT=; stty -echo; autoload -U compinit; compinit -D; zstyle \":completion:*\" verbose no'
        zpty -w shell 'source '$1'; compdef _lastrites lastrites'
        zpty -w shell 'setopt no_list_beep list_rows_first; LISTMAX=1000; bindkey \"^I\" list-choices; echo rea''dy'
        zpty -r -m shell said '*ready*2004h*'
        shift
        zpty -w -n shell \"$*\"$'\\t'
        zpty -w -n shell $'\\025'
        zpty -w shell 'echo do''ne'
        zpty -r -m shell said '*done*'
        print -r -- $said
        zpty -d shell";
    offered("zsh", &["-f"], script, &viewer("completions/_lastrites"), words)
}

/// A shell, by what it offers.
type Offer = fn(&[&str]) -> Vec<String>;

/// Options alone were offered where a FILE may stand, and files where a name has to.
#[test]
fn bash_completes_files_and_what_was_imported() {
    let home = home();
    fs::create_dir(home.path().join("here")).expect("made");
    fs::write(home.path().join("here/a file.lrt"), "").expect("written");
    let offered = |words: &str| {
        let script = "cd \"$HOME/here\"; source \"$1\"; COMP_WORDS=(lastrites $2 \"\"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
            _lastrites_files lastrites '' \"${COMP_WORDS[COMP_CWORD-1]}\" 2>/dev/null; printf '%s\\n' \"${COMPREPLY[@]}\"";
        let output = Command::new("bash")
            .args(["--norc", "-c", script, "-"])
            .arg(viewer("completions/lastrites.bash"))
            .arg(words)
            .env("HOME", home.path())
            .env_remove("XDG_DATA_HOME")
            .output()
            .expect("bash runs");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    for command in ["view", "explain", "diff", "diff x", "export --format json x", "show --file"] {
        assert_eq!(offered(command), "a file.lrt\ndb7\nbug\n", "{command}");
    }
    assert_eq!(offered("import"), "a file.lrt\n");
    assert_eq!(offered("import --remove"), "db7\nbug\n");
    assert!(offered("export --format").contains("parquet") && offered("arm").contains("--always"));
}

fn check(shell: &str, offer: Offer) {
    let has = |words: &[&str], wanted: &[&str], never: &[&str]| {
        let offered = offer(words);
        for word in wanted {
            assert!(offered.iter().any(|o| o == word), "{shell}: {words:?} lacks {word}: {offered:?}");
        }
        for word in never {
            assert!(!offered.iter().any(|o| o == word), "{shell}: {words:?} has {word}: {offered:?}");
        }
    };
    has(&["lastrites", ""], &["arm", "explain", "report", "status"], &["seal", "refresh"]);
    // What the tracer alone knows.
    has(&["lastrites", "arm", "--"], &["--always", "--once", "--size", "--settle"], &["--color"]);
    has(&["lastrites", "show", "--"], &["--signal", "--name", "--json"], &["--always"]);
    // Names of what was imported, where they may stand for files, and there files as well: here is a Cargo.toml.
    let hidden = ["junk", ".bug.tar.gz.glance", "db7.lrt"];
    for words in [&["view", ""][..], &["diff", "x", ""], &["export", ""], &["show", "--file", ""]] {
        let line: Vec<&str> = ["lastrites"].iter().chain(words).copied().collect();
        has(&line, &["db7", "bug", "Cargo.toml"], &hidden);
    }
    has(&["lastrites", "import", ""], &["Cargo.toml"], &["db7", "bug"]);
    has(&["lastrites", "import", "--remove", ""], &["db7", "bug"], &["Cargo.toml", "junk"]);
}

#[test]
fn bash_completes_commands_of_both_programs() {
    check("bash", bash);
}

#[test]
fn fish_completes_commands_of_both_programs() {
    check("fish", fish);
}

#[test]
fn zsh_completes_commands_of_both_programs() {
    check("zsh", zsh);
}
