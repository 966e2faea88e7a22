//! What was seen: the records that the probe hands over, the events they become, and the ring
//! file that keeps them.
//!
//! [`abi`] is shared with the probe and needs neither `std` nor an allocator. Everything else
//! is behind the default feature `std`.

#![cfg_attr(not(feature = "std"), no_std)]
#![warn(missing_docs)]

pub mod abi;

#[cfg(feature = "std")]
pub mod codec;
#[cfg(feature = "std")]
pub mod error;
#[cfg(feature = "std")]
pub mod event;
#[cfg(feature = "std")]
pub mod layout;
#[cfg(feature = "std")]
pub mod reader;
#[cfg(feature = "std")]
pub mod ring;
#[cfg(feature = "std")]
pub mod seeded;
#[cfg(feature = "std")]
pub mod session;
#[cfg(feature = "std")]
pub mod storage;
#[cfg(feature = "std")]
mod wire;

#[cfg(feature = "std")]
pub use error::Error;
