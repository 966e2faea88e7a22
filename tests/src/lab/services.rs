//! How things are registered with the inits of guests: the lab's own agent and coroner, and the services
//! of a scenario.
//!
//! Invariant: what is written here is what an administrator of that system would write.

use super::{
    disk::{Disk, Put},
    error::{Error, Result},
    image::Init,
    scenario::{Scenario, Service},
};

/// Everything to put into the disk of `scenario`'s guest, besides programs.
pub fn plan(scenario: &Scenario, init: Init, disk: &Disk) -> Result<Vec<Put>> {
    let mut puts = Vec::new();
    match init {
        Init::Sysvinit => puts.push(inittab(scenario, &disk.read("/etc/inittab")?)?),
        Init::Systemd => puts.extend(lab_units()),
    }
    for service in &scenario.service {
        if let Some(lsb) = &service.sysv {
            puts.push(Put::text(format!("/etc/init.d/{}", service.name), 0o755, script(service, lsb)));
        }
        if service.runit {
            let dir = format!("/etc/sv/{}", service.name);
            let run = format!("#!/bin/sh\nexec 2>&1\nexec {}\n", command(service));
            puts.push(Put::text(format!("{dir}/run"), 0o755, run));
            // As Debian's packages have it, so that nothing on the root file system stays open.
            puts.push(Put::link(
                format!("{dir}/supervise"),
                format!("/run/runit/supervise/{}", service.name),
            ));
            // Where runit looks for services when another init starts it.
            puts.push(Put::link(format!("/etc/runit/runsvdir/svmanaged/{}", service.name), dir));
        }
        if let Some(lines) = &service.systemd {
            puts.extend(enabled_unit(&service.name, &unit(service, lines)));
        }
    }
    if !scenario.disk.is_empty() {
        let mut fstab = disk.read("/etc/fstab")?;
        for (number, extra) in scenario.disk.iter().enumerate() {
            fstab.push_str(&format!("/dev/{} {} ext4 {} 0 2\n", device(number), extra.mount, extra.options));
        }
        puts.push(Put::text("/etc/fstab", 0o644, fstab));
    }
    for file in &scenario.file {
        let mode = if file.executable { 0o755 } else { 0o644 };
        puts.push(Put::text(&file.path, if file.private { mode & 0o700 } else { mode }, &file.text));
    }
    Ok(puts)
}

/// The name of a further disk.
fn device(number: usize) -> String {
    format!("vd{}", char::from(b'b' + u8::try_from(number).unwrap_or(0)))
}

/// Commands that register what is registered by the system's own tools, in the guest.
pub fn registrations(scenario: &Scenario) -> Vec<String> {
    let scripts = scenario.service.iter().filter(|service| service.sysv.is_some());
    scripts.map(|service| format!("update-rc.d {0} defaults && service {0} start", service.name)).collect()
}

/// The command line of a service.
fn command(service: &Service) -> String {
    format!("/usr/sbin/{} --role {} {}", service.name, service.role, service.options).trim_end().to_owned()
}

/// The image's inittab with the lab's entries and those of the services.
fn inittab(scenario: &Scenario, there: &str) -> Result<Put> {
    let (mut early, mut late) = (String::new(), String::new());
    for service in &scenario.service {
        if let Some(entry) = &service.inittab {
            let list = if service.late { &mut late } else { &mut early };
            list.push_str(&format!("{entry}:{}\n", command(service)));
        }
    }
    let is_early = |line: &str| {
        line.split_once(':').is_some_and(|(id, _)| scenario.early.iter().any(|early| early == id))
    };
    for line in scenario.inittab.iter().map(String::as_str).chain(there.lines().filter(|line| is_early(line)))
    {
        early.push_str(line);
        early.push('\n');
    }
    let mut text = String::new();
    for line in there.lines().filter(|line| !is_early(line)) {
        if line.starts_with("l0:") {
            text.push_str(&early);
        }
        text.push_str(line);
        text.push('\n');
        if line.starts_with("si:") {
            text.push_str("co::sysinit:/usr/sbin/lab-coroner --role coroner --background yes\n");
        }
    }
    text.push_str(&late);
    text.push_str("la:2345:once:/usr/sbin/lab-agent --role agent\n");
    if !there.contains("\nl0:") || !there.contains("\nsi:") {
        return Err(Error::new("the image's inittab has no l0 or no si entry: it is not Debian's"));
    }
    Ok(Put::text("/etc/inittab", 0o644, text))
}

fn lab_units() -> Vec<Put> {
    // It is in nobody's way: stopped by nothing, waited for by nothing, and spared by both sprees.
    let coroner = "[Unit]\nDescription=Coroner\nDefaultDependencies=no\nAfter=systemd-tmpfiles-setup-dev.service\n\
                   IgnoreOnIsolate=yes\n[Service]\nExecStart=@/usr/sbin/lab-coroner @lab-coroner --role coroner\n\
                   KillMode=none\nSendSIGKILL=no\n";
    let agent = "[Unit]\nDescription=Agent\n[Service]\nExecStart=/usr/sbin/lab-agent --role agent\n";
    [enabled_unit("lab-coroner", coroner), enabled_unit("lab-agent", agent)].concat()
}

fn enabled_unit(name: &str, text: &str) -> Vec<Put> {
    let path = format!("/etc/systemd/system/{name}.service");
    vec![
        Put::text(&path, 0o644, text),
        Put::link(format!("/etc/systemd/system/multi-user.target.wants/{name}.service"), path),
    ]
}

fn unit(service: &Service, lines: &str) -> String {
    format!(
        "[Unit]\nDescription={}\n{}\n[Service]\nExecStart={}\n{lines}\n[Install]\nWantedBy=multi-user.target\n",
        service.name,
        service.unit,
        command(service)
    )
}

/// As Debian's skeleton would have it, in short.
fn script(service: &Service, lsb: &str) -> String {
    let name = &service.name;
    let options = command(service);
    let options = options.split_once(' ').map_or("", |(_, options)| options);
    format!(
        r#"#!/bin/sh
### BEGIN INIT INFO
# Provides:          {name}
# Required-Start:    $remote_fs $syslog
# Required-Stop:     $remote_fs $syslog
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
{lsb}
### END INIT INFO
. /lib/lsb/init-functions
pid=/run/{name}.pid
case "$1" in
start)
    log_daemon_msg "Starting {name}"
    start-stop-daemon --start --quiet --background --make-pidfile --pidfile $pid \
        --exec /usr/sbin/{name} -- {options}
    log_end_msg $?
    ;;
stop)
    log_daemon_msg "Stopping {name}"
    start-stop-daemon --stop --quiet --oknodo --retry TERM/5 --remove-pidfile --pidfile $pid
    log_end_msg $?
    ;;
restart) $0 stop; $0 start ;;
esac
"#
    )
}
