//! The CA of the test servers' own HTTPS (not the CA that issues docquay's certificates).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;

/// A CA for the API of Pebble, of the proxy in front of it, and of whatever else a test serves over HTTPS.
///
/// docquay trusts it by `--acme-ca-file`, the harness's own clients by [`Authority::pem`].
#[derive(Debug)]
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    key_pem: String,
    folder: TempDir,
}

/// A certificate of an [`Authority`] with its key.
#[derive(Debug)]
pub(crate) struct Leaf {
    certificate: CertificateDer<'static>,
    certificate_pem: String,
    key: KeyPair,
}

impl Authority {
    pub(crate) fn new() -> Arc<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, "the tests' API CA");
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("api-ca.pem"), &pem).unwrap();
        let key_pem = key.serialize_pem();
        Arc::new(Self { issuer: Issuer::new(params, key), pem, key_pem, folder })
    }

    /// Its root as PEM text.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// Its key, for a CA of another program that is to issue with it.
    pub(crate) fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// A file with its root, there as long as the authority is.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("api-ca.pem")
    }

    /// A leaf for these DNS names and addresses.
    pub(crate) fn leaf(&self, names: &[&str]) -> Leaf {
        self.sign(CertificateParams::new(owned(names)).unwrap())
    }

    /// A leaf that is valid from `from` until `until`.
    pub(crate) fn leaf_valid(&self, names: &[&str], from: SystemTime, until: SystemTime) -> Leaf {
        let mut params = CertificateParams::new(owned(names)).unwrap();
        (params.not_before, params.not_after) = (from.into(), until.into());
        self.sign(params)
    }

    fn sign(&self, mut params: CertificateParams) -> Leaf {
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Leaf { certificate_pem: certificate.pem(), certificate: certificate.into(), key }
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

impl Leaf {
    pub(crate) fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    pub(crate) fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// Writes `NAME.pem` and `NAME.key` into `folder`.
    pub(crate) fn write(&self, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        let (certificate, key) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
        std::fs::write(&certificate, &self.certificate_pem).unwrap();
        std::fs::write(&key, self.key_pem()).unwrap();
        (certificate, key)
    }

    /// A TLS server that presents it.
    pub(crate) fn server(&self, protocols: &[&str]) -> Arc<rustls::ServerConfig> {
        let key = PrivateKeyDer::try_from(self.key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.clone()], key)
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}
