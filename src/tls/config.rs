//! The two configurations of rustls: one for clients, one for the CA's validation.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::{NoServerSessionStorage, ResolvesServerCert};

use super::{Challenges, Error, ErrorKind, Resolver};

/// The protocol of TLS-ALPN-01 (RFC 8737 §6.2).
pub(super) const ACME_TLS: &[u8] = b"acme-tls/1";

/// For clients: TLS 1.2 and 1.3, `h2` before `http/1.1`.
///
/// Sessions resume by tickets that hold no certificate, and rustls asks the resolver in every handshake: a full
/// one sees what is installed at that moment.
pub(super) fn normal(resolver: Arc<Resolver>) -> Result<Arc<ServerConfig>, Error> {
    let mut config = with(resolver)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ticketer = ring::Ticketer::new().map_err(|error| Error::new(ErrorKind::Config, error))?;
    Ok(Arc::new(config))
}

/// For validations: `acme-tls/1` and nothing else. Never resumed: a resumed handshake shows no certificate.
pub(super) fn challenge(challenges: Arc<Challenges>) -> Result<Arc<ServerConfig>, Error> {
    let mut config = with(challenges)?;
    config.alpn_protocols = vec![ACME_TLS.to_vec()];
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// What both share. Nothing is kept between connections in memory.
fn with(resolver: Arc<dyn ResolvesServerCert>) -> Result<ServerConfig, Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::new(ErrorKind::Config, error))?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}
