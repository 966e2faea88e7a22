//! The command line as people meet it.
//!
//! `lastrites` hands some of its commands over to `lastrites-tracer` and knows nothing of their options: for those the
//! tracer's definitions stand here in place of the viewer's.

use clap::{Arg, Command, CommandFactory as _};

pub fn tracer() -> Command {
    lastrites_tracer::cli::Cli::command().disable_help_subcommand(true)
}

/// `lastrites`, with the options of what it hands over.
pub fn whole() -> Command {
    let mut whole = lastrites::cli::command().disable_help_subcommand(true);
    for sub in visible(&tracer()) {
        let there = visible(&whole).any(|other| other.get_name() == sub.get_name());
        if there {
            // An option of all commands, that nothing of these heeds.
            let sub = sub.clone().arg(Arg::new("color").long("color").hide(true));
            let name = sub.get_name().to_owned();
            whole = whole.mut_subcommand(name, |old| sub.display_order(old.get_display_order()));
        }
    }
    whole
}

/// The same without what is hidden: completions would offer it.
pub fn offered() -> Command {
    let whole = whole();
    let global = |arg: &&Arg| arg.is_global_set();
    let mut offered = bare(&whole, whole.get_arguments().filter(global)).version("");
    for sub in visible(&whole) {
        let heeded = |arg: &&Arg| global(arg) && sub.get_arguments().all(|own| own.get_id() != arg.get_id());
        offered = offered.subcommand(bare(sub, whole.get_arguments().filter(heeded)));
    }
    offered.disable_help_subcommand(true)
}

/// `command` with `global` arguments and those of its own that are not hidden.
fn bare<'a>(command: &Command, global: impl Iterator<Item = &'a Arg>) -> Command {
    // clap wants names that live for ever, and lends those that it has for less.
    let mut bare = Command::new(&*command.get_name().to_owned().leak());
    if let Some(about) = command.get_about() {
        bare = bare.about(about.clone());
    }
    let own = command.get_arguments().filter(|arg| !arg.is_hide_set() && !arg.is_global_set());
    bare.args(own.cloned()).args(global.cloned().map(|arg| arg.global(false)))
}

/// [`whole`] with all that clap adds to it.
pub fn built() -> Command {
    let mut whole = whole();
    whole.build();
    whole
}

pub fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|sub| !sub.is_hide_set())
}

/// Long options of `command` that people are told of, but for `--help`.
pub fn visible_options(command: &Command) -> Vec<String> {
    let shown = command.get_arguments().filter(|arg| !arg.is_hide_set());
    shown.filter_map(|arg| arg.get_long()).filter(|long| *long != "help").map(str::to_owned).collect()
}

pub fn help_of(command: &Command, long: &str) -> String {
    let arg = command.get_arguments().find(|arg| arg.get_long() == Some(long));
    arg.and_then(Arg::get_help).map(ToString::to_string).unwrap_or_default()
}
