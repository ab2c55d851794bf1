//! TLS and HTTP as the tests' own clients speak them: no pool, no redirects, no retries, nothing hidden.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How long one exchange of a test's own client may take before it counts as failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Anything a client fails with, in words.
pub(crate) type Failure = String;

/// A whole answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// A TLS client that trusts the roots of `root_pem` alone, offers `protocols` by ALPN and never resumes a session:
/// each connection is a full handshake that shows the certificate anew.
pub(crate) fn client(root_pem: &str, protocols: &[&str]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(root_pem.as_bytes()) {
        roots.add(certificate.unwrap()).unwrap();
    }
    assert!(!roots.is_empty(), "no certificate in {root_pem:?}");
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    config.resumption = Resumption::disabled();
    Arc::new(config)
}

/// The same, and it takes any certificate whose key signed the handshake.
pub(crate) fn credulous_client(protocols: &[&str]) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Credulous(provider)))
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    config.resumption = Resumption::disabled();
    Arc::new(config)
}

#[derive(Debug)]
struct Credulous(Arc<CryptoProvider>);

impl ServerCertVerifier for Credulous {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Connects to `address` and makes the handshake for `name` (a DNS name or an address).
pub(crate) async fn connect(
    address: SocketAddr,
    name: &str,
    config: &Arc<ClientConfig>,
) -> Result<TlsStream<TcpStream>, Failure> {
    let name = ServerName::try_from(name.to_owned()).map_err(|error| format!("name {name}: {error}"))?;
    let tcp = connect_tcp(address).await?;
    within("handshake", TlsConnector::from(Arc::clone(config)).connect(name, tcp)).await
}

pub(crate) async fn connect_tcp(address: SocketAddr) -> Result<TcpStream, Failure> {
    let tcp = within("connect", TcpStream::connect(address)).await?;
    tcp.set_nodelay(true).map_err(|error| format!("nodelay: {error}"))?;
    Ok(tcp)
}

/// One HTTP/1.1 exchange over `stream`, which is closed after it.
pub(crate) async fn exchange<S>(stream: S, mut request: Request<Full<Bytes>>) -> Result<Answer, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    request.headers_mut().insert("connection", "close".parse().unwrap());
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| describe("http", &error))?;
    let driver = tokio::spawn(connection);
    let answer = ask(&mut sender, request).await;
    driver.abort();
    answer
}

/// One exchange over a connection that stays open.
pub(crate) async fn ask(
    sender: &mut hyper::client::conn::http1::SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> Result<Answer, Failure> {
    whole(within("request", sender.send_request(request)).await?).await
}

/// The same over HTTP/2.
pub(crate) async fn ask_http2(
    sender: &mut hyper::client::conn::http2::SendRequest<Full<Bytes>>,
    mut request: Request<Full<Bytes>>,
) -> Result<Answer, Failure> {
    // RFC 9113 §8.3.1: the authority stands in its own field, and Host is left out.
    let host = request.headers_mut().remove("host").unwrap();
    let uri = format!("https://{}{}", host.to_str().unwrap(), request.uri());
    *request.uri_mut() = uri.parse().unwrap();
    whole(within("request", sender.send_request(request)).await?).await
}

async fn whole(response: http::Response<Incoming>) -> Result<Answer, Failure> {
    let (head, body) = response.into_parts();
    let body = within("body", body.collect()).await?.to_bytes();
    Ok(Answer { status: head.status, headers: head.headers, body })
}

/// GET `https://NAME:PORT/path` at `address`, trusting `root_pem`.
pub(crate) async fn get(
    address: SocketAddr,
    name: &str,
    path: &str,
    root_pem: &str,
) -> Result<Answer, Failure> {
    let stream = connect(address, name, &client(root_pem, &["http/1.1"])).await?;
    exchange(stream, request("GET", &format!("{name}:{}", address.port()), path, "")).await
}

/// GET `http://ADDRESS/path`.
pub(crate) async fn get_plain(address: SocketAddr, path: &str) -> Result<Answer, Failure> {
    exchange(connect_tcp(address).await?, request("GET", &address.to_string(), path, "")).await
}

/// A request with a Host field, in origin form.
pub(crate) fn request(method: &str, host: &str, path: &str, body: &str) -> Request<Full<Bytes>> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", host)
        .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
        .unwrap()
}

async fn within<T, E: std::error::Error>(
    what: &str,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(done) => done.map_err(|error| describe(what, &error)),
        Err(_) => Err(format!("{what}: nothing for {PATIENCE:?}")),
    }
}

/// An error with its causes.
pub(crate) fn describe(what: &str, error: &dyn std::error::Error) -> Failure {
    let mut text = format!("{what}: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
