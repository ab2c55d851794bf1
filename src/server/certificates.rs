//! Certificates, composed: from the configuration to a TLS acceptor, and the tasks that keep the certificate.

use std::error::Error as StdError;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::{Error, bind};
use crate::acme::{ChallengeKind, ExternalAccount, HttpTransport, transport};
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Certificates, Config, Security};
use crate::entropy::SystemEntropy;
use crate::http::redirect::ToHttps;
use crate::http::{self, Gate, Guard, HostPolicy, Plain, Router};
use crate::metrics;
use crate::names::Identifier;
use crate::provision::{
    self, Authority, Challenges, Ephemeral, HttpListener, Parts, Provisioner, SystemLookup, Wake,
    date_and_distance,
};
use crate::shutdown::Shutdown;
use crate::store::FileStore;
use crate::tls::{self, Acceptor, PairFiles, Resolver};
use crate::x509::{Chain, Pair};

/// TLS, ready to serve.
#[derive(Debug)]
pub(super) struct Secured {
    pub(super) acceptor: Acceptor,
    /// For the table of every listener.
    pub(super) challenges: Challenges,
    pub(super) gate: watch::Receiver<Gate>,
    /// For the banner.
    pub(super) summary: String,
    keeper: Keeper,
}

#[derive(Debug)]
enum Keeper {
    Own { files: PairFiles, resolver: Arc<Resolver>, served: Box<Chain>, metrics: Arc<metrics::Certificates> },
    Acme { provisioner: Box<Provisioner>, redirect: Option<TcpListener>, base: String },
}

/// Has the certificate looked at again, on SIGHUP.
#[derive(Clone, Debug)]
pub(super) enum Look {
    Own(Arc<Notify>),
    Acme(Wake),
}

impl Look {
    pub(super) fn again(&self) {
        match self {
            Self::Own(notify) => notify.notify_one(),
            Self::Acme(wake) => wake.now(),
        }
    }
}

/// What the configuration asks for; none: plain HTTP. `base` is how clients reach the server.
pub(super) async fn prepare(
    config: &Config,
    base: &str,
    metrics: &Arc<metrics::Certificates>,
) -> Result<Option<Secured>, Error> {
    match config.security()? {
        Security::Plain => Ok(None),
        Security::OwnPair { cert, key } => own(config, PairFiles { cert, key }, metrics).await.map(Some),
        Security::Acme { .. } => acme(config, base, metrics).await.map(Some),
    }
}

async fn own(
    config: &Config,
    files: PairFiles,
    metrics: &Arc<metrics::Certificates>,
) -> Result<Secured, Error> {
    let reading = files.clone();
    let loaded = tokio::task::spawn_blocking(move || reading.load()).await;
    let wrong = |cause: String| Error::Run {
        what: "the certificate cannot be used".to_owned(),
        cause,
        help: "give the chain (PEM, leaf first) with --tls-cert and its unencrypted key with --tls-key"
            .to_owned(),
    };
    let pair = loaded.map_err(|error| wrong(error.to_string()))?.map_err(|error| wrong(chain(&error)))?;
    tell_own(&pair, &config.certificates.domains);
    metrics.serves(pair.leaf().not_after());
    let resolver = Arc::new(Resolver::new(&pair));
    let acceptor = acceptor(&resolver, &Arc::default(), config)?;
    let (_, gate) = watch::channel(Gate::Open);
    let until = date_and_distance(pair.leaf().not_after(), SystemClock.system());
    let summary = format!("{}, valid until {until}; renewing it is yours", files.cert.display());
    let keeper =
        Keeper::Own { files, resolver, served: Box::new(pair.chain().clone()), metrics: Arc::clone(metrics) };
    Ok(Secured { acceptor, challenges: Challenges::new(), gate, summary, keeper })
}

/// What is odd about an own pair is said, and served all the same: its owner may know better.
fn tell_own(pair: &Pair, domains: &[Identifier]) {
    let now = SystemClock.system();
    if let Err(error) = pair.chain().check_validity(now) {
        warn!(%error, "clients will refuse the certificate of tls_cert");
    }
    for name in domains.iter().filter(|name| !pair.leaf().covers(name)) {
        warn!(%name, "the certificate of tls_cert is not for this name");
    }
}

