//! The boundary between a recording and a document.
//!
//! Invariant: whatever text goes in, what comes out of [`html`] is text of an element or of a quoted attribute, and what
//! comes out of [`json`] is one string of JSON inside a script element, and neither can end what it stands in. Both go
//! through [`crate::safe`] first, so that nothing invisible and nothing that changes directions gets into the page.

use crate::{safe, story::who::clip};

/// Characters of one text: what is longer was made to be long.
const MOST: usize = 2000;

/// Appends `text` to a document.
pub fn html(out: &mut String, text: &str) {
    for c in safe::text(clip(text, MOST).as_bytes()).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
}

/// Appends `text` as a string of JSON. HTML looks for the end of a script and for the beginning of a comment in it: there
/// is no `<`, no `>` and no `&` in what is appended.
pub fn json(out: &mut String, text: &str) {
    out.push('"');
    for c in safe::text(clip(text, MOST).as_bytes()).chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            _ => out.push(c),
        }
    }
    out.push('"');
}

/// RFC 4648, section 4.
pub fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits =
            group.iter().chain([0, 0].iter()).take(3).fold(0, |bits, byte| bits << 8 | u32::from(*byte));
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place) & 63) as usize];
            out.push(if place <= group.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOSTILE: [&str; 9] = [
        "</script><img src=x onerror=alert(1)>",
        "<!--<script>",
        "]]>",
        "\" onmouseover=\"alert(1)",
        "' autofocus onfocus='alert(1)",
        "&lt;b&gt;",
        "\u{2028}\u{2029}\u{202e}\u{200b}",
        "a\\",
        "\0\n\r\t\x1b[2J",
    ];

    fn escaped(text: &str) -> (String, String) {
        let (mut markup, mut script) = (String::new(), String::new());
        html(&mut markup, text);
        json(&mut script, text);
        (markup, script)
    }

    fn check(text: &str) {
        let (markup, script) = escaped(text);
        assert!(!markup.contains(['<', '>', '"', '\'']), "{markup}");
        assert!(markup.chars().all(safe::is_plain) && script.chars().all(safe::is_plain), "{text:?}");
        assert!(!script.contains(['<', '>', '&']), "{script}");
        let back: String = serde_json::from_str(&script).expect("a string of JSON");
        assert_eq!(back, safe::text(clip(text, MOST).as_bytes()));
    }

    proptest! {
        #[test]
        fn no_text_ends_what_it_stands_in(text in any::<String>()) {
            check(&text);
        }

        #[test]
        fn no_mixture_of_what_is_hostile_does(parts in proptest::collection::vec(0..HOSTILE.len(), 0..6)) {
            check(&parts.into_iter().map(|at| HOSTILE[at]).collect::<String>());
        }
    }

    #[test]
    fn every_ampersand_is_our_own() {
        assert_eq!(escaped("a & &lt;").0, "a &amp; &amp;lt;");
        assert!(escaped(&"<".repeat(9000)).0.len() < 9000, "what is long is cut before it grows");
    }

    #[test]
    fn hashes_are_written_as_browsers_compare_them() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xff, 0xfe, 0xfd, 0xfc]), "//79/A==");
    }
}
