//! Which certificate a client gets, and the swap.
//!
//! Lenient, as hosts are: a client without a server name or with one that no certificate has still gets a
//! certificate, so that the operator sees a wrong name in the browser instead of a broken connection.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::names::{DomainName, Identifier};
use crate::x509::{Certificate, Pair};

/// The certificates that are served now.
#[derive(Debug)]
pub struct Resolver(RwLock<Arc<Served>>);

#[derive(Debug)]
struct Served {
    first: Entry,
    others: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    leaf: Certificate,
    certified: Arc<CertifiedKey>,
}

impl Resolver {
    /// Serves `pair`: a certificate, or what stands in until there is one.
    #[must_use]
    pub fn new(pair: &Pair) -> Self {
        Self(RwLock::new(Arc::new(Served { first: Entry::new(pair), others: Vec::new() })))
    }

    /// Serves `pair` from now on, to everyone, in place of all that was served. Open connections go on with what
    /// they have; every full handshake that begins after this returns sees `pair`.
    pub fn install(&self, pair: &Pair) {
        self.serve(Served { first: Entry::new(pair), others: Vec::new() });
    }

    /// Like [`install`](Self::install) with several certificates: a client gets the first that covers the name
    /// it asks for. One that asks for none is one that connects to an address (RFC 6066 §3): it gets the first
    /// certificate that has an address. In all other cases the first of all is given. Without a pair nothing
    /// changes.
    pub fn install_all<'a>(&self, pairs: impl IntoIterator<Item = &'a Pair>) {
        let mut entries = pairs.into_iter().map(Entry::new);
        if let Some(first) = entries.next() {
            self.serve(Served { first, others: entries.collect() });
        }
    }

    /// The leaf that is given where no other fits.
    #[must_use]
    pub fn leaf(&self) -> Certificate {
        self.served().first.leaf.clone()
    }

    fn serve(&self, served: Served) {
        let served = Arc::new(served);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = served;
    }

    fn served(&self) -> Arc<Served> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.served().choose(hello.server_name()).certified))
    }
}

impl Served {
    fn choose(&self, server_name: Option<&str>) -> &Entry {
        let asked = server_name.and_then(|name| DomainName::parse(name).ok()).map(Identifier::Dns);
        let fits = |entry: &&Entry| match (&asked, server_name) {
            (Some(name), _) => entry.leaf.covers(name),
            (None, Some(_)) => false,
            (None, None) => entry.leaf.identifiers().iter().any(|name| matches!(name, Identifier::Ip(_))),
        };
        std::iter::once(&self.first).chain(&self.others).find(fits).unwrap_or(&self.first)
    }
}

impl Entry {
    fn new(pair: &Pair) -> Self {
        Self { leaf: pair.leaf().clone(), certified: Arc::clone(pair.certified()) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::tls::self_signed;

    fn pair(names: &[&str]) -> Pair {
        let names: Vec<_> = names.iter().map(|name| Identifier::parse(name).unwrap()).collect();
        self_signed(&names, SystemTime::UNIX_EPOCH).unwrap()
    }

    fn wildcard() -> Pair {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["*.b.example".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Pair::from_pem(certificate.pem().as_bytes(), key.serialize_pem().as_bytes()).unwrap()
    }

    fn chosen(resolver: &Resolver, name: Option<&str>) -> Certificate {
        resolver.served().choose(name).leaf.clone()
    }

    #[test]
    fn a_client_gets_the_certificate_of_the_name_that_it_asks_for() {
        let (first, second, address) = (pair(&["a.example", "b.example"]), wildcard(), pair(&["192.0.2.1"]));
        let resolver = Resolver::new(&pair(&[]));
        resolver.install_all([&first, &second, &address]);
        for (name, expected) in [
            (Some("a.example"), &first),
            (Some("B.example"), &first),
            (Some("x.b.example"), &second),
            (Some("x.y.b.example"), &first),
            (Some("unknown.example"), &first),
            (Some("under_score.example"), &first),
            (None, &address),
        ] {
            assert_eq!(&chosen(&resolver, name), expected.leaf(), "{name:?}");
        }
    }

    #[test]
    fn an_installed_pair_replaces_all_that_was_served() {
        let (old, other, new) = (pair(&["a.example"]), pair(&["b.example"]), pair(&["a.example"]));
        let resolver = Resolver::new(&old);
        resolver.install_all([&old, &other]);
        resolver.install(&new);
        for name in [Some("a.example"), Some("b.example"), None] {
            assert_eq!(&chosen(&resolver, name), new.leaf());
        }
        resolver.install_all([]);
        assert_eq!(&resolver.leaf(), new.leaf());
    }
}
