//! Any other init: recording runs from now on, but nobody starts it at boot or runs the seal.
//!
//! Invariant: nothing is installed. What of the end the drainer could not write stays in the kernel
//! and goes with it; the promise says so.

use std::path::Path;

use super::{Detected, Init, Item, Layout, Promise, rc};

/// What is called so where pid 1 is only its first process.
pub const OPENRC: &str = "OpenRC";

#[derive(Debug)]
pub struct Unknown;

impl Init for Unknown {
    fn name(&self) -> &'static str {
        "unknown"
    }

    /// The version is what it is called, if that can be seen.
    fn detect(&self, root: &Path) -> Option<Detected> {
        if rc::is_openrc(root) {
            return Some(Detected { name: "unknown", version: OPENRC.into() });
        }
        let exe = super::pid1_exe(root);
        let name = exe.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
        Some(Detected { name: "unknown", version: name.unwrap_or_default() })
    }

    fn plan(&self, _root: &Path, _layout: &Layout<'_>) -> Vec<Item> {
        Vec::new()
    }

    fn promise(&self, _layout: &Layout<'_>) -> Promise {
        Promise {
            recorded: vec!["from now until this init kills every process".into()],
            missing: vec![
                "the end of the shutdown: this init is not known, so nothing can be run last; what happens after the recorder is killed is lost"
                    .into(),
                "the next boot: nothing starts the recorder; run `lastrites arm` again after it".into(),
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::leaves_no_trace, *};

    #[test]
    fn nothing_is_installed() {
        let root = tempfile::tempdir().expect("a directory");
        assert_eq!(leaves_no_trace(&Unknown, root.path()), Vec::<String>::new());
        assert!(!Unknown.promise(&super::super::tests::layout()).missing.is_empty());
    }
}
