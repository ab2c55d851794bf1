//! nginx and Caddy in front of docquay, configured by the files of examples/proxy with other ports and paths.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::authority::Authority;
use crate::ports;
use crate::process::{Process, Signal};
use crate::raw::{Answer, Client, in_time};

/// Which proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Front {
    Nginx,
    Caddy,
}

/// What the proxy does with `Host`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    Kept,
    /// Replaced by the upstream's name or address.
    Rewritten,
}

/// docquay with a proxy in front of it, which ends TLS for [`NAME`].
pub(crate) struct Site {
    address: SocketAddr,
    tls: TlsConnector,
    docquay: Process,
    _front: Process,
    authorization: String,
    docs: TempDir,
    _folder: TempDir,
}

/// What the examples are for.
pub(crate) const NAME: &str = "docs.example.com";
/// Requests at once from one client; then one a minute.
pub(crate) const BURST: usize = 40;
/// nginx cuts an upstream that is silent for so long; docquay's comments come every 15 s.
pub(crate) const SILENCE: Duration = Duration::from_secs(20);

const START: Duration = Duration::from_secs(60);

impl Site {
    /// `more` are further options of docquay.
    pub(crate) async fn start(front: Front, host: Host, more: &[&str]) -> Self {
        let (docs, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(docs.path().join("rope.md"), "# Rope\n\n## Knots\n\nA bowline holds.\n").unwrap();
        let (inner, outer) = (ports::free(), ports::free());
        let (docquay, authorization) = docquay(docs.path(), folder.path(), inner, more).await;
        let authority = Authority::new();
        let (cert, key) = authority.leaf(&[NAME]).write(folder.path(), "site");
        let configured = Configured { folder: folder.path(), inner, outer, cert: &cert, key: &key, host };
        let front = match front {
            Front::Nginx => configured.nginx(),
            Front::Caddy => configured.caddy(),
        };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, outer));
        let tls = trusting(authority.pem());
        let site = Self { address, tls, docquay, _front: front, authorization, docs, _folder: folder };
        site.answers().await;
        site
    }

    /// Waits until the proxy passes requests on.
    async fn answers(&self) {
        let started = tokio::time::Instant::now();
        while TcpStream::connect(self.address).await.is_err() {
            assert!(started.elapsed() < START, "the proxy does not listen:\n{}", self._front.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let health = self.from(THIS).await.request("GET", "/healthz", &[("host", NAME)], "").await;
        assert_eq!(health.status, 200, "{}\n{}", health.text(), self._front.log());
    }

    /// A connection from this address of the machine, to the proxy and over TLS.
    pub(crate) async fn from(&self, client: IpAddr) -> Client<TlsStream<TcpStream>> {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(client, 0)).unwrap();
        let stream = in_time(socket.connect(self.address)).await.unwrap();
        let name = ServerName::try_from(NAME).unwrap();
        Client::over(in_time(self.tls.connect(name, stream)).await.unwrap())
    }

    /// The field that lets a client in.
    pub(crate) fn token(&self) -> (&str, &str) {
        ("authorization", &self.authorization)
    }

    /// A modern request, on a connection of its own, from this address.
    pub(crate) async fn call_from(
        &self,
        client: IpAddr,
        method: &str,
        params: Value,
        more: &[(&str, &str)],
    ) -> Answer {
        let (fields, body) = modern(method, params);
        let fields: Vec<_> =
            fields.iter().map(|(name, value)| (*name, value.as_str())).chain(more.iter().copied()).collect();
        self.from(client).await.request("POST", "/mcp", &fields, &body).await
    }

    pub(crate) async fn call(&self, method: &str, params: Value) -> Answer {
        self.call_from(THIS, method, params, &[self.token()]).await
    }

    /// A modern `subscriptions/listen`, acknowledged.
    pub(crate) async fn listen(&self) -> Client<TlsStream<TcpStream>> {
        let (fields, body) =
            modern("subscriptions/listen", json!({"notifications": {"resourcesListChanged": true}}));
        let fields: Vec<_> =
            fields.iter().map(|(name, value)| (*name, value.as_str())).chain([self.token()]).collect();
        let mut stream = self.from(THIS).await;
        stream.ask("POST", "/mcp", &fields, &body).await;
        assert_eq!(stream.head().await.status, 200);
        let event = stream.event().await.unwrap();
        assert!(event.data.contains("notifications/subscriptions/acknowledged"), "{event:?}");
        stream
    }

    /// A session of the older transport, initialized: the stream, and where its messages go.
    pub(crate) async fn open_sse(&self) -> (Client<TlsStream<TcpStream>>, String) {
        let mut stream = self.from(THIS).await;
        stream.ask("GET", "/sse", &[("host", NAME), self.token()], "").await;
        assert_eq!(stream.head().await.status, 200);
        let endpoint = stream.event().await.unwrap().data;
        let hello = json!({"protocolVersion": "2024-11-05", "capabilities": {},
            "clientInfo": {"name": "ops", "version": "1"}});
        self.message(&endpoint, json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello}))
            .await;
        let answer = stream.event().await.unwrap();
        assert!(answer.data.contains("\"protocolVersion\":\"2024-11-05\""), "{answer:?}");
        self.message(&endpoint, json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
        (stream, endpoint)
    }

    pub(crate) async fn message(&self, endpoint: &str, message: Value) {
        let fields = [("host", NAME), ("content-type", "application/json"), self.token()];
        let answer = self.from(THIS).await.request("POST", endpoint, &fields, &message.to_string()).await;
        assert_eq!(answer.status, 202, "{}", answer.text());
    }

    /// Adds a page, which every open stream hears of.
    pub(crate) fn add_page(&self) {
        std::fs::write(self.docs.path().join("anchor.md"), "# Anchor\n\nIt holds the ship.\n").unwrap();
        self.docquay.signal(Signal::Hangup);
    }

    pub(crate) fn log(&self) -> String {
        format!("{}{}", self.docquay.log(), self._front.log())
    }
}

