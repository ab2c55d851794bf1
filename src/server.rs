//! The composition root: the only file that knows every part and hands each its own options.
//!
//! Owns the order of the start (listener, documents, tools, routes), the tasks, and the end. What a
//! part does stands in the part.

mod banner;
mod bind;
pub(crate) mod certificates;
mod error;
mod observe;
mod signals;

use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::clock::SystemClock;
use crate::config::Config;
use crate::docs::{Library, Source, Urls};
use crate::docs_fetch::SourceFetch;
use crate::entropy::SystemEntropy;
use crate::http::{self, Access, Checks, Handler, HostPolicy, Path, Plain, Route, Router};
use crate::mcp::dispatch::Dispatcher;
use crate::mcp::tools::Tools;
use crate::mcp::transport::{self, Hub, sse_legacy, stdio, streamable};
use crate::metrics;
use crate::names::{HostName, Identifier};
use crate::outbound::Client;
use crate::shutdown::{self, Shutdown, Trigger};
use crate::web::{self, Site};
use banner::Banner;
pub(crate) use banner::plural;
use certificates::Look;
pub use error::Error;
use observe::Observed;
use signals::{Signals, Wish};

/// A server that runs. Dropping it drains; [`join`](Self::join) waits for the end.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    metrics_address: Option<SocketAddr>,
    base: String,
    library: Arc<Library>,
    certificate: Option<String>,
    certificates: Arc<metrics::Certificates>,
    look: Option<Look>,
    trigger: Trigger,
    shutdown: Shutdown,
    tasks: JoinSet<()>,
}

