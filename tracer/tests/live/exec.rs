//! What an exec tells: of the program, of its words, and of whom it runs for.

use std::{
    fs::File,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

use lastrites_traces::{
    abi::{ARGV_MAX, EXEC_FLAG_ARGV_CUT, EXEC_FLAG_ENV_CUT, EXEC_FLAG_FILENAME_CUT, FILENAME_MAX},
    event::{Exec, What},
};

use crate::{
    child::{Channel, Child},
    recording::Recording,
    sandbox::Sandbox,
    story::Story,
    sys,
};

const TRUE: &[u8] = b"/bin/true";

/// A child that has exec'd and ended well.
fn ran(prepare: impl FnOnce(), file: &[u8], argv: &[&[u8]], env: &[&[u8]]) -> Child {
    let mut child = Child::fork(|| {
        prepare();
        sys::exec(file, argv, env)
    });
    child.succeed();
    child
}

fn exec_of<'a>(story: &'a Story, child: &Child) -> &'a Exec {
    story.exec(story.id(child))
}

#[test]
fn the_variables_that_name_a_service_are_kept_and_no_other() {
    let sandbox = Sandbox::new();
    let recording = Recording::start(&sandbox);
    let env: [&[u8]; 8] = [
        b"PATH=/bin",
        b"UPSTART_JOB=mongod",
        b"DATABASE_PASSWORD=hunter2",
        b"RUNLEVEL=6",
        b"AWS_SECRET_ACCESS_KEY=abc/def",
        b"RC_SVCNAME=data\xffbase",
        b"INVOCATION_ID=0123456789abcdef0123456789abcdef",
        b"TOKEN=UPSTART_JOB=mongod",
    ];
    let child = ran(|| {}, TRUE, &[b"true"], &env);
    let without = ran(|| {}, TRUE, &[b"true"], &[]);
    let story = recording.stop();
    let exec = exec_of(&story, &child);
    let kept = [env[1], env[3], env[5], env[6]].map(|variable| [variable, b"\0"].concat()).concat();
    assert_eq!((&*exec.env, exec.flags), (&kept[..], 0));
    let exec = exec_of(&story, &without);
    assert_eq!((&*exec.env, exec.flags), (&b""[..], 0));
    let hidden =
        |what: &What| !format!("{what:?}").contains(&format!("{:?}", b"hunter2").replace(['[', ']'], ""));
    assert!(story.events.iter().all(|event| hidden(&event.what)), "no secret anywhere");
}

/// The census kept other variables than the probe: a service that was there before had another environment
/// than one that came later.
#[test]
fn the_census_keeps_of_a_process_what_the_probe_keeps_of_its_exec() {
    let sandbox = Sandbox::new();
    let env: [&[u8]; 8] = [
        b"SYSTEMD_EXEC_PID=77",
        b"JOURNAL_STREAM=9:12345",
        b"UPSTART_EVENTS=runlevel",
        b"container=lxc",
        b"previous=2",
        b"PASSWORD=hunter2",
        b"SUPERVISOR_GROUP_NAME=db",
        b"INIT_VERSION=sysvinit-3",
    ];
    // It says that it is there once it has exec'd, and stays.
    let (mut out, writer) = Channel::new().into_ends();
    let start = |writer: &std::io::PipeWriter| {
        Child::fork(|| {
            sys::call(libc::SYS_dup2, &[writer.as_raw_fd().into(), 1]);
            sys::exec(b"/bin/sh", &[b"sh", b"-c", b"echo; kill -STOP $$"], &env)
        })
    };
    let before = start(&writer);
    std::io::Read::read_exact(&mut out, &mut [0]).expect("it exec'd");
    let recording = Recording::start(&sandbox);
    let after = start(&writer);
    std::io::Read::read_exact(&mut out, &mut [0]).expect("it exec'd");
    let story = recording.stop();
    let exec = exec_of(&story, &after);
    let counted: Vec<_> = story
        .events
        .iter()
        .filter_map(|event| match &event.what {
            What::Process(process) if process.process.tgid == before.pid as u32 => Some(process),
            _ => None,
        })
        .collect();
    assert_eq!(counted.len(), 1, "{counted:?}");
    let text = |env: &[u8]| String::from_utf8_lossy(env).replace('\0', "\n");
    assert_eq!(text(&counted[0].env), text(&exec.env));
    assert!(exec.env.starts_with(b"SYSTEMD_EXEC_PID=77\0UPSTART_EVENTS="), "{}", text(&exec.env));
    assert_eq!((&counted[0].argv, counted[0].uid, counted[0].session), (&exec.argv, exec.uid, exec.session));
    assert_eq!((&counted[0].comm, &counted[0].tty, counted[0].cgroup), (&exec.comm, &exec.tty, exec.cgroup));
}

