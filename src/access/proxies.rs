//! `trusted_proxies`: whose word on where a request comes from is believed, and what it says.
//!
//! Owns the walk along a chain of proxies. From any other peer these fields are its own invention and count for
//! nothing. RFC 7239 §8.1: a chain is only as good as the proxies that wrote it, so it is read from its end.

use std::net::IpAddr;

use ::http::HeaderMap;
use ::http::header::{FORWARDED, HeaderName};

use super::forwarded::{self, Element, Node};
use crate::names::Network;

/// The proxies whose word counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies(Vec<Network>);

/// What trusted proxies say of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Told {
    /// Whom it comes from: the first address that is no trusted proxy. The peer itself if it names none, or if
    /// what it says cannot be read or contradicts itself.
    pub client: IpAddr,
    /// Whether the client spoke https; none if nothing is said.
    pub https: Option<bool>,
    /// The host that the client asked for, as text, from each field that names one.
    pub hosts: Vec<String>,
}

impl Proxies {
    /// The proxies of these networks.
    #[must_use]
    pub fn new(networks: Vec<Network>) -> Self {
        Self(networks)
    }

    /// Whether this peer is one of them.
    #[must_use]
    pub fn trust(&self, peer: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(peer))
    }

    /// What a peer says of a request that it passes on; none if the peer is not trusted.
    #[must_use]
    pub fn told(&self, peer: IpAddr, headers: &HeaderMap) -> Option<Told> {
        if !self.trust(peer) {
            return None;
        }
        let standard = field(headers, &FORWARDED).map(|field| self.standard(peer, &field));
        let older = field(headers, &X_FORWARDED_FOR).map(|field| {
            let nodes = forwarded::addresses(&field);
            self.walk(peer, nodes.iter().map(|node| Some(*node))).0
        });
        // A proxy writes one of the two and may let the other through as the client sent it. Which is which cannot
        // be told, so that a contradiction counts as neither.
        let client = match (&standard, older) {
            (Some((client, _)), Some(older)) if *client != older => peer,
            (Some((client, _)), _) => *client,
            (None, older) => older.unwrap_or(peer),
        };
        let element = standard.map(|(_, element)| element).unwrap_or_default();
        let proto = [element.proto, last(headers, &X_FORWARDED_PROTO)];
        let https = proto.into_iter().flatten().filter_map(|proto| is_https(&proto)).reduce(|a, b| a && b);
        let hosts = [element.host, last(headers, &X_FORWARDED_HOST)].into_iter().flatten().collect();
        Some(Told { client, https, hosts })
    }

    /// The client by `Forwarded`, and what was said of it.
    fn standard(&self, peer: IpAddr, field: &str) -> (IpAddr, Element) {
        let elements = forwarded::elements(field).unwrap_or_default();
        let (client, distance) = self.walk(peer, elements.iter().map(|element| element.node));
        let behind = distance.checked_sub(1);
        let element = behind.and_then(|behind| elements.into_iter().rev().nth(behind));
        (client, element.unwrap_or_default())
    }

    /// From the end of a chain past the trusted proxies; the client, and how far from the end it was found: 0 if
    /// there was no chain.
    fn walk(&self, peer: IpAddr, chain: impl DoubleEndedIterator<Item = Option<Node>>) -> (IpAddr, usize) {
        let (mut client, mut distance) = (peer, 0);
        for node in chain.rev() {
            distance += 1;
            let Some(Node::Address(address)) = node else { break };
            client = address;
            if !self.trust(address) {
                break;
            }
        }
        (client, distance)
    }
}

/// All lines of a field, in order; none if it is absent. What is no text reads as a malformed one.
fn field(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let lines: Vec<&str> = headers.get_all(name).iter().map(|value| value.to_str().unwrap_or("?")).collect();
    (!lines.is_empty()).then(|| lines.join(","))
}

/// The last of the values: what the nearest proxy wrote.
fn last(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let field = field(headers, name)?;
    let last = field.rsplit(',').next().unwrap_or_default().trim();
    (!last.is_empty()).then(|| last.to_owned())
}

