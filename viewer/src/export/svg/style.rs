//! How the picture looks: on light ground, and on dark ground where who looks at it prefers that. Its colours are those
//! of the page.
//!
//! Only classes, no variables: programs that know less of CSS than browsers draw the light one.

use crate::page::palette::COLOURS;

/// Forms, which are the same on any ground.
const FORMS: &str = "\
text{font:12px ui-sans-serif,system-ui,'Segoe UI',Helvetica,Arial,sans-serif;white-space:pre}\
.title{font-size:16px;font-weight:600}.foot,.tick{font-size:11px}.group{font-size:11px;letter-spacing:.04em}\
.name,.end{font:12px ui-monospace,'SFMono-Regular',Menlo,Consolas,'DejaVu Sans Mono',monospace}.end{font-size:11px}\
.headline{font-weight:600}.in{font-size:11px;font-weight:600}\
.number{font-size:11px;font-weight:700;text-anchor:middle}.unknown{font-size:14px;font-weight:700}\
.rule,.grid,.seam,.kill,.wire{fill:none}.seam{stroke-dasharray:2 3}\
.well{stroke-width:2}.kill{stroke-width:2.6;stroke-linecap:round}\
.end.well,.end.failed,.end.killed,.end.open{stroke:none}.end.failed,.end.killed,.end.open{font-weight:600}\
.wire{stroke-width:1.3}.wire.restart{stroke-width:1.8;stroke-dasharray:4 3}.tip{stroke:none}";

/// What depends on the ground; `$name` is a colour of the page.
const GROUND: &str = "\
text{fill:$ink}.sub,.foot,.tick,.group,.advice{fill:$dim}.in{fill:$phaseink}.number{fill:$paper}\
.ground{fill:$paper;stroke:$line}.rule{stroke:$line}.grid{stroke:$stripe}.seam{stroke:$seam}\
.requested{fill:$phase0}.stopping{fill:$phase1}.term-spree{fill:$phase2}.kill-spree{fill:$phase3}\
.unmounting{fill:$phase4}.phase.end{fill:$phase5}\
.life{fill:$run}.again{fill:$heir}.stop{fill:$told}.ignoring{fill:$ignoring}\
.well{fill:$paper;stroke:$good}.failed,.open,.unknown{fill:$warn}.kill{stroke:$bad}\
.end.well{fill:$dim}.end.failed,.end.open{fill:$warn}.end.killed{fill:$bad}\
.badge.bad{fill:$bad}.badge.warn{fill:$warn}.badge.dim{fill:$dim}\
.wire.s9{stroke:$bad}.tip.s9{fill:$bad}.wire.s15{stroke:$signal}.tip.s15{fill:$signal}\
.wire.s0{stroke:$dim}.tip.s0{fill:$dim}.wire.restart{stroke:$heir}.tip.restart{fill:$heir}";

/// The whole style sheet. It loads nothing.
pub fn css() -> String {
    format!("{FORMS}{}@media (prefers-color-scheme:dark){{{}}}", ground(false), ground(true))
}

fn ground(dark: bool) -> String {
    let mut names: Vec<_> = COLOURS.iter().collect();
    // No name may be taken for the beginning of another one.
    names.sort_by_key(|(name, ..)| std::cmp::Reverse(name.len()));
    names.iter().fold(GROUND.to_owned(), |css, (name, on_light, on_dark)| {
        css.replace(&format!("${name}"), &format!("#{:06x}", if dark { on_dark } else { on_light }))
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_colour_is_one_of_the_page() {
        let css = super::css();
        assert!(!css.contains('$'), "{css}");
        assert_eq!(css.matches(".life{fill:#").count(), 2, "on light ground and on dark");
    }
}
