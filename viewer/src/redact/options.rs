//! What options and words mean to well-known programs: a secret, a user, a host, a service.
//!
//! Invariant: a table says only what is *removed*, or by which name; that something stays is for other rules to say. So
//! a program that is missing here costs a stand-in of another kind, and a few letters that are words as well.

/// Programs (`*`: and those whose names begin so) and their options whose value is a secret.
pub(super) const SECRET: [(&[u8], &[&[u8]]); 97] = [
    (b"mysql*", &[b"-p"]),
    (b"maria*", &[b"-p"]),
    (b"mongo*", &[b"-p"]),
    (b"sshpass", &[b"-p"]),
    (b"redis-cli", &[b"-a"]),
    (b"valkey-cli", &[b"-a"]),
    (b"ldap*", &[b"-w"]),
    (b"ldappasswd", &[b"-s", b"-a"]),
    (b"curl", &[b"-u", b"-U", b"-H", b"-b", b"-d", b"-F", b"--data", b"--json", b"--header"]),
    (
        b"curl",
        &[
            b"--data-raw",
            b"--data-binary",
            b"--data-urlencode",
            b"--form",
            b"--form-string",
            b"--proxy-header",
            b"--user",
            b"--proxy-user",
            b"--pass",
            b"--proxy-pass",
            b"-E",
            b"--cert",
            b"--proxy-cert",
            b"--oauth2-bearer",
        ],
    ),
    (b"consul", &[b"-encrypt"]),
    (b"nomad", &[b"-encrypt"]),
    (b"swaks", &[b"-ap"]),
    (b"sendemail", &[b"-xp"]),
    (b"sendEmail", &[b"-xp"]),
    (b"twine", &[b"-p"]),
    (b"rabbitmqadmin", &[b"-p"]),
    (b"kadmin", &[b"-w"]),
    (b"beeline", &[b"-p"]),
    (b"http", &[b"-a"]),
    (b"https", &[b"-a"]),
    (b"ab", &[b"-A", b"-P", b"-C", b"-H"]),
    (b"wrk", &[b"-H"]),
    (b"smbclient", &[b"-U"]),
    (b"smbget", &[b"-U"]),
    (b"smbmap", &[b"-p"]),
    (b"rpcclient", &[b"-U"]),
    (b"net", &[b"-U"]),
    (b"winexe", &[b"-U"]),
    (b"docker", &[b"-p"]),
    (b"podman", &[b"-p"]),
    (b"nerdctl", &[b"-p"]),
    (b"buildah", &[b"-p"]),
    (b"skopeo", &[b"-p"]),
    (b"oc", &[b"-p"]),
    (b"ipmi*", &[b"-P", b"-p"]),
    (b"snmp*", &[b"-c", b"-A", b"-X"]),
    (b"zip", &[b"-P"]),
    (b"unzip", &[b"-P"]),
    (b"7z*", &[b"-p"]),
    (b"rar", &[b"-p", b"-hp"]),
    (b"unrar", &[b"-p", b"-hp"]),
    (
        b"openssl",
        &[b"-k", b"-K", b"-iv", b"-pass", b"-passin", b"-passout", b"-password", b"-passwd", b"-hmac"],
    ),
    (b"keytool", &[b"-storepass", b"-keypass", b"-srcstorepass", b"-deststorepass"]),
    (b"sqlcmd", &[b"-P"]),
    (b"isql", &[b"-P"]),
    (b"bcp", &[b"-P"]),
    (b"mosquitto_*", &[b"-P", b"-u"]),
    (b"lftp", &[b"-u"]),
    (b"ncftp*", &[b"-p"]),
    (b"useradd", &[b"-p"]),
    (b"usermod", &[b"-p"]),
    (b"cqlsh", &[b"-p"]),
    (b"elasticsearch-users", &[b"-p"]),
    (b"influx*", &[b"-p", b"-t"]),
    (b"az", &[b"-p"]),
    (b"supervisorctl", &[b"-p"]),
    (b"vncviewer", &[b"-passwd"]),
    (b"monit", &[b"-p"]),
    (b"xfreerdp*", &[b"/p:", b"/u:", b"-p"]),
    (b"rdesktop", &[b"-p"]),
    (b"ssh-keygen", &[b"-N", b"-P"]),
    (b"aws", &[b"--value"]),
    (b"az", &[b"--value"]),
    (b"gh", &[b"-b", b"--body"]),
    // What lftp is told to do: `lftp -e 'open -u a,pw host'`.
    (b"open", &[b"-u"]),
    (b"fence_*", &[b"-p"]),
    (b"racadm", &[b"-p"]),
    (b"upscmd", &[b"-p"]),
    (b"upsrw", &[b"-p"]),
    (b"check_mysql*", &[b"-p"]),
    (b"check_pgsql", &[b"-p"]),
    (b"check_http", &[b"-a", b"-b"]),
    (b"check_curl", &[b"-a", b"-b"]),
    (b"check_snmp", &[b"-C", b"-A", b"-X"]),
    (b"check_ldap*", &[b"-P"]),
    (b"mydumper", &[b"-p", b"-a"]),
    (b"myloader", &[b"-p", b"-a"]),
    (b"gitlab-runner", &[b"-r", b"-t"]),
    (b"doctl", &[b"-t"]),
    (b"helm", &[b"-p"]),
    (b"pcs", &[b"-p"]),
    (b"iscsiadm", &[b"-v"]),
    (b"tsql", &[b"-P"]),
    (b"isql-fb", &[b"-p", b"-pas"]),
    (b"gbak", &[b"-pas"]),
    (b"gfix", &[b"-pas"]),
    (b"cypher-shell", &[b"-p"]),
    (b"p4", &[b"-P"]),
    (b"slappasswd", &[b"-s"]),
    (b"ipa-client-install", &[b"-w"]),
    (b"ipa-server-install", &[b"-a", b"-p"]),
    (b"openfortivpn", &[b"-p"]),
    (b"esxcli", &[b"-p"]),
    (b"veracrypt", &[b"-p"]),
    (b"truecrypt", &[b"-p"]),
    (b"pk12util", &[b"-W", b"-K"]),
];

