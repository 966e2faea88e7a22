//! What a word is by its looks: a key, a number, a name of a secret.
//!
//! Invariant: pure, and never wrong towards keeping: what is not recognised here is for the caller to remove.

/// How the tokens of well-known services begin, and how long they are at least.
const TOKENS: [(&[u8], usize); 31] = [
    (b"AKIA", 16),
    (b"ASIA", 16),
    (b"ghp_", 20),
    (b"gho_", 20),
    (b"ghu_", 20),
    (b"ghs_", 20),
    (b"ghr_", 20),
    (b"github_pat_", 20),
    (b"glpat-", 16),
    (b"gldt-", 16),
    (b"xox", 14),
    (b"sk-", 16),
    (b"sk_live_", 16),
    (b"sk_test_", 16),
    (b"rk_live_", 16),
    (b"AIza", 20),
    (b"ya29.", 16),
    (b"hvs.", 16),
    (b"hvb.", 16),
    (b"dop_v1_", 20),
    (b"npm_", 20),
    (b"pypi-", 16),
    (b"SG.", 16),
    (b"AGE-SECRET-KEY-", 20),
    (b"$1$", 8),
    (b"$2", 20),
    (b"$5$", 8),
    (b"$6$", 8),
    (b"$7$", 8),
    (b"$y$", 8),
    (b"$argon2", 12),
];

/// Whether it is a secret by its form: a token of a service, a JWT, a password hash, a PEM block.
pub fn is_token(word: &[u8]) -> bool {
    let jwt =
        word.starts_with(b"eyJ") && word.len() >= 20 && word.iter().filter(|b| **b == b'.').count() >= 1;
    jwt || is_pem(word) || TOKENS.iter().any(|(start, least)| word.len() >= *least && word.starts_with(start))
}

/// Whether one stands in it, behind whatever sign: `acme.com-ghp_...`. Where nothing but its first letters say so, it has
/// digits as well.
pub fn holds_token(word: &[u8]) -> bool {
    let behind = |at: usize| at == 0 || !word[at - 1].is_ascii_alphanumeric();
    let digits = |rest: &[u8]| {
        let run = rest.split(|byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'_' | b'-')).next();
        run.is_some_and(|run| run.iter().any(u8::is_ascii_digit))
    };
    is_token(word) || (1..word.len()).any(|at| behind(at) && is_token(&word[at..]) && digits(&word[at..]))
}

pub fn is_pem(text: &[u8]) -> bool {
    text.windows(10).any(|part| part == b"-----BEGIN")
}

/// Whether nobody would have chosen it as a name: digits and letters, or capitals and small letters, by turns.
pub fn is_random(word: &[u8]) -> bool {
    let class = |byte: u8| match byte {
        b'0'..=b'9' => 1_u8,
        b'a'..=b'z' => 2,
        b'A'..=b'Z' => 3,
        _ => 0,
    };
    let turns = |run: &[u8]| run.windows(2).filter(|pair| class(pair[0]) != class(pair[1])).count();
    let has = |run: &[u8], wanted: u8| run.iter().any(|byte| class(*byte) == wanted);
    let mut runs = word.split(|byte| !byte.is_ascii_alphanumeric());
    let loose = word.split(|byte| class(*byte) == 0 && !matches!(byte, b'+' | b'/' | b'_' | b'=' | b'-'));
    runs.any(|run| {
        let hex = run.len() >= 12 && run.iter().all(u8::is_ascii_hexdigit) && has(run, 1);
        let digits = run.len() >= 12 && run.iter().all(u8::is_ascii_digit);
        hex || digits
            || run.len() >= 8 && turns(run) >= 5
            || run.len() >= 12 && has(run, 1) && turns(run) >= 4
            || run.len() >= 16 && has(run, 1) && has(run, 2) && has(run, 3)
    }) || loose
        .into_iter()
        .any(|run| run.len() >= 24 && has(run, 1) && has(run, 2) && has(run, 3) && turns(run) >= 8)
}

