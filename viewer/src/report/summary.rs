//! What a report says in words: Markdown for the text of a bug report, fit to be pasted.
//!
//! Invariant: everything in it is of the redacted recording. What others have chosen (names, notes) stands in code,
//! where it can be neither markup nor a mention of somebody, and has passed [`crate::safe`].

use std::fmt::Write as _;

use super::archive;
use crate::{
    about::{self, Ending},
    explain::{Picked, Wanted, tell, text::Page},
    output::Palette,
    redact::{Account, Keep},
    safe, time,
};

/// Columns of the text: what trackers show without breaking.
const WIDTH: usize = 100;

/// What the summary is of.
#[derive(Debug)]
pub struct Summary<'a> {
    /// The redacted recording.
    pub picked: &'a Picked,
    pub ending: Ending,
    pub account: &'a Account,
    pub keep: Keep,
    /// It is of a report, which had its stand-ins already.
    pub again: bool,
    /// What is not in it because there was too much.
    pub limits: &'a [String],
}

/// The same in a table, where a bar would end the cell even in code.
fn cell(text: &str) -> String {
    code(&text.replace('|', "\\|"))
}

/// `text` as code, whatever it holds.
fn code(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let pad = if longest > 0 { " " } else { "" };
    if text.is_empty() { "unknown".into() } else { format!("{fence}{pad}{text}{pad}{fence}") }
}

/// `text` as a block of code.
fn block(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}text\n{}\n{fence}\n", text.trim_end())
}

impl Summary<'_> {
    /// The whole text. `attached`: it lies in the archive beside the recording.
    pub fn markdown(&self, attached: bool) -> String {
        let mut out = String::from(
            "# What happened in a shutdown, recorded by lastrites\n\n\
             lastrites is a flight recorder of shutdowns: it tells who ended whom, and who was started again.\n",
        );
        if attached {
            let _ = writeln!(
                out,
                "Open `{}` beside this file in a browser for the same with a time axis.",
                archive::PAGE
            );
        }
        out.push('\n');
        let wanted = Wanted { noted: true, ..Wanted::default() };
        if let Ok((story, _)) = tell(self.picked, self.ending, &wanted, WIDTH, Palette::PLAIN) {
            out.push_str(&block(&story));
        }
        self.phases(&mut out);
        self.environment(&mut out);
        self.coverage(&mut out);
        self.redaction(&mut out);
        if attached {
            let _ = write!(
                out,
                "\n## What is in this archive\n\n\
                 * `{}`: this text\n\
                 * `{}`: the same for a browser, with a time axis, search and tables\n\
                 * `{}`: the recording without secrets and names, for `lastrites view`, `explain`, `show`\n\
                 * `{}`: sizes and SHA-256 checksums of the others\n\n\
                 `lastrites view FILE` opens the archive as it is.\n",
                archive::SUMMARY,
                archive::PAGE,
                archive::TRACE,
                archive::MANIFEST,
            );
        }
        out
    }

    fn phases(&self, out: &mut String) {
        let Some(shutdown) = &self.picked.story.shutdown else { return };
        let page = Page { picked: self.picked, ending: self.ending, width: WIDTH, palette: Palette::PLAIN };
        out.push_str("\n## Phases\n\n| phase | from | took | seen by |\n|---|---|---|---|\n");
        for phase in &shutdown.phases {
            let took = time::duration(phase.to_ns.saturating_sub(phase.from.ns));
            let _ = writeln!(
                out,
                "| {} | {} | {took} | {} (event {}) |",
                phase.kind.title(),
                page.when(phase.from),
                cell(phase.rule),
                phase.from.number
            );
        }
    }

    fn environment(&self, out: &mut String) {
        let summary = &self.picked.summary;
        let session = &summary.session;
        let text = |text: &str| cell(&safe::text(text.as_bytes()));
        out.push_str("\n## Environment\n\n| | |\n|---|---|\n");
        let _ = writeln!(out, "| init | {} |", cell(&about::init(summary)));
        let kernel = format!("{} {}", session.kernel_release, session.machine);
        let _ = writeln!(out, "| kernel | {} |", text(kernel.trim()));
        let _ = writeln!(out, "| built | {} |", text(&session.kernel_version));
        let _ = writeln!(out, "| distribution | {} |", text(&session.distribution));
        let _ = writeln!(out, "| CPUs | {} |", session.cpus);
        let _ = writeln!(out, "| recorded by | lastrites {} |", text(&session.tool_version));
        let _ = writeln!(out, "| reported by | lastrites {} |", cell(env!("CARGO_PKG_VERSION")));
    }

    fn coverage(&self, out: &mut String) {
        let summary = &self.picked.summary;
        out.push_str("\n## Coverage and losses\n\n");
        let _ = writeln!(out, "* {} events, {} lost", summary.events, summary.lost);
        let _ = writeln!(out, "* {}", self.ending.sentence());
        for line in about::coverage(summary) {
            let _ = writeln!(out, "* {}", code(&line));
        }
        for limit in self.limits {
            let _ = writeln!(out, "* {limit}");
        }
    }

    fn redaction(&self, out: &mut String) {
        let _ = write!(
            out,
            "\n## What was removed\n\n{} before this was written.\nThe same thing has the same stand-in everywhere: \
             `host-1`, `user-2`, `secret-3`.\nNames of programs and units, paths of the system, times and numbers are \
             as they were.\n",
            capital(&self.account.sentence())
        );
        if self.again {
            out.push_str(
                "\nIt is the report of a report: what had a stand-in there has the same one here, and is not counted.\n",
            );
        }
        let kept = self.keep.words();
        if !kept.is_empty() {
            let _ =
                writeln!(out, "\nKept as they were, because the sender asked for it: {}.", kept.join(", "));
        }
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_have_chosen_cannot_end_its_code() {
        assert_eq!(code("a"), "`a`");
        assert_eq!(code("a``b|c"), "``` a``b|c ```");
        assert_eq!(cell("a``b|c"), "``` a``b\\|c ```", "in a table only is the backslash not shown");
        assert!(block("x\n```\n# y").starts_with("````text\n"));
    }
}