/// Servers that are called like a family of clients; the same letters mean ports and files to them.
const NO_CLIENTS: [&[u8]; 11] = [
    b"mysqld",
    b"mysqld_safe",
    b"mysqld_multi",
    b"mariadbd",
    b"mariadbd-safe",
    b"mongod",
    b"mongos",
    b"snmpd",
    b"snmptrapd",
    b"influxd",
    b"influx_inspect",
];
/// Their `-p` is for a secret only behind `login`; for a port or a file elsewhere.
const AT_LOGIN: [&[u8]; 8] = [b"docker", b"podman", b"nerdctl", b"buildah", b"skopeo", b"oc", b"az", b"helm"];
/// Their letters can stand together behind one dash, the one with the value last: `curl -sSfu alice:pw`. And of their
/// other letters those that take a value: of `-XPUT` what follows is that.
const TOGETHER: [(&[u8], &[u8]); 7] = [
    (b"curl", b"XoAeETxmKrcwDCPQYyztHbdFU"),
    (b"sshpass", b"fde"),
    (b"zip", b"btnxis"),
    (b"unzip", b"dx"),
    (b"smbclient", b"LnpmsWcTIEbtADdlMRi"),
    (b"smbget", b"owf"),
    (b"ldap*", b"bsalzfFeETHhpDyYUXRO"),
];

