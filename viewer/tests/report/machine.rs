//! A machine whose recording holds secrets and names wherever strings occur.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use lastrites_traces::{
    event::{Bytes, Exec, ProcId, Process, What},
    ring::Writer,
    session::{Clock, Coverage, End, How, Layer, Session, SessionId},
    storage::FileStorage,
};

use lastrites::report::Report;

pub const START_NS: u64 = 100_000_000_000;

/// Of a pod and of a container in it.
pub const POD: &str = "0a1b2c3d_4e5f_6071_8293_a4b5c6d7e8f9";
pub const CONTAINER: &str = "4f5e6d7c8b9a00112233445566778899aabbccddeeff00112233445566778899";

/// What must not be found again.
#[derive(Debug, Clone)]
pub struct Planted {
    pub secret: String,
    pub user: String,
    pub host: String,
    /// A machine on it, which only what runs it names.
    pub guest: String,
    /// Who has a mailbox on it, and nothing else.
    pub mailer: String,
    /// Twelve digits: the hardware address of an interface.
    pub mac: String,
}

impl Planted {
    pub fn new(secret: &str, user: &str, host: &str) -> Self {
        let [guest, mailer, mac] = ["guestqx7", "mailqxer", "00c0ffee1277"].map(str::to_owned);
        Self { secret: secret.into(), user: user.into(), host: host.into(), guest, mailer, mac }
    }
}

pub fn bytes(text: &str) -> Bytes {
    text.as_bytes().into()
}

pub fn strings(words: &[&str]) -> Bytes {
    words.iter().flat_map(|word| word.bytes().chain([0])).collect::<Vec<u8>>().into()
}

pub fn id(pid: u32) -> ProcId {
    ProcId { tgid: pid, start_ns: START_NS - 1_000_000_000 + u64::from(pid) * 10_000 }
}

pub fn exec(pid: u32, filename: &str, argv: &[&str], env: &[&str]) -> What {
    let base = filename.rsplit('/').next().unwrap_or(filename);
    What::Exec(Box::new(Exec {
        process: id(pid),
        parent: id(400),
        uid: 0,
        session: 1,
        cgroup: 1,
        comm: bytes(&base[..base.len().min(15)]),
        filename: bytes(filename),
        argv: strings(argv),
        env: strings(env),
        tty: bytes("pts/0"),
        flags: 0,
    }))
}

pub fn session(hostname: &str) -> Session {
    Session {
        id: SessionId([1; 16]),
        boot_id: "11111111-2222-3333-4444-555555555555".into(),
        hostname: hostname.into(),
        kernel_release: "6.1.0-28-amd64".into(),
        kernel_version: "#1 SMP PREEMPT_DYNAMIC Debian 6.1.119-1 (2024-11-22)".into(),
        machine: "x86_64".into(),
        init: "sysvinit".into(),
        init_version: "3.06".into(),
        tool_version: "0.1.0".into(),
        began: "armed".into(),
        mode: "once".into(),
        cpus: 1,
        started: Clock { boottime_ns: START_NS, realtime_ns: 1_794_449_640_000_000_000, utc_offset_s: 3600 },
        ..Session::default()
    }
}

