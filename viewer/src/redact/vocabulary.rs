//! Words that say nothing about whose machine it is.
//!
//! Invariant: a word is here because an init, a shell, a supervisor, a distribution or a manual page knows it, never
//! because somebody's recording held it: so that it stays can tell nothing, and it is never broken by a stand-in in
//! its middle. What is not here, and is no name of a program or unit of the recording, has to prove
//! by its shape that it is harmless.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::COMM_LEN;

/// No word is longer.
const WORD_MAX: usize = 32;

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
    kmsg onlcr concurrency v3 rc.local random-seed jail networks autostart nwfilter nvram snapshot checkpoint channel leases
    lease ring lrt timesync clock coredump catalog linger maildir cur namespace moby id pool-www idle master_process
    .x11-unix .ice-unix .font-unix .xim-unix unix tcp udp tcp4 tcp6 udp4 udp6 quic fd fuse.sshfs
    home srv opt mnt media data tmp www spool cron crontabs export users local share etc var proc lost+found
";

/// Directories and files of the system as its standards, inits and packages call them, and what is mounted. Harmless in
/// a path of the system alone: elsewhere such a word may be anybody's.
const PLACES: &str = "
    rc0 rc1 rc2 rc3 rc4 rc5 rc6 rcs rc0.d rc1.d rc2.d rc3.d rc4.d rc5.d rc6.d rcs.d rc.d init.d event.d conf.d conf-available conf-enabled
    cron.d cron.hourly cron.daily cron.weekly cron.monthly cron.allow cron.deny sites-available sites-enabled
    mods-available mods-enabled modules-load.d modprobe.d sysctl.d tmpfiles.d sysusers.d binfmt.d environment.d profile.d
    rules.d hwdb.d pool.d include.d sudoers.d sudoers limits.d pam.d polkit-1 xinetd.d rsyslog.d logrotate.d logrotate
    apt.conf.d sources.list.d preferences.d keyrings trusted.gpg.d grub.d default.target.wants multi-user.target.wants
    if-pre-up.d if-up.d if-down.d if-post-down.d dhclient-enter-hooks.d dhclient-exit-hooks.d network.d interfaces interfaces.d
    ifstate ifstate.lo resolv.conf resolvconf hosts hosts.allow hosts.deny hostname nsswitch.conf services protocols
    passwd group shadow gshadow subuid subgid login.defs securetty shells issue motd environment profile bashrc bash.bashrc
    fstab mtab crypttab mdadm.conf lvm.conf lvm inittab inittab.d rcconf adjtime localtime timezone machine-id os-release
    debian_version lsb-release ld.so.conf ld.so.cache ld.so.preload alternatives skel opt x11 xdg dconf fonts ssl certs private
    ca-certificates ca-certificates.crt pki ssh sshd_config ssh_config ssh_host_rsa_key ssh_host_ed25519_key ssh_host_ecdsa_key
    known_hosts authorized_keys monitrc monitrc.d supervisor supervisord.conf redis redis.conf my.cnf mysql.conf.d
    mariadb.conf.d postgresql.conf pg_hba.conf pg_ident.conf pg_log pg_wal mongod.conf nginx.conf apache2.conf httpd.conf
    php.ini fpm haproxy.cfg main.cf master.cf named.conf dhcpd.conf dnsmasq.conf chrony.conf ntp.conf rsyslog.conf snmpd.conf
    syslog messages auth.log daemon.log kern.log mail.log user.log dmesg boot.log debug.log error.log access.log wtmp btmp utmp
    lastlog faillog journal installer
    shm mqueue hugepages pts ptmx xconsole initctl rootdev fuse rtc hwclock vcs vcsa input snd dri mapper disk by-id by-uuid
    by-label by-path by-partuuid by-partlabel block char full mem port rfkill vhost-net vhost-vsock uinput uhid watchdog
    fs fusectl configfs debugfs tracefs efivarfs efi_pstore efi binfmt_misc selinux apparmor smackfs net_cls net_prio
    perf_event rdma misc cpuset cpuacct nsfs rpc_pipefs nfsd autofs ramfs rootfs iso9660 udf ntfs exfat f2fs zfs reiserfs
    smbfs ncp ncpfs coda ocfs2 gfs gfs2 ceph glusterfs fuseblk aufs
    quota aquota fastboot forcefsck nologin noresume reboot-required sendsigs omit.d control supervise incoming generator
    generator.early generator.late ask-password inaccessible machines nspawn seats shutdownd transient ephemeral-trees
    propagate unit-root resolve netif lldp stub-resolv.conf sshd.pid dbus system_bus_socket uuidd mlocate
    alsa dhcp dhclient urandom ucf misc man games cups emacsen-common python php perl5 ruby aptitude apt dpkg lists archives
    partial triggers status-old info recorder armed report imported checkroot checkfs bootmisc bootlogs hwclockfirst
    mountkernfs mountdevsubfs mountdevsubfs.sh mountall mountnfs mount-rootfs umountnfs rmnologin single stop-bootlogd sendsigs
    restart-hotplug hotplug network-manager networking procps keyboard-setup console-setup skeleton
    server client properties hcl pem crt key csr p12 jks der secrets cert cacerts cnf.d ini.d keys cas ccd tls sites
    le fullchain chain bundle zone zones orig jnl redirect combined access
    postgresql kubernetes kube kubeadm cni calico rancher openvpn wireguard ipsec.d strongswan letsencrypt java jvm zoo storage
    containers containers.conf registries.conf schroot chroot libvirt qemu xen pci ata usb scsi virtio part platform nvme
    rsyncd wpa_supplicant bluetooth samba krb5 krb5.conf krb5.keytab ldap openldap slapd.d sasl2 postfix exim4 dovecot
    mail spamassassin clamav fail2ban ufw iptables ip6tables rules.v4 rules.v6 nftables.conf firewalld zabbix nagios munin
    icinga2 prometheus grafana telegraf collectd elasticsearch logstash kibana filebeat beats rabbitmq memcached couchdb
    influxdb cassandra consul.d vault.d nomad.d etcd salt puppetlabs chef ansible cloud cloud.cfg cloud.cfg.d cloud-init instance
    instances sem boot-finished vendor default-env kernel-install kernel.d initramfs-tools dracut.conf plymouth themes
    anacrontab at.allow at.deny atd locale.gen locale.conf vconsole.conf magic mime.types services.d rpc netgroup ethers
    supervisor.sock docker.sock docker.pid containerd.sock mysqld.sock mysqld.pid php-fpm.sock s.pgsql.5432 uscreens screens
    crond.pid acpid.socket rpcbind.sock snapd.socket avahi-daemon cupsd crond lightdm gdm3 sddm speech-dispatcher
    version release image config-overrides lost cache.d tcp6 stat statm cmdline environ exe maps mounts mountinfo self thread-self
    connections tracing sysrq-trigger loadavg uptime meminfo cpuinfo swaps partitions filesystems drop_caches vm
