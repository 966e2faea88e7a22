//! Addresses and names of hosts, by their looks.
//!
//! Invariant: pure, and never wrong towards keeping: what is not recognised here is for the caller to remove.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use super::vocabulary;

fn text(word: &[u8]) -> Option<&str> {
    std::str::from_utf8(word).ok().filter(|text| text.is_ascii())
}

pub fn is_ipv4(word: &[u8]) -> bool {
    text(word).is_some_and(|text| text.parse::<Ipv4Addr>().is_ok())
}

/// Whether an IPv4 address stands somewhere in it: four numbers with dots between them, or with dashes as names of
/// hosts in clouds have them (`ip-10-0-0-5`).
pub fn holds_ipv4(word: &[u8]) -> bool {
    let part = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
    let dotted = |run: &[u8]| {
        let run = run.strip_suffix(b".").unwrap_or(run);
        // `10.0.0.5.22`: with its port, as some programs write it.
        let ports = run.iter().filter(|byte| **byte == b'.').count() == 4;
        let end = run.iter().rposition(|byte| *byte == b'.').filter(|_| ports).unwrap_or(run.len());
        is_ipv4(&run[..end])
    };
    word.split(|byte| !part(byte)).any(dotted) || holds_dashed(word)
}

/// Digits of four numbers that are no version any more.
const VERSION_DIGITS: usize = 8;

/// Four numbers with dashes between them are a version or a date as well, unless it is said what they are, or they are
/// an address of a private network, or longer than versions are, or nothing stands beside them: `vpn@52-1-2-3.service`.
fn holds_dashed(word: &[u8]) -> bool {
    let part = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    let said = [b"ip-".as_slice(), b"ec2-"].into_iter().any(|name| {
        let behind = |at: usize| at == 0 || !word[at - 1].is_ascii_alphanumeric();
        word.windows(name.len()).enumerate().any(|(at, found)| found == name && behind(at))
    });
    let alone = word.iter().all(part) && word.iter().any(|byte| !byte.is_ascii_digit());
    word.split(|byte| !part(byte)).any(|run| {
        let numbers: Vec<Option<u8>> = run
            .split(|byte| matches!(byte, b'-' | b'_'))
            .filter(|number| !number.is_empty())
            .map(|number| text(number)?.parse().ok())
            .collect();
        numbers.windows(4).any(|four| match four {
            [Some(a), Some(b), Some(_), Some(_)] => {
                let private = *a == 10 || (*a, *b) == (192, 168) || *a == 172 && (16..32).contains(b);
                said || private
                    || alone && numbers.len() == 4
                    || run.iter().filter(|byte| byte.is_ascii_digit()).count() >= VERSION_DIGITS
            }
            _ => false,
        })
    })
}

/// Whether an IPv6 address stands somewhere in it.
pub fn holds_ipv6(word: &[u8]) -> bool {
    let part = |byte: &u8| byte.is_ascii_hexdigit() || *byte == b':';
    word.split(|byte| !part(byte)).any(|run| run.len() > 4 && is_ipv6(run) && !is_everybodys(run))
}

pub fn is_ipv6(word: &[u8]) -> bool {
    // A zone is behind a percent sign.
    let bare = word.split(|byte| *byte == b'%').next().unwrap_or_default();
    bare.iter().filter(|byte| **byte == b':').count() >= 2
        && text(bare).is_some_and(|text| text.parse::<Ipv6Addr>().is_ok())
}

/// Addresses that every machine has.
pub fn is_everybodys(address: &[u8]) -> bool {
    matches!(address, b"127.0.0.1" | b"0.0.0.0" | b"255.255.255.255" | b"::1" | b"::")
}

pub fn is_mac(word: &[u8]) -> bool {
    word.len() == 17
        && word.chunks(3).all(|part| {
            part[..2].iter().all(u8::is_ascii_hexdigit)
                && part.get(2).is_none_or(|b| matches!(b, b':' | b'-'))
        })
}