/// Whether what is called so is not for others.
pub fn is_secretish(name: &[u8]) -> bool {
    const PARTS: [&str; 23] = [
        "pass",
        "pwd",
        "secret",
        "token",
        "auth",
        "credential",
        "cred",
        "cookie",
        "bearer",
        "jwt",
        "signature",
        "dsn",
        "connectionstring",
        "connstr",
        "psk",
        "otp",
        "community",
        "licensekey",
        "sessionid",
        "private",
        "salt",
        "fromliteral",
        "hmac",
    ];
    const HARMLESS: [&str; 6] = ["passive", "bypass", "passthrough", "passno", "passdb", "compass"];
    // These name where a secret is, not what it is.
    const PLACES: [&str; 17] = [
        "file",
        "path",
        "dir",
        "directory",
        "socket",
        "stdin",
        "fd",
        "prompt",
        "mode",
        "type",
        "database",
        "method",
        "mechanism",
        "provider",
        "plugin",
        "timeout",
        "retries",
    ];
    const PARTS_ALONE: [&str; 7] = ["pin", "puk", "pincode", "passcode", "mfa", "totp", "pw"];
    if name.len() > 64 {
        return false;
    }
    let bare: String = name
        .iter()
        .filter(|b| b.is_ascii_alphanumeric())
        .map(|b| char::from(b.to_ascii_lowercase()))
        .collect();
    let bare = HARMLESS.iter().fold(bare, |bare, harmless| bare.replace(harmless, ""));
    if PLACES.iter().any(|place| bare.ends_with(place)) {
        return false;
    }
    let parts = || name.split(|byte| !byte.is_ascii_alphanumeric());
    let alone = |part: &[u8]| PARTS_ALONE.iter().any(|alone| part.eq_ignore_ascii_case(alone.as_bytes()));
    bare.ends_with("key")
        || parts().any(alone)
        || bare.ends_with("pw")
        || PARTS.iter().any(|part| bare.contains(part))
}

/// What names of secrets are made of, beside the words that everybody knows.
pub fn is_secret_word(part: &[u8]) -> bool {
    const WORDS: [&str; 26] = [
        "password",
        "passwd",
        "pass",
        "passphrase",
        "pw",
        "pwd",
        "pgpassword",
        "secret",
        "secrets",
        "token",
        "tokens",
        "key",
        "apikey",
        "api",
        "access",
        "auth",
        "authorization",
        "credential",
        "credentials",
        "cred",
        "cookie",
        "dsn",
        "private",
        "salt",
        "pin",
        "encryption",
    ];
    WORDS.iter().any(|word| part.eq_ignore_ascii_case(word.as_bytes()))
}

pub fn is_userish(name: &[u8]) -> bool {
    let bare: Vec<u8> =
        name.iter().filter(|b| b.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase).collect();
    matches!(
        bare.as_slice(),
        b"user"
            | b"username"
            | b"login"
            | b"logname"
            | b"owner"
            | b"uid"
            | b"chuid"
            | b"runas"
            | b"dbuser"
            | b"remoteuser"
            | b"sudouser"
    )
}

pub fn is_hostish(name: &[u8]) -> bool {
    let bare: Vec<u8> =
        name.iter().filter(|b| b.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase).collect();
    matches!(
        bare.as_slice(),
        b"host"
            | b"hostname"
            | b"server"
            | b"servername"
            | b"node"
            | b"nodename"
            | b"domain"
            | b"fqdn"
            | b"peer"
            | b"advertise"
            | b"remote"
            | b"master"
            | b"dbhost"
    )
}

/// A number that a person may see: a pid, a port, a level, a size; not an account or a card.
pub fn is_number(word: &[u8]) -> bool {
    (1..=7).contains(&word.len()) && word.iter().all(u8::is_ascii_digit)
}

/// What has more may be somebody's number with a letter behind it.
const QUANTITY_DIGITS_MAX: usize = 5;
/// Nobody's number has these letters behind it, and `--timeout=90000000us` says why a SIGKILL came when it did.
const SMALL_UNITS: [&[u8]; 2] = [b"us", b"ns"];
const SMALL_DIGITS_MAX: usize = 10;

/// `30s`, `64M`, `4000000us`.
pub fn is_quantity(word: &[u8]) -> bool {
    let digits = word.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let unit = &word[digits..];
    if SMALL_UNITS.contains(&unit) {
        return (1..=SMALL_DIGITS_MAX).contains(&digits);
    }
    let known: [&[u8]; 17] = [
        b"s", b"ms", b"min", b"h", b"d", b"k", b"K", b"kB", b"m", b"M", b"MB", b"MiB", b"g", b"G", b"GB",
        b"GiB", b"%",
    ];
    digits <= QUANTITY_DIGITS_MAX && is_number(&word[..digits]) && (unit.is_empty() || known.contains(&unit))
}

/// What says of a Java program which one it is, and how large: `-Xmx4g`, `-XX:+UseG1GC`, `org.apache.kafka.Kafka`.
pub fn is_java(word: &[u8]) -> bool {
    const PUBLIC: [&[u8]; 8] = [
        b"org.apache.",
        b"org.elasticsearch.",
        b"org.opensearch.",
        b"org.springframework.",
        b"org.jboss.",
        b"org.jenkinsci.",
        b"org.gradle.",
        b"org.neo4j.",
    ];
    let letters = |text: &[u8]| text.len() <= 40 && text.iter().all(u8::is_ascii_alphabetic);
    if let Some(flag) = word.strip_prefix(b"-XX:+").or(word.strip_prefix(b"-XX:-")) {
        return flag.len() <= 40 && flag.iter().all(u8::is_ascii_alphanumeric) && !is_random(flag);
    }
    if let Some(size) =
        [b"-Xmx", b"-Xms", b"-Xss", b"-Xmn"].into_iter().find_map(|start| word.strip_prefix(start))
    {
        return is_quantity(size);
    }
    PUBLIC.into_iter().any(|start| {
        word.strip_prefix(start)
            .is_some_and(|rest| word.len() <= 100 && rest.split(|byte| *byte == b'.').all(letters))
    })
}

