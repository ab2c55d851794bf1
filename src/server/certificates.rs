//! Certificates, composed: from the configuration to a TLS acceptor, and the tasks that keep the certificate.

use std::error::Error as StdError;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::warn;

use super::keeping::{Acme, Keeper, Keeping, Own, Wanted};
use super::{Error, bind};
use crate::acme::{ChallengeKind, ExternalAccount, HttpTransport, transport};
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Certificates, Config, Security};
use crate::entropy::SystemEntropy;
use crate::http::redirect::ToHttps;
use crate::http::{self, Gate, Guard, HostPolicy, Plain, Router, Terms};
use crate::metrics;
use crate::names::Identifier;
use crate::provision::{
    self, Authority, Challenges, Ephemeral, HttpListener, Parts, Provisioner, SystemLookup, date_and_distance,
};
use crate::shutdown::Shutdown;
use crate::store::{FileStore, MemoryStore, Store};
use crate::tls::{self, Acceptor, PairFiles, Resolver};
use crate::x509::Pair;

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
    /// Port 80.
    redirect: Option<TcpListener>,
}

/// What the configuration asks for; none: plain HTTP. `acme_listener` is the one for HTTP-01, if it is bound
/// already.
pub(super) async fn prepare(
    config: &Config,
    acme_listener: Option<TcpListener>,
    metrics: &Arc<metrics::Certificates>,
) -> Result<Option<Secured>, Error> {
    match config.security()? {
        Security::Plain => Ok(None),
        Security::OwnPair { cert, key } => own(config, PairFiles { cert, key }, metrics).await.map(Some),
        Security::Acme { .. } => acme(config, acme_listener, metrics).await.map(Some),
    }
}

async fn own(
    config: &Config,
    files: PairFiles,
    metrics: &Arc<metrics::Certificates>,
) -> Result<Secured, Error> {
    let pair = read_pair(&files).await?;
    tell_own(&pair, &config.certificates.domains);
    metrics.serves(pair.leaf().not_after());
    let resolver = Arc::new(Resolver::new(&pair));
    let acceptor = acceptor(&resolver, &Arc::default(), config)?;
    let (_, gate) = watch::channel(Gate::Open);
    let until = date_and_distance(pair.leaf().not_after(), SystemClock.system());
    let summary = format!("{}, valid until {until}; renewing it is yours", files.cert.display());
    let keeper =
        Keeper::Own(Own { files, resolver, served: pair.chain().clone(), metrics: Arc::clone(metrics) });
    Ok(Secured { acceptor, challenges: Challenges::new(), gate, summary, keeper, redirect: None })
}

/// The operator's own pair as it is now.
pub(super) async fn read_pair(files: &PairFiles) -> Result<Pair, Error> {
    let reading = files.clone();
    let loaded = tokio::task::spawn_blocking(move || reading.load()).await;
    let wrong = |cause: String| Error::Run {
        what: "the certificate cannot be used".to_owned(),
        cause,
        help: "give the chain (PEM, leaf first) with --tls-cert and its unencrypted key with --tls-key"
            .to_owned(),
    };
    loaded.map_err(|error| wrong(error.to_string()))?.map_err(|error| wrong(chain(&error)))
}

