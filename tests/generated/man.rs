//! Man pages.
//!
//! Invariant: what a page says of a command is what its definition says; only what no definition knows (files,
//! variables, other pages) stands here. Nothing in a page changes with the version or the date.

use clap::Command;
use clap_mangen::{
    Man,
    roff::{Roff, bold, roman},
};

use crate::commands;

/// What clap_mangen sets in front of everything it renders.
const PREAMBLE: &str = ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n";

const ENVIRONMENT: &[(&str, &str)] = &[
    ("LASTRITES_FILE", "The file to read where none is named."),
    ("NO_COLOR", "When it is set, nothing is coloured unless --color says so."),
    ("COLUMNS, LINES", "The size of a terminal that does not know its own, as serial consoles do not."),
    ("TMPDIR", "Where the recording of a report is unpacked, into a file without a name."),
    (
        "XDG_DATA_HOME",
        "Where imported recordings are kept, in lastrites/imported; ~/.local/share unless it is set.",
    ),
];

const FILES: &[(&str, &str)] = &[
    (
        "/var/lib/lastrites/ring.lrt",
        "The ring file. Where /var is not on the root file system it is /.lastrites/ring.lrt, since it has to be there \
         until the last moment. For root and the group adm: command lines may hold passwords.",
    ),
    (
        "/etc/lastrites/armed",
        "There while it is armed. It lists all that arming installed, so that disarming removes it.",
    ),
    ("/var/lib/lastrites-imported", "Recordings of other machines, imported for all users."),
    ("/run/lastrites", "What the recorder says of itself while it runs."),
    ("/sys/fs/bpf/lastrites-v*", "The probe, which the kernel keeps running when every process is gone."),
];

/// Every page: its file's name and its text.
pub fn pages() -> Vec<(String, String)> {
    let whole = commands::built();
    let subs: Vec<&Command> = commands::visible(&whole).collect();
    let mut pages = vec![("lastrites.1".to_owned(), main_page(&whole))];
    pages.extend(subs.iter().map(|sub| (format!("lastrites-{}.1", sub.get_name()), sub_page(sub))));
    pages.push(("lastrites-tracer.8".to_owned(), tracer_page(&whole)));
    pages
}

fn main_page(whole: &Command) -> String {
    let man = man(whole, "lastrites", "1");
    let mut page = head(&man);
    page.push_str(&part(|out| man.render_options_section(out)));
    page.push_str(&part(|out| man.render_subcommands_section(out)).replace("SUBCOMMANDS", "COMMANDS"));
    page.push_str(&after_help(whole));
    page.push_str(&tagged("ENVIRONMENT", ENVIRONMENT));
    page.push_str(&tagged("FILES", FILES));
    let subs = commands::visible(whole).map(|sub| format!("lastrites-{}(1)", sub.get_name()));
    page.push_str(&see_also(&subs.chain(["lastrites-tracer(8)".to_owned()]).collect::<Vec<_>>()));
    page
}

fn sub_page(sub: &Command) -> String {
    let man = man(sub, &format!("lastrites-{}", sub.get_name()), "1");
    let mut page = head(&man);
    page.push_str(&part(|out| man.render_options_section(out)));
    page.push_str(&after_help(sub));
    page.push_str(&see_also(&["lastrites(1)".to_owned()]));
    page
}

/// Most commands of the tracer have a page of their own, under the name by which people call them.
fn tracer_page(whole: &Command) -> String {
    let mut tracer = commands::tracer();
    tracer.build();
    let man = man(&tracer, "lastrites-tracer", "8");
    let mut page = head(&man);
    page.push_str(&part(|out| man.render_options_section(out)));
    let mut roff = Roff::new();
    roff.control("PP", []);
    roff.text([roman(
        "The only program of lastrites that runs as root. Nobody needs to call it by this name: lastrites(1) hands its \
         commands over to it, and what arming installs calls a copy of it beside the ring file.",
    )]);
    page = page.replacen(".SH OPTIONS", &format!("{}.SH OPTIONS", body(&roff)), 1);
    let mut roff = Roff::new();
    roff.control("SH", ["COMMANDS"]);
    for sub in commands::visible(&tracer) {
        roff.control("TP", []);
        roff.text([bold(sub.get_name())]);
        roff.text([roman(sub.get_about().map(ToString::to_string).unwrap_or_default())]);
        if commands::visible(whole).any(|known| known.get_name() == sub.get_name()) {
            roff.text([roman(format!("(lastrites-{}(1))", sub.get_name()))]);
            continue;
        }
        for arg in commands::visible_options(sub) {
            roff.control("RS", []);
            roff.control("TP", []);
            roff.text([bold(format!("--{arg}"))]);
            roff.text([roman(commands::help_of(sub, &arg))]);
            roff.control("RE", []);
        }
    }
    page.push_str(&body(&roff));
    page.push_str(&after_help(&tracer));
    page.push_str(&tagged("FILES", FILES));
    page.push_str(&see_also(&["lastrites(1)".to_owned()]));
    page
}

