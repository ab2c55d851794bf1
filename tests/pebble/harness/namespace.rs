//! Two machines made of one: network namespaces joined by a cable, for what loopback cannot show (port 80 and 443,
//! one family of addresses alone, a DNS of their own). Takes root and iproute2.
//!
//! Nothing leaves the machine: the cable (a veth pair) has two ends and no route leads on. Addresses are of the ranges
//! for documentation (RFC 5737, RFC 3849).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::process::run;

/// The CA's machine and docquay's, joined; gone on drop, so it must outlive what runs in it.
#[derive(Debug)]
pub(crate) struct Network {
    ca: Namespace,
    server: Namespace,
}

/// One of the two.
#[derive(Debug)]
pub(crate) struct Namespace {
    name: String,
    addresses: Vec<IpAddr>,
    /// `ip netns exec` shows its files in place of those in /etc.
    files: PathBuf,
}

/// Which addresses the machines have besides loopback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Families {
    Ipv4,
    Ipv6,
    Both,
}

/// The name of the CA's machine, known to both.
pub(crate) const CA: &str = "ca.test";

static NUMBER: AtomicU32 = AtomicU32::new(0);

impl Network {
    /// Makes both. Their names but [`CA`] and localhost are asked of port 53 of the CA's machine, where
    /// [`super::pebble::Builder::within`] puts its DNS.
    pub(crate) fn new(families: Families) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let id = std::process::id();
        let namespace = |role: &str, host: u8| {
            let ipv4 = IpAddr::from(Ipv4Addr::new(192, 0, 2, host));
            let ipv6 = IpAddr::from(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, host.into()));
            let addresses = match families {
                Families::Ipv4 => vec![ipv4],
                Families::Ipv6 => vec![ipv6],
                Families::Both => vec![ipv4, ipv6],
            };
            Namespace::new(format!("docquay-{id}-{number}-{role}"), addresses)
        };
        // Each is dropped, and with it what was made, if a later step fails.
        let ca = namespace("ca", 1);
        let server = namespace("server", 2);
        ip(&[
            "link",
            "add",
            "cable",
            "netns",
            &ca.name,
            "type",
            "veth",
            "peer",
            "name",
            "cable",
            "netns",
            &server.name,
        ]);
        for namespace in [&ca, &server] {
            namespace.connect();
            namespace.write(
                "resolv.conf",
                &format!("nameserver {}\noptions timeout:2 attempts:3\n", ca.address()),
            );
            let hosts = ca.addresses.iter().map(|address| format!("{address} {CA}\n")).collect::<String>();
            namespace.write("hosts", &format!("127.0.0.1 localhost\n::1 localhost\n{hosts}"));
        }
        Self { ca, server }
    }

    /// Where the CA runs.
    pub(crate) fn ca(&self) -> &Namespace {
        &self.ca
    }

    /// Where docquay runs.
    pub(crate) fn server(&self) -> &Namespace {
        &self.server
    }
}

impl Namespace {
    fn new(name: String, addresses: Vec<IpAddr>) -> Self {
        ip(&["netns", "add", &name]);
        let files = Path::new("/etc/netns").join(&name);
        std::fs::create_dir_all(&files).unwrap();
        Self { name, addresses, files }
    }

    /// What a command line starts with to run there.
    pub(crate) fn prefix(&self) -> Vec<String> {
        ["ip", "netns", "exec", &self.name].map(str::to_owned).to_vec()
    }

    /// Its first address: the IPv4 one if it has both.
    pub(crate) fn address(&self) -> IpAddr {
        self.addresses[0]
    }

    pub(crate) fn ipv4(&self) -> Option<Ipv4Addr> {
        self.addresses.iter().find_map(|address| match address {
            IpAddr::V4(address) => Some(*address),
            IpAddr::V6(_) => None,
        })
    }

    pub(crate) fn ipv6(&self) -> Option<Ipv6Addr> {
        self.addresses.iter().find_map(|address| match address {
            IpAddr::V6(address) => Some(*address),
            IpAddr::V4(_) => None,
        })
    }

    /// Puts `text` where programs started there from now on see /etc/`file`.
    pub(crate) fn write(&self, file: &str, text: &str) {
        std::fs::write(self.files.join(file), text).unwrap();
    }

    /// Gives its end of the cable its addresses, and leaves it no others.
    fn connect(&self) {
        if self.ipv6().is_none() {
            self.execute(&["sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6"]);
        }
        ip(&["-n", &self.name, "link", "set", "lo", "up"]);
        for address in &self.addresses {
            let length = if address.is_ipv4() { 24 } else { 64 };
            let address = format!("{address}/{length}");
            let mut arguments = vec!["-n", &self.name, "address", "add", &address, "dev", "cable"];
            if length == 64 {
                // No wait for another machine that has it.
                arguments.push("nodad");
            }
            ip(&arguments);
        }
        ip(&["-n", &self.name, "link", "set", "cable", "up"]);
    }

    fn execute(&self, line: &[&str]) {
        ip(&[&["netns", "exec", &self.name], line].concat());
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "delete", &self.name]).status();
        let _ = std::fs::remove_dir_all(&self.files);
        // Only if no other namespace has files there.
        let _ = std::fs::remove_dir("/etc/netns");
    }
}

fn ip(arguments: &[&str]) {
    run(Command::new("ip").args(arguments), "iproute2 (and run it as root)");
}