fn is_https(proto: &str) -> Option<bool> {
    match proto.to_ascii_lowercase().as_str() {
        "https" => Some(true),
        "http" => Some(false),
        _ => None,
    }
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

#[cfg(test)]
mod tests {
    use ::http::HeaderValue;

    use super::*;

    fn proxies() -> Proxies {
        Proxies::new(["127.0.0.1", "10.0.0.0/8", "::1"].map(|text| Network::parse(text).unwrap()).to_vec())
    }

    fn told_by(peer: &str, fields: &[(&'static str, &str)]) -> Option<Told> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        proxies().told(peer.parse().unwrap(), &headers)
    }

    fn client(fields: &[(&'static str, &str)]) -> String {
        told_by("127.0.0.1", fields).unwrap().client.to_string()
    }

    #[test]
    fn a_stranger_is_not_believed() {
        let fields = [("x-forwarded-for", "203.0.113.7"), ("x-forwarded-proto", "https")];
        assert_eq!(told_by("192.0.2.1", &fields), None);
        assert!(told_by("::ffff:10.1.2.3", &fields).is_some());
    }

    #[test]
    fn the_client_is_the_first_address_from_the_end_that_is_no_proxy_of_ours() {
        for (chain, expected) in [
            ("203.0.113.7", "203.0.113.7"),
            ("203.0.113.7, 10.0.0.2", "203.0.113.7"),
            ("1.1.1.1, 203.0.113.7, 10.0.0.2, ::1", "203.0.113.7"),
            ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
            ("203.0.113.7, unknown, 10.0.0.2", "10.0.0.2"),
            ("203.0.113.7, unknown", "127.0.0.1"),
            ("garbage", "127.0.0.1"),
            ("", "127.0.0.1"),
            ("203.0.113.7:4711, [::1]:80", "203.0.113.7"),
        ] {
            assert_eq!(client(&[("x-forwarded-for", chain)]), expected, "{chain:?}");
            let elements = chain.split(',').filter_map(|entry| match entry.trim() {
                "" => None,
                one if one.contains(':') && !one.contains('.') && !one.starts_with('[') => {
                    Some(format!("for=\"[{one}]\""))
                }
                one => Some(format!("for=\"{one}\"")),
            });
            let elements = elements.collect::<Vec<_>>().join(", ");
            assert_eq!(client(&[("forwarded", &elements)]), expected, "{elements:?}");
        }
    }

    #[test]
    fn several_lines_are_one_chain_in_their_order() {
        let lines = [("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "203.0.113.7, 10.0.0.2")];
        assert_eq!(client(&lines), "203.0.113.7");
        let lines = [("forwarded", "for=1.1.1.1"), ("forwarded", "for=203.0.113.7")];
        assert_eq!(client(&lines), "203.0.113.7");
    }

    #[test]
    fn two_fields_that_contradict_each_other_are_both_disbelieved() {
        let honest = ("x-forwarded-for", "203.0.113.7");
        assert_eq!(client(&[honest, ("forwarded", "for=203.0.113.7")]), "203.0.113.7");
        for forged in ["for=1.1.1.1", "for=_x", "malformed", "\u{fc}"] {
            assert_eq!(client(&[honest, ("forwarded", forged)]), "127.0.0.1", "{forged}");
        }
        let both = [("x-forwarded-proto", "http"), ("forwarded", "for=1.1.1.1;proto=https;host=a.example")];
        let told = told_by("127.0.0.1", &[&both[..], &[("x-forwarded-host", "b.example")]].concat()).unwrap();
        assert_eq!(told.https, Some(false));
        assert_eq!(told.hosts, ["a.example", "b.example"]);
    }

    #[test]
    fn scheme_and_host_are_those_that_the_client_used() {
        let told = told_by(
            "127.0.0.1",
            &[(
                "forwarded",
                "for=1.1.1.1;proto=http;host=forged.example, \
                 for=203.0.113.7;proto=https;host=docs.example.com, for=10.0.0.2;proto=http;host=inner",
            )],
        );
        let told = told.unwrap();
        assert_eq!((told.https, told.hosts), (Some(true), vec!["docs.example.com".to_owned()]));
        let older =
            [("x-forwarded-proto", "http, HTTPS"), ("x-forwarded-host", "forged.example, docs.example")];
        let told = told_by("127.0.0.1", &older).unwrap();
        assert_eq!((told.https, told.hosts), (Some(true), vec!["docs.example".to_owned()]));
        let nothing = told_by("127.0.0.1", &[("x-forwarded-proto", "gopher")]).unwrap();
        assert_eq!((nothing.https, nothing.hosts.len()), (None, 0));
    }

    proptest::proptest! {
        #[test]
        fn whatever_a_proxy_says_there_is_an_answer(
            standard in "[ -~]*", older in "[ -~]*", host in "[ -~]*", proto in "[ -~]*",
        ) {
            let fields = [
                ("forwarded", &*standard),
                ("x-forwarded-for", &older),
                ("x-forwarded-host", &host),
                ("x-forwarded-proto", &proto),
            ];
            for count in 0..=fields.len() {
                proptest::prop_assert!(told_by("127.0.0.1", &fields[..count]).is_some());
                proptest::prop_assert_eq!(told_by("192.0.2.1", &fields[..count]), None);
            }
        }
    }
}
