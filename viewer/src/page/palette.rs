//! The page's colours, light and dark: those of the terminal's palette, where that has them.
//!
//! Invariant: whatever is text is readable on what it stands on (WCAG 2.1, AA), and signs on the lanes are told apart from
//! what is behind them (3:1); the tests compute it.

use std::fmt::Write as _;

/// A name, and what it is on a light and on a dark screen.
pub type Colour = (&'static str, u32, u32);

/// In the style sheet they are `var(--ink)`.
pub const COLOURS: [Colour; 34] = [
    ("paper", 0xffffff, 0x11141b),
    ("panel", 0xf5f6f9, 0x191e28),
    ("raised", 0xffffff, 0x212735),
    ("ink", 0x1b1e24, 0xe8ebf2),
    ("dim", 0x545b6a, 0xa3abbe),
    ("line", 0xd9dde5, 0x313848),
    ("edge", 0x7d8698, 0x727c92),
    ("chosen", 0xdfe9fa, 0x2a3954),
    ("marked", 0xfff0cc, 0x3d3419),
    ("bad", 0xb31420, 0xff7b7b),
    ("warn", 0x7a5200, 0xf9c74f),
    ("good", 0x146528, 0x7bd88f),
    ("accent", 0x005f9e, 0x6cc7f5),
    ("badwash", 0xfdeeee, 0x2c1a20),
    ("warnwash", 0xfdf6e3, 0x2a2518),
    ("goodwash", 0xeaf6ed, 0x16261d),
    ("run", 0x2f8555, 0x6fbf8b),
    ("told", 0xa06c00, 0xf9c74f),
    ("ignoring", 0xb34700, 0xf48c42),
    ("heir", 0x8238b5, 0xc792ea),
    ("signal", 0xa02c3c, 0xff9e9e),
    ("focus", 0x0b57d0, 0x8ab4f8),
    ("phase0", 0xbcd4f5, 0x3a68ab),
    ("phase1", 0xb5e3dc, 0x23776c),
    ("phase2", 0xf3dfa0, 0x8a6410),
    ("phase3", 0xf5b9bb, 0xb8383f),
    ("phase4", 0xdcc8f0, 0x7a52a8),
    ("phase5", 0xd0d4dc, 0x555d70),
    ("phaseink", 0x1b1e24, 0xffffff),
    ("button", 0xeceff4, 0x2a3140),
    ("pressed", 0x005f9e, 0x6cc7f5),
    ("pressedink", 0xffffff, 0x0d1016),
    ("stripe", 0xeff1f5, 0x1d222e),
    ("seam", 0x8a6d2f, 0x9a8350),
];

/// The rules that define them: for light screens, for dark ones, and for those who have chosen.
pub fn rules() -> String {
    let all = |dark: bool| {
        COLOURS.iter().fold(String::new(), |mut out, (name, on_light, on_dark)| {
            let _ = write!(out, "--{name}:#{:06x};", if dark { on_dark } else { on_light });
            out
        })
    };
    let (light, dark) = (all(false), all(true));
    format!(
        ":root{{color-scheme:light;{light}}}\n\
         @media screen and (prefers-color-scheme:dark){{:root:not([data-theme=light]){{color-scheme:dark;{dark}}}}}\n\
         @media screen{{:root[data-theme=dark]{{color-scheme:dark;{dark}}}}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::COLOURS;

    fn luminance(rgb: u32) -> f64 {
        let part = |shift: u32| {
            let c = f64::from(rgb >> shift & 255) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * part(16) + 0.7152 * part(8) + 0.0722 * part(0)
    }

    fn contrast(a: u32, b: u32) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    fn check(inks: &[&str], grounds: &[&str], least: f64) {
        let of = |name: &str| *COLOURS.iter().find(|(known, ..)| *known == name).expect("a colour");
        for (ink, ground) in inks.iter().flat_map(|ink| grounds.iter().map(move |ground| (ink, ground))) {
            let ((_, ink_light, ink_dark), (_, light, dark)) = (of(ink), of(ground));
            for (tone, ratio) in [("light", contrast(ink_light, light)), ("dark", contrast(ink_dark, dark))] {
                assert!(ratio >= least, "{ink} on {ground}, {tone}: {ratio:.2}");
            }
        }
    }

    #[test]
    fn text_is_readable_on_everything_that_it_stands_on() {
        let grounds = ["paper", "panel", "raised", "stripe", "chosen", "marked"];
        check(&["ink", "dim", "bad", "warn", "good", "accent"], &grounds, 4.5);
        check(&["heir", "signal"], &grounds, 4.5);
        check(&["ink", "dim", "bad"], &["badwash"], 4.5);
        check(&["ink", "dim", "warn"], &["warnwash"], 4.5);
        check(&["ink", "dim", "good"], &["goodwash"], 4.5);
        check(&["ink", "dim", "accent"], &["button"], 4.5);
        check(&["pressedink"], &["pressed"], 4.5);
        check(&["phaseink"], &["phase0", "phase1", "phase2", "phase3", "phase4", "phase5"], 4.5);
    }

    #[test]
    fn signs_are_told_apart_from_what_is_behind_them() {
        let signs =
            ["run", "told", "ignoring", "heir", "signal", "bad", "good", "warn", "focus", "edge", "seam"];
        check(&signs, &["paper", "panel", "stripe"], 3.0);
    }

    #[test]
    fn black_and_white_are_as_far_apart_as_can_be() {
        assert!((contrast(0, 0xff_ffff) - 21.0).abs() < 1e-9);
    }
}
