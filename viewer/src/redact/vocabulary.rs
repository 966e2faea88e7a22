//! Words that say nothing about whose machine it is.
//!
//! Invariant: a word is here because an init, a shell, a supervisor or a manual page knows it, never because
//! somebody's recording held it. What is not here, and is no name of a program or unit of the recording, has to prove
//! by its shape that it is harmless.

use std::collections::HashSet;
use std::sync::LazyLock;

/// Verbs, states and objects of inits and their tools, words of shells and options.
const WORDS: &str = "
    start stop restart reload status enable disable mask unmask isolate kill reboot halt poweroff shutdown now cancel
    exit switch-root emergency rescue default suspend hibernate kexec soft-reboot force-reload try-restart condrestart
    is-active is-enabled is-failed show list list-units daemon-reload daemon-reexec reset-failed set-default link
    stop-all start-all up down once pause cont hup alarm interrupt quit term usr1 usr2 run finish check log logs main
    service services unit units job jobs init rc rcs upstart systemd openrc runit s6 dinit sysvinit
    runlevel telinit initctl system user session slice scope multi-user graphical basic sysinit network network-online
    local-fs remote-fs swap timers sockets paths final umount reboot.target poweroff.target
    boot bootwait wait off ondemand respawn powerfail powerwait powerfailnow powerokwait ctrlaltdel kbrequest initdefault
    record seal arm disarm umountroot umountfs systemd-shutdown stage settle lastrites detach always never
    on yes no true false none auto all any only quiet verbose debug info warn warning err error notice crit fatal trace
    exec if then else fi do done for while in case esac echo test set unset export cd eval trap return source local
    read write create remove delete add del get put load save dump restore import flush sync async fast immediate
    smart graceful daemon nodaemon foreground background fork nofork listener monitor launcher worker writer checkpointer
    walwriter autovacuum logical replication archiver stats collector master manager helper process pool cache loader
    priv net accepted startups of to from with and or not as by at is the
    config conf cfg file files dir path pid pidfile lock socket sock port bind listen address interface
    host hostname localhost any broadcast user-sessions runtime state
    mount remount bind ro rw defaults noauto nofail tmpfs proc sysfs devtmpfs devpts cgroup cgroup2 securityfs pstore bpf
    ext2 ext3 ext4 xfs btrfs vfat nfs nfs4 cifs overlay squashfs dev sys etc usr var lib lib32 lib64 bin sbin
    udev dbus lo eth0 eth1 wlan0 stdin stdout stderr null zero random urandom console tty linux xterm dumb vt100 vt102 vt220
    utf-8 c posix en us term int hup1 usr sigterm sigkill sigint sighup sigusr1 sigusr2 sigcont sigstop sigquit
    level levels mode type name value key action target targets dep deps before after wants requires conflicts
    if of bs count skip seek status size timeout retry interval period grace ms sec min max
    docker podman containerd runc crio kubepods burstable besteffort guaranteed lxc machine payload supervisor buildkit
    cpu memory io pids blkio freezer devices unified hybrid system.slice user.slice init.scope
    env nice ionice chrt taskset sudo su doas login agetty getty
    sh bash dash zsh ksh ash busybox perl python python2 python3 ruby node java
    cat grep egrep sed awk gawk cut tr sort uniq head tail wc tee xargs find ls cp mv rm ln mkdir rmdir touch chmod chown
    ps top pidof pgrep pkill killall killall5 sleep date printf dd df du free uname id whoami who last w tty stty
    systemctl service invoke-rc.d initctl sysctl modprobe insmod rmmod lsmod dmesg logger journalctl loginctl
    ip ifconfig ifup ifdown route dhclient iptables nft swapon swapoff mountpoint fsck blkid udevadm
    start-stop-daemon run-parts startpar runsvdir runsv sv chpst svlogd runsvchdir monit supervisord supervisorctl
    pstree readlink basename dirname expr mktemp timeout rsyslogd cron crond atd sshd udevd
    credentials sessions journal notify private seats shutdown inhibit omit initramfs modules kernel firmware grub
    role database stop-ms start-ms coroner agent clean stubborn polite
    jar war js py rb pl php so d sh sock pid log conf cnf ini json yml yaml toml xml db txt tmp bak old new gz xz
    kmsg onlcr concurrency v3 rc.local
    home srv opt mnt media data tmp www spool cron crontabs export users local share etc var proc lost+found
";

/// Users that packages create, and root.
const SYSTEM_USERS: &str = "
    root daemon bin sys sync games man lp mail news uucp proxy www-data backup list irc gnats nobody nogroup
    systemd-network systemd-resolve systemd-timesync systemd-coredump systemd-oom systemd-journal messagebus dbus
    _apt sshd ntp chrony _chrony syslog avahi polkitd statd rpc _rpc rpcuser postfix exim debian-exim dovecot dovenull
    postgres mysql mariadb mongodb mongod redis memcache elasticsearch kibana logstash influxdb grafana prometheus
    rabbitmq kafka zookeeper cassandra neo4j couchdb nginx apache httpd www haproxy varnish squid bind named unbound
    dnsmasq tomcat jetty jenkins git gitlab-runner docker containerd libvirt-qemu qemu kvm nova etcd consul vault nomad
    bacula puppet zabbix nagios munin icinga telegraf collectd node_exporter adm wheel staff users operator ftp tss
    usbmux rtkit colord gdm lightdm saned pulse hplip speech-dispatcher geoclue cups uuidd tcpdump snmp debian-snmp
    ubuntu debian admin fedora centos rocky alma ec2-user cloud-user core pi vagrant opc azureuser elastic oracle
    opendkim clamav amavis spamd fetchmail nslcd sssd landscape pollinate lxd log runit-log qmaild qmaill
";

/// Ends of host names that are names of places rather than of files.
const ZONES: &str = "
    com org net edu gov mil int info biz io dev app cloud online xyz tech site example test invalid arpa local lan
    internal intranet corp home localdomain intern private eu de fr uk us ca ch at nl be se no fi dk it es pt cz ru ua
    cn jp kr au nz br mx za co tv ai ie il tr gr hu ro bg hr sk si lt lv ee sg hk tw th vn id my ph ar cl pe
";

fn set(words: &'static str) -> HashSet<&'static [u8]> {
    words.split_ascii_whitespace().map(str::as_bytes).collect()
}

static HARMLESS: LazyLock<HashSet<&'static [u8]>> = LazyLock::new(|| {
    let mut all = set(WORDS);
    all.extend(set(SYSTEM_USERS));
    all
});
static USERS: LazyLock<HashSet<&'static [u8]>> = LazyLock::new(|| set(SYSTEM_USERS));
static ZONE: LazyLock<HashSet<&'static [u8]>> = LazyLock::new(|| set(ZONES));

/// Whether `word`, in whatever case, is one of the words.
pub fn holds(word: &[u8]) -> bool {
    word.len() <= 24 && HARMLESS.contains(word.to_ascii_lowercase().as_slice())
}

/// Whether a package rather than a person has this name.
pub fn is_system_user(name: &[u8]) -> bool {
    USERS.contains(name.to_ascii_lowercase().as_slice())
}

/// Whether a host name may end in `label`.
pub fn is_zone(label: &[u8]) -> bool {
    ZONE.contains(label.to_ascii_lowercase().as_slice())
}