";

/// What inits, shells and common programs call their children, their options and what they read.
const MORE_WORDS: &str = "
    udev-worker sd-sync sd-remount sd-umount sd-rmrf sd-mkdcreds sd-executor sd-exec-strv sd-close sd-mkuserns sd-pam sd-askpwagent
    sd-parse-elf sd-listen sd-worker sd-bright sd-merge sd-dissect direxec exec-inner spawn tmpfiles
    is-system-running daemon-reload until break continue shift return trap read printf getopts upgrade trigger refresh configure
    nosuid nodev noexec suid exec user nouser relatime noatime strictatime lazytime discard errors remount-ro uid gid umask
    xdev maxdepth mindepth perm depth empty prune newer regex print print0 fstype swaptotal memtotal memfree avail filesystem
    lc_all lc_ctype lc_time lc_name lc_paper lc_numeric lc_monetary lc_messages lc_measurement lc_identification lc_collate
    lc_address lc_telephone lang language no_netdev nonfs selinuxenabled template0 template1 select from where
    mainpid execmainpid activestate substate result select insert update into values table row begin commit rollback
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
    opendkim clamav amavis spamd fetchmail nslcd sssd landscape pollinate lxd log runit-log qmaild qmaill vmail vmailbox virtual vhosts
";

/// Programs that many machines run, so that their names say nothing about one of them.
const PROGRAMS: &str = "
    systemd-journald systemd-logind systemd-networkd systemd-resolved systemd-timesyncd systemd-udevd systemd-oomd
    systemd-machined systemd-hostnamed systemd-localed systemd-timedated systemd-homed systemd-userdbd systemd-userwork
    systemd-importd systemd-portabled systemd-coredump systemd-fsck systemd-cgroups-agent systemd-sleep systemd-run
    systemd-tmpfiles systemd-sysctl systemd-sysusers systemd-modules-load systemd-random-seed systemd-remount-fs
    systemd-update-utmp systemd-user-sessions systemd-user-runtime-dir systemd-executor systemd-backlight systemd-rfkill
    systemd-inhibit systemd-nspawn systemd-cat systemd-notify systemd-ask-password systemd-tty-ask-password-agent
    dbus-daemon dbus-broker dbus-broker-launch polkitd accounts-daemon networkmanager wpa_supplicant dhcpcd dnsmasq
    rsyslogd syslog-ng syslogd klogd irqbalance smartd acpid thermald multipathd lvmetad dmeventd mdadm haveged rngd
    chronyd ntpd cups-browsed cupsd avahi-daemon modemmanager bluetoothd upowerd udisksd packagekitd fwupd snapd
    unattended-upgrade unattended-upgrades apt-get apt dpkg yum dnf rpm zypper pacman apk snap flatpak needrestart
    mysqld mysqld_safe mariadbd mariadbd-safe mysqladmin mysqldump postmaster pg_ctl pg_ctlcluster pg_dump psql
    mongod mongos mongodump redis-server redis-sentinel redis-cli valkey-server memcached influxd clickhouse-server
    etcd etcdctl consul-template vaultd rabbitmq-server rabbitmqctl beam.smp epmd erl_child_setup inet_gethost kafka-run-class
    apache2 apache2ctl nginx caddy lighttpd haproxy varnishd squid traefik envoy tomcat catalina php-fpm php-cgi
    gunicorn uwsgi supervisord pm2 npm yarn gradle maven mvn
    dockerd docker-proxy docker-compose docker-init containerd-shim containerd-shim-runc-v1 containerd-shim-runc-v2 crun
    conmon buildkitd kubelet kube-proxy kube-apiserver kube-scheduler kube-controller-manager kubectl kubeadm coredns
    flanneld calico-node k3s rke2 helm tini dumb-init catatonit libvirtd virtqemud virtlogd virtlockd
    qemu-system-x86_64 qemu-system-aarch64 qemu-kvm qemu-ga lxc-start lxcfs lxd incusd pveproxy pvedaemon pvestatd
    sshd-session sshd-auth sftp-server ssh-agent ssh scp sftp rsync rsyncd mosh-server screen tmux gpg-agent gpg
    postfix qmgr trivial-rewrite tlsmgr smtpd smtp sendmail exim4 dovecot imap imap-login pop3
    pop3-login opendkim opendmarc spamassassin rspamd clamd freshclam fail2ban fail2ban-server saslauthd
    nfsd rpcbind rpc.statd rpc.mountd rpc.idmapd blkmapd smbd nmbd winbindd slapd sssd sssd_be sssd_nss sssd_pam krb5kdc
    named unbound bind9 pdns openvpn wireguard wg wg-quick charon ipsec openconnect pppd xl2tpd iscsid multipath
    prometheus node_exporter grafana-server alertmanager telegraf collectd zabbix_agentd zabbix_agent2 zabbix_server
    nagios nrpe icinga2 netdata filebeat metricbeat fluentd fluent-bit td-agent logstash elasticsearch kibana puppet
    chef-client salt-minion salt-master ansible ansible-playbook cloud-init amazon-ssm-agent google_guest_agent waagent
    jenkins gitlab-runner gitea bacula-fd bacula-sd bacula-dir restic borg rclone duplicity crontab anacron atd
    gdm-session-worker gdm-wayland-session gnome-shell gnome-session-binary lightdm sddm xorg xwayland pulseaudio pipewire
    wireplumber make gcc ld cmake cargo rustc go gdb strace tcpdump curl wget git vim vi nano less htop
