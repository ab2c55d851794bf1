//! A Store and a Transport that count their calls, and may end the process at one of them.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use docquay::acme::{self, Transport};
use docquay::secret::Secret;
use docquay::store::{Answer, CertificateName, Durability, Key, Lease, PublishedFiles, Store};
use docquay::x509::Pair;
use http::Request;

/// The calls so far, each counted twice: when it comes and when it is done.
#[derive(Debug)]
pub(super) struct Calls {
    count: AtomicUsize,
    abort_at: Option<usize>,
}

#[derive(Debug)]
pub(super) struct CountedStore {
    inner: Arc<dyn Store>,
    calls: Arc<Calls>,
    /// The paths of the keys that are leased.
    leased: Arc<Mutex<HashSet<String>>>,
}

#[derive(Debug)]
pub(super) struct CountedTransport {
    inner: Arc<dyn Transport>,
    calls: Arc<Calls>,
}

impl Calls {
    pub(super) fn until(abort_at: Option<usize>) -> Arc<Self> {
        Arc::new(Self { count: AtomicUsize::new(0), abort_at })
    }

    fn count(&self, what: &str) {
        let number = self.count.fetch_add(1, Ordering::SeqCst) + 1;
        if self.abort_at == Some(number) {
            eprintln!("aborts at {number}: {what}");
            std::process::abort();
        }
    }

    async fn counted<T>(&self, what: String, call: impl Future<Output = T>) -> T {
        self.count(&format!("before {what}"));
        let done = call.await;
        self.count(&format!("after {what}"));
        done
    }
}

impl CountedStore {
    pub(super) fn new(inner: impl Store, calls: &Arc<Calls>) -> Self {
        Self { inner: Arc::new(inner), calls: Arc::clone(calls), leased: Arc::default() }
    }

    /// Who writes must have the lease; a write without it ends the test.
    fn demand_lease(&self, key: &Key) {
        if !self.leased.lock().unwrap_or_else(PoisonError::into_inner).contains(&key.path()) {
            eprintln!("{key} is written without its lease");
            std::process::exit(3);
        }
    }
}

impl Store for CountedStore {
    fn load<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Secret>> {
        Box::pin(self.calls.counted(format!("load of {key}"), self.inner.load(key)))
    }

    fn save<'a>(&'a self, key: &'a Key, content: Secret) -> Answer<'a, ()> {
        self.demand_lease(key);
        Box::pin(self.calls.counted(format!("save of {key}"), self.inner.save(key, content)))
    }

    fn set_aside<'a>(&'a self, key: &'a Key) -> Answer<'a, String> {
        self.demand_lease(key);
        Box::pin(self.calls.counted(format!("set_aside of {key}"), self.inner.set_aside(key)))
    }

    fn lease<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Lease>> {
        Box::pin(async move {
            let lease = self.calls.counted(format!("lease of {key}"), self.inner.lease(key)).await?;
            Ok(lease.map(|inner| {
                let path = key.path();
                self.leased.lock().unwrap_or_else(PoisonError::into_inner).insert(path.clone());
                Lease::new(Leased { path, leased: Arc::clone(&self.leased), _inner: inner })
            }))
        })
    }

    fn probe(&self) -> Answer<'_, Durability> {
        Box::pin(self.calls.counted("probe".to_owned(), self.inner.probe()))
    }

    fn publish<'a>(&'a self, name: &'a CertificateName, pair: &'a Pair) -> Answer<'a, ()> {
        self.demand_lease(&Key::certificate(name.clone()));
        Box::pin(self.calls.counted("publish".to_owned(), self.inner.publish(name, pair)))
    }

    fn published<'a>(&'a self, name: &'a CertificateName) -> Answer<'a, PublishedFiles> {
        Box::pin(self.calls.counted("published".to_owned(), self.inner.published(name)))
    }

    fn place(&self, key: &Key) -> PathBuf {
        self.inner.place(key)
    }

    fn published_paths(&self, name: &CertificateName) -> Option<(PathBuf, PathBuf)> {
        self.inner.published_paths(name)
    }
}

struct Leased {
    path: String,
    leased: Arc<Mutex<HashSet<String>>>,
    _inner: Lease,
}

impl Drop for Leased {
    fn drop(&mut self) {
        self.leased.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.path);
    }
}

impl CountedTransport {
    pub(super) fn new(inner: impl Transport, calls: &Arc<Calls>) -> Self {
        Self { inner: Arc::new(inner), calls: Arc::clone(calls) }
    }
}

impl Transport for CountedTransport {
    fn send<'a>(&'a self, request: Request<Bytes>) -> acme::transport::Answer<'a> {
        let what = format!("{} {}", request.method(), request.uri().path());
        Box::pin(self.calls.counted(what, self.inner.send(request)))
    }
}
