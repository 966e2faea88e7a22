//! Completions, one file for each shell, named as the shell wants it.

use clap_complete::{Shell, generate};

use crate::commands;

pub const FILES: &[(Shell, &str)] =
    &[(Shell::Bash, "lastrites.bash"), (Shell::Zsh, "_lastrites"), (Shell::Fish, "lastrites.fish")];

/// What no definition knows: where a FILE may stand, files are offered at once, and names of what was imported beside
/// them.
const BASH_NAMES: &str = r#"
_lastrites_imported() {
    local dir name
    for dir in "${XDG_DATA_HOME:-$HOME/.local/share}/lastrites/imported" /var/lib/lastrites-imported; do
        for name in "$dir"/*.lrt "$dir"/*.tar.gz; do
            [[ -f $name ]] || continue
            name=${name##*/}
            name=${name%.lrt}
            printf '%s\n' "${name%.tar.gz}"
        done
    done
}

_lastrites_files() {
    _lastrites "$@"
    [[ ${COMP_CWORD} -ge 2 && $2 != -* ]] || return 0
    local IFS=$'\n' names=""
    case "${COMP_WORDS[1]},$3" in
        import,--remove)
            COMPREPLY=( $(compgen -W "$(_lastrites_imported)" -- "$2") )
            return 0
            ;;
        *,--file) names=$(_lastrites_imported) ;;
        *,-*) return 0 ;;
        view,*|list,*|show,*|explain,*|diff,*|report,*|export,*) names=$(_lastrites_imported) ;;
        save,*|import,*) ;;
        *) return 0 ;;
    esac
    compopt -o filenames 2>/dev/null
    COMPREPLY=( $(compgen -f -- "$2"; compgen -W "$names" -- "$2") )
}
"#;

/// The function that bash calls stands in front of the one that was generated.
fn with_names(generated: &str) -> String {
    let (functions, registered) = generated.rsplit_once("\nif [[").expect("it is registered");
    let registered = registered.replace("-F _lastrites ", "-F _lastrites_files ");
    assert_eq!(registered.matches("_lastrites_files").count(), 2, "{registered}");
    format!("{functions}{BASH_NAMES}\nif [[{registered}")
}

/// The same for zsh, in place of what it was told of files only.
const ZSH_NAMES: &str = r#"
_lastrites_imported() {
    local data="${XDG_DATA_HOME:-$HOME/.local/share}"
    local -a names
    names=( "$data"/lastrites/imported/*(.N:t) /var/lib/lastrites-imported/*(.N:t) )
    names=( ${(M)names:#*.(lrt|tar.gz)} )
    names=( ${names%.lrt} )
    names=( ${names%.tar.gz} )
    compadd "$@" -a names
}

_lastrites_files() {
    _alternative 'files:file:_files' 'imported:imported recording:_lastrites_imported'
}
"#;

fn with_names_for_zsh(generated: &str) -> String {
    let (functions, called) = generated.rsplit_once("\nif [ \"$funcstack[1]\"").expect("it is called");
    let mut count = 0;
    let lines = functions.lines().map(|line| {
        let names_a_file = ["'::positional", "'*::beside", "'*::files -- Ring files", "'::good", "'::bad"];
        let is_file = line.contains("--file=[") || names_a_file.iter().any(|start| line.starts_with(start));
        let by = if line.contains("--remove=[") { "_lastrites_imported'" } else { "_lastrites_files'" };
        let ends = [":_files' \\", ":_default' \\"];
        match ends.iter().find_map(|end| line.strip_suffix(end)) {
            Some(rest) if is_file || line.contains("--remove=[") => {
                count += 1;
                format!("{rest}:{by} \\\n")
            }
            _ => format!("{line}\n"),
        }
    });
    let lines: String = lines.collect();
    assert!(count > 15, "{count} of {functions}");
    format!("{lines}{ZSH_NAMES}\nif [ \"$funcstack[1]\"{called}")
}

/// The same for fish, which adds up what it is told.
const FISH_NAMES: &str = r#"
function __fish_lastrites_imported
    set -l data $XDG_DATA_HOME
    test -n "$data"
    or set data $HOME/.local/share
    for dir in $data/lastrites/imported /var/lib/lastrites-imported
        for file in $dir/*.lrt $dir/*.tar.gz
            string replace -r '^.*/(.*?)(\.lrt|\.tar\.gz)$' '$1' -- $file
        end
    end
end

complete -c lastrites -n "__fish_lastrites_using_subcommand explain view report list diff show export" -a "(__fish_lastrites_imported)"
complete -c lastrites -n "__fish_lastrites_using_subcommand explain view report list diff show export save" -l file -r -F -a "(__fish_lastrites_imported)"
complete -c lastrites -n "__fish_lastrites_using_subcommand import" -l remove -r -f -a "(__fish_lastrites_imported)"
"#;

pub fn all() -> Vec<(String, String)> {
    let one = |(shell, name): &(Shell, &str)| {
        let mut out = Vec::new();
        generate(*shell, &mut commands::offered(), "lastrites", &mut out);
        let text = String::from_utf8(out).expect("definitions are text");
        let text = match shell {
            Shell::Bash => with_names(&text),
            Shell::Zsh => with_names_for_zsh(&text),
            _ => text + FISH_NAMES,
        };
        ((*name).to_owned(), text)
    };
    FILES.iter().map(one).collect()
}
