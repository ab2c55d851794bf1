//! The DNS that Pebble asks: pebble-challtestsrv, told by its management interface what to answer.
//!
//! Without a word from the test every name has the A record 127.0.0.1 (or what the builder said) and no AAAA record.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use serde_json::json;

use super::reach::Reach;

#[derive(Debug)]
pub(crate) struct Dns {
    pub(super) reach: Reach,
    pub(super) management: SocketAddr,
    pub(super) address: SocketAddr,
}

impl Dns {
    /// Where it answers queries, by UDP and TCP.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// A records of `host`, besides those it has.
    pub(crate) async fn add_a(&self, host: &str, addresses: &[Ipv4Addr]) {
        self.tell("/add-a", json!({"host": host, "addresses": addresses})).await;
    }

    /// AAAA records of `host`, besides those it has. Pebble dials the first of them and no other address.
    pub(crate) async fn add_aaaa(&self, host: &str, addresses: &[Ipv6Addr]) {
        self.tell("/add-aaaa", json!({"host": host, "addresses": addresses})).await;
    }

    /// Back to the default A record.
    pub(crate) async fn clear_a(&self, host: &str) {
        self.tell("/clear-a", json!({"host": host})).await;
    }

    /// Back to no AAAA record.
    pub(crate) async fn clear_aaaa(&self, host: &str) {
        self.tell("/clear-aaaa", json!({"host": host})).await;
    }

    /// CAA records of `host`: tag and value.
    pub(crate) async fn add_caa(&self, host: &str, policies: &[(&str, &str)]) {
        let policies: Vec<_> =
            policies.iter().map(|(tag, value)| json!({"tag": tag, "value": value})).collect();
        self.tell("/add-caa", json!({"host": host, "policies": policies})).await;
    }

    /// Back to no CAA record.
    pub(crate) async fn clear_caa(&self, host: &str) {
        self.tell("/clear-caa", json!({"host": host})).await;
    }

    /// What a name without records of its own resolves to; `None`: to nothing, in either family.
    pub(crate) async fn default_to(&self, address: Option<IpAddr>) {
        let (ipv4, ipv6) = match address {
            None => (String::new(), String::new()),
            Some(IpAddr::V4(address)) => (address.to_string(), String::new()),
            Some(IpAddr::V6(address)) => (String::new(), address.to_string()),
        };
        self.tell("/set-default-ipv4", json!({"ip": ipv4})).await;
        self.tell("/set-default-ipv6", json!({"ip": ipv6})).await;
    }

    /// Every query for `host` fails from now on.
    pub(crate) async fn fail(&self, host: &str) {
        self.tell("/set-servfail", json!({"host": host})).await;
    }

    /// Queries for `host` are answered again.
    pub(crate) async fn stop_failing(&self, host: &str) {
        self.tell("/clear-servfail", json!({"host": host})).await;
    }

    /// How many queries for `host` came so far.
    pub(crate) async fn queries(&self, host: &str) -> usize {
        let answer = self.tell("/dns-request-history", json!({"host": host})).await;
        serde_json::from_str::<Vec<serde_json::Value>>(&answer).map_or(0, |queries| queries.len())
    }

    async fn tell(&self, path: &str, body: serde_json::Value) -> String {
        let answer = self.reach.post(self.management, path, &body.to_string()).await.unwrap();
        assert!(
            answer.status.is_success(),
            "pebble-challtestsrv: {path}: {} {}",
            answer.status,
            answer.text()
        );
        answer.text()
    }
}