/// Programs whose options name a user.
pub(super) const USER: [(&[u8], &[&[u8]]); 24] = [
    (b"sudo", &[b"-u", b"-U"]),
    (b"doas", &[b"-u"]),
    (b"runuser", &[b"-u"]),
    (b"chpst", &[b"-u", b"-U"]),
    (b"start-stop-daemon", &[b"-c", b"-u"]),
    (b"ssh", &[b"-l"]),
    (b"psql", &[b"-U"]),
    (b"pg_*", &[b"-U"]),
    (b"createdb", &[b"-U"]),
    (b"dropdb", &[b"-U"]),
    (b"vacuumdb", &[b"-U"]),
    (b"mysql*", &[b"-u"]),
    (b"maria*", &[b"-u"]),
    (b"mongo*", &[b"-u"]),
    (b"crontab", &[b"-u"]),
    (b"pkill", &[b"-u", b"-U"]),
    (b"pgrep", &[b"-u", b"-U"]),
    (b"docker", &[b"-u"]),
    (b"podman", &[b"-u"]),
    (b"openconnect", &[b"-u"]),
    (b"monit", &[b"-u"]),
    (b"supervisorctl", &[b"-u"]),
    (b"systemd-nspawn", &[b"-u"]),
    (b"setpriv", &[b"--reuid", b"--ruid"]),
];
/// Programs whose words name users.
pub(super) const OF_USERS: [&[u8]; 16] = [
    b"su",
    b"setuidgid",
    b"s6-setuidgid",
    b"gosu",
    b"su-exec",
    b"login",
    b"runuser",
    b"passwd",
    b"chage",
    b"useradd",
    b"adduser",
    b"userdel",
    b"deluser",
    b"usermod",
    b"kinit",
    b"smbpasswd",
];

/// Programs whose options name a host.
pub(super) const HOST: [(&[u8], &[&[u8]]); 16] = [
    (b"systemctl", &[b"-H", b"-M", b"--machine"]),
    (b"systemd-*", &[b"-M", b"--machine"]),
    (b"machinectl", &[b"-H", b"-M"]),
    (b"qemu*", &[b"-name"]),
    (b"kvm", &[b"-name"]),
    (b"mysql*", &[b"-h"]),
    (b"maria*", &[b"-h"]),
    (b"psql", &[b"-h"]),
    (b"pg_*", &[b"-h"]),
    (b"redis-cli", &[b"-h"]),
    (b"mongo*", &[b"-h"]),
    (b"ldap*", &[b"-h"]),
    (b"mosquitto_*", &[b"-h"]),
    (b"zabbix_sender", &[b"-z", b"-s"]),
    (b"certbot", &[b"-d"]),
    (b"lxc-*", &[b"-n", b"--name"]),
];
/// Programs whose words name hosts, or `user@host:path`.
pub(super) const OF_HOSTS: [&[u8]; 24] = [
    b"ssh",
    b"scp",
    b"sftp",
    b"rsync",
    b"mosh",
    b"mosh-client",
    b"autossh",
    b"ssh-copy-id",
    b"sshfs",
    b"ssh-keyscan",
    b"borg",
    b"mount.nfs",
    b"mount.nfs4",
    b"showmount",
    b"ping",
    b"ping6",
    b"traceroute",
    b"host",
    b"dig",
    b"nslookup",
    b"telnet",
    b"nc",
    b"ncat",
    b"hostname",
];

/// Programs whose words name a user and a password: `sqlplus system/manager`.
pub(super) const OF_LOGINS: [&[u8]; 10] =
    [b"sqlplus", b"rman", b"exp", b"imp", b"expdp", b"impdp", b"sqlldr", b"tnsping", b"dgmgrl", b"adrci"];
/// To these, what stands behind a user and a colon is a group and no password.
pub(super) const OF_GROUPS: [&[u8]; 11] = [
    b"chown",
    b"chgrp",
    b"install",
    b"start-stop-daemon",
    b"docker",
    b"podman",
    b"nerdctl",
    b"chpst",
    b"setpriv",
    b"systemd-run",
    b"chroot",
];
/// To these `--user` has no value.
pub(super) const USER_IS_NO_VALUE: [&[u8]; 9] = [
    b"systemctl",
    b"journalctl",
    b"systemd-run",
    b"systemd-analyze",
    b"busctl",
    b"loginctl",
    b"pip",
    b"pip3",
    b"flatpak",
];

