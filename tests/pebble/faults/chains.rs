//! Chains that a CA should not have answered with.

use std::time::{Duration, SystemTime};

use docquay::x509::Chain;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData,
    SubjectPublicKeyInfo,
};

/// A root of the test's own.
pub(super) struct Root {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Root {
    pub(super) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    pub(super) fn pem(&self) -> &str {
        &self.pem
    }

    /// A leaf, then the root.
    pub(super) fn sign(&self, params: &CertificateParams, key: &impl PublicKeyData) -> String {
        format!("{}{}", params.signed_by(key, &self.issuer).unwrap().pem(), self.pem)
    }
}

/// The chain that a CA answered, with another leaf for the same key: `change` says how it differs.
pub(super) fn forged(body: &[u8], change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
    let chain = Chain::from_pem(body).unwrap();
    let names: Vec<String> = chain.leaf().identifiers().iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.not_before = chain.leaf().not_before().into();
    params.not_after = chain.leaf().not_after().into();
    change(&mut params);
    let key = SubjectPublicKeyInfo::from_der(chain.leaf().public_key()).unwrap();
    Root::new("a forger").sign(&params, &key).into_bytes()
}

/// The same chain for a key that nobody here has.
pub(super) fn of_another_key(body: &[u8]) -> Vec<u8> {
    let chain = Chain::from_pem(body).unwrap();
    let names: Vec<String> = chain.leaf().identifiers().iter().map(ToString::to_string).collect();
    let params = CertificateParams::new(names).unwrap();
    Root::new("a forger").sign(&params, &KeyPair::generate().unwrap()).into_bytes()
}

/// The certificates of a PEM text in the order of `places`.
pub(super) fn reordered(body: &[u8], places: &[usize]) -> Vec<u8> {
    let chain = Chain::from_pem(body).unwrap();
    let blocks: Vec<String> = chain
        .certificates()
        .map(|certificate| docquay::x509::pem::encode(docquay::x509::pem::CERTIFICATE, certificate.der()))
        .collect();
    places.iter().map(|place| blocks[*place].as_str()).collect::<String>().into_bytes()
}

pub(super) fn days_ago(days: u32) -> SystemTime {
    SystemTime::now() - days * DAY
}

pub(super) fn in_days(days: u32) -> SystemTime {
    SystemTime::now() + days * DAY
}

const DAY: Duration = Duration::from_secs(86_400);
