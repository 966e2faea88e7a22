//! Command lines as they are met on machines, and what is left of them: lines.txt has both.

use lastrites::{
    redact::{Keep, Redactor},
    safe,
};
use lastrites_traces::{
    event::{Bytes, ProcId, Process},
    reader::Item,
};

use super::machine::{self, bytes, strings};

/// A process that runs `words`.
fn process(words: &[&str]) -> Process {
    let file = if words[0].starts_with('/') { words[0].to_owned() } else { format!("/usr/bin/{}", words[0]) };
    let base = file.rsplit('/').next().unwrap_or_default();
    Process {
        process: ProcId { tgid: 7, start_ns: 1 },
        ppid: 1,
        uid: 0,
        session: 1,
        comm: bytes(&base[..base.len().min(15)]),
        filename: bytes(&file),
        argv: strings(words),
        env: bytes(""),
        tty: bytes(""),
        cgroup_path: bytes(""),
        cgroup: 1,
    }
}

fn shown(argv: &Bytes) -> String {
    let argv = argv.strip_suffix(b"\0").unwrap_or(argv);
    argv.split(|byte| *byte == 0).map(safe::text).collect::<Vec<_>>().join(" | ")
}

/// What is left of a command line on a machine where nothing else runs.
fn left(words: &[&str]) -> String {
    left_of(&process(words), "", Keep::default())
}

/// The same on a machine of this name, with whatever else is in it.
fn left_of(process: &Process, host: &str, keep: Keep) -> String {
    let mut redactor = Redactor::new(keep);
    redactor.learn(&machine::session(host));
    redactor.learn_item(&Item::Known(Box::new(process.clone())));
    redactor.learned();
    let left = redactor.process(process);
    format!(
        "{}{}",
        shown(&left.argv),
        [&left.comm, &left.cgroup_path]
            .map(|text| match text.is_empty() {
                false if !host.is_empty() => format!(" | {}", safe::text(text)),
                _ => String::new(),
            })
            .concat()
    )
}

#[test]
fn passwords_go_with_every_kind_of_keep() {
    let lines: [&[&str]; 12] = [
        &["curl", "--user", "ian:Quail.77pw", "x"],
        &["mount", "-o", "user=harry,password=Quail.77pw"],
        &["scp", "alice:Quail.77pw@10.0.0.9:/x"],
        &["sqlplus", "--login=bob/Quail.77pw@ORCL"],
        &["tool", "alice:Quail.77pw@db9.acme.com"],
        &["docker", "login", "-u", "alice", "-p", "Quail.77pw"],
        &["mysql", "-pQuail.77pw"],
        &["7z", "x", "-pQuail.77pw"],
        &["sshpass", "-pQuail.77pw", "ssh"],
        &["monit", "-p", "Quail.77pw", "status"],
        &["snmpget", "-c", "Quail.77pw", "x"],
        &["tool", "--password", "Quail.77pw"],
    ];
    for keep in 0..4 {
        let keep = Keep { users: keep & 1 > 0, hosts: keep & 2 > 0, args: false };
        for line in lines {
            let left = left_of(&process(line), "prod-berlin7", keep);
            assert!(!left.contains("77pw"), "{keep:?} {line:?}: {left}");
        }
    }
}

/// `--keep args` keeps what no rule knows; and in every mode what follows a known option goes even if it is a word that
/// every machine has.
#[test]
fn what_is_said_to_be_a_secret_goes_whatever_is_kept_and_whatever_it_is() {
    let mut leaks = Vec::new();
    let count = |text: &str, part: &str| text.matches(part).count();
    for line in include_str!("kept.txt").lines().filter(|line| !line.starts_with('#')) {
        assert!(line.contains('X'), "{line}");
        // The last one is a short word of the vocabulary, the one before a name of a user that packages bring.
        for secret in ["Quail.77pw", "zubakulo", "48291", "backup", "lease"] {
            for keep in 0..8 {
                let keep = Keep { users: keep & 1 > 0, hosts: keep & 2 > 0, args: keep & 4 > 0 };
                let plain = line.replace('X', secret);
                let words: Vec<&str> = plain.split(" | ").collect();
                let left = left_of(&process(&words), "", keep);
                if count(&left, secret) > 0 {
                    leaks.push(format!("{keep:?} {plain}\n    {left}"));
                }
            }
        }
    }
    assert!(leaks.is_empty(), "{} are left:\n{}", leaks.len(), leaks.join("\n"));
}

