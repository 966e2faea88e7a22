//! The command line of a role: `NAME --key value...`.

use std::collections::HashMap;

#[derive(Debug)]
pub struct Args {
    /// What the role is called: the last part of argv[0], without the `@` that spares a process from
    /// systemd's sprees.
    pub name: String,
    options: HashMap<String, String>,
}

impl Args {
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let argv0 = words.next().unwrap_or_default();
        let name = argv0.rsplit('/').next().unwrap_or_default().trim_start_matches(['@', '-']).to_owned();
        let mut options = HashMap::new();
        while let Some(word) = words.next() {
            let key =
                word.strip_prefix("--").ok_or_else(|| format!("{word:?} is no option: give --key value"))?;
            let value = words.next().ok_or_else(|| format!("--{key} has no value"))?;
            options.insert(key.to_owned(), value);
        }
        Ok(Self { name, options })
    }

    pub fn text(&self, key: &str, default: &str) -> String {
        self.options.get(key).cloned().unwrap_or_else(|| default.to_owned())
    }

    pub fn number(&self, key: &str, default: u64) -> u64 {
        self.options.get(key).and_then(|value| value.parse().ok()).unwrap_or(default)
    }
}
