//! This CPU's ring: reserving room, stamping, counting losses, ringing the doorbell.
//!
//! Invariant: a record is reserved in one step that nothing can come between, and its stamp is
//! written after all its other bytes; see `lastrites_traces::abi`.

use core::ptr;

use aya_ebpf::helpers::generated::bpf_get_smp_processor_id;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, LruHashMap, PerCpuArray, RingBuf};
use lastrites_traces::abi::{self, CHUNK, Head, Header, POS_BITS, POS_MASK, Poll, PollKey, SLACK};

use crate::config::config;

const MMAPABLE: u32 = 1 << 10;

/// One chunk of a ring with its slack.
pub type Chunk = [u8; CHUNK + SLACK];

/// The rings; the loader sets the number of entries to cpus × chunks.
#[map]
pub static RINGS: Array<Chunk> = Array::with_max_entries(1, MMAPABLE);
/// One head per CPU; the loader sets the number of entries.
#[map]
pub static HEADS: Array<Head> = Array::with_max_entries(1, MMAPABLE);
/// Events per kind that could not be stored.
#[map]
pub static LOST: PerCpuArray<u64> = PerCpuArray::with_max_entries(abi::kind::COUNT as u32, 0);
/// The doorbell.
#[map]
pub static BELL: RingBuf = RingBuf::with_byte_size(4096, 0);
/// Signal 0, counted per caller and target.
#[map]
pub static POLLS: LruHashMap<PollKey, Poll> = LruHashMap::with_max_entries(1024, 0);
/// How many of them the recorder has taken out; only it writes here.
#[map]
pub static TAKEN: Array<u64> = Array::with_max_entries(1, 0);
/// What the loader wants to find again: its report, as text.
#[map]
pub static META: Array<[u8; 8192]> = Array::with_max_entries(1, 0);

/// Room for one record.
pub struct Reserved {
    head: *mut Head,
    record: *mut u8,
    stamp: u64,
    position: u64,
}

/// This CPU's head.
#[inline(always)]
pub fn head() -> Option<*mut Head> {
    // SAFETY: a helper without preconditions.
    HEADS.get_ptr_mut(unsafe { bpf_get_smp_processor_id() })
}

/// Adds one, whoever interrupts or preempts this. Its result is not used, so that every kernel has the instruction.
///
/// # Safety
/// `counter` is an entry of a map.
#[inline(always)]
pub unsafe fn count(counter: *mut u64) {
    // SAFETY: the caller's promise.
    unsafe {
        core::intrinsics::atomic_xadd::<u64, u64, { core::intrinsics::AtomicOrdering::Relaxed }>(counter, 1);
    }
}

/// Counts an event of `kind` that could not be stored.
#[inline(always)]
pub fn lose(kind: u8) {
    if let Some(lost) = LOST.get_ptr_mut(u32::from(kind)) {
        // SAFETY: an entry of the map.
        unsafe { count(lost) };
    }
}

/// Sequentially consistent not because anything wants it, but because LLVM turns the relaxed addition into
/// the instruction that returns nothing, whoever uses the result.
#[cfg(not(feature = "v2"))]
#[inline(always)]
unsafe fn advance(head: *mut Head, add: u64) -> Option<u64> {
    // SAFETY: `head` is this CPU's entry of HEADS.
    Some(unsafe {
        core::intrinsics::atomic_xadd::<u64, u64, { core::intrinsics::AtomicOrdering::SeqCst }>(
            &raw mut (*head).head,
            add,
        )
    })
}

/// Without atomics that return their result, whoever finds another at work on this CPU gives up.
#[cfg(feature = "v2")]
#[inline(always)]
unsafe fn advance(head: *mut Head, add: u64) -> Option<u64> {
    // SAFETY: `head` is this CPU's entry of HEADS; an interrupting program leaves `nest` as it found it.
    unsafe {
        let nest = &raw mut (*head).nest;
        if ptr::read_volatile(nest) != 0 {
            return None;
        }
        ptr::write_volatile(nest, 1);
        let counter = &raw mut (*head).head;
        let before = ptr::read_volatile(counter);
        ptr::write_volatile(counter, before + add);
        ptr::write_volatile(nest, 0);
        Some(before)
    }
}

/// Reserves `len` bytes (a multiple of eight, at most [`SLACK`]) for a record of `kind`, or counts
/// a loss.
#[inline(always)]
pub fn reserve(kind: u8, len: u64) -> Option<Reserved> {
    let reserved = try_reserve(len);
    if reserved.is_none() {
        lose(kind);
    }
    reserved
}

#[inline(always)]
fn try_reserve(len: u64) -> Option<Reserved> {
    // SAFETY: a helper without preconditions.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    let head = HEADS.get_ptr_mut(cpu)?;
    // SAFETY: `head` is this CPU's entry.
    let before = unsafe { advance(head, len | 1 << POS_BITS) }?;
    let position = before & POS_MASK;
    let chunks = config!(chunks);
    let index = cpu * chunks + ((position / CHUNK as u64) as u32 & (chunks - 1));
    let chunk = RINGS.get_ptr_mut(index)?;
    let offset = position as usize & (CHUNK - 1);
    // SAFETY: offset < CHUNK, and a record is at most SLACK bytes.
    let record = unsafe { chunk.cast::<u8>().add(offset) };
    Some(Reserved { head, record, stamp: abi::stamp(before, config!(key)), position })
}

impl Reserved {
    /// This CPU's head.
    #[inline(always)]
    pub fn head(&self) -> *mut Head {
        self.head
    }

    #[inline(always)]
    pub fn as_ptr<T>(&self) -> *mut T {
        self.record.cast()
    }

    /// Stamps the record and rings the doorbell when this CPU has written enough since the last time.
    #[inline(always)]
    pub fn commit(self) {
        // SAFETY: the record begins with its stamp, eight bytes, aligned.
        unsafe {
            ptr::write_volatile(self.record.cast::<u64>(), self.stamp);
            let bell = &raw mut (*self.head).bell;
            if self.position.wrapping_sub(ptr::read_volatile(bell)) >= config!(bell_bytes) {
                ptr::write_volatile(bell, self.position);
                let _ = BELL.output::<u64>(&self.position, 1 << 1);
            }
        }
    }
}

/// Writes all of a record's header but the stamp.
///
/// # Safety
/// `header` points to reserved room.
#[inline(always)]
pub unsafe fn fill_header(header: *mut Header, kind: u8, flags: u8, len: u16, actor: crate::task::Id) {
    // SAFETY: the caller's promise.
    unsafe {
        (*header).time_ns = aya_ebpf::helpers::generated::bpf_ktime_get_boot_ns();
        (*header).len = len;
        (*header).kind = kind;
        (*header).flags = flags;
        (*header).tgid = actor.tgid;
        (*header).start_ns = actor.start_ns;
    }
}
