//! A client of docquay: what certificate is served, one request, and the judgement of openssl.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use bytes::Bytes;
use docquay::x509::Certificate;
use http::Request;
use http_body_util::Full;
use rustls::ClientConfig;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};

use super::process::command;
use super::wire::{self, Answer, Failure};

/// A server as a client sees it.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    /// For SNI, the certificate and Host.
    pub(crate) name: String,
    /// `None`: plain HTTP.
    tls: Option<Arc<ClientConfig>>,
}

/// What a full handshake showed. The chain was verified against the target's roots and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Served {
    /// Of the leaf: hex without leading zeros, as Pebble logs it.
    pub(crate) serial: String,
    /// The leaf first; DER.
    pub(crate) chain: Vec<Vec<u8>>,
    pub(crate) protocol: Option<String>,
}

/// A connection of either kind.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Target {
    /// Over TLS, trusting `root_pem` alone.
    pub(crate) fn https(address: SocketAddr, name: &str, root_pem: &str) -> Self {
        Self { address, name: name.to_owned(), tls: Some(wire::client(root_pem, &["http/1.1"])) }
    }

    /// Over TLS, taking any certificate: what a stand-in shows that nobody vouches for.
    pub(crate) fn trusting_anyone(address: SocketAddr, name: &str) -> Self {
        Self { address, name: name.to_owned(), tls: Some(wire::credulous_client(&["http/1.1"])) }
    }

    pub(crate) fn http(address: SocketAddr) -> Self {
        Self { address, name: address.ip().to_string(), tls: None }
    }

    /// The same, with other protocols offered by ALPN.
    pub(crate) fn offering(mut self, protocols: &[&str]) -> Self {
        let mut config = ClientConfig::clone(self.tls.as_deref().unwrap());
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        self.tls = Some(Arc::new(config));
        self
    }

    /// A full handshake, and nothing after it.
    pub(crate) async fn handshake(&self) -> Result<Served, Failure> {
        let stream = wire::connect(self.address, &self.name, self.tls.as_ref().unwrap()).await?;
        let (_, session) = stream.get_ref();
        let chain: Vec<Vec<u8>> =
            session.peer_certificates().unwrap_or_default().iter().map(|der| der.to_vec()).collect();
        let leaf = chain.first().ok_or("no certificate")?;
        let protocol = session.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
        Ok(Served { serial: serial_hex(leaf), protocol, chain })
    }

    /// A new connection, with a full handshake if it is over TLS.
    pub(crate) async fn connect(&self) -> Result<Box<dyn Stream>, Failure> {
        Ok(match &self.tls {
            None => Box::new(wire::connect_tcp(self.address).await?),
            Some(config) => Box::new(wire::connect(self.address, &self.name, config).await?),
        })
    }

    /// One request on a connection of its own.
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Result<Answer, Failure> {
        wire::exchange(self.connect().await?, request).await
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Answer, Failure> {
        self.send(self.request("GET", path, &[], "")).await
    }

    /// An MCP request of the modern era, which needs no session; the answer's `result`.
    pub(crate) async fn mcp(&self, method: &str) -> Result<Value, Failure> {
        result_of(&self.send(self.mcp_request(method)).await?)
    }

    pub(crate) fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Request<Full<Bytes>> {
        let mut request = wire::request(method, &self.host(), path, body);
        for (name, value) in headers {
            let name = http::HeaderName::try_from(*name).unwrap();
            request.headers_mut().append(name, value.parse().unwrap());
        }
        request
    }

    pub(crate) fn mcp_request(&self, method: &str) -> Request<Full<Bytes>> {
        let headers = [
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
            ("mcp-protocol-version", MODERN),
            ("mcp-method", method),
        ];
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": {"_meta": meta}});
        self.request("POST", "/mcp", &headers, &body.to_string())
    }

    /// What stands in Host.
    fn host(&self) -> String {
        let name = if self.name.contains(':') { format!("[{}]", self.name) } else { self.name.clone() };
        format!("{name}:{}", self.address.port())
    }
}

const MODERN: &str = "2026-07-28";

/// The `result` of an answer to an MCP request; anything else is a failure in words.
pub(crate) fn result_of(answer: &Answer) -> Result<Value, Failure> {
    let text = answer.text();
    if answer.status != 200 {
        return Err(format!("status {}: {text}", answer.status));
    }
    let message: Value = serde_json::from_slice(&answer.body).map_err(|error| format!("{error}: {text}"))?;
    message.get("result").cloned().ok_or_else(|| format!("no result: {text}"))
}

/// The serial of a certificate (DER), as Pebble logs it.
pub(crate) fn serial_hex(der: &[u8]) -> String {
    let certificate = Certificate::parse(der.into()).unwrap();
    let octets = certificate.serial().iter().skip_while(|octet| **octet == 0);
    octets.map(|octet| format!("{octet:02x}")).collect()
}

/// The serial of the first certificate of a PEM text.
pub(crate) fn serial_hex_of_pem(pem: &str) -> String {
    use rustls::pki_types::{CertificateDer, pem::PemObject as _};
    serial_hex(&CertificateDer::from_pem_slice(pem.as_bytes()).unwrap())
}

/// The common name of who issued the first certificate of a PEM text.
pub(crate) fn issuer_of_pem(pem: &str) -> String {
    use rustls::pki_types::{CertificateDer, pem::PemObject as _};
    let certificate = Certificate::parse(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
    certificate.issuer_name().unwrap().to_owned()
}

/// `openssl s_client -verify_return_error`: another TLS library's judgement of what is served for `name`, against
/// the roots of `root_file` alone. Runs behind `prefix` if there is one; returns what openssl said, either way.
pub(crate) async fn openssl_verifies(
    prefix: &[String],
    address: SocketAddr,
    name: &str,
    root_file: &Path,
) -> Result<String, Failure> {
    let mut openssl = command(prefix, "openssl");
    openssl.args(["s_client", "-verify_return_error", "-no-CApath", "-no-CAstore", "-CAfile"]);
    openssl.arg(root_file).args(["-connect", &address.to_string()]);
    if name.parse::<std::net::IpAddr>().is_ok() {
        openssl.args(["-verify_ip", name]);
    } else {
        openssl.args(["-servername", name, "-verify_hostname", name]);
    }
    openssl.stdin(Stdio::null());
    tokio::task::spawn_blocking(move || {
        let output = openssl
            .output()
            .unwrap_or_else(|error| panic!("openssl: {error}\nhelp: apt-get install openssl"));
        let text =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if output.status.success() && text.contains("Verify return code: 0 (ok)") {
            Ok(text)
        } else {
            Err(text)
        }
    })
    .await
    .unwrap()
}