#[test]
fn an_environment_that_is_too_large_to_be_looked_through_is_marked_and_only_then() {
    let sandbox = Sandbox::new();
    let recording = Recording::start(&sandbox);
    let variables = |count: usize| -> Vec<Vec<u8>> {
        let runlevel = b"RUNLEVEL=6".to_vec();
        [runlevel].into_iter().chain((1..count).map(|n| format!("V{n}=x").into_bytes())).collect()
    };
    let run = |env: Vec<Vec<u8>>| {
        let env: Vec<&[u8]> = env.iter().map(Vec::as_slice).collect();
        ran(|| {}, TRUE, &[b"true"], &env)
    };
    let as_many_as_are_looked_at = run(variables(64));
    let one_more = run(variables(65));
    let long = |bytes: usize| [b"LONG=".to_vec(), vec![b'x'; bytes - 5]].concat();
    let longest = run(vec![long(4094), b"RUNLEVEL=6".to_vec()]);
    let too_long = run(vec![b"RUNLEVEL=6".to_vec(), long(4096), b"PREVLEVEL=2".to_vec()]);
    let kept = |value: usize| [b"UPSTART_INSTANCE=".to_vec(), vec![b'y'; value]].concat();
    let too_much = run(vec![b"RUNLEVEL=6".to_vec(), kept(600)]);
    let story = recording.stop();
    let seen = |child: &Child| {
        let exec = exec_of(&story, child);
        assert_eq!(&*exec.env, b"RUNLEVEL=6\0");
        exec.flags
    };
    assert_eq!(seen(&as_many_as_are_looked_at), 0, "64 variables");
    assert_eq!(seen(&one_more), EXEC_FLAG_ENV_CUT, "65 variables");
    assert_eq!(seen(&longest), 0, "4094 bytes");
    assert_eq!(seen(&too_long), EXEC_FLAG_ENV_CUT, "4096 bytes");
    assert_eq!(seen(&too_much), EXEC_FLAG_ENV_CUT, "more worth keeping than is kept");
}

#[test]
fn words_are_kept_byte_for_byte_and_what_is_too_long_is_cut_and_marked() {
    let sandbox = Sandbox::new();
    let recording = Recording::start(&sandbox);
    let strange: [&[u8]; 4] = [b"true", b"\xff\xfe\x80", b"", b"a\nb\x1b[31m"];
    let foreign = ran(|| {}, TRUE, &strange, &[]);
    let nothing = ran(|| {}, TRUE, &[], &[]);
    // With its NULs argv has exactly the bytes that are kept, and one more.
    let fits = vec![b'a'; ARGV_MAX - 1 - 5 - 1];
    let whole = ran(|| {}, TRUE, &[b"true", &fits], &[]);
    let long = vec![b'b'; ARGV_MAX - 1 - 5];
    let cut = ran(|| {}, TRUE, &[b"true", &long], &[b"RUNLEVEL=6"]);
    let huge = vec![b'c'; 100_000];
    let very_cut = ran(|| {}, TRUE, &[b"true", &huge], &[]);
    // One name of 254 bytes, and one of 300, of one program.
    let name = |bytes: usize| [b"/bin".to_vec(), b"/.".repeat((bytes - 9) / 2), b"/true".to_vec()].concat();
    let (short_name, long_name) = (name(253), name(301));
    let named = ran(|| {}, &short_name, &[b"true"], &[]);
    let misnamed = ran(|| {}, &long_name, &[b"true"], &[b"RUNLEVEL=6"]);
    let story = recording.stop();

    let exec = exec_of(&story, &foreign);
    assert_eq!((&*exec.argv, exec.flags), (&b"true\0\xff\xfe\x80\0\0a\nb\x1b[31m\0"[..], 0));
    // Since Linux 5.18 an empty argv becomes one empty word.
    let exec = exec_of(&story, &nothing);
    assert!(matches!(&*exec.argv, b"" | b"\0"), "{:?}", exec.argv);
    assert_eq!((&*exec.filename, exec.flags), (TRUE, 0));

    let exec = exec_of(&story, &whole);
    assert_eq!((exec.argv.len(), exec.argv.last(), exec.flags), (ARGV_MAX - 1, Some(&0), 0));
    for (child, letter) in [(&cut, b'b'), (&very_cut, b'c')] {
        let exec = exec_of(&story, child);
        assert_eq!((exec.argv.len(), exec.flags), (ARGV_MAX - 1, EXEC_FLAG_ARGV_CUT));
        assert!(exec.argv.starts_with(b"true\0") && exec.argv[5..].iter().all(|byte| *byte == letter));
    }
    assert_eq!(&*exec_of(&story, &cut).env, b"RUNLEVEL=6\0", "what follows a cut is not");

    let exec = exec_of(&story, &named);
    assert_eq!((&*exec.filename, exec.flags), (&short_name[..], 0));
    let exec = exec_of(&story, &misnamed);
    assert_eq!((&*exec.filename, exec.flags), (&long_name[..FILENAME_MAX - 1], EXEC_FLAG_FILENAME_CUT));
    assert_eq!((&*exec.argv, &*exec.env), (&b"true\0"[..], &b"RUNLEVEL=6\0"[..]));
}