";

/// Ends of host names that are names of places rather than of files.
const ZONES: &str = "
    com org net edu gov mil int info biz io dev app cloud online xyz tech site example test invalid arpa local lan
    internal intranet corp home localdomain intern private eu de fr uk us ca ch at nl be se no fi dk it es pt cz ru ua
    cn jp kr au nz br mx za co tv ai ie il tr gr hu ro bg hr sk si lt lv ee sg hk tw th vn id my ph ar cl pe
    me shop store agency systems email london berlin hamburg koeln bayern wien paris nyc swiss bank gmbh
    group club digital solutions software consulting company support social news blog wiki space website design studio
    life world health energy finance international legal media team technology ae sa qa kw kz ge by lu li mt cy ba
    ng ke gh eg tn dz uy ec ve cr pa gt pk lk bd np kh onion
";
/// Those of them that nobody else can look up; `rc.local` ends in one as well.
const OWN_ZONES: &str = "
    local lan internal intranet corp home localdomain intern private test example invalid dev app site
";

/// How URLs begin.
const SCHEMES: &str = "
    http https ftp ftps sftp scp ssh git svn rsync file tcp udp unix tls ssl ws wss ldap ldaps ldapi redis rediss valkey
    mysql mysqlx mariadb postgres postgresql mongodb srv amqp amqps mqtt mqtts stomp kafka nats memcached s3 s3a gs az azure
    abfs abfss wasb hdfs smb cifs nfs iscsi imap imaps pop3 pop3s smtp smtps submission jdbc r2dbc odbc oracle thin sqlserver
    mssql sqlite sqlite3 rest docker daemon oci podman npipe fd inproc ipc vsock consul etcd zk vault socks socks4 socks5
    socks5h telnet spice vnc rdp tftp dav davs webdav qemu system xen lxc swift rados rbd bolt neo4j clickhouse influxdb
    couchdb cassandra elasticsearch opensearch syslog grpc grpcs dns doh quic rtmp rtsp sip sips xmpp irc ircs magnet h2 db2
    pymysql psycopg2 asyncpg mysqldb mysql2 beats fluentd containerd ssm secretsmanager
