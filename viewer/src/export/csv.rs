//! A table for spreadsheets: RFC 4180, in UTF-8, with a line of names at the top.
//!
//! Invariant: text is always in quotes, numbers never are; nothing stands where a value is unknown. No text of a
//! recording becomes a formula, wherever a spreadsheet thinks that a cell begins: see [`push_text`].

use std::{fmt::Write as _, io::Write};

use chrono::DateTime;

use super::table::{Head, Rows, Value};
use crate::error::Error;

/// A table being written.
pub struct Csv<'a> {
    out: &'a mut (dyn Write + Send),
    line: String,
}

impl std::fmt::Debug for Csv<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Csv").finish_non_exhaustive()
    }
}

impl<'a> Csv<'a> {
    pub fn new(out: &'a mut (dyn Write + Send), head: &[Head]) -> Result<Self, Error> {
        let mut this = Self { out, line: String::new() };
        let names: Vec<Value> = head.iter().map(|(name, _)| Value::Text((*name).into())).collect();
        this.row(&names)?;
        Ok(this)
    }

    pub fn finish(self) -> Result<(), Error> {
        Ok(())
    }
}

impl Rows for Csv<'_> {
    fn row(&mut self, values: &[Value]) -> Result<(), Error> {
        self.line.clear();
        for (at, value) in values.iter().enumerate() {
            if at > 0 {
                self.line.push(',');
            }
            push(&mut self.line, value);
        }
        self.line.push_str("\r\n");
        self.out.write_all(self.line.as_bytes())?;
        Ok(())
    }
}

fn push(out: &mut String, value: &Value) {
    // Writing to memory does not fail.
    let _ = match value {
        Value::Null => Ok(()),
        Value::Text(text) => {
            push_text(out, text);
            Ok(())
        }
        Value::Whole(number) => write!(out, "{number}"),
        // To the nanosecond.
        Value::Real(number) => write!(out, "{number:.9}"),
        Value::Truth(truth) => write!(out, "{truth}"),
        // Without a zone and with a blank, spreadsheets take it for a moment.
        Value::Moment(ns) => {
            write!(out, "{}", DateTime::from_timestamp_nanos(*ns).format("%Y-%m-%d %H:%M:%S%.6f"))
        }
    };
}

/// What a cell begins with that a spreadsheet computes; in full width as well, which some take for the same.
const FORMULA: [char; 8] = ['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];

/// Appends `text` in quotes. An apostrophe is put in front of whatever could be a formula, which is how a spreadsheet
/// itself is told that it is none: at the beginning, and behind a semicolon, which ends a cell where commas are decimal
/// points, whatever the quotes say. Text that begins with an apostrophe gets one more, so that it can be told.
fn push_text(out: &mut String, text: &str) {
    out.push('"');
    let mut begins = true;
    for c in text.chars() {
        if begins && (FORMULA.contains(&c) || c == '\'') {
            out.push('\'');
        }
        if c == '"' {
            out.push('"');
        }
        out.push(c);
        // Blanks and quotes in front do not hide a formula from everybody.
        begins = matches!(c, ';' | '\t' | '\r' | '\n') || begins && matches!(c, ' ' | '"');
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cell(text: &str) -> String {
        let mut out = String::new();
        push(&mut out, &Value::Text(text.into()));
        out
    }

    #[test]
    fn nothing_becomes_a_formula() {
        for (text, expected) in [
            ("mongod", "\"mongod\""),
            ("=cmd|' /C calc'!A0", "\"'=cmd|' /C calc'!A0\""),
            ("-9", "\"'-9\""),
            ("  @SUM(1)", "\"  '@SUM(1)\""),
            ("a;=1+1", "\"a;'=1+1\""),
            ("a; \"=1+1", "\"a; \"\"'=1+1\""),
            ("\u{ff1d}1", "\"'\u{ff1d}1\""),
            ("'quoted'", "\"''quoted'\""),
            ("a=b -c", "\"a=b -c\""),
        ] {
            assert_eq!(cell(text), expected);
        }
    }

    #[test]
    fn values_are_written_so_that_spreadsheets_know_them() {
        let mut out = Vec::new();
        let mut csv = Csv::new(&mut out, &[("a", super::super::table::Kind::Real)]).expect("memory");
        csv.row(&[
            Value::Null,
            Value::Whole(-3),
            Value::Real(-0.25),
            Value::Truth(true),
            Value::Moment(1_794_449_640_123_456_789),
        ])
        .expect("memory");
        let text = String::from_utf8(out).expect("UTF-8");
        assert_eq!(text, "\"a\"\r\n,-3,-0.250000000,true,2026-11-12 02:14:00.123456\r\n");
    }

    proptest! {
        /// Whatever separator a spreadsheet believes in, no cell of its begins like a formula.
        #[test]
        fn no_text_does(text in "[=+@;,'\" \tab-]{0,12}") {
            let cell = cell(&text);
            for part in cell[1..cell.len() - 1].split([';', '\t']) {
                let seen = part.trim_start_matches([' ', '"']);
                prop_assert!(!seen.starts_with(FORMULA), "{cell}");
            }
            prop_assert_eq!(cell.matches('"').count() % 2, 0);
        }
    }
}
