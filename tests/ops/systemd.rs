//! What the service manager hears, and the units that it reads.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixDatagram};
use std::path::Path;
use std::process::Command;

use super::daemon::{Folder, serving};
use super::process::{Process, Signal, run};
use super::raw::PATIENCE;

/// The manager's end.
struct Manager(UnixDatagram);

impl Manager {
    fn hears(&self) -> String {
        self.0.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut buffer = [0; 4096];
        let length = self.0.recv(&mut buffer).expect("nothing was told");
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    /// The next message with that assignment; what is told of pulses and status before is passed over.
    fn hears_of(&self, assignment: &str) -> String {
        for _ in 0..100 {
            let message = self.hears();
            if message.lines().any(|line| line == assignment) {
                return message;
            }
        }
        panic!("{assignment} was not told");
    }
}

fn start(folder: &Folder, place: &str, more: &[(&str, &str)]) -> Process {
    let mut command = folder.docquay(&["docs", "--port", "0"]);
    command.env("NOTIFY_SOCKET", place).envs(more.iter().copied());
    Process::start(command, "docquay")
}

#[tokio::test]
async fn the_manager_hears_of_readiness_reloads_and_the_end() {
    let folder = Folder::new();
    let place = folder.path().join("notify");
    let manager = Manager(UnixDatagram::bind(&place).unwrap());
    let server = start(&folder, place.to_str().unwrap(), &[]);
    let ready = manager.hears();
    assert!(ready.starts_with("READY=1\nSTATUS=2 pages at 127.0.0.1:"), "{ready}");
    // Ready is ready: it serves.
    serving(&server).await;
    server.signal(Signal::Hangup);
    let reloading = manager.hears();
    let moment = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap().parse::<u64>().unwrap();
    // proc(5), `uptime`: hundredths of a second since the boot.
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
    let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
    assert!(moment > 0 && moment as f64 / 1e6 <= uptime + 1.0, "{moment} {uptime}");
    assert_eq!(manager.hears(), "READY=1");
    server.signal(Signal::Terminate);
    assert!(manager.hears_of("STOPPING=1").contains("STATUS="));
    assert!(server.exit(PATIENCE).await.success());
}

#[tokio::test]
async fn a_name_without_a_file_is_an_address_too() {
    let folder = Folder::new();
    let name = format!("docquay-test-{}", std::process::id());
    let address = UnixAddr::from_abstract_name(&name).unwrap();
    let manager = Manager(UnixDatagram::bind_addr(&address).unwrap());
    let _server = start(&folder, &format!("@{name}"), &[]);
    manager.hears_of("READY=1");
}

#[tokio::test]
async fn the_watchdog_gets_its_pulse() {
    let folder = Folder::new();
    let place = folder.path().join("notify");
    let manager = Manager(UnixDatagram::bind(&place).unwrap());
    let _server = start(&folder, place.to_str().unwrap(), &[("WATCHDOG_USEC", "200000")]);
    for _ in 0..5 {
        manager.hears_of("WATCHDOG=1");
    }
}

#[tokio::test]
async fn a_manager_that_is_not_there_is_told_of_and_no_obstacle() {
    let folder = Folder::new();
    let server = start(&folder, "/nonexistent/notify", &[]);
    serving(&server).await;
    assert!(server.log().contains("NOTIFY_SOCKET cannot be used"), "{}", server.log());
}

#[test]
fn the_units_are_well_formed_and_confine_the_service() {
    let copies = tempfile::tempdir().unwrap();
    let units = Path::new(env!("CARGO_MANIFEST_DIR")).join("dist/systemd");
    let mut paths = Vec::new();
    for name in ["docquay.service", "docquay.socket"] {
        let unit = std::fs::read_to_string(units.join(name)).unwrap();
        // The program has to be there for a unit to be in order.
        let unit = unit.replace("/usr/local/bin/docquay", env!("CARGO_BIN_EXE_docquay"));
        std::fs::write(copies.path().join(name), unit).unwrap();
        paths.push(copies.path().join(name));
    }
    let output = Command::new("systemd-analyze").arg("verify").args(&paths).output().expect("systemd");
    let said = String::from_utf8_lossy(&output.stderr);
    // Of units of this machine it may complain as well.
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("docquay")).collect();
    assert!(output.status.success() && ours.is_empty(), "{said}");
    let mut command = Command::new("systemd-analyze");
    command.args(["security", "--offline=true", "--no-pager", "--threshold=20"]).arg(&paths[0]);
    // An exposure of at most 2.0, of 10: its own judgement, which the status tells.
    println!("{}", run(&mut command, "systemd").lines().last().unwrap_or_default());
}