";

fn set(words: &'static str) -> HashSet<&'static [u8]> {
    words.split_ascii_whitespace().map(str::as_bytes).collect()
}

static HARMLESS: LazyLock<HashSet<&'static [u8]>> = LazyLock::new(|| {
    let mut all = set(WORDS);
    all.extend(set(MORE_WORDS));
    all.extend(set(SYSTEM_USERS));
    all.extend(set(PROGRAMS));
    all
});
/// What the kernel leaves of the names of those that are longer than it keeps.
static CUT: LazyLock<HashSet<&'static [u8]>> =
    LazyLock::new(|| set(PROGRAMS).into_iter().filter_map(|name| name.get(..COMM_LEN)).collect());
static PLACE: LazyLock<HashSet<&'static [u8]>> = LazyLock::new(|| set(PLACES));
static USERS: LazyLock<HashSet<&'static [u8]>> = LazyLock::new(|| set(SYSTEM_USERS));
static ZONE: LazyLock<HashSet<&'static [u8]>> = LazyLock::new(|| set(ZONES));
static SCHEME: LazyLock<HashSet<&'static [u8]>> = LazyLock::new(|| set(SCHEMES));
static OWN_ZONE: LazyLock<HashSet<&'static [u8]>> = LazyLock::new(|| set(OWN_ZONES));

/// Whether `word`, in whatever case, is one of the words.
pub fn holds(word: &[u8]) -> bool {
    word.len() <= WORD_MAX && HARMLESS.contains(word.to_ascii_lowercase().as_slice())
}

/// Whether a part of a path of the system is called so on many machines.
pub fn is_place(word: &[u8]) -> bool {
    PLACE.contains(word.to_ascii_lowercase().as_slice())
}

/// Whether `comm`, which the kernel may have cut, is what it leaves of one of them.
pub fn holds_cut(comm: &[u8]) -> bool {
    comm.len() == COMM_LEN && CUT.contains(comm.to_ascii_lowercase().as_slice())
}

/// Whether one of them ends so.
pub fn holds_end(end: &[u8]) -> bool {
    HARMLESS.iter().any(|word| word.ends_with(end))
}

/// Whether a package rather than a person has this name.
pub fn is_system_user(name: &[u8]) -> bool {
    USERS.contains(name.to_ascii_lowercase().as_slice())
}

/// Whether a host name may end in `label`.
pub fn is_zone(label: &[u8]) -> bool {
    ZONE.contains(label.to_ascii_lowercase().as_slice())
}

/// Whether it is, or is a part of, how URLs begin.
pub fn is_scheme(word: &[u8]) -> bool {
    SCHEME.contains(word.to_ascii_lowercase().as_slice())
}

/// Whether it is a name of a place that is in no register.
pub fn is_own_zone(label: &[u8]) -> bool {
    OWN_ZONE.contains(label.to_ascii_lowercase().as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_is_too_long_to_be_found_and_no_zone_of_ones_own_is_unknown() {
        for word in HARMLESS.iter() {
            assert!(holds(word), "{}", String::from_utf8_lossy(word));
        }
        assert!(OWN_ZONE.iter().all(|zone| is_zone(zone)));
    }

    #[test]
    fn programs_are_known_by_what_the_kernel_leaves_of_their_names() {
        assert!(holds_cut(b"systemd-timesyn") && holds_cut(b"containerd-shim"));
        assert!(!holds_cut(b"systemd") && !holds_cut(b"systemd-timesy7"));
    }
}
