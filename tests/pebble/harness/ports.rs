//! Free ports of this machine.

use std::collections::HashSet;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, PoisonError};

/// Below the kernel's own range (32768 and up), so that no outgoing connection of a load test takes a port between
/// the moment it was found free and the moment its server binds it.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// Where this process goes on looking; processes start at different places.
static NEXT: AtomicU16 = AtomicU16::new(0);
static GIVEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);

/// A port that no address of this machine uses by TCP or UDP, and that no other test of this process was given.
pub(crate) fn free() -> u16 {
    let start = u16::try_from(std::process::id().wrapping_mul(97) % u32::from(COUNT)).unwrap();
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let given = given.get_or_insert_default();
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        let port = FIRST + (start + step) % COUNT;
        if !given.contains(&port) && is_free(port) {
            given.insert(port);
            return port;
        }
    }
    panic!("no port from {FIRST} to {} is free", FIRST + COUNT);
}

fn is_free(port: u16) -> bool {
    // A dual-stack socket on [::] collides with every address of both families.
    let tcp = TcpListener::bind((Ipv6Addr::UNSPECIFIED, port));
    let udp = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, port));
    if tcp.is_ok() && udp.is_ok() {
        return true;
    }
    let has_ipv6 = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    let ipv4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    !has_ipv6 && TcpListener::bind(ipv4).is_ok() && UdpSocket::bind(ipv4).is_ok()
}
