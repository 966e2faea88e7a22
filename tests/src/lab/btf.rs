//! The types of the guests' kernels (BTF), taken out of the compressed kernels without booting them: so that the
//! prototypes which the probe quotes are held against every kernel of the lab.
//!
//! Source: the kernel's Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header".

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    error::{Error, Result, output},
    image::Image,
};

/// Sectors of the real-mode code behind the first, in a byte; 0 means 4.
const SETUP_SECTS: usize = 0x1f1;
const MAGIC: (usize, &[u8]) = (0x202, b"HdrS");
/// Where the compressed kernel begins, behind the real-mode code.
const PAYLOAD_OFFSET: usize = 0x248;
const PAYLOAD_LENGTH: usize = 0x24c;
const SECTOR: usize = 512;
/// Behind the compressed kernel stands its length, which is counted as payload.
const TAIL: usize = 4;

/// Who unpacks what begins like this.
const PACKERS: [(&[u8], &str); 4] = [
    (&[0x02, 0x21, 0x4c, 0x18], "lz4"),
    (&[0x28, 0xb5, 0x2f, 0xfd], "zstd"),
    (&[0xfd, b'7', b'z', b'X', b'Z'], "xz"),
    (&[0x1f, 0x8b], "gzip"),
];

/// Writes the BTF of every kernel of these images into `dir`, each in a file called as the kernel calls itself;
/// the kernels' names.
///
/// # Errors
/// When a kernel is none that we can unpack, or has no BTF.
pub fn extract(images: &[Image], dir: &Path) -> Result<BTreeSet<String>> {
    fs::create_dir_all(dir).map_err(|e| Error::file(dir, "create it", e))?;
    let mut releases = BTreeSet::new();
    for (release, kernel) in kernels(images)? {
        let to = dir.join(&release);
        if releases.insert(release) {
            one(&kernel, &to)?;
        }
    }
    Ok(releases)
}

fn kernels(images: &[Image]) -> Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for image in images {
        let fail = |e| Error::file(&image.dir, "look for kernels", e);
        for entry in fs::read_dir(&image.dir).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if let Some(release) = name.strip_prefix("vmlinuz-") {
                found.push((release.to_owned(), entry.path()));
            }
        }
    }
    Ok(found)
}

fn one(kernel: &Path, to: &Path) -> Result<()> {
    let image = fs::read(kernel).map_err(|e| Error::file(kernel, "read the kernel", e))?;
    let payload = payload(&image).ok_or_else(|| Error::new(format!("{}: no bzImage", kernel.display())))?;
    let (_, packer) = PACKERS.iter().find(|(magic, _)| payload.starts_with(magic)).ok_or_else(|| {
        Error::new(format!("{}: it is packed in a way that we do not know", kernel.display()))
    })?;
    let scratch = tempfile::tempdir().map_err(|e| Error::new(format!("cannot make a directory: {e}")))?;
    let (packed, unpacked) = (scratch.path().join("packed"), scratch.path().join("vmlinux"));
    fs::write(&packed, payload).map_err(|e| Error::file(&packed, "write it", e))?;
    // From standard input, as its name says nothing about how it is packed.
    let stdin = fs::File::open(&packed).map_err(|e| Error::file(&packed, "open it", e))?;
    let stdout = fs::File::create(&unpacked).map_err(|e| Error::file(&unpacked, "create it", e))?;
    output(Command::new(packer).args(["-d", "-c"]).stdin(stdin).stdout(stdout))?;
    let section = scratch.path().join("btf");
    let mut dump = OsString::from(".BTF=");
    dump.push(&section);
    let rest = scratch.path().join("rest");
    output(Command::new("objcopy").arg("--dump-section").arg(dump).args([&unpacked, &rest]))?;
    let btf = fs::read(&section).map_err(|e| Error::file(&section, "read it", e))?;
    if btf.is_empty() {
        return Err(Error::new(format!("{}: it has no BTF", kernel.display())));
    }
    fs::write(to, btf).map_err(|e| Error::file(to, "write it", e))
}

fn payload(image: &[u8]) -> Option<&[u8]> {
    if image.get(MAGIC.0..)?.get(..MAGIC.1.len())? != MAGIC.1 {
        return None;
    }
    let sectors = match image.get(SETUP_SECTS)? {
        0 => 4,
        n => usize::from(*n),
    };
    let start = (sectors + 1) * SECTOR + number(image, PAYLOAD_OFFSET)?;
    let length = number(image, PAYLOAD_LENGTH)?.checked_sub(TAIL)?;
    image.get(start..)?.get(..length)
}

fn number(image: &[u8], at: usize) -> Option<usize> {
    let bytes = image.get(at..)?.get(..4)?.try_into().ok()?;
    usize::try_from(u32::from_le_bytes(bytes)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_kernel_is_refused() {
        for image in [vec![], vec![0; 100], vec![0xff; 4096], b"HdrS".repeat(400)] {
            assert_eq!(payload(&image), None, "{} bytes", image.len());
        }
    }

    #[test]
    fn the_payload_lies_where_the_header_says() {
        let mut image = vec![0; 2 * SECTOR];
        image[SETUP_SECTS] = 1;
        image[MAGIC.0..MAGIC.0 + 4].copy_from_slice(MAGIC.1);
        image[PAYLOAD_OFFSET] = 8;
        image[PAYLOAD_LENGTH] = 9;
        image.extend(b"padding.packedSIZE, and more");
        assert_eq!(payload(&image), Some(&b"packe"[..]));
    }
}
