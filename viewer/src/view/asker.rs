//! Who asked for the shutdown, as a person would say it.
//!
//! Invariant: the human, or what stands in for one, comes first; the processes that it went through come last.

use crate::story::shutdown::Asked;

impl Asked {
    /// `root via ssh from 10.0.0.5 on pts/0`, `a cron job of root`, `unit reboot.service (root)`; empty where only
    /// [`Asked::how`] is known.
    pub fn person(&self) -> String {
        let mut user = String::new();
        let (mut ssh, mut tty, mut deputy, mut unit) = (None, None, None, None);
        for part in self.who.split(", ").filter(|part| !part.is_empty()) {
            match part {
                _ if user.is_empty() && (part == "root" || part.starts_with("uid ")) => {
                    part.clone_into(&mut user)
                }
                "cron" => deputy = Some("a cron job"),
                "at" => deputy = Some("an at job"),
                "a package's script" | "logind" | "acpid" => deputy = Some(part),
                _ if part == "ssh" || part.starts_with("ssh from ") => ssh = Some(part),
                _ => match (part.strip_prefix("sudo by "), part.strip_prefix("from unit ")) {
                    (Some(who), _) => user = format!("{who} with sudo"),
                    (_, Some(name)) => unit = Some(name),
                    _ => tty = Some(part),
                },
            }
        }
        let mut text = match (deputy, unit) {
            // A session is somebody's own, whatever unit it runs in; a job is cron's.
            (None, Some(unit)) if ssh.is_none() && tty.is_none() => {
                let of = if user.is_empty() { String::new() } else { format!(" ({user})") };
                return format!("unit {unit}{of}");
            }
            (Some(deputy), _) if user.is_empty() => deputy.to_owned(),
            (Some(deputy @ ("logind" | "acpid")), _) => format!("{deputy} ({user})"),
            (Some(deputy), _) => format!("{deputy} of {user}"),
            _ => user,
        };
        for (word, place) in [(" via ", ssh), (" on ", tty)] {
            if let Some(place) = place {
                text.push_str(word);
                text.push_str(place);
            }
        }
        text.trim_start().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use crate::story::{shutdown::Asked, world::At};

    #[test]
    fn the_human_comes_first() {
        for (who, expected) in [
            ("root", "root"),
            ("root, pts/0, ssh", "root via ssh on pts/0"),
            ("root, pts/0, ssh from 10.0.0.5", "root via ssh from 10.0.0.5 on pts/0"),
            ("root, pts/0, ssh, from unit ssh.service", "root via ssh on pts/0"),
            ("root, pts/0, sudo by uid 1000", "uid 1000 with sudo on pts/0"),
            ("root, cron, from unit cron.service", "a cron job of root"),
            ("root, at", "an at job of root"),
            ("root, pts/0, a package's script", "a package's script of root on pts/0"),
            ("root, acpid", "acpid (root)"),
            ("root, from unit unattended-reboot.service", "unit unattended-reboot.service (root)"),
            ("cron", "a cron job"),
            ("pts/3", "on pts/3"),
            ("", ""),
        ] {
            let who = who.to_owned();
            let asked = Asked {
                at: At::default(),
                by: 0,
                how: "reboot".into(),
                who: who.clone(),
                chain: String::new(),
                now: true,
            };
            assert_eq!(asked.person(), expected, "{who}");
        }
    }
}
