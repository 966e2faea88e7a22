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

pub fn all() -> Vec<(String, String)> {
    let one = |(shell, name): &(Shell, &str)| {
        let mut out = Vec::new();
        generate(*shell, &mut commands::offered(), "lastrites", &mut out);
        let text = String::from_utf8(out).expect("definitions are text");
        ((*name).to_owned(), if *shell == Shell::Bash { with_names(&text) } else { text })
    };
    FILES.iter().map(one).collect()
}
