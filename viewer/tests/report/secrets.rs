//! Nothing that was planted is found again, in no byte of a report.

use lastrites::redact::{Keep, Kind, Redactor};
use lastrites_traces::{
    event::{Bytes, ProcId, Process},
    reader::Item,
};
use proptest::prelude::*;

use super::{
    machine::{CONTAINER, POD, Planted, all_bytes, holds, ring},
    reported,
};

/// The report of a machine with `planted` in it holds none of it.
fn check(planted: &Planted, keep: Keep) -> Result<(), TestCaseError> {
    let dir = tempfile::tempdir().expect("a directory");
    let (_, _, mut report) = reported(&ring(dir.path(), planted), keep);
    let escaped = planted.host.replace('-', "\\x2d");
    let mut wanted = vec![("secret", planted.secret.as_str()), ("id", &CONTAINER[..16])];
    wanted.extend(POD.split('_').filter(|part| part.len() > 4).map(|part| ("id", part)));
    if !keep.users {
        wanted.extend([("user", planted.user.as_str()), ("mailbox", &planted.mailer)]);
    }
    if !keep.hosts {
        wanted.extend([("guest", planted.guest.as_str()), ("hardware address", &planted.mac)]);
        wanted.push(("host", &planted.host));
        wanted.push(("host in a unit", &escaped));
        wanted.extend([
            ("address", "203.0.113.77"),
            ("address", "198.51.100.9"),
            ("mac", "aa:bb:cc:dd:ee:77"),
        ]);
        wanted.extend([("domain", "example.com"), ("address", "2001:db8:0:0::77")]);
    }
    for (form, bytes) in all_bytes(&mut report, dir.path()) {
        // So few letters are anywhere in what is packed.
        let cut = planted.host.as_bytes()[..4].to_vec();
        prop_assert!(
            keep.hosts || form != "decoded" || !holds(&bytes, &cut),
            "the beginning of {:?}",
            planted.host
        );
        for (what, text) in &wanted {
            if let Some(at) =
                bytes.windows(text.len()).position(|part| part.eq_ignore_ascii_case(text.as_bytes()))
            {
                let around = &bytes[at.saturating_sub(60)..(at + text.len() + 30).min(bytes.len())];
                let around = String::from_utf8_lossy(around).into_owned();
                prop_assert!(false, "the {} {:?} is in what is {}: {:?}", what, text, form, around);
            }
        }
    }
    Ok(())
}

