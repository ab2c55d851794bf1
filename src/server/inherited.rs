//! Sockets that were bound before this process began, and outlive it: socket activation.
//!
//! While docquay restarts, connections wait in the socket's queue, so that none is refused. Owns which socket is
//! for what; never binds. sd_listen_fds(3), systemd.socket(5).

use std::net::TcpListener as StdListener;

use tokio::net::TcpListener;
use tracing::{info, warn};

use super::bind::{self, Listeners};
use super::{Error, certificates};
use crate::config::Config;
use crate::platform::manager;

/// Sockets that were passed on to this process.
#[derive(Debug, Default)]
pub struct Inherited(Vec<Socket>);

#[derive(Debug)]
struct Socket {
    /// `FileDescriptorName=` of its unit.
    name: Option<String>,
    port: u16,
    listener: StdListener,
}

impl Inherited {
    /// Takes them from the environment, once: the variables that name them are gone afterwards. For the start of
    /// `main`, before there are other threads, which might read the environment meanwhile.
    ///
    /// # Errors
    /// When one of them is not a listening TCP socket.
    pub fn take() -> Result<Self, Error> {
        let passed = manager::passed_listeners().map_err(unusable)?;
        let sockets = passed.into_iter().map(|(name, listener)| {
            let port = listener.local_addr().map_or(0, |address| address.port());
            Socket { name, port, listener }
        });
        Ok(Self(sockets.collect()))
    }

    /// The listeners that `config` asks for: those that were passed on, the others bound now.
    pub(super) fn listeners(mut self, config: &Config) -> Result<Listeners, Error> {
        let acme_port = certificates::wants_acme(config).then_some(config.certificates.acme_port);
        let metrics_port = config.metrics_bind.map(|address| address.port());
        let acme = self.take_for(ACME, acme_port);
        let metrics = self.take_for(METRICS, metrics_port);
        let serving = (!self.0.is_empty()).then(|| self.0.remove(0));
        if let Some(left) = self.0.first() {
            return Err(too_many(left.port));
        }
        if let (Some(_), None) = (&acme, acme_port) {
            warn!(
                "a socket was passed on for HTTP-01, but no certificate is asked of a CA: it is not served"
            );
        }
        if let (Some(_), None) = (&metrics, metrics_port) {
            warn!("a socket was passed on for metrics, but there is no metrics_bind: it is not served");
        }
        let serving = match serving {
            Some(socket) => {
                warn_of_another_port(config.port, socket.port);
                adopt(socket)?
            }
            None => bind::bind(config.address())?,
        };
        let acme = acme.filter(|_| acme_port.is_some()).map(adopt).transpose()?;
        let metrics = metrics.filter(|_| metrics_port.is_some()).map(adopt).transpose()?;
        Ok(Listeners { serving, acme, metrics })
    }

    /// Takes out the socket of that name, or one for that port that is not named for something else.
    fn take_for(&mut self, name: &str, port: Option<u16>) -> Option<Socket> {
        let is_it = |socket: &Socket| match socket.name.as_deref() {
            Some(other @ (SERVING | ACME | METRICS)) => other == name,
            _ => Some(socket.port) == port,
        };
        self.0.iter().position(is_it).map(|at| self.0.remove(at))
    }
}

fn adopt(socket: Socket) -> Result<TcpListener, Error> {
    let listener =
        socket.listener.set_nonblocking(true).and_then(|()| TcpListener::from_std(socket.listener));
    let listener = listener.map_err(|error| Error::Run {
        what: format!("the socket passed on for port {} cannot be used", socket.port),
        cause: error.to_string(),
        help: HELP.to_owned(),
    })?;
    info!(port = socket.port, "serving on a socket that was passed on");
    Ok(listener)
}

/// The socket decides; the option must not look as if it did.
fn warn_of_another_port(configured: Option<u16>, port: u16) {
    if let Some(configured) = configured.filter(|configured| *configured != port) {
        warn!(
            configured,
            port, "the socket that was passed on is for another port than `port`; it is served"
        );
    }
}

fn too_many(port: u16) -> Error {
    Error::Run {
        what: "too many sockets were passed on".to_owned(),
        cause: format!(
            "docquay serves one port, one for HTTP-01 and one for metrics; port {port} is left over"
        ),
        help: "keep one ListenStream= for each; [::]:443 takes IPv4 too".to_owned(),
    }
}

fn unusable(cause: String) -> Error {
    Error::Run {
        what: "a socket that was passed on cannot be served".to_owned(),
        cause,
        help: HELP.to_owned(),
    }
}

/// `FileDescriptorName=` of the socket for `/mcp`.
const SERVING: &str = "serve";
/// `FileDescriptorName=` of the socket for HTTP-01 and redirects.
const ACME: &str = "acme";
/// `FileDescriptorName=` of the socket for `/metrics`.
const METRICS: &str = "metrics";
const HELP: &str = "in the socket unit, use ListenStream= with a TCP port, and leave out Accept=yes";

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Flags;

    fn socket(name: Option<&str>) -> Socket {
        let listener = StdListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        Socket { name: name.map(str::to_owned), port, listener }
    }

    fn config(flags: &[(&str, &str)]) -> Config {
        let mut given = Flags::default();
        for (key, value) in flags {
            given.push(key, "--flag", [(*value).to_owned()]);
        }
        Config::load(given, &|_| None, None, Path::new("nowhere")).unwrap()
    }

    #[tokio::test]
    async fn a_socket_is_for_http_01_by_its_name_or_its_port() {
        for name in [None, Some(ACME)] {
            let (serving, acme) = (socket(None), socket(name));
            let (wanted, other) = (serving.port, acme.port);
            let port = if name.is_some() { 80 } else { other };
            let domain =
                [("domain", "docs.example.com"), ("agree_tos", "true"), ("acme_port", &port.to_string())];
            let listeners = Inherited(vec![acme, serving]).listeners(&config(&domain)).unwrap();
            assert_eq!(listeners.serving.local_addr().unwrap().port(), wanted);
            assert_eq!(listeners.acme.unwrap().local_addr().unwrap().port(), other);
        }
    }

    #[tokio::test]
    async fn a_socket_is_for_metrics_by_its_name_or_its_port_and_not_served_unless_they_are_wanted() {
        for (name, wanted) in [(None, true), (Some(METRICS), true), (Some(METRICS), false)] {
            let (serving, metrics) = (socket(None), socket(name));
            let (serving_port, metrics_port) = (serving.port, metrics.port);
            let port = if name.is_some() { 9464 } else { metrics_port };
            let bind = format!("127.0.0.1:{port}");
            let options = [("metrics_bind", bind.as_str())];
            let config = config(if wanted { &options } else { &[] });
            let listeners = Inherited(vec![metrics, serving]).listeners(&config).unwrap();
            assert_eq!(listeners.serving.local_addr().unwrap().port(), serving_port);
            let served = listeners.metrics.map(|listener| listener.local_addr().unwrap().port());
            assert_eq!(served, wanted.then_some(metrics_port));
        }
    }

    #[tokio::test]
    async fn a_socket_without_a_use_is_an_error() {
        let Err(error) = Inherited(vec![socket(None), socket(None)]).listeners(&config(&[])) else {
            panic!("both were taken")
        };
        assert!(error.to_string().contains("is left over"), "{error}");
    }
}
