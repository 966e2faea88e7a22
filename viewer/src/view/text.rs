//! Text in cells of a terminal.
//!
//! Invariant: nothing is written beyond the width that was given, counted in columns: a wide character takes two.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

pub fn width(text: &str) -> usize {
    text.width()
}

/// At most `most` columns of `text`, with an ellipsis where it was cut.
pub fn fit(text: &str, most: usize) -> String {
    if text.width() <= most {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        let columns = c.width().unwrap_or(0);
        if used + columns + 1 > most {
            break;
        }
        used += columns;
        out.push(c);
    }
    if most > 0 {
        out.push('…');
    }
    out
}

/// At most `most` columns of the end of `text`, with an ellipsis where it was cut.
pub fn fit_end(text: &str, most: usize) -> String {
    if text.width() <= most {
        return text.to_owned();
    }
    let mut used = 1;
    let kept = text.char_indices().rev().take_while(|(_, c)| {
        used += c.width().unwrap_or(0);
        used <= most
    });
    let from = kept.last().map_or(text.len(), |(at, _)| at);
    if most == 0 { String::new() } else { format!("…{}", &text[from..]) }
}

/// A chain of processes in at most `most` columns: the links in its middle are left out first. None: there is no room.
pub fn middle(chain: &str, most: usize) -> Option<String> {
    let links: Vec<&str> = chain.split(LINK).collect();
    let whole = (chain.width() <= most).then(|| chain.to_owned());
    whole.or_else(|| {
        // Of what is left the end tells more than the beginning.
        (2..links.len()).rev().find_map(|kept| {
            let (first, last) = (kept / 2, kept - kept / 2);
            let mut shown = links[..first].to_vec();
            shown.push("..");
            shown.extend(&links[links.len() - last..]);
            let text = shown.join(LINK);
            (text.width() <= most).then_some(text)
        })
    })
}

/// A sentence with the middle of its chain of processes left out, if it has one: `rc -> .. -> killall5 -9 sent ...`.
pub fn brief(sentence: &str) -> String {
    match (sentence.find(LINK), sentence.rfind(LINK)) {
        (Some(first), Some(last)) if last > first + LINK.len() + 2 => {
            format!("{}{LINK}..{}", &sentence[..first], &sentence[last..])
        }
        _ => sentence.to_owned(),
    }
}

const LINK: &str = " -> ";

/// Lines of at most `most` columns, broken at blanks where there are some. `rest_indent` is for all but the first.
pub fn wrap(text: &str, most: usize, rest_indent: usize) -> Vec<String> {
    let most = most.max(4);
    let rest_indent = rest_indent.min(most / 2);
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut bare = true;
    for word in text.split(' ') {
        let mut word = word;
        if !bare && line.width() + 1 + word.width() > most {
            lines.push(std::mem::replace(&mut line, " ".repeat(rest_indent)));
            bare = true;
        }
        if !bare {
            line.push(' ');
        }
        // A word that no line has room for is broken.
        while line.width() + word.width() > most {
            let mut used = line.width();
            let at = word
                .char_indices()
                .find(|(_, c)| {
                    used += c.width().unwrap_or(0);
                    used > most
                })
                .map_or(word.len(), |(at, _)| at);
            if at == 0 && !bare {
                break;
            }
            let at = if at == 0 { word.chars().next().map_or(0, char::len_utf8) } else { at };
            line.push_str(&word[..at]);
            word = &word[at..];
            lines.push(std::mem::replace(&mut line, " ".repeat(rest_indent)));
        }
        line.push_str(word);
        bare = false;
    }
    lines.push(line);
    lines
}

/// Writes `text` at a place within `area`; returns the column behind it.
pub fn put(buf: &mut Buffer, area: Rect, x: u16, y: u16, text: &str, style: Style) -> u16 {
    let area = area.intersection(buf.area);
    if y < area.top() || y >= area.bottom() || x < area.left() || x >= area.right() {
        return x;
    }
    let room = usize::from(area.right() - x);
    buf.set_stringn(x, y, text, room, style).0
}

/// Writes `text` cut to `area` so that it ends at its right edge.
pub fn put_right(buf: &mut Buffer, area: Rect, y: u16, text: &str, style: Style) {
    let text = fit(text, area.width.into());
    let x = area.right().saturating_sub(text.width() as u16);
    put(buf, area, x, y, &text, style);
}

/// Fills `area` with blanks of `style`.
pub fn clear(buf: &mut Buffer, area: Rect, style: Style) {
    let area = area.intersection(buf.area);
    for y in area.top()..area.bottom() {
        for x in area.left()..area.right() {
            if let Some(cell) = buf.cell_mut((x, y)) {
                cell.reset();
                cell.set_style(style);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_count_two_columns() {
        assert_eq!(fit("数据库服务", 5), "数据…");
        assert_eq!(fit("mongod", 6), "mongod");
        assert_eq!(fit("mongod", 4), "mon…");
        assert_eq!(fit("mongod", 0), "");
        assert_eq!(fit_end("/tmp/数据库", 6), "…据库");
        assert_eq!(fit_end("mongod", 6), "mongod");
        assert_eq!((fit_end("mongod", 1).as_str(), fit_end("mongod", 0).as_str()), ("…", ""));
    }

    #[test]
    fn chains_lose_their_middle_first() {
        let chain = "rc -> startpar -> sendsigs -> killall5 -9";
        assert_eq!(middle(chain, 41).as_deref(), Some(chain));
        assert_eq!(middle(chain, 40).as_deref(), Some("rc -> .. -> sendsigs -> killall5 -9"));
        assert_eq!(middle(chain, 30).as_deref(), Some("rc -> .. -> killall5 -9"));
        assert_eq!(middle(chain, 22), None);
        assert_eq!(middle("rc", 1), None);
        assert_eq!(brief(&format!("{chain} sent SIGKILL")), "rc -> .. -> killall5 -9 sent SIGKILL");
        assert_eq!(brief("rc -> kill sent"), "rc -> kill sent");
    }

    #[test]
    fn no_line_is_wider_than_it_may_be() {
        for most in 4..40 {
            let text =
                "killall5 -9 sent SIGKILL to 数据库服务数据库服务 averyverylongwordindeedwithoutanyblank x";
            for line in wrap(text, most, 3) {
                assert!(line.width() <= most, "{line:?} {most}");
            }
        }
        assert_eq!(wrap("a bb ccc", 4, 0), ["a bb", "ccc"]);
    }
}