/// Where the tests' own clients connect from.
pub(crate) const THIS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The real binary with a token file, as the examples say to start it; and the field that lets in.
async fn docquay(docs: &Path, folder: &Path, port: u16, more: &[&str]) -> (Process, String) {
    let program = env!("CARGO_BIN_EXE_docquay");
    let made = Command::new(program).args(["token", "--name", "ops"]).env_clear().output().unwrap();
    let made = String::from_utf8(made.stdout).unwrap();
    let part =
        |label: &str| made.lines().find_map(|line| line.strip_prefix(label)).unwrap().trim().to_owned();
    std::fs::write(folder.join("tokens"), part("line ")).unwrap();
    let mut command = Command::new(program);
    command.arg(docs).current_dir(folder).env_clear();
    command.args(["--port", &port.to_string(), "--base-url", &format!("https://{NAME}")]);
    command.args(["--trusted-proxies", "127.0.0.1", "--token-file", "tokens"]);
    command.args(["--limits", "access.requests_per_minute=1", "--limits", &format!("access.burst={BURST}")]);
    command.args(more);
    let process = Process::start(command, "docquay");
    process.wait_for(|line| line.contains("serving"), START).await;
    (process, format!("Bearer {}", part("token ")))
}

fn trusting(root_pem: &str) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(rustls::pki_types::CertificateDer::from_pem_slice(root_pem.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

/// Where the examples' ports and paths lead in a test.
struct Configured<'a> {
    folder: &'a Path,
    inner: u16,
    outer: u16,
    cert: &'a Path,
    key: &'a Path,
    host: Host,
}

impl Configured<'_> {
    fn nginx(&self) -> Process {
        let mut site = example("nginx.conf");
        replace(&mut site, "server 127.0.0.1:8080;", &format!("server 127.0.0.1:{};", self.inner));
        replace(&mut site, "listen 443 ssl;", &format!("listen 127.0.0.1:{} ssl;", self.outer));
        replace(&mut site, "/etc/ssl/docs.example.com.pem", self.cert.to_str().unwrap());
        replace(&mut site, "/etc/ssl/docs.example.com.key", self.key.to_str().unwrap());
        if self.host == Host::Rewritten {
            replace(&mut site, "proxy_set_header Host $host;", "");
        }
        let folder = self.folder.to_str().unwrap();
        let temp: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|part| format!("{part}_temp_path {folder}/{part};\n"))
            .concat();
        // What Debian's own nginx.conf has around the sites; the shorter timeout is the test's.
        let whole = format!(
            "daemon off;\nmaster_process off;\npid {folder}/nginx.pid;\nerror_log stderr;\nevents {{}}\n\
             http {{\naccess_log off;\ngzip on;\n{temp}proxy_read_timeout {}s;\n{site}}}\n",
            SILENCE.as_secs()
        );
        let path = self.folder.join("nginx.conf");
        std::fs::write(&path, whole).unwrap();
        let mut command = Command::new("nginx");
        command.arg("-p").arg(self.folder).args(["-e", "stderr", "-c"]).arg(path);
        Process::start(command, "nginx-light")
    }

    fn caddy(&self) -> Process {
        let mut site = example("Caddyfile");
        let (cert, key) = (self.cert.display(), self.key.display());
        replace(
            &mut site,
            "\ndocs.example.com {",
            &format!(
                "\n{{\n\tadmin off\n\tauto_https disable_redirects\n}}\n\
                 https://docs.example.com:{} {{\n\tbind 127.0.0.1\n\ttls {cert} {key}",
                self.outer
            ),
        );
        replace(&mut site, "127.0.0.1:8080", &format!("127.0.0.1:{}", self.inner));
        if self.host == Host::Rewritten {
            replace(
                &mut site,
                "header_up -Forwarded",
                "header_up -Forwarded\n\t\theader_up Host {upstream_hostport}",
            );
        }
        let path = self.folder.join("Caddyfile");
        std::fs::write(&path, site).unwrap();
        let mut command = Command::new("caddy");
        command.args(["run", "--adapter", "caddyfile", "--config"]).arg(path);
        // It keeps its state there.
        command
            .env("HOME", self.folder)
            .env("XDG_DATA_HOME", self.folder)
            .env("XDG_CONFIG_HOME", self.folder);
        Process::start(command, "caddy")
    }
}

fn example(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/proxy").join(name);
    std::fs::read_to_string(path).unwrap()
}

/// The one place of `from`; an example that has changed must not be tested as it was.
fn replace(text: &mut String, from: &str, to: &str) {
    assert_eq!(text.matches(from).count(), 1, "{from:?} in {text}");
    *text = text.replacen(from, to, 1);
}

/// The fields and the body of a modern request.
fn modern(method: &str, mut params: Value) -> (Vec<(&'static str, String)>, String) {
    let mut fields = vec![
        ("host", NAME.to_owned()),
        ("content-type", "application/json".to_owned()),
        ("accept", "application/json, text/event-stream".to_owned()),
        ("mcp-protocol-version", "2026-07-28".to_owned()),
        ("mcp-method", method.to_owned()),
    ];
    fields.extend(params["name"].as_str().map(|name| ("mcp-name", name.to_owned())));
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    (fields, json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string())
}
