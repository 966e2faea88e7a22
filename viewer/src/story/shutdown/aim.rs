//! What a shutdown is to end in.

use crate::processes::base_name;

/// What a shutdown is to end in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    Reboot,
    PowerOff,
    Halt,
    Kexec,
    SoftReboot,
    SingleUser,
    Unknown,
}

impl Aim {
    /// `rebooted`, as in "db7 rebooted".
    pub const fn verb(self) -> &'static str {
        match self {
            Self::Reboot => "rebooted",
            Self::PowerOff => "powered off",
            Self::Halt => "halted",
            Self::Kexec => "went into another kernel (kexec)",
            Self::SoftReboot => "restarted its user space (soft-reboot)",
            Self::SingleUser => "went to single-user mode",
            Self::Unknown => "went down",
        }
    }

    /// Whether the kernel goes on: then no call ends the recording.
    pub const fn is_no_end(self) -> bool {
        matches!(self, Self::SingleUser | Self::SoftReboot)
    }

    pub const fn word(self) -> &'static str {
        match self {
            Self::Reboot => "reboot",
            Self::PowerOff => "power-off",
            Self::Halt => "halt",
            Self::Kexec => "kexec",
            Self::SoftReboot => "soft-reboot",
            Self::SingleUser => "single-user",
            Self::Unknown => "unknown",
        }
    }

    /// Whether who asked for `self` may have got `other`: level 0 is power-off and halt alike, and what is loaded for
    /// kexec takes a reboot's place.
    pub(super) fn may_be(self, other: Self) -> bool {
        let kin = |aim: Self| match aim {
            Self::Halt => Self::PowerOff,
            Self::Kexec => Self::Reboot,
            aim => aim,
        };
        self == Self::Unknown || other == Self::Unknown || kin(self) == kin(other)
    }

    pub(super) fn of_call(cmd: u32) -> Self {
        match cmd {
            0x0123_4567 | 0xa1b2_c3d4 => Self::Reboot,
            0x4321_fedc => Self::PowerOff,
            0xcdef_0123 => Self::Halt,
            0x4558_4543 => Self::Kexec,
            _ => Self::Unknown,
        }
    }

    pub(super) fn of_level(level: &[u8]) -> Self {
        match level {
            b"6" => Self::Reboot,
            b"0" => Self::PowerOff,
            b"1" | b"S" => Self::SingleUser,
            _ => Self::Unknown,
        }
    }
}

pub(super) fn aim_of_words(how: &str) -> Aim {
    let mut words = how.split(' ');
    let program = words.next().unwrap_or_default();
    let rest: Vec<&str> = words.collect();
    let has = |wanted: &str| rest.contains(&wanted);
    match base_name(program.as_bytes()) {
        b"reboot" => Aim::Reboot,
        b"poweroff" => Aim::PowerOff,
        b"halt" if has("-p") => Aim::PowerOff,
        b"halt" => Aim::Halt,
        b"kexec" => Aim::Kexec,
        b"telinit" | b"init" if has("1") || has("S") || has("s") => Aim::SingleUser,
        b"shutdown" if has("-r") => Aim::Reboot,
        b"shutdown" if has("-h") || has("-P") => Aim::PowerOff,
        b"shutdown" if has("-H") => Aim::Halt,
        _ if has("reboot") || has("6") || has("reboot.target") => Aim::Reboot,
        _ if has("poweroff") || has("0") || has("poweroff.target") => Aim::PowerOff,
        _ if has("halt") => Aim::Halt,
        _ if has("kexec") => Aim::Kexec,
        _ if has("soft-reboot") => Aim::SoftReboot,
        _ if how == "Ctrl-Alt-Del" => Aim::Reboot,
        _ => Aim::Unknown,
    }
}
