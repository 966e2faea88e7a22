//! The few calls of bpf(2) that reading pinned maps takes, without a loader's weight.
//!
//! Invariant: a buffer handed to the kernel is as large as the map's keys or values are, which
//! [`expect_map`] has checked against the map itself.

use std::{
    ffi::{CStr, CString},
    io,
    os::{
        fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    path::Path,
};

const BPF_MAP_LOOKUP_ELEM: libc::c_long = 1;
const BPF_MAP_UPDATE_ELEM: libc::c_long = 2;
const BPF_MAP_DELETE_ELEM: libc::c_long = 3;
const BPF_MAP_GET_NEXT_KEY: libc::c_long = 4;
const BPF_OBJ_GET: libc::c_long = 7;
const BPF_PROG_GET_FD_BY_ID: libc::c_long = 13;
const BPF_MAP_GET_FD_BY_ID: libc::c_long = 14;
const BPF_OBJ_GET_INFO_BY_FD: libc::c_long = 15;
/// Flag of `BPF_OBJ_GET`: a map for reading only, to be had from a read-only bpffs too.
const BPF_F_RDONLY: u32 = 1 << 3;

/// The part of `union bpf_attr` that `BPF_OBJ_GET` reads.
#[repr(C)]
struct ObjGet {
    pathname: u64,
    bpf_fd: u32,
    file_flags: u32,
}

/// ... that `BPF_MAP_GET_FD_BY_ID` and `BPF_PROG_GET_FD_BY_ID` read.
#[repr(C)]
struct FdById {
    id: u32,
    next_id: u32,
    open_flags: u32,
}

/// ... that the commands on elements read.
#[repr(C)]
struct Elem {
    map_fd: u32,
    pad: u32,
    key: u64,
    /// Or `next_key`.
    value: u64,
    flags: u64,
}

/// ... that `BPF_OBJ_GET_INFO_BY_FD` reads.
#[repr(C)]
struct InfoByFd {
    bpf_fd: u32,
    info_len: u32,
    info: u64,
}

/// The head of `struct bpf_map_info`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct MapInfo {
    pub map_type: u32,
    pub id: u32,
    pub key_size: u32,
    pub value_size: u32,
    pub max_entries: u32,
    pub map_flags: u32,
}

/// Bytes of `struct bpf_prog_info` up to `recursion_misses`, and with it.
const PROG_INFO_BEFORE_MISSES: usize = 208;
const PROG_INFO_BYTES: usize = PROG_INFO_BEFORE_MISSES + 8;

fn bpf<T>(command: libc::c_long, attr: &mut T) -> io::Result<libc::c_long> {
    // SAFETY: `attr` is a live value of the given size; what it points to is the callers' matter.
    let done = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attr), size_of::<T>()) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(done) }
}

/// Opens the map that is pinned at `path`, for reading and writing: the kernel shares a map's memory
/// only with descriptors that may write to it.
///
/// An init makes bpffs read-only with everything else, and then opening the pin like that fails. Opened
/// for reading it tells the map's number, and by that number the map itself can still be had.
///
/// # Errors
/// As bpf(2) says.
pub fn open_pin(path: &Path) -> io::Result<OwnedFd> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    match obj_get(&path, 0) {
        Err(e) if e.raw_os_error() == Some(libc::EROFS) => by_id(info(&obj_get(&path, BPF_F_RDONLY)?)?.id),
        done => done,
    }
}

fn obj_get(path: &CStr, file_flags: u32) -> io::Result<OwnedFd> {
    descriptor(bpf(BPF_OBJ_GET, &mut ObjGet { pathname: path.as_ptr() as u64, bpf_fd: 0, file_flags }))
}

fn by_id(id: u32) -> io::Result<OwnedFd> {
    descriptor(bpf(BPF_MAP_GET_FD_BY_ID, &mut FdById { id, next_id: 0, open_flags: 0 }))
}

