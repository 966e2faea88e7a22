//! Where the running kernel keeps what: structure members, enumerators and tracepoint prototypes,
//! read from its BTF.
//!
//! Invariant: any bytes may stand in the file; a walk over them ends, stays inside, and answers
//! "not there" where they make no sense. Layout: Linux `Documentation/bpf/btf.rst`.

use std::collections::HashMap;
use std::path::Path;

/// The kernel's own BTF.
pub const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

const MAGIC: u16 = 0xeb9f;
const KIND_INT: u32 = 1;
const KIND_PTR: u32 = 2;
const KIND_ARRAY: u32 = 3;
const KIND_STRUCT: u32 = 4;
const KIND_UNION: u32 = 5;
const KIND_ENUM: u32 = 6;
const KIND_FWD: u32 = 7;
const KIND_TYPEDEF: u32 = 8;
const KIND_VOLATILE: u32 = 9;
const KIND_CONST: u32 = 10;
const KIND_RESTRICT: u32 = 11;
const KIND_FUNC: u32 = 12;
const KIND_FUNC_PROTO: u32 = 13;
const KIND_VAR: u32 = 14;
const KIND_DATASEC: u32 = 15;
const KIND_DECL_TAG: u32 = 17;
const KIND_TYPE_TAG: u32 = 18;
const KIND_ENUM64: u32 = 19;

/// Structures inside structures are followed this deep.
const DEPTH_MAX: u32 = 16;

/// Why the kernel's BTF cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BtfError {
    #[error(
        "{path}: {source}; this kernel was built without CONFIG_DEBUG_INFO_BTF or /sys is not mounted: use a distribution kernel that has BTF, or mount sysfs"
    )]
    Read { path: String, source: std::io::Error },
    #[error(
        "{path}: not BTF ({why}); the file is damaged or of a kernel this program does not know: please report it"
    )]
    Malformed { path: String, why: &'static str },
}

/// A member of a structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Offset from the start of the outermost structure, in bits.
    pub bit_offset: u32,
    /// Width in bits of a bit field; 0 for any other member.
    pub bit_size: u32,
    type_id: u32,
}

impl Member {
    /// Offset in bytes; of a bit field, that of the byte in which it begins.
    pub fn byte_offset(self) -> u32 {
        self.bit_offset / 8
    }
}

/// A kernel's BTF, indexed for look-ups by name.
#[derive(Debug)]
pub struct Btf {
    data: Vec<u8>,
    strings: usize,
    /// Byte offset of each type's entry; index is the type id, 0 is void.
    types: Vec<u32>,
    structs: HashMap<u32, u32>,
}

#[derive(Debug, Clone, Copy)]
struct Type {
    at: usize,
    name: u32,
    info: u32,
    size_or_type: u32,
}

impl Type {
    fn kind(self) -> u32 {
        self.info >> 24 & 0x1f
    }
    fn count(self) -> usize {
        (self.info & 0xffff) as usize
    }
    /// The kind_flag: member offsets carry bit-field widths, or a forward is a union.
    fn flag(self) -> bool {
        self.info >> 31 != 0
    }
}

impl Btf {
    /// Reads the running kernel's BTF.
    ///
    /// # Errors
    /// When there is none, or it makes no sense.
    pub fn of_kernel() -> Result<Self, BtfError> {
        Self::read(Path::new(VMLINUX))
    }

    /// Reads the BTF in `path`.
    ///
    /// # Errors
    /// When it cannot be read, or makes no sense.
    pub fn read(path: &Path) -> Result<Self, BtfError> {
        let name = || path.display().to_string();
        let data = std::fs::read(path).map_err(|source| BtfError::Read { path: name(), source })?;
        Self::parse(data).map_err(|why| BtfError::Malformed { path: name(), why })
    }

    /// Indexes `data`; the error says what is wrong with it.
    ///
    /// # Errors
    /// When `data` is not little-endian BTF, or is cut.
    pub fn parse(data: Vec<u8>) -> Result<Self, &'static str> {
        let half = |at: usize| Some(u16::from_le_bytes(data.get(at..at + 2)?.try_into().ok()?));
        let word = |at: usize| Some(u32::from_le_bytes(data.get(at..at + 4)?.try_into().ok()?));
        if half(0) != Some(MAGIC) {
            return Err("no BTF magic");
        }
        let cut = "header cut short";
        let header = word(4).ok_or(cut)? as usize;
        let section = |offset: usize, length: usize| {
            let start = header.checked_add(word(offset)? as usize)?;
            let end = start.checked_add(word(length)? as usize)?;
            (end <= data.len()).then_some((start, end))
        };
        let (start, end) = section(8, 12).ok_or("types outside the file")?;
        let (strings, _) = section(16, 20).ok_or("strings outside the file")?;