/// Programs whose numbers are those of processes; elsewhere numbers side by side may be one number.
pub(super) const OF_PROCESSES: [&[u8]; 14] = [
    b"kill",
    b"killall5",
    b"wait",
    b"renice",
    b"strace",
    b"gdb",
    b"ps",
    b"prlimit",
    b"taskset",
    b"chrt",
    b"ionice",
    b"pwait",
    b"tail",
    b"perf",
];

/// Words behind which everything of a line is a user and a secret: `rabbitmqctl change_password shop hunter2`.
pub(super) const SECRETS_FOLLOW: [&[u8]; 14] = [
    b"isql",
    b"iusql",
    b"add_user",
    b"change_password",
    b"authenticate_user",
    b"set-password",
    b"set_password",
    b"change-password",
    b"setpass",
    b"smbpasswd",
    b"htpasswd",
    b"wpa_passphrase",
    b"mkpasswd",
    b"grub-mkpasswd-pbkdf2",
];

/// The same of words that mean that to one program only.
pub(super) const SECRETS_FOLLOW_AT: [(&[u8], &[&[u8]]); 15] = [
    // `mc alias set s3 https://x KEY SECRET`
    (b"mc", &[b"set", b"add"]),
    (b"mcli", &[b"set", b"add"]),
    (b"rclone", &[b"obscure"]),
    (b"ansible-vault", &[b"encrypt_string"]),
    (b"openssl", &[b"passwd"]),
    (b"samba-tool", &[b"create", b"add", b"setpassword"]),
    (b"vault", &[b"login", b"unseal", b"lookup", b"revoke", b"renew"]),
    (b"bao", &[b"login", b"unseal", b"lookup", b"revoke", b"renew"]),
    (b"doveadm", &[b"pw", b"test", b"login"]),
    (b"keyctl", &[b"add", b"padd", b"update", b"instantiate"]),
    (b"bw", &[b"login", b"unlock"]),
    (b"cargo", &[b"login"]),
    (b"qpdf", &[b"--encrypt"]),
    // `ACL SETUSER ada on >pw`
    (b"redis-cli", &[b"SETUSER", b"setuser"]),
    (b"valkey-cli", &[b"SETUSER", b"setuser"]),
];

/// Words of programs behind which one secret stands.
pub(super) const AT_WORD: [(&[u8], &[&[u8]]); 8] = [
    (b"rclone", &[b"pass", b"token", b"bearer_token", b"access_key_id", b"key"]),
    (b"redis-cli", &[b"AUTH", b"auth"]),
    (b"valkey-cli", &[b"AUTH", b"auth"]),
    (b"iwconfig", &[b"key", b"enc"]),
    (b"iw", &[b"key", b"keys"]),
    (b"ipmitool", &[b"password"]),
    (b"pdftk", &[b"user_pw", b"owner_pw", b"input_pw"]),
    (b"db2", &[b"using", b"USING"]),
];

/// Words of programs behind which the values of `name=value` are secrets.
pub(super) const VALUES_FOLLOW_AT: [(&[u8], &[&[u8]]); 6] = [
    (b"vault", &[b"put", b"patch", b"write"]),
    (b"bao", &[b"put", b"patch", b"write"]),
    (b"fly", &[b"secrets"]),
    (b"flyctl", &[b"secrets"]),
    (b"heroku", &[b"config:set"]),
    (b"kubectl", &[b"secret"]),
];
/// Programs that are told where to log in by `D=shop,u=ada,p=pw`.
pub(super) const OF_DSNS: &[u8] = b"pt-";

