//! A client for a peer that the operator named: any method, https alone, no redirect followed.
//!
//! Unlike [`Client`](super::Client) it takes further roots and reaches private addresses: an internal CA.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use reqwest::redirect::Policy;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::resolve::Anything;
use super::{Error, ErrorKind, Proxy, body, builder};

/// What a [`Direct`] client trusts, and for how long it waits.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DirectOptions {
    /// Roots beside Mozilla's: PEM, every CERTIFICATE block. Default none.
    pub roots_pem: Option<Vec<u8>>,
    /// The proxy to go through. Default none.
    pub proxy: Option<Proxy>,
    /// From the name to a TLS connection. Default 10 s.
    pub connect: Duration,
    /// From the request to the last byte of the answer. Default 150 s.
    pub deadline: Duration,
    /// Longest body of an answer, bytes. Default 1 MiB.
    pub max_bytes: usize,
}

impl Default for DirectOptions {
    fn default() -> Self {
        Self {
            roots_pem: None,
            proxy: None,
            connect: Duration::from_secs(10),
            deadline: Duration::from_secs(150),
            max_bytes: 1 << 20,
        }
    }
}

/// Sends requests over https as they are and hands back answers as they are.
#[derive(Clone, Debug)]
pub struct Direct {
    inner: reqwest::Client,
    proxy: Option<Proxy>,
    deadline: Duration,
    max_bytes: usize,
}

impl Direct {
    /// A client with connections of its own.
    ///
    /// # Errors
    /// [`ErrorKind::Roots`] when `roots_pem` has no certificate or a malformed one; [`ErrorKind::Build`] when the
    /// TLS configuration cannot be made.
    pub fn new(options: &DirectOptions) -> Result<Self, Error> {
        let roots = options.roots_pem.as_deref().map_or_else(|| Ok(Vec::new()), roots)?;
        let inner = builder(roots, options.proxy.as_ref())?
            .https_only(true)
            .redirect(Policy::none())
            .dns_resolver(Anything)
            .connect_timeout(options.connect)
            .build()
            .map_err(|error| Error::new(ErrorKind::Build, error))?;
        Ok(Self {
            inner,
            proxy: options.proxy.clone(),
            deadline: options.deadline,
            max_bytes: options.max_bytes,
        })
    }

    /// Sends one request; every status is an answer. Cancel safe.
    ///
    /// # Errors
    /// When the URL is not https, the server cannot be reached, the answer is too long or ends early, or the
    /// deadline passes.
    pub async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Error> {
        let request =
            reqwest::Request::try_from(request).map_err(|error| Error::new(ErrorKind::Url, error))?;
        if request.url().scheme() != "https" {
            return Err(ErrorKind::Url.into());
        }
        let done = tokio::time::timeout(self.deadline, self.send_now(request)).await;
        let done = done.unwrap_or_else(|late| Err(Error::new(ErrorKind::TimedOut(self.deadline), late)));
        done.map_err(|error| error.through(self.proxy.as_ref()))
    }

    async fn send_now(&self, request: reqwest::Request) -> Result<Response<Bytes>, Error> {
        let mut answer = self.inner.execute(request).await.map_err(Error::from_send)?;
        let (status, headers) = (answer.status(), std::mem::take(answer.headers_mut()));
        let mut response = Response::new(body(answer, self.max_bytes).await?);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }
}

/// The certificates of a PEM text, each fit to be a root.
fn roots(pem: &[u8]) -> Result<Vec<rustls::pki_types::TrustAnchor<'static>>, Error> {
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let refused = |source: Box<dyn std::error::Error + Send + Sync>| Error::new(ErrorKind::Roots, source);
        let certificate = certificate.map_err(|error| refused(error.into()))?;
        store.add(certificate).map_err(|error| refused(error.into()))?;
    }
    if store.is_empty() { Err(ErrorKind::Roots.into()) } else { Ok(store.roots) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(pem: &str) -> DirectOptions {
        DirectOptions { roots_pem: Some(pem.as_bytes().to_vec()), ..DirectOptions::default() }
    }

    #[test]
    fn roots_are_certificates_or_an_error() {
        let key = rcgen::KeyPair::generate().unwrap();
        let pem = rcgen::CertificateParams::default().self_signed(&key).unwrap().pem();
        assert!(Direct::new(&options(&pem)).is_ok());
        assert!(Direct::new(&DirectOptions::default()).is_ok());
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for text in ["", "no certificate", broken, &key.serialize_pem()] {
            assert_eq!(Direct::new(&options(text)).unwrap_err().kind(), ErrorKind::Roots, "{text:?}");
        }
    }

    #[tokio::test]
    async fn only_https_is_sent() {
        let client = Direct::new(&DirectOptions::default()).unwrap();
        for url in ["http://127.0.0.1:9/", "ftp://127.0.0.1/", "/relative"] {
            let request = Request::get(url).body(Bytes::new()).unwrap();
            assert_eq!(client.send(request).await.unwrap_err().kind(), ErrorKind::Url, "{url}");
        }
    }
}