/// `tty1`, `ttyS0`, `pts/3`, `console`.
pub fn is_tty(name: &[u8]) -> bool {
    let starts: [&[u8]; 10] =
        [b"pts/", b"pty", b"ttyUSB", b"ttyAMA", b"ttyACM", b"ttyS", b"tty", b"hvc", b"xvc", b"console"];
    starts.iter().any(|start| {
        name.strip_prefix(*start).is_some_and(|rest| rest.len() <= 4 && rest.iter().all(u8::is_ascii_digit))
    })
}

/// `sda1`, `nvme0n1p2`, `dm-0`, `loop3`: what the kernel calls disks and other devices.
pub fn is_device(name: &[u8]) -> bool {
    const LETTERED: [&[u8]; 4] = [b"sd", b"vd", b"xvd", b"hd"];
    const NUMBERED: [&[u8]; 26] = [
        b"nvme",
        b"dm-",
        b"md",
        b"loop",
        b"sr",
        b"fd",
        b"zram",
        b"nbd",
        b"mmcblk",
        b"ram",
        b"vcs",
        b"vcsa",
        b"vcsu",
        b"event",
        b"mouse",
        b"js",
        b"video",
        b"rtc",
        b"card",
        b"hidraw",
        b"watchdog",
        b"ptp",
        b"gpiochip",
        b"i2c-",
        b"net",
        b"usb",
    ];
    let numbers = |rest: &[u8]| {
        rest.len() <= 8
            && rest.first().is_none_or(u8::is_ascii_digit)
            && rest.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'n' | b'p'))
    };
    let lettered = |start: &[u8]| {
        let Some(rest) = name.strip_prefix(start) else { return false };
        let letters = rest.iter().take_while(|byte| byte.is_ascii_lowercase()).count();
        (1..=2).contains(&letters)
            && rest.len() - letters <= 3
            && rest[letters..].iter().all(u8::is_ascii_digit)
    };
    LETTERED.into_iter().any(lettered)
        || NUMBERED.into_iter().any(|start| name.strip_prefix(start).is_some_and(numbers))
}

/// Bytes of a UUID in its usual or its unit-name form at the beginning of `text`.
pub fn starts_with_uuid(text: &[u8]) -> bool {
    text.len() >= 36
        && text[..36].iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => matches!(byte, b'-' | b'_'),
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_key_is_told_from_what_is_a_name() {
        for name in [
            "systemd-update-utmp-runlevel.service",
            "e2scrub_all",
            "postgresql@15-main",
            "x86_64-linux-gnu",
            "linux-image-6.1.0-50-cloud-amd64",
            "NetworkManager-dispatcher",
            "lib64",
            "containerd-shim-runc-v2",
            "run-credentials-systemd\\x2dtmpfiles\\x2dsetup\\x2ddev.service.mount",
            "python3.11",
            "dbus-daemon",
        ] {
            assert!(!is_random(name.as_bytes()), "{name}");
        }
        for secret in [
            "9f86d081884c7d65",
            "dGhpcyBpcyBub3QgYSBzZWNyZXQ0Mg",
            "a8Fk39sLq2Zx",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "123456789012345",
        ] {
            assert!(is_random(secret.as_bytes()), "{secret}");
        }
    }

    #[test]
    fn tokens_of_services_are_known_by_how_they_begin() {
        for token in [
            "AKIAIOSFODNN7EXAMPLE",
            "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
            "xoxb-1234567890-abc",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sig",
            "$6$salt$hash",
            "-----BEGIN RSA PRIVATE KEY-----",
        ] {
            assert!(is_token(token.as_bytes()), "{token}");
        }
    }

    #[test]
    fn tokens_are_found_behind_other_words() {
        assert!(holds_token(b"acme.com-ghp_abcdefghijklmnopqrstuvwxyz0123456789.key"));
        assert!(holds_token(b"old_AKIAIOSFODNN7EXAMPLE") && holds_token(b"hvs.abcdefghijklmnop"));
        for name in ["python-pypi-mirror-daemon.service", "task-with-a-long-name-2", "libsg.so.1", ""] {
            assert!(!holds_token(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn names_of_secrets_are_told_from_names_of_their_places() {
        for name in ["password", "DB_PASS", "FOO_TOKEN", "--api-key", "authorization", "secretKeyBase", "pw"]
        {
            assert!(is_secretish(name.as_bytes()), "{name}");
        }
        for name in ["--password-file", "passive", "role", "pidfile", "user", "monkeys"] {
            assert!(!is_secretish(name.as_bytes()), "{name}");
        }
    }
}