/// Everything that happens on it.
fn events(planted: &Planted) -> Vec<What> {
    let Planted { secret, user, host, guest, mailer, mac } = planted;
    let f = |text: &str| {
        let text = text.replace("$U", user).replace("$H", host).replace("$G", guest);
        // What a secret is made of is nobody's place.
        text.replace("$V", mailer).replace("$M", mac).replace("$S", secret)
    };
    let mut pid = 500;
    let mut all = Vec::new();
    let mut add = |filename: &str, argv: &[&str], env: &[&str]| {
        pid += 1;
        let argv: Vec<String> = argv.iter().map(|word| f(word)).collect();
        let env: Vec<String> = env.iter().map(|word| f(word)).collect();
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        let env: Vec<&str> = env.iter().map(String::as_str).collect();
        all.push(exec(pid, &f(filename), &argv, &env));
    };
    // Whatever stands before and behind it.
    add("/usr/bin/tool", &["tool", "$S"], &[]);
    add("/usr/bin/tool", &["tool", "--password=$S", "--verbose"], &["FOO_TOKEN=$S"]);
    add("/usr/bin/tool", &["tool", "--password", "$S"], &["SUDO_USER=$U", "SUDO_COMMAND=/usr/bin/tool $S"]);
    add(
        "/usr/bin/tool",
        &["tool", "PGPASSWORD=$S", "key=$S", "$S=1", "a,$S", "$S:x"],
        &["UPSTART_INSTANCE=$S"],
    );
    add(
        "/usr/bin/mysql",
        &["mysql", "-p$S", "-u", "$U", "-h", "$H", "shop"],
        &["SSH_CONNECTION=203.0.113.77 1 198.51.100.9 22"],
    );
    add("/usr/bin/sshpass", &["sshpass", "-p", "$S", "ssh", "$U@$H.example.com"], &[]);
    add(
        "/usr/bin/curl",
        &["curl", "-H", "Authorization: Bearer $S", "https://$U:$S@$H.example.com:8443/v1/$S?token=$S"],
        &[],
    );
    add("/usr/bin/wget", &["wget", "--header=X-Api-Key: $S", "-O", "/srv/$S/x"], &[]);
    add("/bin/sh", &["sh", "-c", "mysqldump --password='$S' db | gzip > /home/$U/$S.gz; echo \"$S\""], &[]);
    add(
        "/bin/sh",
        &["sh", "-c", "TOKEN=$S exec /opt/acme/$S/run --host $H"],
        &["INVOCATION_ID=0123456789abcdef0123456789abcdef"],
    );
    add(
        "/home/$U/bin/runner",
        &["/home/$U/bin/runner", "/home/$U/.ssh/$S"],
        &["NOTIFY_SOCKET=/run/user/1000/$S"],
    );
    add("/usr/sbin/sshd", &["sshd: $U@pts/3"], &["SSH_CLIENT=2001:db8:0:0::77 5555 22"]);
    add("/usr/sbin/sshd", &["sshd: $U [priv]"], &[]);
    add("/usr/lib/postgresql/15/bin/postgres", &["postgres: $U $S 203.0.113.77(4242) idle"], &[]);
    add("/bin/su", &["su", "-", "$U"], &[]);
    add(
        "/usr/bin/rsync",
        &["rsync", "-a", "$U@$H.example.com:/srv/$S", "--exclude=$S", "/mnt/$S/"],
        &["FOO=$S"],
    );
    add("/usr/bin/mail", &["mail", "-s", "reboot of $H", "$U@$H.example.com"], &[]);
    add("/usr/bin/gpg", &["gpg", "-----BEGIN PRIVATE KEY-----\n$S\n-----END PRIVATE KEY-----"], &[]);
    add("/usr/bin/ip", &["ip", "link", "set", "eth0", "address", "aa:bb:cc:dd:ee:77"], &[]);
    add("/sbin/shutdown", &["shutdown", "-r", "now", "$S is what $U on $H told me"], &[]);
    add("/usr/bin/curl", &["curl", "--user", "$U:$S", "x"], &[]);
    add("/usr/bin/scp", &["scp", "$U:$S@203.0.113.77:/x"], &[]);
    // The kernel keeps four letters of the host's name of it.
    add("/usr/sbin/agent-long-$H", &["agent-long-$H"], &[]);
    // Behind programs that run others, and what others read.
    add("/usr/bin/sudo", &["sudo", "-u", "$U", "nice", "-n", "5", "mysql", "-p$S", "-u$U", "shop"], &[]);
    add("/usr/bin/env", &["env", "LANG=C", "timeout", "30s", "redis-cli", "-a", "$S", "ping"], &[]);
    add("/bin/sh", &["sh", "-c", "echo 'root:$S' | chpasswd"], &["SUDO_COMMAND=/usr/bin/mysql -p$S"]);
    add("/usr/bin/curl", &["curl", "-sSfu", "$U:$S", "-H", "X-Any: $S", "-d", "a=$S", "x"], &[]);
    add("/usr/bin/ssh", &["ssh", "-p", "22", "$U@$H", "mysql -p'$S'"], &[]);
    add("/usr/bin/rabbitmqctl", &["rabbitmqctl", "change_password", "$U", "$S"], &[]);
    // What only one place says, and many hold.
    add("/usr/bin/qemu-system-x86_64", &["qemu-system-x86_64", "-name", "guest=$G,debug-threads=on"], &[]);
    add(
        "/usr/bin/tool",
        &["tool", "/var/lib/libvirt/qemu/domain-1-$G/x", "/var/lib/libvirt/images/$G.qcow2"],
        &[],
    );
    add("/usr/sbin/backup-$G", &["backup-$G", "/etc/x/$G.conf", "/var/log/libvirt/qemu/$G.log"], &[]);
    add("/usr/bin/tool", &["tool", "/var/vmail/$H.example.com/$V/Maildir", "/etc/x/$V.conf"], &[]);
    add("/usr/bin/screen", &["SCREEN", "-S", "$S", "/run/screen/S-$U/1.pts-0.$H"], &[]);
    add("/sbin/dhclient", &["dhclient", "-lf", "/var/lib/dhcp/dhclient.enx$M.leases", "wlx$M"], &[]);
    add("/usr/bin/tail", &["tail", "-F", "/var/log/nginx/shop.$H.example.com-error.log"], &[]);
    let escaped = host.replace('-', "\\x2d");
    let path = |text: &str| bytes(&f(text));
    all.extend([
        What::Rename {
            process: id(501),
            comm: bytes(&f("$S").chars().take(5).collect::<String>().repeat(3)),
        },
        What::Rename { process: id(502), comm: path("$U") },
        What::Umount { process: id(503), path: path("/mnt/$S"), flags: 0 },
        What::Remount { process: id(503), path: path("/home/$U/$S"), flags: 33 },
        What::CgroupMkdir { process: id(1), id: 7, hierarchy: 0, path: path("/system.slice/vpn@$S.service") },
        What::CgroupRmdir {
            process: id(1),
            id: 7,
            hierarchy: 0,
            path: path("/system.slice/backup-$U.service"),
        },
        What::CgroupMkdir {
            process: id(1),
            id: 10,
            hierarchy: 0,
            path: path(&format!("/system.slice/system-autossh\\x2d{escaped}.slice")),
        },
        What::CgroupMkdir { process: id(1), id: 8, hierarchy: 0, path: path("/lxc/$H/$S") },
        What::CgroupAttach {
            process: id(1),
            moved: id(502),
            id: 9,
            hierarchy: 0,
            path: path("/system.slice/consul@$H.example.com.service/$S"),
        },
        What::CgroupMkdir {
            process: id(1),
            id: 11,
            hierarchy: 0,
            path: path("/machine.slice/machine-qemu\\x2d1\\x2d$G.scope"),
        },
        What::CgroupMkdir {
            process: id(1),
            id: 12,
            hierarchy: 0,
            path: path("/system.slice/sys-subsystem-net-devices-enx$M.device"),
        },
        What::CgroupMkdir {
            process: id(1),
            id: 13,
            hierarchy: 0,
            path: path(&format!("/kubepods.slice/kubepods-pod{POD}.slice/cri-containerd-{CONTAINER}.scope")),
        },
        What::Reboot { process: id(501), cmd: 0x0123_4567, ns_level: 0 },
    ]);
    all
}

