//! Every hook quotes the kernel prototype that it relies on; here the kernels are asked whether it is
//! true: the running one, and all whose BTF lies in the directory that `LASTRITES_BTF_DIR` names, each in
//! a file that is called as the kernel calls itself (`uname -r`).

use std::{
    fs,
    path::{Path, PathBuf},
};

use lastrites_tracer::btf::{Btf, VMLINUX};

/// A quoted prototype: the function, and the types of its arguments.
#[derive(Debug, PartialEq, Eq)]
struct Quoted {
    file: String,
    name: String,
    types: Vec<String>,
    /// The first kernel that has it, if the probe lives without.
    since: Option<Version>,
}

/// The first two numbers of a kernel's release.
type Version = (u32, u32);

fn version(release: &str) -> Option<Version> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// The type in `const char *path`, spelt as BTF spells it.
fn type_of(argument: &str) -> String {
    let argument = argument.trim();
    let name = argument.rfind(|c: char| !(c.is_alphanumeric() || c == '_')).map_or(0, |at| at + 1);
    argument[..name].trim().to_owned()
}

fn quoted(file: &Path) -> Vec<Quoted> {
    let text = fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let lines = text.lines().filter_map(|line| line.strip_prefix("//! kernel: "));
    lines
        .map(|line| {
            let (name, rest) = line.split_once('(').unwrap_or_else(|| panic!("no prototype: {line}"));
            let (arguments, since) = rest.split_once(')').unwrap_or_else(|| panic!("no prototype: {line}"));
            let since = since.strip_prefix(" since ");
            Quoted {
                file: file.display().to_string(),
                name: name.to_owned(),
                types: arguments.split(',').map(type_of).collect(),
                since: since.map(|since| version(since).unwrap_or_else(|| panic!("no version: {line}"))),
            }
        })
        .collect()
}

/// All prototypes that the probe quotes.
fn all_quoted() -> Vec<Quoted> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ebpf/src");
    let mut files: Vec<PathBuf> =
        fs::read_dir(&dir).expect("the probe's sources").flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    files.sort();
    let mut all = Vec::new();
    for file in files {
        let quoted = quoted(&file);
        let text = fs::read_to_string(&file).expect("read before");
        let hooks = ["#[btf_tracepoint", "#[raw_tracepoint", "#[fexit", "#[fentry"];
        let has_hooks = hooks.iter().any(|hook| text.contains(hook));
        assert_eq!(has_hooks, !quoted.is_empty(), "{}: a hook quotes its prototype", file.display());
        all.extend(quoted);
    }
    all
}

/// What of the quoted prototypes the kernel `release`, with this BTF, does not bear out.
fn untrue(release: &str, btf: &Btf, quoted: &[Quoted]) -> Vec<String> {
    let running = version(release).unwrap_or_else(|| panic!("{release}: no kernel release"));
    let mut untrue = Vec::new();
    for prototype in quoted.iter().filter(|prototype| prototype.since.is_none_or(|since| since <= running)) {
        let name = &prototype.name;
        if name.starts_with("__x64_sys_") {
            if !btf.has_function(name) {
                untrue.push(format!("{}: no function {name}", prototype.file));
            }
            continue;
        }
        let Some(types) = btf.tracepoint(name) else {
            untrue.push(format!("{}: no tracepoint {name}", prototype.file));
            continue;
        };
        // A kernel may pass more than the probe reads; one of the variants must be what it passes.
        let variants: Vec<&Quoted> = quoted.iter().filter(|other| other.name == *name).collect();
        if !variants.iter().any(|variant| types.starts_with(&variant.types)) {
            let wanted: Vec<_> = variants.iter().map(|variant| &variant.types).collect();
            untrue.push(format!("{}: {name} has {types:?}, quoted {wanted:?}", prototype.file));
        }
    }
    untrue
}

#[test]
fn the_prototypes_that_the_probe_quotes_are_those_of_every_kernel_at_hand() {
    let quoted = all_quoted();
    assert!(quoted.len() >= 20, "every hook is there: {quoted:#?}");
    let mut kernels = vec![PathBuf::from(VMLINUX)];
    if let Some(dir) = std::env::var_os("LASTRITES_BTF_DIR") {
        let dir = Path::new(&dir);
        let entries =
            fs::read_dir(dir).unwrap_or_else(|e| panic!("LASTRITES_BTF_DIR: {}: {e}", dir.display()));
        let before = kernels.len();
        kernels.extend(entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()));
        assert!(kernels.len() > before, "LASTRITES_BTF_DIR: {}: it is empty", dir.display());
    }
    for kernel in kernels {
        let btf = Btf::read(&kernel).unwrap_or_else(|e| panic!("{e}"));
        let release = match kernel.file_name().map(|name| name.to_string_lossy().into_owned()) {
            Some(name) if kernel != Path::new(VMLINUX) => name,
            _ => rustix::system::uname().release().to_string_lossy().into_owned(),
        };
        assert_eq!(untrue(&release, &btf, &quoted), Vec::<String>::new(), "{release}");
    }
}

#[test]
fn a_prototype_is_read_as_it_is_written_in_c() {
    assert_eq!(type_of("struct task_struct *p"), "struct task_struct *");
    assert_eq!(type_of(" const char *path"), "const char *");
    assert_eq!(type_of("int sig"), "int");
    assert_eq!(type_of("bool group_dead"), "bool");
    assert_eq!(type_of("struct x **p"), "struct x **");
}
