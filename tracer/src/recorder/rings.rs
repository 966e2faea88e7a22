//! The kernel's side, as the recorder needs it.
//!
//! Invariant: reading takes nothing away, so that what could not be written is read again; only
//! [`Rings::polls`] forgets what it hands out.

use lastrites_traces::event::What;

/// What one CPU's ring had to say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Taken {
    /// Head counter to go on at.
    pub next: u64,
    pub overwritten_records: u64,
    pub overwritten_bytes: u64,
    /// A record is reserved but not finished yet; reading stopped before it.
    pub stuck: bool,
}

/// The kernel's side, as the recorder needs it; tests put a made-up kernel here.
pub trait Rings {
    /// Head counters, one per CPU.
    fn heads(&self) -> Vec<u64>;

    /// Reads the records of `cpu` from head counter `from` to `until`, handing each one's head counter
    /// and bytes to `f`. An unfinished record ends it for as long as `patience` allows; one that is given
    /// up counts as overwritten.
    fn read(
        &mut self,
        cpu: u32,
        from: u64,
        until: u64,
        patience: Patience,
        f: &mut dyn FnMut(u64, &[u8]),
    ) -> Result<Taken, String>;

    /// What the probe could not store: (CPU, kind) and count since it was loaded. What is not counted where it happens,
    /// as of the last [`Self::polls`].
    fn lost(&self) -> Vec<((u32, u8), u64)>;

    /// Hands back memory that only reading much at once needs.
    fn slim(&mut self) {}

    /// Signal 0, counted, of pollers that have been quiet since `before_ns`; forgets them.
    fn polls(&mut self, before_ns: u64) -> Vec<(u64, What)>;
}

/// What to do about a record that its writer has not finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// There will be another batch: what is later than the unfinished record waits for that one, if this one has read
    /// anything before it.
    Later,
    /// Nobody comes after this: it is waited for, a moment only, and what is behind it is taken all the same.
    Last,
}