/// What is to be kept by another configuration; none: plain HTTP.
pub(super) fn wanted(config: &Config) -> Result<Option<Wanted>, Error> {
    Ok(match config.security()? {
        Security::Plain => None,
        Security::OwnPair { cert, key } => Some(Wanted::Own(PairFiles { cert, key })),
        Security::Acme { .. } => Some(Wanted::Acme(Box::new(options_of(config)?))),
    })
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

async fn acme(
    config: &Config,
    listener: Option<TcpListener>,
    metrics: &Arc<metrics::Certificates>,
) -> Result<Secured, Error> {
    let (options, store) = parts_of(config).await?;
    let listener = match listener {
        Some(listener) => Some(listener),
        None => redirect_listener(config)?,
    };
    acme_with(options, Arc::new(store), config, listener, metrics).await
}

/// For one order whose account and certificate are gone with the process.
pub(super) async fn prepare_rehearsal(config: &Config) -> Result<Secured, Error> {
    let (mut options, _) = parts_of(config).await?;
    options.ephemeral = Ephemeral::Allowed;
    options.authorities.truncate(1);
    let listener = redirect_listener(config)?;
    acme_with(options, Arc::new(MemoryStore::new()), config, listener, &Arc::default()).await
}

async fn acme_with(
    options: provision::Options,
    store: Arc<dyn Store>,
    config: &Config,
    listener: Option<TcpListener>,
    metrics: &Arc<metrics::Certificates>,
) -> Result<Secured, Error> {
    let stand_in =
        tls::self_signed(&options.names, SystemClock.system()).map_err(|error| tls_failed(&error))?;
    let resolver = Arc::new(Resolver::new(&stand_in));
    let tls_challenges = Arc::new(tls::Challenges::new());
    let acceptor = acceptor(&resolver, &tls_challenges, config)?;
    let (gate, watched) = watch::channel(closed(&options.names));
    let challenges = Challenges::new();
    let parts = Parts {
        store,
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
    let provisioner = Box::new(Provisioner::open(options.clone(), parts.clone()).await?);
    let summary = provisioner.summary();
    let keeper = Keeper::Acme(Acme { provisioner, options, parts });
    Ok(Secured { acceptor, challenges, gate: watched, summary, keeper, redirect: listener })
}

/// The gate while the first certificate is waited for.
pub(super) fn closed(names: &[Identifier]) -> Gate {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let reason = format!("waiting for the certificate of {}", names.join(", "));
    Gate::Closed { reason, retry_after: RETRY_AFTER }
}

/// Whether a CA is to be asked for certificates.
pub(super) fn wants_acme(config: &Config) -> bool {
    matches!(config.security(), Ok(Security::Acme { .. }))
}

/// The provisioner's options and the store, of the server and of `docquay cert`.
pub(crate) async fn parts_of(config: &Config) -> Result<(provision::Options, FileStore), Error> {
    let options = options_of(config)?;
    let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy::new()));
    let folder = &config.certificates.folder;
    let store = FileStore::open(folder, clock, entropy).await.map_err(|error| Error::Run {
        what: error.what(),
        cause: error.cause(),
        help: error.help(),
    })?;
    Ok((options, store))
}

fn options_of(config: &Config) -> Result<provision::Options, Error> {
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
    Ok(provision::Options {
        names: certificates.domains.clone(),
        authorities: authorities.collect(),
        contact: certificates.email.iter().map(|address| format!("mailto:{address}")).collect(),
        terms_agreed: certificates.agree_tos,
        profile: certificates.profile.clone(),
        preferred_chain: certificates.preferred_chain.clone(),
        challenge: certificates.challenge,
        ephemeral: if certificates.ephemeral || is_private { Ephemeral::Allowed } else { Ephemeral::Refused },
    })
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
    /// Obtains a certificate once. `port_80`: how that is served, if it is.
    pub(super) async fn renew(
        self,
        port_80: Arc<Terms>,
        tasks: &mut JoinSet<()>,
        shutdown: &Shutdown,
    ) -> Result<(), Error> {
        let Keeper::Acme(Acme { mut provisioner, .. }) = self.keeper else { return Ok(()) };
        if let Some(listener) = self.redirect {
            let (_, terms) = watch::channel(port_80);
            tasks.spawn(http::serve_on_terms(listener, Plain, terms, shutdown.clone()));
        }
        Ok(provisioner.renew_now().await?)
    }

    /// Starts what keeps the certificate; gives the way to it. `port_80`: how that is served, if it is.
    pub(super) fn keep(
        self,
        port_80: watch::Receiver<Arc<Terms>>,
        tasks: &mut JoinSet<()>,
        shutdown: &Shutdown,
    ) -> Keeping {
        if let Some(listener) = self.redirect {
            tasks.spawn(http::serve_on_terms(listener, Plain, port_80, shutdown.clone()));
        }
        Keeping::start(self.keeper, tasks, shutdown)
    }
}

/// Port 80: the challenge path, and for everything else the way to https at `base`.
pub(super) fn port_80(
    challenges: &Challenges,
    base: &str,
    guard: Arc<dyn Guard>,
    limits: &http::Limits,
) -> Arc<Terms> {
    let router = Router::new(vec![challenges.route()], HostPolicy::default()).with_guard(guard);
    let router = Arc::new(router.with_fallback(Arc::new(ToHttps::new(base))));
    Arc::new(Terms { router, limits: limits.clone() })
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
