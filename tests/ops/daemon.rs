//! docquay as a process, with a folder of documents, and the ways to reach it.

use std::net::{SocketAddr, TcpListener as StdListener};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::process::{Process, Signal};
use super::raw::{Answer, Client, PATIENCE, in_time};

/// A folder with `docs`, and whatever else a test writes there.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir(folder.path().join("docs")).unwrap();
        folder.write("docs/keys.md", "# Keys\n\nRotate a key every thirty days.\n");
        folder.write("docs/ports.md", "# Ports\n\nThe harbour has two.\n");
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    /// A pair for `localhost`, as `cert.pem` and `key.pem`; what a client has to trust.
    pub(crate) fn pair(&self) -> PathBuf {
        let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        self.write("key.pem", &pair.signing_key.serialize_pem());
        self.write("cert.pem", &pair.cert.pem());
        self.path().join("cert.pem")
    }

    /// The command in this folder, in an environment without any `DOCQUAY_*`.
    pub(crate) fn docquay(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_docquay"));
        self.bare(&mut command);
        command.args(arguments);
        command
    }

    fn bare(&self, command: &mut Command) {
        let ours = |name: &str| {
            ["DOCQUAY_", "LISTEN_", "NOTIFY_", "WATCHDOG_"].iter().any(|prefix| name.starts_with(prefix))
        };
        for (name, _) in std::env::vars_os().filter(|(name, _)| ours(&name.to_string_lossy())) {
            command.env_remove(name);
        }
        command.current_dir(self.path());
    }

    /// Starts it on a free port.
    pub(crate) fn start(&self, arguments: &[&str]) -> Process {
        let mut command = self.docquay(arguments);
        command.args(["--port", "0"]);
        Process::start(command, "docquay")
    }

    /// Starts it on a socket that is bound already, as a service manager does: fd 3, with the variables of
    /// sd_listen_fds(3).
    pub(crate) fn start_on(&self, listener: &StdListener, arguments: &[&str]) -> Process {
        let script = r#"exec 3<&0 0</dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" "$@""#;
        let mut command = Command::new("sh");
        self.bare(&mut command);
        command.args(["-c", script, env!("CARGO_BIN_EXE_docquay")]).args(arguments);
        command.stdin(Stdio::from(OwnedFd::from(listener.try_clone().unwrap())));
        Process::with_its_stdin(command, "docquay")
    }
}

/// Waits until it serves; where.
pub(crate) async fn serving(process: &Process) -> SocketAddr {
    let line = process.wait_for(|line| line.starts_with("  server "), PATIENCE).await;
    let (_, authority) = line.trim_end_matches("/mcp").split_once("://").unwrap();
    process.wait_for(|line| line.contains("serving address="), PATIENCE).await;
    authority.replace("localhost", "127.0.0.1").parse().unwrap()
}

/// SIGTERM, and the end that it has to lead to.
pub(crate) async fn end(process: &Process) {
    process.signal(Signal::Terminate);
    let status = process.exit(Duration::from_secs(30)).await;
    assert!(status.success(), "{status}: {}", process.log());
}

/// How a server is reached.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
}

pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Target {
    pub(crate) fn plain(address: SocketAddr) -> Self {
        Self { address, tls: None }
    }

    /// Over TLS, as `localhost`, trusting that certificate alone.
    pub(crate) fn tls(address: SocketAddr, trusted: &Path) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(rustls::pki_types::CertificateDer::from_pem_file(trusted).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.unwrap().with_root_certificates(roots).with_no_client_auth();
        Self { address, tls: Some(Arc::new(config)) }
    }

    /// A connection of HTTP/1.1.
    pub(crate) async fn connect(&self) -> std::io::Result<Client<Box<dyn Stream>>> {
        Ok(Client::over(self.open().await?))
    }

    /// A connection, past its handshake.
    pub(crate) async fn open(&self) -> std::io::Result<Box<dyn Stream>> {
        let socket = TcpStream::connect(self.address).await?;
        socket.set_nodelay(true)?;
        let stream: Box<dyn Stream> = match &self.tls {
            None => Box::new(socket),
            Some(config) => {
                let name = ServerName::try_from("localhost").unwrap();
                Box::new(TlsConnector::from(Arc::clone(config)).connect(name, socket).await?)
            }
        };
        Ok(stream)
    }

    /// One request on a connection of its own.
    pub(crate) async fn ask(&self, method: &str, path: &str, fields: &[(&str, &str)], body: &str) -> Answer {
        let mut client = in_time(self.connect()).await.unwrap();
        client.request(method, path, fields, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], "").await
    }
}

/// Waits until `is_so`; a failure if it does not come to be.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, is_so: impl Fn() -> F) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(tokio::time::Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