/// A pseudo terminal: its master, and the name of its slave.
fn terminal() -> (OwnedFd, String) {
    // SAFETY: makes a descriptor, which is ours.
    let master = unsafe { libc::posix_openpt(libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC) };
    assert!(master >= 0, "a pseudo terminal needs /dev/ptmx");
    // SAFETY: just made.
    let master = unsafe { OwnedFd::from_raw_fd(master) };
    let mut number = 0u32;
    let unlock = 0u32;
    let fd = i64::from(master.as_raw_fd());
    assert_eq!(sys::call(libc::SYS_ioctl, &[fd, libc::TIOCSPTLCK as i64, (&raw const unlock) as i64]), 0);
    assert_eq!(sys::call(libc::SYS_ioctl, &[fd, libc::TIOCGPTN as i64, (&raw mut number) as i64]), 0);
    (master, format!("pts/{number}"))
}

#[test]
fn an_exec_tells_for_whom_from_where_and_by_whom_it_is_done() {
    let sandbox = Sandbox::new();
    let recording = Recording::start(&sandbox);
    let (_master, terminal) = terminal();
    let pids = Channel::new();
    // A parent of their own, so that the parent's identity is one that the recording saw begin.
    let mut parent = Child::fork(|| {
        let setuid = || assert_eq!(sys::call(libc::SYS_setresuid, &[1234; 3]), 0);
        let setsid = || assert!(sys::call(libc::SYS_setsid, &[]) > 0);
        let on_terminal = || {
            setsid();
            let slave = File::options().read(true).write(true).open(format!("/dev/{terminal}"));
            let slave = slave.expect("the terminal opens");
            let fd = i64::from(slave.as_raw_fd());
            assert_eq!(
                sys::call(libc::SYS_ioctl, &[fd, libc::TIOCSCTTY as i64, 0]),
                0,
                "a controlling terminal"
            );
        };
        for child in [
            ran(setuid, TRUE, &[b"user"], &[]),
            ran(setsid, TRUE, &[b"session"], &[]),
            ran(on_terminal, TRUE, &[b"terminal"], &[]),
        ] {
            pids.send(child.pid as u64);
        }
        0
    });
    parent.succeed();
    let story = recording.stop();
    story.must_be_whole();
    let me = story.id(&parent);
    let forks = story.forks_by(me);
    let pids: Vec<u32> = forks.iter().map(|_| pids.receive() as u32).collect();
    assert_eq!(pids, forks.iter().map(|(_, forked)| forked.child.tgid).collect::<Vec<_>>());
    let execs: Vec<&Exec> = forks.iter().map(|(_, forked)| story.exec(forked.child)).collect();
    let own = sys::call(libc::SYS_getsid, &[0]) as u32;
    let seen: Vec<_> =
        execs.iter().map(|e| (e.uid, e.session, String::from_utf8_lossy(&e.tty).into_owned())).collect();
    // The test's own session may have a terminal, which is not this test's matter.
    assert_eq!((seen[0].0, seen[0].1), (1234, own));
    assert_eq!(seen[1], (0, pids[1], String::new()));
    assert_eq!(seen[2], (0, pids[2], terminal));
    for exec in execs {
        assert_eq!(exec.parent, me);
        assert_eq!(&*exec.comm, b"true", "a name is the file's, not argv's");
    }
}

#[test]
fn an_exec_by_a_second_thread_is_an_exec_of_its_process() {
    let sandbox = Sandbox::new();
    let recording = Recording::start(&sandbox);
    let mut child = Child::fork(|| {
        std::thread::scope(|scope| {
            scope.spawn(|| sys::exec(TRUE, &[b"true"], &[]));
            crate::child::sleep_for_ever()
        })
    });
    child.succeed();
    let story = recording.stop();
    let me = story.id(&child);
    assert_eq!(&*story.exec(me).argv, b"true\0");
    assert_eq!(story.exit(me).status, 0, "one life, one end");
    let renames = story.pick(me, |what| matches!(what, What::Rename { .. }).then_some(()));
    assert_eq!(renames, [], "an exec names itself");
}

#[test]
fn a_script_is_told_by_its_own_name_and_a_failed_exec_not_at_all() {
    use std::os::unix::{ffi::OsStrExt as _, fs::PermissionsExt as _};
    let sandbox = Sandbox::new();
    let script = sandbox.path("S20database");
    std::fs::write(&script, "#!/bin/sh\nexit 0\n").expect("written");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).expect("executable");
    let name = script.as_os_str().as_bytes();
    let recording = Recording::start(&sandbox);
    let child = ran(|| {}, name, &[b"S20database", b"stop"], &[]);
    let mut failed = Child::fork(|| sys::exec(b"/nonexistent/program", &[b"x"], &[]));
    failed.wait();
    let story = recording.stop();
    let exec = exec_of(&story, &child);
    assert_eq!((&*exec.filename, &*exec.comm), (name, &b"S20database"[..]));
    assert_eq!(&*exec.argv, [b"/bin/sh\0", name, b"\0stop\0"].concat());
    assert_eq!(story.execs(story.id(&failed)).len(), 0);
}