async fn acme(config: &Config, base: &str, metrics: &Arc<metrics::Certificates>) -> Result<Secured, Error> {
    let (options, store) = parts_of(config).await?;
    let listener = redirect_listener(config)?;
    let stand_in =
        tls::self_signed(&options.names, SystemClock.system()).map_err(|error| tls_failed(&error))?;
    let resolver = Arc::new(Resolver::new(&stand_in));
    let tls_challenges = Arc::new(tls::Challenges::new());
    let acceptor = acceptor(&resolver, &tls_challenges, config)?;
    let names: Vec<String> = options.names.iter().map(ToString::to_string).collect();
    let reason = format!("waiting for the certificate of {}", names.join(", "));
    let (gate, watched) = watch::channel(Gate::Closed { reason, retry_after: RETRY_AFTER });
    let challenges = Challenges::new();
    let parts = Parts {
        store: Arc::new(store),
        resolver,
        http_challenges: challenges.clone(),
        tls_challenges,
        http_01: listener
            .as_ref()
            .and_then(|listener| listener.local_addr().ok())
            .map_or(HttpListener::Closed, HttpListener::Bound),
        lookup: Arc::new(SystemLookup),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy::new()),
        metrics: Arc::clone(metrics),
        gate,
    };
    let provisioner = Box::new(Provisioner::open(options, parts).await?);
    let summary = provisioner.summary();
    let keeper = Keeper::Acme { provisioner, redirect: listener, base: base.to_owned() };
    Ok(Secured { acceptor, challenges, gate: watched, summary, keeper })
}

/// The provisioner's options and the store, of the server and of `docquay cert`.
pub(crate) async fn parts_of(config: &Config) -> Result<(provision::Options, FileStore), Error> {
    let certificates = &config.certificates;
    let ca_pem = certificates.ca_file.as_deref().map(|path| read(path, "acme_ca_file")).transpose()?;
    // A root of one's own says nothing of Let's Encrypt, nor of another CA to fall back on.
    let only_ca = certificates.directory.is_some() && certificates.fallback_directory.is_none();
    let is_private = ca_pem.is_some() && only_ca;
    let proxy = config.outbound_proxy.clone();
    let reaching = transport::Options { ca_pem, proxy, ..transport::Options::default() };
    let transport = HttpTransport::new(&reaching).map_err(|error| Error::Run {
        what: "cannot make the HTTP client for the CA".to_owned(),
        cause: chain(&error),
        help: "acme_ca_file must hold a certificate in PEM".to_owned(),
    })?;
    let transport: Arc<dyn crate::acme::Transport> = Arc::new(transport);
    let external_account = external_account(certificates)?;
    let directories = [Some(certificates.directory().to_owned()), certificates.fallback_directory.clone()];
    let authorities = directories.into_iter().flatten().map(|directory| Authority {
        directory,
        transport: Arc::clone(&transport),
        external_account: external_account.clone(),
    });
    let options = provision::Options {
        names: certificates.domains.clone(),
        authorities: authorities.collect(),
        contact: certificates.email.iter().map(|address| format!("mailto:{address}")).collect(),
        terms_agreed: certificates.agree_tos,
        profile: certificates.profile.clone(),
        preferred_chain: certificates.preferred_chain.clone(),
        challenge: certificates.challenge,
        ephemeral: if certificates.ephemeral || is_private { Ephemeral::Allowed } else { Ephemeral::Refused },
    };
    let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy::new()));
    let store = FileStore::open(&certificates.folder, clock, entropy).await.map_err(|error| Error::Run {
        what: error.what(),
        cause: error.cause(),
        help: error.help(),
    })?;
    Ok((options, store))
}

fn external_account(certificates: &Certificates) -> Result<Option<ExternalAccount>, Error> {
    let (Some(kid), Some(file)) = (&certificates.eab_kid, &certificates.eab_hmac_key_file) else {
        return Ok(None);
    };
    let key = read(file, "eab_hmac_key_file")?;
    let key = String::from_utf8_lossy(&key);
    ExternalAccount::new(kid, key.trim()).map(Some).map_err(|error| {
        Error::Config(config::Error {
            what: format!("eab_hmac_key_file {} cannot be used", file.display()),
            cause: error.to_string(),
            help: "put the HMAC key there as the CA shows it, in base64url, and nothing else".to_owned(),
        })
    })
}

fn read(path: &Path, key: &str) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|error| {
        Error::Config(config::Error {
            what: format!("cannot read {key} {}", path.display()),
            cause: error.to_string(),
            help: "check the path and the file's permissions".to_owned(),
        })
    })
}

/// The listener for HTTP-01 and redirects; none where it is not wanted, or another challenge type can do.
fn redirect_listener(config: &Config) -> Result<Option<TcpListener>, Error> {
    let wanted = config.certificates.challenge;
    if wanted == Some(ChallengeKind::TlsAlpn01) {
        return Ok(None);
    }
    let address = SocketAddr::new(config.address().ip(), config.certificates.acme_port);
    match bind::bind_acme(address) {
        Ok(listener) => Ok(Some(listener)),
        Err(error) if wanted == Some(ChallengeKind::Http01) => Err(error),
        Err(error) => {
            warn!(cause = %error, "port {} is not served: TLS-ALPN-01 alone, and no redirect for browsers", address.port());
            Ok(None)
        }
    }
}

