//! Pairs for the unit tests of the store.

use std::sync::OnceLock;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::x509::Pair;

/// A chain of two and its key, as PEM.
pub(super) fn issue(names: &[&str]) -> (String, String) {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Test CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let leaf = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
    (format!("{}{}", leaf.pem(), issuer.pem()), key.serialize_pem())
}

pub(super) fn pair() -> Pair {
    let (chain, key) = issue(&["docs.example.com"]);
    Pair::from_pem(chain.as_bytes(), key.as_bytes()).unwrap()
}

/// The first or the second of two pairs that stay the same: making one for each case of a property is slow.
pub(super) fn fixed(second: bool) -> Pair {
    static PAIRS: OnceLock<[(String, String); 2]> = OnceLock::new();
    let pairs = PAIRS.get_or_init(|| [issue(&["docs.example.com"]), issue(&["docs.example.com"])]);
    let (chain, key) = &pairs[usize::from(second)];
    Pair::from_pem(chain.as_bytes(), key.as_bytes()).unwrap()
}

/// What two equal pairs have in common.
pub(super) fn content(pair: Option<&Pair>) -> Option<(String, String)> {
    pair.map(|pair| (pair.chain().to_pem(), pair.key_to_pem()))
}