/// Programs and options that read a secret from what another program prints.
pub(super) const READS_SECRETS: [&[u8]; 28] = [
    b"su",
    b"mkpasswd",
    b"zfs",
    b"adcli",
    b"realm",
    b"keyctl",
    b"secret",
    b"fd:0",
    b"--stdin-password",
    b"gpg",
    b"kadmin",
    b"htdigest",
    b"ansible-vault",
    b"stdin",
    b"chpasswd",
    b"passwd",
    b"smbpasswd",
    b"htpasswd",
    b"kinit",
    b"cryptsetup",
    b"saslpasswd2",
    b"doveadm",
    b"pdbedit",
    b"--stdin",
    b"--password-stdin",
    b"--passphrase-fd",
    b"-S",
    b"base64",
];

fn is_of(name: &[u8], program: &[u8]) -> bool {
    match name.strip_suffix(b"*") {
        Some(start) => program.starts_with(start) && !NO_CLIENTS.contains(&program),
        None => program == name,
    }
}

/// Whether a program has secrets among its options.
pub(super) fn is_client(program: &[u8]) -> bool {
    program.len() > 1 && SECRET.iter().any(|(name, _)| is_of(name, program))
}

/// The option with a secret that `word` is, or begins with. `login`: one of the programs was told to log in.
pub(super) fn secret_of(programs: &[Vec<u8>], login: bool, word: &[u8]) -> Option<&'static [u8]> {
    option_of(&SECRET, programs.iter(), login, word)
}

/// The option of one of `programs` that `word` is, or begins with.
pub(super) fn option_of<'a>(
    table: &[(&[u8], &'static [&'static [u8]])],
    mut programs: impl Iterator<Item = &'a Vec<u8>>,
    login: bool,
    word: &[u8],
) -> Option<&'static [u8]> {
    programs.find_map(|program| {
        let elsewhere = !login && AT_LOGIN.contains(&program.as_slice());
        let options = table.iter().filter(|(name, _)| is_of(name, program));
        let options = options.flat_map(|(_, options)| options.iter()).copied();
        let options = options.filter(|option| !elsewhere || **option != *b"-p");
        let exact = options.clone().find(|option| *option == word);
        // Options of one letter have their values attached, and those that end in a colon; others an equals sign.
        let attached = |option: &&[u8]| {
            (option.len() == 2 && !elsewhere && !is_named_so(word)
                || option.ends_with(b":")
                || **option == *b"-hp"
                || word.get(option.len()) == Some(&b'='))
                && word.starts_with(option)
        };
        exact.or_else(|| options.clone().find(attached))
    })
}

/// `-password` is no `-p` with its value attached.
fn is_named_so(word: &[u8]) -> bool {
    matches!(word, b"-pass" | b"-passwd" | b"-password" | b"-passphrase" | b"-auth" | b"-token" | b"-secret")
}

/// Where in `-sSfualice:pw` the option with the secret ends, if several stand together.
pub(super) fn together(programs: &[Vec<u8>], word: &[u8]) -> Option<usize> {
    let letters = word.strip_prefix(b"-").filter(|rest| !rest.starts_with(b"-"))?;
    if is_named_so(word) {
        return None;
    }
    programs.iter().find_map(|program| {
        let (_, valued) = TOGETHER.iter().find(|(name, _)| is_of(name, program))?;
        let options = SECRET.iter().filter(|(name, _)| is_of(name, program));
        let wanted: Vec<u8> = options
            .flat_map(|(_, options)| options.iter())
            .filter_map(|option| match option {
                [b'-', letter] => Some(*letter),
                _ => None,
            })
            .collect();
        let at =
            letters.iter().position(|letter| wanted.contains(letter)).filter(|at| (1..=8).contains(at))?;
        let flag =
            |letter: &u8| (letter.is_ascii_alphanumeric() || *letter == b'#') && !valued.contains(letter);
        letters[..at].iter().all(flag).then_some(at + 2)
    })
}