fn acceptor(
    resolver: &Arc<Resolver>,
    challenges: &Arc<tls::Challenges>,
    config: &Config,
) -> Result<Acceptor, Error> {
    Acceptor::new(Arc::clone(resolver), Arc::clone(challenges), config.tls.clone())
        .map_err(|error| tls_failed(&error))
}

fn tls_failed(error: &tls::Error) -> Error {
    Error::Run {
        what: "TLS cannot be set up".to_owned(),
        cause: chain(error),
        help: "the system's random generator or its clock is of no use; see to them".to_owned(),
    }
}

impl Secured {
    /// Obtains a certificate once.
    pub(super) async fn renew(
        self,
        limits: &http::Limits,
        tasks: &mut JoinSet<()>,
        shutdown: &Shutdown,
    ) -> Result<(), Error> {
        let Keeper::Acme { mut provisioner, redirect, base } = self.keeper else { return Ok(()) };
        let port_80 = port_80(&self.challenges, &base);
        serve_port_80(redirect, port_80, limits, tasks, shutdown);
        Ok(provisioner.renew_now().await?)
    }

    /// Starts what keeps the certificate; gives what SIGHUP wakes. `guard` knows the proxies, on port 80 too.
    pub(super) fn keep(
        self,
        limits: &http::Limits,
        guard: Arc<dyn Guard>,
        tasks: &mut JoinSet<()>,
        shutdown: &Shutdown,
    ) -> Look {
        let shutdown = shutdown.clone();
        match self.keeper {
            Keeper::Own { files, resolver, served, metrics } => {
                let wake = Arc::<Notify>::default();
                let look = Look::Own(Arc::clone(&wake));
                tasks.spawn(warn_of_end(Arc::clone(&metrics), shutdown.clone()));
                tasks.spawn(async move {
                    let install = |pair: Pair| {
                        let until = date_and_distance(pair.leaf().not_after(), SystemClock.system());
                        info!(
                            valid_until = until,
                            "the certificate of tls_cert changed; the new one is served"
                        );
                        metrics.serves(pair.leaf().not_after());
                        resolver.install(&pair);
                    };
                    files.watch(*served, LOOK_EVERY, &wake, shutdown, install).await;
                });
                look
            }
            Keeper::Acme { provisioner, redirect, base } => {
                let port_80 = port_80(&self.challenges, &base).with_guard(guard);
                serve_port_80(redirect, port_80, limits, tasks, &shutdown);
                let look = Look::Acme(provisioner.wake());
                tasks.spawn(async move { provisioner.run(shutdown).await });
                look
            }
        }
    }
}

/// An own pair is its owner's to renew; that it ends is told while there is time.
async fn warn_of_end(metrics: Arc<metrics::Certificates>, shutdown: Shutdown) {
    loop {
        let now = SystemClock.system();
        if let Some(not_after) = metrics.not_after().filter(|not_after| *not_after < now + NOTICE) {
            warn!(
                valid_until = date_and_distance(not_after, now),
                "the certificate of tls_cert is about to end"
            );
        }
        tokio::select! {
            () = tokio::time::sleep(DAY) => {}
            () = shutdown.draining() => return,
        }
    }
}

/// The challenge path, and for everything else the way to https.
fn port_80(challenges: &Challenges, base: &str) -> Router {
    let router = Router::new(vec![challenges.route()], HostPolicy::default());
    router.with_fallback(Arc::new(ToHttps::new(base)))
}

fn serve_port_80(
    listener: Option<TcpListener>,
    router: Router,
    limits: &http::Limits,
    tasks: &mut JoinSet<()>,
    shutdown: &Shutdown,
) {
    let Some(listener) = listener else { return };
    tasks.spawn(http::serve(listener, Plain, Arc::new(router), limits.clone(), shutdown.clone()));
}

/// An error with its causes.
pub(crate) fn chain(error: &dyn StdError) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(deeper) = source {
        words.push_str(&format!(": {deeper}"));
        source = deeper.source();
    }
    words
}

const RETRY_AFTER: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_secs(30);
const DAY: Duration = Duration::from_secs(24 * 3_600);
/// From this long before its end, an own pair is warned of, once a day.
const NOTICE: Duration = Duration::from_secs(14 * 24 * 3_600);