/// `-u shopz -p shopz` became `-u secret-1 -p secret-1`, and so told that the password was the user's name.
#[test]
fn no_stand_in_tells_that_a_password_is_somebodys_name() {
    let lines: [(&[&str], &str); 8] = [
        (&["mongo", "-u", "shopz", "-p", "shopz"], "mongo | -u | user-1 | -p | secret-1"),
        (&["psql", "postgresql://shopy:shopy@db/shopy"], "psql | postgresql://user-1:secret-1@host-1/user-1"),
        (&["docker", "login", "-u", "shopw", "-p", "shopw"], "docker | login | -u | user-1 | -p | secret-1"),
        (&["mysql", "-ushop", "-pshop", "shop"], "mysql | -uuser-1 | -psecret-1 | user-1"),
        (&["mysql", "-h", "dbz7", "-pdbz7"], "mysql | -h | host-1 | -psecret-1"),
        (
            &["tool", "zork", "--password", "zork", "/srv/zork/x"],
            "tool | secret-1 | --password | secret-1 | /srv/secret-1/path-1",
        ),
        (&["tool", "ab", "--password", "ab"], "tool | arg-1 | --password | secret-1"),
        (&["curl", "--user", "iana:iana", "x"], "curl | --user | secret-1 | x"),
    ];
    for (words, wanted) in lines {
        assert_eq!(left(words), wanted, "{words:?}");
        // Kept or not, what is a secret somewhere goes everywhere.
        let keep = Keep { users: true, hosts: true, args: true };
        let kept = left_of(&process(words), "", keep);
        let secret = words.iter().find_map(|word| word.strip_prefix("-p").filter(|rest| !rest.is_empty()));
        assert!(!kept.contains(secret.unwrap_or("shop")), "{words:?}: {kept}");
        assert!(!kept.contains("user-1 | -p | user-1"), "{kept}");
    }
}

#[test]
fn names_with_dashes_go_from_units_and_from_names_that_the_kernel_cut() {
    let mut process = process(&["/opt/agent-prod-berlin7", "--user=mary-jane"]);
    for path in [
        "/system.slice/system-autossh\\x2dprod\\x2dberlin7.slice",
        "/system.slice/backup-mary\\x2djane.service",
        "/system.slice/backup-prod_berlin7.service",
        "/system.slice/88-99-aa-bb-cc-dd.service",
        "/system.slice/pxe-01-88-99-aa-bb-cc-dd.service",
    ] {
        process.cgroup_path = bytes(path);
        let left = left_of(&process, "prod-berlin7", Keep::default());
        for gone in ["berl", "prod", "jane", "99-aa"] {
            assert!(!left.contains(gone), "{path}: {left}");
        }
        assert!(left.contains("agent-host-1"), "{left}");
    }
}

#[test]
fn words_that_every_machine_has_stay() {
    let lines: [(&str, &[&str], &str); 7] = [
        ("db7.acme.cloud", &["cloud-init", "status"], "cloud-init"),
        ("x", &["mongod", "--auth", "--config", "/etc/mongod.conf"], "--config | /etc/mongod.conf"),
        ("x", &["pg_dump", "--no-password", "--host", "db"], "--host"),
        ("x", &["docker-proxy", "-proto", "tcp"], "docker-proxy | "),
        ("x", &["dockerd", "-p", "/run/docker.pid"], "/run/docker.pid"),
        ("x", &["snmpd", "-c", "/etc/snmp/snmpd.conf"], "/etc/snmp/snmpd.conf"),
        ("x", &["sh", "/etc/rc.local", "start"], "/etc/rc.local | start"),
    ];
    for (host, line, stays) in lines {
        let left = left_of(&process(line), host, Keep::default());
        assert!(left.contains(stays) && !left.contains("secret-"), "{line:?}: {left}");
    }
}

#[test]
fn people_go_from_directories_that_are_called_after_them() {
    for path in [
        "/var/spool/cron/katrin",
        "/var/spool/cron/tabs/katrin",
        "/var/lib/systemd/linger/katrin",
        "/var/users/katrin/x",
        "/usr/home/katrin",
        "/run/sudo/ts/katrin",
        "/var/lib/AccountsService/users/katrin",
    ] {
        assert!(!left(&["cat", path]).contains("katrin"), "{path}");
    }
    assert_eq!(left(&["ls", "/var/spool/cron/crontabs"]), "ls | /var/spool/cron/crontabs");
}

/// What stands between « and » in a line.
fn marked(line: &str) -> Vec<String> {
    let parts = line.split('«').skip(1);
    parts.map(|part| part.split('»').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn of_lines_that_are_met_on_machines_this_much_is_left() {
    let (mut told, mut wanted, mut leaks) = (String::new(), String::new(), Vec::new());
    let text = include_str!("lines.txt");
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with([' ', '#'])) {
        let plain = line.replace(['«', '»'], "").replace("\\n", "\n");
        let words: Vec<&str> = plain.split(" | ").collect();
        let left = left(&words);
        told.push_str(&format!("{line}\n    {left}\n"));
        for gone in marked(line) {
            // Of words that every machine has, those that nobody chose stay.
            let count = |text: &str| text.matches(gone.as_str()).count();
            let chosen = line.matches(&format!("«{gone}»")).count();
            if count(&left) + chosen > count(&plain) {
                leaks.push(format!("{gone} is left of {line}\n    {left}"));
            }
        }
    }
    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        wanted.push_str(&format!("{line}\n"));
    }
    if told != wanted {
        let differing = told.lines().zip(wanted.lines()).filter(|(a, b)| a != b);
        let lines: Vec<String> = differing.map(|(a, b)| format!("now:    {a}\nwanted: {b}")).collect();
        panic!("{}\nall of it, to look at and to put into lines.txt:\n{told}", lines.join("\n"));
    }
}