/// What people and programs make passwords, tokens and keys of.
fn secret() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Za-z0-9]{8,32}",
        "[a-z]{9,20}",
        "[0-9]{9,16}",
        "[A-Za-z0-9+/]{20,40}={0,2}",
        "[A-Za-z0-9_.~-]{12,40}",
        "[a-zA-Z0-9][ -~]{10,24}[a-zA-Z0-9]",
        "[a-z]{3,8}-[a-z]{3,8}-[a-z]{3,8}-[0-9]{2}",
        "\\PC{8,16}",
        // What people make of words.
        "(Database|Root|Admin|Backup|Main|Stop)[-._!]?20[0-9]{2}!?",
        "(root|admin|backup):[0-9]{4,7}",
        "(root|log|main)[-._][0-9]{3,7}",
        "AKIA[A-Z0-9]{16}",
        "ghp_[A-Za-z0-9]{36}",
        "eyJ[A-Za-z0-9_-]{10,20}\\.[A-Za-z0-9_-]{10,20}\\.[A-Za-z0-9_-]{10,20}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_secret_and_no_name_survives_in_any_byte(
        secret in secret(), user in "[a-z]{2}qx[a-z]{2,4}", host in "[a-z]{2}zj[a-z]{1,3}-?[0-9]{0,2}[a-z]",
        guest in "[a-z]{2}vk[a-z0-9]{2,4}", mailer in "[a-z]{2}wq[a-z]{2,5}", mac in "[a-f0-9]{11}7",
    ) {
        check(&Planted { secret, user, host, guest, mailer, mac }, Keep::default())?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_kept_keeps_no_secret_that_can_be_recognised(
        secret in prop_oneof!["ghp_[A-Za-z0-9]{36}", "AKIA[A-Z0-9]{16}", "[a-f0-9]{31}7", "[a-z]{10}[0-9][A-Z]{3}"],
        user in "[a-z]{2}qx[a-z]{2,4}", host in "[a-z]{2}zj[a-z]{1,3}",
    ) {
        // It stands behind --password= and TOKEN= as well, so it is known everywhere.
        check(&Planted::new(&secret, &user, &host), Keep { args: true, ..Keep::default() })?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_bytes_stand_somewhere_are_redacted_without_harm(
        texts in proptest::collection::vec(
            proptest::collection::vec(
                prop_oneof![
                    any::<u8>(),
                    Just(0), Just(b'@'), Just(b'='), Just(b'/'), Just(b':'), Just(b'-'), Just(b'\''), Just(b'.'), Just(b'['),
                ],
                0..60,
            ),
            6,
        )
    ) {
        let of = |at: usize| -> Bytes { texts[at].as_slice().into() };
        let process = Process {
            process: ProcId { tgid: 7, start_ns: 1 },
            ppid: 1,
            uid: 0,
            session: 1,
            comm: of(0),
            filename: of(1),
            argv: of(2),
            env: of(3),
            tty: of(4),
            cgroup_path: of(5),
            cgroup: 1,
        };
        let item = Item::Known(Box::new(process.clone()));
        let mut redactor = Redactor::new(Keep::default());
        redactor.learn_item(&item);
        redactor.learned();
        let once = redactor.process(&process);
        prop_assert_eq!(&redactor.process(&process), &once, "the same again");
        // Where strings end says how many there are, and that is no secret.
        let ends = |text: &[u8]| text.iter().filter(|byte| **byte == 0).count();
        prop_assert_eq!((ends(&once.argv), ends(&once.env)), (ends(&process.argv), ends(&process.env)));
    }
}

#[test]
fn what_was_asked_for_is_kept_and_nothing_else() {
    let planted = Planted::new("hunter2hunter2", "alqxice", "prodzj7");
    let dir = tempfile::tempdir().expect("a directory");
    let file = ring(dir.path(), &planted);
    let found = |keep: Keep| {
        let (_, _, mut report) = reported(&file, keep);
        let (_, bytes) = all_bytes(&mut report, dir.path()).pop().expect("decoded");
        [&planted.secret, &planted.user, &planted.host].map(|text| holds(&bytes, text.as_bytes()))
    };
    assert_eq!(found(Keep::default()), [false, false, false]);
    assert_eq!(found(Keep { users: true, ..Keep::default() }), [false, true, false]);
    assert_eq!(found(Keep { hosts: true, ..Keep::default() }), [false, false, true]);
    assert_eq!(found(Keep { hosts: true, users: true, args: true }), [false, true, true]);
}

#[test]
fn the_account_names_what_was_removed_with_its_stand_in() {
    let planted = Planted::new("hunter2hunter2", "alqxice", "prodzj7");
    let dir = tempfile::tempdir().expect("a directory");
    let (_, _, report) = reported(&ring(dir.path(), &planted), Keep::default());
    let of = |text: &str| {
        report
            .account
            .removed
            .iter()
            .filter(|removed| removed.original == text.as_bytes())
            .collect::<Vec<_>>()
    };
    let secrets = of(&planted.secret);
    assert_eq!(secrets.len(), 1, "one thing has one stand-in: {secrets:?}");
    assert_eq!(secrets[0].kind, Kind::Secret);
    assert!(secrets[0].count > 10, "{secrets:?}");
    assert_eq!(of(&planted.user).first().map(|removed| removed.kind), Some(Kind::User));
    let listed = lastrites::report::list_removed(&report.account);
    let line = format!("{}  hunter2hunter2  ({} texts, ", secrets[0].pseudonym, secrets[0].count);
    let line = listed.lines().find(|listed| listed.starts_with(&line)).unwrap_or_else(|| panic!("{listed}"));
    for part in ["arguments", "environment", "session record", "; as in: ", "=hunter2hunter2 "] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert!(report.account.sentence().contains("secret"), "{}", report.account.sentence());
}