fn census(Planted { secret, user, host, .. }: &Planted) -> What {
    What::Process(Box::new(Process {
        process: id(400),
        ppid: 1,
        uid: 0,
        session: 1,
        comm: bytes("tool"),
        filename: bytes("/usr/bin/tool"),
        argv: strings(&["tool", secret, &format!("--server={host}"), &format!("--user={user}")]),
        env: strings(&[&format!("SUDO_USER={user}")]),
        tty: bytes(secret),
        cgroup_path: bytes(&format!("/system.slice/home-{user}.mount")),
        cgroup: 3,
    }))
}

/// Its ring file in `dir`.
pub fn ring(dir: &Path, planted: &Planted) -> PathBuf {
    let path = dir.join("ring.lrt");
    let (storage, _) = FileStorage::create(&path, 1 << 20).expect("a ring file");
    let mut writer = Writer::open(storage).expect("opened");
    let Planted { secret, user, host, .. } = planted;
    let mut session = session(&format!("{host}.example.com"));
    let plain: String = secret.chars().filter(|c| *c != '\n').collect();
    session.extra = vec![
        (
            "inittab".into(),
            format!("md:23456:respawn:/usr/bin/tool --password={plain} {plain} /home/{user}/x"),
        ),
        ("note".into(), format!("{plain} of {user} on {host}")),
    ];
    session.missing = vec![format!("nothing on {host}")];
    writer.begin(&session).expect("begun");
    let mut whats = vec![census(planted)];
    whats.extend(events(planted));
    let timed: Vec<(u64, What)> =
        whats.into_iter().zip(1..).map(|(what, n)| (START_NS + 1_000_000 * n, what)).collect();
    writer.append(&timed, &[]).expect("appended");
    let note = format!("the ring file was at /srv/{user}/ring on {host}");
    let coverage = Coverage {
        from_ns: START_NS,
        to_ns: START_NS + 1_000_000_000,
        layer: Layer::Seal,
        note: note.clone(),
    };
    writer.cover(&coverage).expect("covered");
    writer.end(&End { how: How::Sealed, time_ns: START_NS + 1_000_000_000, note }).expect("ended");
    writer.sync().expect("synced");
    path
}