impl Running {
    /// Where it listens, with the port that port 0 became.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where `/metrics` is served.
    #[must_use]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_address
    }

    /// How clients reach it, without a slash at its end.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base
    }

    /// Its documents.
    #[must_use]
    pub fn library(&self) -> &Library {
        &self.library
    }

    /// What is counted of its certificate.
    #[must_use]
    pub fn certificates(&self) -> &metrics::Certificates {
        &self.certificates
    }

    /// Starts the drain: running requests finish, streams end, nothing new begins. Idempotent.
    pub fn drain(&self) {
        self.trigger.drain();
    }

    /// Reads the sources again, in a task: what it finds is logged and served, a failure logged. Looks at the
    /// certificate's files too.
    pub fn reload(&mut self) {
        if let Some(look) = &self.look {
            look.again();
        }
        self.tasks.spawn(reload(Arc::clone(&self.library), self.shutdown.clone()));
    }

    /// Completes when everything has ended. Cancel safe.
    pub async fn join(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Binds, reads the documents, and serves in tasks of the current runtime.
///
/// # Errors
/// An address that cannot be bound, a source that cannot be read, a machine that refuses.
pub async fn start(config: Config) -> Result<Running, Error> {
    // What is wrong with the options is told before anything is opened.
    config.security()?;
    let listener = bind::bind(config.address())?;
    start_on(listener, config).await
}

/// Like [`start`], on a listener that is bound already; `bind` and `port` of the config are unused.
///
/// # Errors
/// As for [`start`].
pub async fn start_on(listener: TcpListener, config: Config) -> Result<Running, Error> {
    let address = listener.local_addr().map_err(|error| Error::Run {
        what: "the listener has no address".to_owned(),
        cause: error.to_string(),
        help: "give a bound listener".to_owned(),
    })?;
    let base = base(&config, address);
    let metrics = config.metrics_bind.map(bind::bind_metrics).transpose()?;
    let certificates = Arc::default();
    let (library, secured) =
        tokio::join!(open(&config), certificates::prepare(&config, &base, &certificates));
    let (library, secured) = (Arc::new(library?), secured?);
    let (trigger, shutdown) = shutdown::channel();
    let urls = Urls::new(&base);
    let mut site = Site::new(Arc::clone(&library), urls.clone());
    site.gate = secured.as_ref().map(|secured| secured.gate.clone());
    let site = Arc::new(site);
    let catalog = Arc::new(Tools::new(Arc::clone(&library), observe::tools(&config.log, urls)));
    let dispatcher = Dispatcher::new(Arc::clone(&catalog) as _, config.mcp.clone(), shutdown.clone());
    let hub = hub(&config, Arc::new(dispatcher));

    let mut tasks = JoinSet::new();
    let challenge = secured.as_ref().map(|secured| secured.challenges.route());
    let table = challenge.into_iter().chain(routes(&site, &hub)).collect();
    let mut router = observe::logged(Router::new(table, policy(&config, address)), &config.log);
    let limits = config.http.clone();
    let observed = Observed {
        router: &router,
        hub: &hub,
        tools: &catalog,
        library: &library,
        certificates: &certificates,
    };
    let metrics_address = observed.serve(metrics, &limits, &mut tasks, &shutdown);
    let (certificate, look) = match secured {
        None => {
            tasks.spawn(http::serve(listener, Plain, Arc::new(router), limits, shutdown.clone()));
            (None, None)
        }
        Some(secured) => {
            router = router.with_gate(secured.gate.clone());
            let acceptor = secured.acceptor.clone();
            tasks.spawn(http::serve(listener, acceptor, Arc::new(router), limits, shutdown.clone()));
            (Some(secured.summary.clone()), Some(secured.keep(&config.http, &mut tasks, &shutdown)))
        }
    };
    tasks.spawn(async move { hub.run().await });
    keep_current(&mut tasks, &library, &catalog, &shutdown);
    Ok(Running {
        address,
        metrics_address,
        base,
        library,
        certificate,
        certificates,
        look,
        trigger,
        shutdown,
        tasks,
    })
}

/// Reads the documents as `config` says, with the HTTP client for those at a URL.
///
/// # Errors
/// A source that cannot be read, a machine without what the HTTP client needs.
pub async fn open(config: &Config) -> Result<Library, Error> {
    let mut options = config.docs.clone();
    let named = if config.sources.is_empty() { vec![Source::Manual] } else { config.sources.clone() };
    if options.fetch.is_none() && named.iter().any(|source| matches!(source, Source::Url(_))) {
        let client = Client::new().map_err(|error| Error::Run {
            what: "cannot make the HTTP client for the sources".to_owned(),
            cause: error.to_string(),
            help: "raise the limit of open files: ulimit -n 1024".to_owned(),
        })?;
        options.fetch = Some(Arc::new(SourceFetch::new(client)));
    }
    Ok(Library::open(named, options).await?)
}

/// Serves until a signal says to end, and tells `stderr` how to use it.
///
/// # Errors
/// As for [`start`].
pub async fn serve(config: Config, stderr: &mut io::Stderr) -> Result<(), Error> {
    let mut signals = listen_for_signals()?;
    let sources = config.sources.clone();
    let reload_every = config.docs.reload_every;
    warn_of_exposure(&config);
    let mut running = start(config).await?;
    let library = Arc::clone(&running.library);
    let banner = Banner {
        base: &running.base,
        sources: if sources.is_empty() { &[Source::Manual] } else { &sources },
        index: &library.index(),
        state: &library.state(),
        reload_every,
        certificate: running.certificate.as_deref(),
    };
    // Without a stderr there is nobody to greet.
    let _ = stderr.lock().write_all(banner.render(stderr.is_terminal()).as_bytes());
    info!(address = %running.address, "serving");
    loop {
        tokio::select! {
            wish = signals.next() => match wish {
                Wish::Reload => running.reload(),
                Wish::End(signal) if running.trigger.is_draining() => {
                    warn!(signal, "ending at once");
                    return Ok(());
                }
                Wish::End(signal) => {
                    info!(signal, "ending: running requests may finish; the signal again ends at once");
                    running.drain();
                }
            },
            () = running.join() => return Ok(()),
        }
    }
}

/// Obtains a certificate once, serving nothing but the CA's challenges meanwhile.
///
/// # Errors
/// As for [`start`]; why the CA issued none.
pub async fn renew(config: Config) -> Result<(), Error> {
    let listener = bind::bind(config.address())?;
    let base = base(&config, config.address());
    let Some(secured) = certificates::prepare(&config, &base, &Arc::default()).await? else { return Ok(()) };
    let (trigger, shutdown) = shutdown::channel();
    let mut tasks = JoinSet::new();
    let router = Arc::new(Router::new(vec![secured.challenges.route()], HostPolicy::default()));
    tasks.spawn(http::serve(
        listener,
        secured.acceptor.clone(),
        router,
        config.http.clone(),
        shutdown.clone(),
    ));
    let renewed = secured.renew(&config.http, &mut tasks, &shutdown).await;
    trigger.drain();
    while tasks.join_next().await.is_some() {}
    renewed
}

/// Serves one client over stdin and stdout until its end or a signal.
///
/// # Errors
/// As for [`open`]; a standard stream that fails.
pub async fn stdio(config: Config) -> Result<(), Error> {
    let mut signals = listen_for_signals()?;
    let library = Arc::new(open(&config).await?);
    let (trigger, shutdown) = shutdown::channel();
    // Nothing is served from here: links lead to where the same configuration serves over HTTP.
    let urls = Urls::new(&base(&config, config.address()));
    let catalog = Arc::new(Tools::new(Arc::clone(&library), observe::tools(&config.log, urls)));
    let dispatcher = Dispatcher::new(Arc::clone(&catalog) as _, config.mcp.clone(), shutdown.clone());
    let mut tasks = JoinSet::new();
    keep_current(&mut tasks, &library, &catalog, &shutdown);
    let (input, output) = (tokio::io::stdin(), tokio::io::stdout());
    let mut serving = std::pin::pin!(stdio::serve(Arc::new(dispatcher), input, output, shutdown.clone()));
    let ended = loop {
        tokio::select! {
            ended = &mut serving => break ended,
            wish = signals.next() => match wish {
                Wish::Reload => {
                    tasks.spawn(reload(Arc::clone(&library), shutdown.clone()));
                }
                Wish::End(_) if trigger.is_draining() => return Ok(()),
                Wish::End(_) => trigger.drain(),
            },
        }
    };
    trigger.drain();
    while tasks.join_next().await.is_some() {}
    ended.map_err(|error| Error::Run {
        what: "the client's pipe failed".to_owned(),
        cause: error.to_string(),
        help: "start docquay stdio from an MCP client, or use docquay search".to_owned(),
    })
}

/// The tasks that keep the documents and what is said of them current.
fn keep_current(tasks: &mut JoinSet<()>, library: &Arc<Library>, catalog: &Arc<Tools>, shutdown: &Shutdown) {
    let (library, catalog) = (Arc::clone(library), Arc::clone(catalog));
    let (reading, watching) = (shutdown.clone(), shutdown.clone());
    tasks.spawn(async move { library.run(reading).await });
    tasks.spawn(async move { catalog.watch(watching).await });
}

async fn reload(library: Arc<Library>, shutdown: Shutdown) {
    info!("reading the sources again");
    let read = tokio::select! {
        read = library.reload() => read,
        () = shutdown.draining() => return,
    };
    match read {
        Ok(true) => {
            let index = library.index();
            info!(pages = index.pages().len(), sections = index.section_count(), "the documents changed");
        }
        Ok(false) => info!("the documents are the same"),
        Err(error) => warn!(cause = %error, help = error.help, "the old documents stay"),
    }
}

fn hub(config: &Config, dispatcher: Arc<Dispatcher>) -> Arc<Hub> {
    let options = transport::Options { keep_alive: config.sse_keep_alive, ..transport::Options::default() };
    Arc::new(Hub::new(dispatcher, options, Arc::new(SystemClock), Arc::new(SystemEntropy::new())))
}

/// The table of routes, in one place: path, what it reveals, which headers are judged, who answers.
fn routes(site: &Arc<Site>, hub: &Arc<Hub>) -> Vec<Route> {
    let protocol = |path, handler| Route {
        path: Path::Exact(path),
        access: Access::Documents,
        checks: Checks::HostAndOrigin,
        handler,
    };
    let endpoint = streamable::Endpoint::new(Arc::clone(hub)).with_page(web::human_page(site));
    let mut routes = vec![
        protocol("/mcp", Arc::new(endpoint) as Arc<dyn Handler>),
        protocol("/sse", Arc::new(sse_legacy::Opening::new(Arc::clone(hub)))),
        protocol("/message", Arc::new(sse_legacy::Messages::new(Arc::clone(hub)))),
    ];
    routes.extend(web::routes(site));
    routes
}

/// How clients reach the server: as configured, else by its first domain, else by the bound address.
fn base(config: &Config, address: SocketAddr) -> String {
    let scheme = if config.certificates.are_wanted() { "https" } else { "http" };
    match (&config.base_url, config.certificates.domains.first()) {
        (Some(base), _) => base.as_str().to_owned(),
        (None, Some(name)) if address.port() == 443 => format!("{scheme}://{}", name.host()),
        (None, Some(name)) => format!("{scheme}://{}:{}", name.host(), address.port()),
        (None, None) if address.ip().is_unspecified() => format!("{scheme}://localhost:{}", address.port()),
        (None, None) => format!("{scheme}://{address}"),
    }
}

/// Loopback names are always ours; these are the others.
fn policy(config: &Config, address: SocketAddr) -> HostPolicy {
    let mut policy = config.policy.clone();
    if !address.ip().is_unspecified() {
        policy.hosts.push(HostName::Address(address.ip()));
    }
    policy.hosts.extend(config.certificates.domains.iter().map(Identifier::host));
    policy.hosts.extend(config.base_url.as_ref().map(|base| base.host().clone()));
    policy
}

fn warn_of_exposure(config: &Config) {
    if config.policy.any_host {
        warn!("allow_host = \"*\": any web page that a user of this network opens can read the documents");
    }
    let named = config.base_url.is_some()
        || config.policy.any_host
        || !config.policy.hosts.is_empty()
        || !config.certificates.domains.is_empty();
    let bind = config.address().ip();
    if !bind.is_loopback() && !named {
        warn!(
            %bind,
            "only loopback names are answered; to be reached by name, add --base-url https://docs.example.com \
             or --allow-host docs.example.com"
        );
    }
}

fn listen_for_signals() -> Result<Signals, Error> {
    Signals::new().map_err(|error| Error::Run {
        what: "cannot listen for signals".to_owned(),
        cause: error.to_string(),
        help: "raise the limit of open files: ulimit -n 1024".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_route_that_can_reveal_a_word_of_the_docs_is_closed_and_judged() {
        let config = Config::default();
        let library = Arc::new(open(&config).await.unwrap());
        let (_trigger, shutdown) = shutdown::channel();
        let urls = Urls::new("http://127.0.0.1:8080");
        let site = Arc::new(Site::new(Arc::clone(&library), urls.clone()));
        let catalog = Arc::new(Tools::new(library, observe::tools(&config.log, urls)));
        let dispatcher = Arc::new(Dispatcher::new(catalog, config.mcp.clone(), shutdown));
        let router = Router::new(routes(&site, &hub(&config, dispatcher)), HostPolicy::default());
        let closed = (Access::Documents, Checks::HostAndOrigin);
        let open = (Access::Open, Checks::Exempt);
        let table = [
            (Path::Exact("/mcp"), closed),
            (Path::Exact("/sse"), closed),
            (Path::Exact("/message"), closed),
            (Path::Exact("/healthz"), open),
            (Path::Exact("/readyz"), open),
            (Path::Exact("/"), closed),
            (Path::Prefix("/docs/"), closed),
            (Path::Exact("/llms.txt"), closed),
            (Path::Exact("/llms-full.txt"), closed),
        ];
        let found: Vec<_> =
            router.routes().iter().map(|route| (route.path, (route.access, route.checks))).collect();
        assert_eq!(found, table);
    }

    #[test]
    fn the_bound_address_and_the_base_urls_host_are_ours_and_the_unspecified_is_not() {
        let config = Config::default();
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        assert!(policy(&config, address("[::]:80")).hosts.is_empty());
        let host = |text: &str| HostName::parse(text).unwrap();
        assert_eq!(policy(&config, address("192.0.2.1:80")).hosts, [host("192.0.2.1")]);
        assert_eq!(base(&config, address("[::]:8080")), "http://localhost:8080");
        assert_eq!(base(&config, address("[::1]:8080")), "http://[::1]:8080");

        let mut flags = crate::config::Flags::default();
        flags.push("base_url", "--base-url", ["https://docs.example.com/".to_owned()]);
        let config = Config::load(flags, &|_| None, None, std::path::Path::new("/nowhere")).unwrap();
        assert_eq!(policy(&config, address("[::]:80")).hosts, [host("docs.example.com")]);
        assert_eq!(base(&config, address("[::]:80")), "https://docs.example.com");
    }
}
