//! What the loader tells the probe about this kernel, in read-only data.
//!
//! The layout is shared: `lastrites_traces::abi::Config`. The map behind it is frozen before the
//! programs are loaded, so the verifier knows each value, checks every load against the type it
//! really hits, and removes the branches that this kernel does not need.

pub use lastrites_traces::abi::ABSENT;
use lastrites_traces::abi::Config;

#[unsafe(no_mangle)]
pub static CONFIG: Config = Config::absent();

/// Reads one field of [`CONFIG`]; volatile, because the loader writes it after compilation.
macro_rules! config {
    ($field:ident) => {
        $crate::config::read(core::ptr::addr_of!($crate::config::CONFIG.$field))
    };
}
pub(crate) use config;

/// Reads a field of [`CONFIG`] where the compiler cannot see what was written.
#[inline(always)]
pub fn read<T: Copy>(field: *const T) -> T {
    // SAFETY: `config!` passes the address of a field of a static that the probe never writes.
    unsafe { core::ptr::read_volatile(field) }
}