fn man(command: &Command, title: &str, section: &str) -> Man {
    // What the short help leaves out has room here.
    let whole = command.clone().mut_args(|arg| arg.hide_short_help(false)).override_usage(usage(command));
    Man::new(whole).title(title).section(section).source("lastrites").manual("lastrites").date("")
}

/// How it is called, with the values of its options, which clap_mangen leaves out.
fn usage(command: &Command) -> String {
    let mut usage = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
    let shown = || command.get_arguments().filter(|arg| !arg.is_hide_set());
    let in_brackets =
        |text: String, required: bool| if required { format!(" {text}") } else { format!(" [{text}]") };
    for arg in shown().filter(|arg| !arg.is_positional()) {
        let short = arg.get_short().map(|short| format!("-{short}"));
        let names: Vec<String> =
            short.into_iter().chain(arg.get_long().map(|long| format!("--{long}"))).collect();
        let mut text = names.join("|");
        if arg.get_num_args().is_some_and(|count| count.takes_values()) {
            for name in arg.get_value_names().unwrap_or_default() {
                text.push_str(&format!(" {name}"));
            }
        }
        usage.push_str(&in_brackets(text, arg.is_required_set()));
    }
    for arg in shown().filter(|arg| arg.is_positional()) {
        let name = arg.get_value_names().map(|names| names.join(" ")).unwrap_or_default();
        usage.push_str(&in_brackets(name, arg.is_required_set()));
        if arg.get_num_args().is_some_and(|count| count.max_values() > 1) {
            usage.push_str("...");
        }
    }
    if commands::visible(command).next().is_some() {
        usage.push_str(&in_brackets("COMMAND".to_owned(), command.is_subcommand_required_set()));
    }
    usage
}

fn head(man: &Man) -> String {
    let warning = ".\\\" Made of the command's definition by tests/generated; change it there.\n";
    let parts = [
        part(|out| man.render_title(out)),
        part(|out| man.render_name_section(out)),
        part(|out| man.render_synopsis_section(out)),
        part(|out| man.render_description_section(out)),
    ];
    format!("{warning}{PREAMBLE}{}", parts.concat())
}

/// One part of a page, without the preamble that each brings.
fn part(render: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> String {
    let mut out = Vec::new();
    render(&mut out).expect("a vector takes everything");
    let text = String::from_utf8(out).expect("definitions are text");
    text.strip_prefix(PREAMBLE).expect("the preamble comes first").to_owned()
}

fn body(roff: &Roff) -> String {
    part(|out| roff.to_writer(out))
}

/// What stands behind the options in a command's help: exit codes, examples, and notes on it.
fn after_help(command: &Command) -> String {
    let text = command.get_after_long_help().or(command.get_after_help()).map(ToString::to_string);
    let text = text.unwrap_or_default();
    let (mut codes, mut examples, mut notes) = (Roff::new(), Roff::new(), Roff::new());
    for paragraph in text.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()) {
        if let Some(lines) = paragraph.strip_prefix("Exit codes:\n") {
            codes.control("SH", ["EXIT STATUS"]);
            for line in lines.lines() {
                let (code, meaning) = line.trim().split_once("  ").expect("a code and what it means");
                codes.control("TP", []).text([bold(code)]).text([roman(meaning)]);
            }
        } else if let Some(lines) = paragraph.strip_prefix("Examples:\n") {
            examples.control("SH", ["EXAMPLES"]).control("nf", []);
            for line in lines.lines() {
                examples.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
            }
            examples.control("fi", []);
        } else {
            if notes == Roff::new() {
                notes.control("SH", ["NOTES"]);
            }
            notes.control("PP", []);
            for line in paragraph.lines() {
                notes.text([roman(line)]);
            }
        }
    }
    [&notes, &codes, &examples].map(body).concat()
}

fn tagged(title: &str, list: &[(&str, &str)]) -> String {
    let mut roff = Roff::new();
    roff.control("SH", [title]);
    for (name, text) in list {
        roff.control("TP", []).text([bold(*name)]).text([roman(*text)]);
    }
    body(&roff)
}

fn see_also(pages: &[String]) -> String {
    let mut roff = Roff::new();
    roff.control("SH", ["SEE ALSO"]).text([roman(pages.join(", "))]);
    body(&roff)
}