        let mut types = vec![0];
        let mut structs = HashMap::new();
        let mut at = start;
        while at < end {
            let entry = Type {
                at,
                name: word(at).ok_or(cut)?,
                info: word(at + 4).ok_or("types cut short")?,
                size_or_type: word(at + 8).ok_or("types cut short")?,
            };
            let each = match entry.kind() {
                KIND_INT | KIND_VAR | KIND_DECL_TAG => 4,
                KIND_ARRAY => 12,
                KIND_STRUCT | KIND_UNION | KIND_DATASEC | KIND_ENUM64 => 12 * entry.count(),
                KIND_ENUM | KIND_FUNC_PROTO => 8 * entry.count(),
                KIND_PTR..=KIND_FUNC | 16 | KIND_TYPE_TAG => 0,
                _ => return Err("a kind of type that this program does not know"),
            };
            if entry.kind() == KIND_STRUCT && entry.name != 0 {
                structs.entry(entry.name).or_insert(types.len() as u32);
            }
            types.push(u32::try_from(at).map_err(|_| "larger than 4 GiB")?);
            at += 12 + each;
        }
        if at != end {
            return Err("types cut short");
        }
        Ok(Self { data, strings, types, structs })
    }

    fn word(&self, at: usize) -> Option<u32> {
        Some(u32::from_le_bytes(self.data.get(at..at + 4)?.try_into().ok()?))
    }

    fn string(&self, offset: u32) -> &[u8] {
        let tail = self.data.get(self.strings + offset as usize..).unwrap_or_default();
        tail.split(|&byte| byte == 0).next().unwrap_or_default()
    }

    fn entry(&self, id: u32) -> Option<Type> {
        let at = *self.types.get(id as usize).filter(|_| id != 0)? as usize;
        Some(Type { at, name: self.word(at)?, info: self.word(at + 4)?, size_or_type: self.word(at + 8)? })
    }

    /// Follows typedefs and qualifiers.
    fn strip(&self, mut id: u32) -> u32 {
        for _ in 0..DEPTH_MAX {
            match self.entry(id) {
                Some(t) if matches!(t.kind(), KIND_TYPEDEF..=KIND_RESTRICT | KIND_TYPE_TAG) => {
                    id = t.size_or_type
                }
                _ => break,
            }
        }
        id
    }

    fn structure(&self, name: &str) -> Option<u32> {
        self.structs.iter().find(|(at, _)| self.string(**at) == name.as_bytes()).map(|(_, id)| *id)
    }

    /// Finds `path` ("member" or "member.member") in the structure `name`, looking into anonymous
    /// structures and unions as C does.
    pub fn member(&self, name: &str, path: &str) -> Option<Member> {
        let mut found = Member { bit_offset: 0, bit_size: 0, type_id: self.structure(name)? };
        for part in path.split('.') {
            let inner = self.find(self.strip(found.type_id), part.as_bytes(), DEPTH_MAX)?;
            found = Member { bit_offset: found.bit_offset.checked_add(inner.bit_offset)?, ..inner };
        }
        Some(found)
    }

    fn find(&self, id: u32, name: &[u8], depth: u32) -> Option<Member> {
        let outer = self.entry(id).filter(|t| matches!(t.kind(), KIND_STRUCT | KIND_UNION))?;
        let mut members = (0..outer.count()).filter_map(|index| {
            let at = outer.at + 12 + 12 * index;
            let (name, type_id, offset) = (self.word(at)?, self.word(at + 4)?, self.word(at + 8)?);
            let (bit_offset, bit_size) =
                if outer.flag() { (offset & 0x00ff_ffff, offset >> 24) } else { (offset, 0) };
            Some((name, Member { bit_offset, bit_size, type_id }))
        });
        members.find_map(|(member_name, member)| {
            if member_name != 0 {
                return (self.string(member_name) == name).then_some(member);
            }
            let inner = self.find(self.strip(member.type_id), name, depth.checked_sub(1)?)?;
            Some(Member { bit_offset: member.bit_offset.checked_add(inner.bit_offset)?, ..inner })
        })
    }

    /// Size in bytes of the structure `name`.
    pub fn size(&self, name: &str) -> Option<u32> {
        Some(self.entry(self.structure(name)?)?.size_or_type)
    }

    /// Value of the enumerator `name`.
    pub fn enumerator(&self, name: &str) -> Option<u32> {
        (1..self.types.len() as u32)
            .filter_map(|id| self.entry(id))
            .filter(|t| t.kind() == KIND_ENUM)
            .find_map(|t| {
                (0..t.count()).map(|index| t.at + 12 + 8 * index).find_map(|at| {
                    (self.string(self.word(at)?) == name.as_bytes()).then(|| self.word(at + 4)).flatten()
                })
            })
    }

    /// Whether the kernel has a function `name`.
    pub fn has_function(&self, name: &str) -> bool {
        self.function(name).is_some()
    }

    /// The type id of the function `name`, by which programs call it.
    pub fn function(&self, name: &str) -> Option<u32> {
        (1..self.types.len() as u32).find(|id| {
            self.entry(*id).is_some_and(|t| t.kind() == KIND_FUNC && self.string(t.name) == name.as_bytes())
        })
    }

    /// The C types of the arguments of the tracepoint `name` (without the leading `void *` of its
    /// kernel-side callbacks).
    pub fn tracepoint(&self, name: &str) -> Option<Vec<String>> {
        let wanted = format!("btf_trace_{name}");
        let typedef = (1..self.types.len() as u32)
            .filter_map(|id| self.entry(id))
            .find(|t| t.kind() == KIND_TYPEDEF && self.string(t.name) == wanted.as_bytes())?;
        let pointer = self.entry(typedef.size_or_type).filter(|t| t.kind() == KIND_PTR)?;
        let proto = self.entry(pointer.size_or_type).filter(|t| t.kind() == KIND_FUNC_PROTO)?;
        (1..proto.count())
            .map(|index| Some(self.spell(self.word(proto.at + 12 + 8 * index + 4)?, DEPTH_MAX)))
            .collect()
    }

    /// The C spelling of a type, as prototypes write it.
    fn spell(&self, id: u32, depth: u32) -> String {
        let (Some(t), Some(depth)) = (self.entry(id), depth.checked_sub(1)) else { return "void".into() };
        let name = || String::from_utf8_lossy(self.string(t.name)).into_owned();
        match t.kind() {
            KIND_PTR => {
                let inner = self.spell(t.size_or_type, depth);
                if inner.ends_with('*') { format!("{inner}*") } else { format!("{inner} *") }
            }
            KIND_STRUCT => format!("struct {}", name()),
            KIND_UNION => format!("union {}", name()),
            KIND_FWD => format!("{} {}", if t.flag() { "union" } else { "struct" }, name()),
            KIND_ENUM | KIND_ENUM64 => format!("enum {}", name()),
            KIND_CONST => format!("const {}", self.spell(t.size_or_type, depth)),
            KIND_VOLATILE | KIND_RESTRICT | KIND_TYPE_TAG => self.spell(t.size_or_type, depth),
            _ => name(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_kernel_has_the_structures_that_the_probe_reads() {
        let btf = Btf::of_kernel().expect("tests run on a kernel with BTF");
        assert!(btf.member("task_struct", "tgid").is_some());
        let runtime = btf.member("task_struct", "se.sum_exec_runtime");
        assert!(runtime > btf.member("task_struct", "se"), "nested members lie behind their structure");
        assert!(btf.member("task_struct", "no_such_member").is_none());
        assert_eq!(btf.enumerator("PIDTYPE_PID"), Some(0));
        assert!(btf.has_function("do_exit") && !btf.has_function("task_struct"));
    }

    #[test]
    fn cut_or_foreign_bytes_are_refused_without_a_panic() {
        assert!(Btf::parse(Vec::new()).is_err());
        assert!(Btf::parse(vec![0x9f, 0xeb, 1, 0]).is_err());
        let whole = std::fs::read(VMLINUX).expect("tests run on a kernel with BTF");
        for cut in [24, 100, 4096, whole.len() / 2, whole.len() - 1] {
            assert!(Btf::parse(whole[..cut].to_vec()).is_err(), "cut at {cut}");
        }
    }

    impl PartialOrd for Member {
        fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
            self.bit_offset.partial_cmp(&other.bit_offset)
        }
    }
}