/// Every byte that a report can be read as: packed, unpacked, and decoded.
pub fn all_bytes(report: &mut Report, dir: &Path) -> Vec<(&'static str, Vec<u8>)> {
    let target = dir.join("report.tar.gz");
    report.write_to(&target).expect("written");
    let packed = std::fs::read(&target).expect("there");
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut unpacked).expect("gzip");
    let opened = lastrites::report::archive::open(&target).expect("it opens");
    let mut decoded = Vec::new();
    for summary in opened.trace.sessions() {
        decoded.extend(format!("{summary:?}").into_bytes());
        opened
            .trace
            .for_each(summary.session.id, &mut |event| match &event.what {
                What::Exec(exec) => {
                    for part in [&exec.comm, &exec.filename, &exec.argv, &exec.env, &exec.tty] {
                        decoded.extend_from_slice(part);
                        decoded.push(b'\n');
                    }
                }
                What::Process(process) => {
                    let parts =
                        [&process.comm, &process.filename, &process.argv, &process.env, &process.cgroup_path];
                    for part in parts {
                        decoded.extend_from_slice(part);
                        decoded.push(b'\n');
                    }
                }
                What::Rename { comm: path, .. }
                | What::Umount { path, .. }
                | What::Remount { path, .. }
                | What::CgroupMkdir { path, .. }
                | What::CgroupRmdir { path, .. }
                | What::CgroupAttach { path, .. } => {
                    decoded.extend_from_slice(path);
                    decoded.push(b'\n');
                }
                _ => {}
            })
            .expect("read");
    }
    std::fs::remove_file(&target).expect("removed");
    vec![("packed", packed), ("unpacked", unpacked), ("decoded", decoded)]
}

pub fn holds(haystack: &[u8], needle: &[u8]) -> bool {
    !needle.is_empty() && haystack.windows(needle.len()).any(|part| part.eq_ignore_ascii_case(needle))
}