fn descriptor(done: io::Result<libc::c_long>) -> io::Result<OwnedFd> {
    let fd = done?;
    // SAFETY: a descriptor that the kernel has just made for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Shape of a map.
///
/// # Errors
/// When `map` is none.
pub fn info(map: &OwnedFd) -> io::Result<MapInfo> {
    let mut info = MapInfo::default();
    let mut attr = InfoByFd {
        bpf_fd: map.as_raw_fd() as u32,
        info_len: size_of::<MapInfo>() as u32,
        info: std::ptr::from_mut(&mut info) as u64,
    };
    bpf(BPF_OBJ_GET_INFO_BY_FD, &mut attr)?;
    Ok(info)
}

/// Checks that the values of `map` have this size.
///
/// # Errors
/// `InvalidData` when they have not.
pub fn expect_map(map: &OwnedFd, value_size: u32) -> io::Result<MapInfo> {
    let info = info(map)?;
    if info.value_size == value_size {
        Ok(info)
    } else {
        let text =
            format!("its values have {} bytes, not {value_size}: a map of another version", info.value_size);
        Err(io::Error::new(io::ErrorKind::InvalidData, text))
    }
}

/// How often the program with this number was not run since it was loaded, because it, or for some kinds of program any other, was
/// running on that CPU already. `None` on kernels before 5.12, which do not count it.
///
/// # Errors
/// When there is no such program, or without root.
pub fn prog_misses(id: u32) -> io::Result<Option<u64>> {
    let program = descriptor(bpf(BPF_PROG_GET_FD_BY_ID, &mut FdById { id, next_id: 0, open_flags: 0 }))?;
    // Words, for the kernel reads and writes them as such.
    let mut info = [0u64; PROG_INFO_BYTES / 8];
    let mut attr = InfoByFd {
        bpf_fd: program.as_raw_fd() as u32,
        info_len: PROG_INFO_BYTES as u32,
        info: info.as_mut_ptr() as u64,
    };
    bpf(BPF_OBJ_GET_INFO_BY_FD, &mut attr)?;
    let known = attr.info_len as usize >= PROG_INFO_BYTES;
    Ok(known.then_some(info[PROG_INFO_BEFORE_MISSES / 8]))
}

/// Whether there is a program with this number; unknown counts as yes.
pub fn is_program(id: u32) -> bool {
    let program = descriptor(bpf(BPF_PROG_GET_FD_BY_ID, &mut FdById { id, next_id: 0, open_flags: 0 }));
    program.map_or_else(|e| e.kind() != io::ErrorKind::NotFound, |_| true)
}

fn elem(map: &OwnedFd, key: Option<&[u8]>, value: *mut u8) -> Elem {
    let key = key.map_or(0, |key| key.as_ptr() as u64);
    Elem { map_fd: map.as_raw_fd() as u32, pad: 0, key, value: value as u64, flags: 0 }
}

/// Copies the value of `key` into `value`, which must be as large as the map's values (times the
/// number of possible CPUs for a per-CPU map).
///
/// # Errors
/// As bpf(2) says; `NotFound` when there is no such key.
pub fn lookup(map: &OwnedFd, key: &[u8], value: &mut [u8]) -> io::Result<()> {
    bpf(BPF_MAP_LOOKUP_ELEM, &mut elem(map, Some(key), value.as_mut_ptr())).map(drop)
}

/// Sets the value of `key`, both as large as the map's are.
///
/// # Errors
/// As bpf(2) says.
pub fn update(map: &OwnedFd, key: &[u8], value: &mut [u8]) -> io::Result<()> {
    bpf(BPF_MAP_UPDATE_ELEM, &mut elem(map, Some(key), value.as_mut_ptr())).map(drop)
}

/// The key behind `key`, or the first.
///
/// # Errors
/// As bpf(2) says; `NotFound` behind the last.
pub fn next_key(map: &OwnedFd, key: Option<&[u8]>, next: &mut [u8]) -> io::Result<()> {
    bpf(BPF_MAP_GET_NEXT_KEY, &mut elem(map, key, next.as_mut_ptr())).map(drop)
}

/// Removes `key`.
///
/// # Errors
/// As bpf(2) says; `NotFound` when there is no such key.
pub fn delete(map: &OwnedFd, key: &[u8]) -> io::Result<()> {
    bpf(BPF_MAP_DELETE_ELEM, &mut elem(map, Some(key), std::ptr::null_mut())).map(drop)
}

/// Memory shared with the kernel.
#[derive(Debug)]
pub struct Mapping {
    address: *mut u8,
    len: usize,
}

// SAFETY: the mapping belongs to no thread; all reads of it are volatile or checked by the caller.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Maps `len` bytes of `map` at `offset`, both multiples of the page size.
    ///
    /// # Errors
    /// As mmap(2) says.
    pub fn new(map: &OwnedFd, offset: u64, len: usize, writable: bool) -> io::Result<Self> {
        let protection = if writable { libc::PROT_READ | libc::PROT_WRITE } else { libc::PROT_READ };
        // SAFETY: a new mapping at a place of the kernel's choosing.
        let address = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                len,
                protection,
                libc::MAP_SHARED,
                map.as_raw_fd(),
                offset as i64,
            )
        };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { address: address.cast(), len })
    }

    /// Reads eight bytes at `offset`, now and from memory.
    pub fn load(&self, offset: usize) -> u64 {
        assert!(offset.is_multiple_of(8) && offset + 8 <= self.len, "inside the mapping");
        // SAFETY: inside, aligned; an atomic of the same size as what the kernel writes there.
        unsafe {
            (*self.address.add(offset).cast::<std::sync::atomic::AtomicU64>())
                .load(std::sync::atomic::Ordering::Acquire)
        }
    }

    /// Writes eight bytes at `offset`.
    pub fn store(&self, offset: usize, value: u64) {
        assert!(offset.is_multiple_of(8) && offset + 8 <= self.len, "inside the mapping");
        // SAFETY: as in `load`; only made on a writable mapping.
        unsafe {
            (*self.address.add(offset).cast::<std::sync::atomic::AtomicU64>())
                .store(value, std::sync::atomic::Ordering::Release);
        }
    }

    /// Copies what stands from `offset` on; the kernel may be writing there meanwhile.
    pub fn copy_to(&self, offset: usize, to: &mut [u8]) {
        assert!(offset + to.len() <= self.len, "inside the mapping");
        // SAFETY: both ranges are valid and apart; torn bytes are the caller's to detect.
        unsafe { std::ptr::copy_nonoverlapping(self.address.add(offset), to.as_mut_ptr(), to.len()) };
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: our own mapping, which nobody refers to any more.
        unsafe { libc::munmap(self.address.cast(), self.len) };
    }
}
