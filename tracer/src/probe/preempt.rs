//! The probe asks not to be preempted: calls of functions of the kernel, written into its object where the kernel has them.
//!
//! Invariant: either every place that the probe has left for such a call gets it, or none does, and then nothing of the object is
//! changed: a program that asks for it and does not take it back is refused by the verifier.
//!
//! aya knows no calls of kernel functions (`BPF_PSEUDO_KFUNC_CALL`, kernel: include/uapi/linux/bpf.h). They need no more than the
//! function's number in the kernel's BTF, in an instruction that stands there already: see `ebpf/src/preempt.rs`.

use lastrites_traces::abi::{PREEMPT_DISABLE, PREEMPT_ENABLE};

use crate::btf::Btf;

/// Bytes of an instruction: opcode, registers, offset (2), immediate (4).
const INSTRUCTION: usize = 8;
/// `r0 = immediate`.
const SET_R0: [u8; 4] = [0xb7, 0, 0, 0];
/// A call of a function of the kernel's own BTF: source register 2 says so.
const CALL_KERNEL: [u8; 4] = [0x85, 0x20, 0, 0];
/// What aya expects of the object's bytes, as of those that are compiled in.
const ALIGNMENT: usize = 32;

/// What is called (kernel: kernel/bpf/helpers.c, since 6.10).
pub const FUNCTIONS: [&str; 2] = ["bpf_preempt_disable", "bpf_preempt_enable"];

/// Numbers of these functions, if the kernel has both.
pub fn functions(btf: &Btf, names: [&str; 2]) -> Option<[u32; 2]> {
    let [disable, enable] = names;
    Some([btf.function(disable)?, btf.function(enable)?])
}

/// An object with the calls in it.
pub struct Patched {
    bytes: Vec<u8>,
    from: usize,
    len: usize,
}

impl Patched {
    /// `object` with calls of `functions` in the places that it has for them; None if it has none.
    pub fn new(object: &[u8], functions: [u32; 2]) -> Option<Self> {
        let mut bytes = vec![0; object.len() + ALIGNMENT];
        let from = bytes.as_ptr().align_offset(ALIGNMENT);
        let room = bytes.get_mut(from..from + object.len())?;
        room.copy_from_slice(object);
        let mut written = 0;
        for instruction in room.chunks_exact_mut(INSTRUCTION) {
            let (operation, immediate) = instruction.split_at_mut(4);
            let mark = [PREEMPT_DISABLE, PREEMPT_ENABLE].map(i32::to_le_bytes);
            let Some(which) = mark.iter().position(|mark| mark == immediate) else { continue };
            if operation == SET_R0 {
                operation.copy_from_slice(&CALL_KERNEL);
                immediate.copy_from_slice(&functions[which].to_le_bytes());
                written += 1;
            }
        }
        (written > 0).then_some(Self { bytes, from, len: object.len() })
    }

    /// Aligned as aya wants it.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[self.from..self.from + self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::Object;

    /// Places in the object that hold `operation` with `immediate`.
    fn count(object: &[u8], operation: [u8; 4], immediate: [u8; 4]) -> usize {
        object.chunks_exact(INSTRUCTION).filter(|i| i[..4] == operation && i[4..] == immediate).count()
    }

    #[test]
    fn every_place_gets_its_call_and_nothing_else_is_changed() {
        let object = Object::V3.bytes();
        let marks = [PREEMPT_DISABLE, PREEMPT_ENABLE].map(i32::to_le_bytes);
        let places = marks.map(|mark| count(object, SET_R0, mark));
        // Six hooks of two programs; reboot, four of mounts, six calls.
        assert_eq!(places[0], 23, "{places:?}");
        assert!(places[1] >= places[0], "each of them is followed by one at each end: {places:?}");
        let functions = [0x0001_2345, 0x0001_2346];
        let patched = Patched::new(object, functions).expect("it has places");
        let bytes = patched.bytes();
        assert_eq!(bytes.as_ptr().align_offset(ALIGNMENT), 0);
        assert_eq!(functions.map(|id| count(bytes, CALL_KERNEL, id.to_le_bytes())), places);
        assert_eq!(marks.map(|mark| count(bytes, SET_R0, mark)), [0, 0]);
        let changed = object.chunks(8).zip(bytes.chunks(8)).filter(|(before, after)| before != after).count();
        assert_eq!(changed, places[0] + places[1]);
    }

    #[test]
    fn the_probe_for_kernels_without_these_functions_has_no_place_for_them() {
        assert!(Patched::new(Object::V2.bytes(), [1, 2]).is_none());
    }
}