/// `db7.example.com`: labels, the last of which is a zone.
pub fn is_domain(word: &[u8]) -> bool {
    let word = word.strip_suffix(b".").unwrap_or(word);
    let mut labels = word.rsplit(|byte| *byte == b'.');
    let zone = labels.next().unwrap_or_default();
    let label = |label: &[u8]| {
        !label.is_empty()
            && label.len() <= 63
            && label.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    let mut count = 0;
    word.len() <= 253
        && vocabulary::is_zone(zone)
        && labels.all(|part| {
            count += 1;
            label(part)
        })
        && count > 0
}

/// Where in the name of a file the name of a host stands: `shop.example.com-error.log`, `ssl_example.com.conf.bak`.
pub fn domain_in(name: &[u8]) -> Option<Range<usize>> {
    let part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    let mut start = 0;
    for run in name.split(|byte| !part(byte)) {
        if let Some(len) = domain_start(run) {
            return Some(start..start + len);
        }
        start += run.len() + 1;
    }
    None
}

/// How much of `run` is a domain: up to the last label that is a zone, or begins with one and a dash.
fn domain_start(run: &[u8]) -> Option<usize> {
    let mut found = None;
    let mut at = run.iter().position(|byte| *byte == b'.')?;
    loop {
        let label = run[at + 1..].split(|byte| *byte == b'.').next().unwrap_or_default();
        let zone = label.split(|byte| *byte == b'-').next().unwrap_or_default();
        let end = at + 1 + zone.len();
        if vocabulary::is_zone(zone) && is_domain(&run[..end]) && !is_own_name(&run[..end]) {
            found = Some(end);
        }
        at += 1 + label.len();
        if at >= run.len() {
            return found;
        }
    }
}

/// `rc.local`, `jail.local`: words that every machine has in a zone that is in no register.
pub fn is_own_name(name: &[u8]) -> bool {
    let mut labels = name.rsplit(|byte| *byte == b'.');
    labels.next().is_some_and(vocabulary::is_own_zone) && labels.all(vocabulary::holds)
}

/// `db7:5432` as `db7` and `:5432`.
pub fn split_port(word: &[u8]) -> (&[u8], &[u8]) {
    match word.iter().rposition(|byte| *byte == b':') {
        Some(at) if super::shape::is_number(&word[at + 1..]) && word[at + 1..].len() <= 5 => {
            word.split_at(at)
        }
        _ => (word, b""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_domains_are_recognised() {
        assert!(is_ipv4(b"10.0.0.5") && !is_ipv4(b"6.1.0") && !is_ipv4(b"300.1.1.1"));
        assert!(
            holds_ipv4(b"backup-10.0.0.5-old") && !holds_ipv4(b"libx.so.1.2.3.4") && !holds_ipv4(b"6.1.0-50")
        );
        assert!(holds_ipv4(b"203-0-113-77.conf") && holds_ipv4(b"vpn_203_0_113_77"));
        assert!(holds_ipv4(b"ip-34-1-2-3") && holds_ipv4(b"x_10_0_0_5") && holds_ipv4(b"node-192-168-7-1"));
        assert!(holds_ipv4(b"52-1-2-3") && holds_ipv4(b"52_1_2_3") && holds_ipv4(b"x-ec2-52-1-2-3"));
        assert!(holds_ipv4(b"10.0.0.5.22") && holds_ipv4(b"x-1.2.3.4.80.y") && !holds_ipv4(b"1.2.3"));
        assert!(
            !holds_ipv4(b"linux-image-6-1-0-50")
                && !holds_ipv4(b"2024-11-22-10")
                && !holds_ipv4(b"tip-1-2-3-4")
        );
        assert!(is_ipv6(b"fe80::1%eth0") && is_ipv6(b"::1") && !is_ipv6(b"12:30"));
        assert!(holds_ipv6(b"ping-2001:db8::77.x") && !holds_ipv6(b"a::b") && !holds_ipv6(b"12:30:45"));
        assert!(is_mac(b"aa:bb:cc:dd:ee:0f") && !is_mac(b"aa:bb:cc:dd:ee:0"));
        assert!(is_domain(b"db7.example.com") && is_domain(b"db7.lan"));
        assert!(!is_domain(b"postgresql.conf") && !is_domain(b"com") && !is_domain(b"rc.local.d"));
    }

    #[test]
    fn names_of_hosts_are_found_in_the_middle_of_names_of_files() {
        for (name, domain) in [
            ("shop.example.com-error.log", "shop.example.com"),
            ("ssl_access_shop.example.com.log.1", "shop.example.com"),
            ("www.acme.co.uk-le-ssl.conf", "www.acme.co.uk"),
            ("acme.com.key.old", "acme.com"),
        ] {
            let found = domain_in(name.as_bytes()).map(|range| &name[range]);
            assert_eq!(found, Some(domain), "{name}");
        }
        for name in
            ["rc.local.d", "postgresql.conf", "jail.local-old", "libx.so.1", "10-eth0.network", "comm.log"]
        {
            assert_eq!(domain_in(name.as_bytes()), None, "{name}");
        }
    }
}
