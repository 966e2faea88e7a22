//! What the witness said on the serial port, understood.

/// One line: `w NAME PID TIME_NS WORD key=value...`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub name: String,
    pub pid: u64,
    pub time_ns: u64,
    pub word: String,
    pub rest: String,
}

impl Line {
    /// `None` for what is no such line, or was cut off.
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.trim_end().splitn(6, ' ');
        if words.next()? != "w" {
            return None;
        }
        Some(Self {
            name: words.next()?.to_owned(),
            pid: words.next()?.parse().ok()?,
            time_ns: words.next()?.parse().ok()?,
            word: words.next()?.to_owned(),
            rest: words.next().unwrap_or_default().to_owned(),
        })
    }

    /// The number behind `key=`.
    pub fn number(&self, key: &str) -> Option<i64> {
        self.rest.split(' ').find_map(|word| word.strip_prefix(key)?.strip_prefix('=')?.parse().ok())
    }

    /// Whether it is what a scenario's `witness` step waits for.
    pub fn is(&self, wanted: &str) -> bool {
        format!("{} {} {}", self.name, self.word, self.rest).starts_with(wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_understood_and_torn_ones_are_none() {
        let line = Line::parse("w mongod 812 1234567 got signal=15 from=2210 code=0\r").expect("a line");
        assert_eq!((line.pid, line.time_ns, line.word.as_str()), (812, 1_234_567, "got"));
        assert_eq!(
            (line.number("from"), line.number("code"), line.number("none")),
            (Some(2210), Some(0), None)
        );
        assert!(line.is("mongod got signal=15") && !line.is("mongod ready"));
        for torn in ["", "w", "w mongod", "w mongod 812 12", "x mongod 812 12 ready", "[    1.0] w: x"] {
            assert_eq!(Line::parse(torn), None, "{torn:?}");
        }
    }
}
