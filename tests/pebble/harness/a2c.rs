//! acme2certifier 0.46.3 (PyPI), a CA in Python that has what Pebble 2.4.0 lacks: ARI (RFC 9773).
//!
//! Tried out and read in its source:
//! - Its directory is `/directory`; `renewalInfo` is `/acme/renewal-info`. Answers are HTTP/1.0, one connection each.
//! - The window starts at `renewal_threshold` of the lifetime and ends with it, or `window` seconds later if that is
//!   earlier; an unknown certificate is a 404 with a problem document.
//! - A challenge is validated **inside** its POST; http-01 dials port 80 and tls-alpn-01 port 443, nothing else can be
//!   said. So on loopback it issues without asking; in a namespace it asks.
//! - It issues **inside** the POST to `finalize`, which answers `valid`. The chain is the leaf and the root itself.
//! - Certificates are valid for whole days, with serials of 16 random octets: half of them have the leading 00 that
//!   RFC 9773 §4.1 keeps. `replaces` is passed over, and the directory has a random entry.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::namespace::{self, Namespace};
use super::process::{Process, command};
use super::reach::Reach;
use super::{Authority, Resource, ports};

/// A running acme2certifier; ended on drop.
#[derive(Debug)]
pub(crate) struct AcmeTwoCertifier {
    authority: Arc<Authority>,
    issuer: Arc<Authority>,
    address: SocketAddr,
    name: String,
    process: Process,
    _folder: TempDir,
}

/// How it is to be.
#[derive(Debug)]
pub(crate) struct Builder {
    renewal_threshold_percent: u8,
    window: Option<u32>,
    retry_after: u32,
    validity_days: u32,
    profiles: Option<String>,
    bind: IpAddr,
    name: String,
    reach: Reach,
}

const PYTHON: &str = "tests/.cache/peers/acme2certifier/bin/python";
const SERVER: &str = "tests/peers/python/acme2certifier_server.py";
const START: Duration = Duration::from_secs(60);

impl AcmeTwoCertifier {
    /// A CA on loopback that believes every challenge, issues for 90 days and wants renewal after 85 % of them.
    pub(crate) fn builder() -> Builder {
        Builder {
            renewal_threshold_percent: 85,
            window: None,
            retry_after: 86_400,
            validity_days: 90,
            profiles: None,
            bind: Ipv4Addr::LOCALHOST.into(),
            name: "localhost".to_owned(),
            reach: Reach::Direct,
        }
    }

    /// What docquay's `--acme-directory` gets.
    pub(crate) fn directory_url(&self) -> String {
        format!("https://{}:{}/directory", self.name, self.address.port())
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The CA of its API's own certificate, for `--acme-ca-file`.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.authority.file()
    }

    /// The same CA, for a proxy in front: `Proxy::of(ca.address(), "/directory", ca.authority())`.
    pub(crate) fn authority(&self) -> &Arc<Authority> {
        &self.authority
    }

    /// The root (PEM) of the certificates it issues: it signs them itself.
    pub(crate) fn root_pem(&self) -> &str {
        self.issuer.pem()
    }

    pub(crate) fn log(&self) -> String {
        self.process.log()
    }

    /// How many requests for `resource` it has got, failed ones too; the harness's own for the directory included.
    pub(crate) fn count(&self, resource: Resource) -> usize {
        // > POST /acme/neworders
        let path = |line: &str| line.strip_prefix("> ")?.split(' ').nth(1).map(str::to_owned);
        self.log().lines().filter_map(path).filter(|path| Resource::of(path) == resource).count()
    }
}

impl Builder {
    /// Where in the lifetime, in percent, the window of ARI starts: 0 is now.
    pub(crate) fn renewal_threshold_percent(mut self, percent: u8) -> Self {
        self.renewal_threshold_percent = percent;
        self
    }

    /// How long the window is at most, in seconds.
    pub(crate) fn window_seconds(mut self, seconds: u32) -> Self {
        self.window = Some(seconds);
        self
    }

    /// The Retry-After of ARI, in seconds.
    pub(crate) fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = seconds;
        self
    }

    pub(crate) fn validity_days(mut self, days: u32) -> Self {
        self.validity_days = days;
        self
    }

    /// `meta.profiles` of its directory, as JSON: `{"short": "six days"}`.
    pub(crate) fn profiles(mut self, json: &str) -> Self {
        self.profiles = Some(json.to_owned());
        self
    }

    /// Runs in a namespace, at the name [`CA`](super::namespace::CA), and validates challenges.
    pub(crate) fn within(mut self, namespace: &Namespace) -> Self {
        self.reach = Reach::Within(namespace.prefix());
        self.bind = namespace.address();
        namespace::CA.clone_into(&mut self.name);
        self
    }

    /// Starts it and waits until it answers.
    pub(crate) async fn start(self) -> AcmeTwoCertifier {
        let mut faults = Vec::new();
        for _ in 0..3 {
            match self.try_start().await {
                Ok(ca) => return ca,
                Err(fault) => faults.push(fault),
            }
        }
        panic!("acme2certifier did not start:\n{}", faults.join("\n"));
    }

    async fn try_start(&self) -> Result<AcmeTwoCertifier, String> {
        let address = SocketAddr::new(self.bind, ports::free());
        let (authority, issuer) = (Authority::new(), Authority::new());
        let folder = tempfile::tempdir().unwrap();
        let bind = self.bind.to_string();
        let leaf = authority.leaf(&["localhost", "127.0.0.1", &self.name, &bind]);
        let (certificate, key) = leaf.write(folder.path(), "api");
        std::fs::create_dir(folder.path().join("issued")).unwrap();
        std::fs::write(folder.path().join("issuer.pem"), issuer.pem()).unwrap();
        std::fs::write(folder.path().join("issuer.key"), issuer.key_pem()).unwrap();
        let config = folder.path().join("acme_srv.cfg");
        std::fs::write(&config, self.settings(folder.path())).unwrap();
        let mut command = self.python();
        command.args(["--address", &bind, "--port", &address.port().to_string(), "--certificate"]);
        command.arg(certificate).arg("--key").arg(key);
        command.env("ACME_SRV_CONFIGFILE", config).current_dir(folder.path());
        // What it wants to hear before it lets a challenge pass unseen.
        command.env("ACME2CERTIFIER_I_KNOW_THE_RISK", "1");
        let process = Process::start(command, "python3");
        let name = self.name.clone();
        let ca = AcmeTwoCertifier { authority, issuer, address, name, process, _folder: folder };
        self.ready(&ca).await.map(|()| ca)
    }

    fn python(&self) -> Command {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = root.join(PYTHON);
        assert!(python.exists(), "acme2certifier is not installed\nhelp: tests/run pebble installs it");
        let mut command = command(self.reach.prefix(), python.to_str().unwrap());
        command.arg(root.join(SERVER));
        command
    }

    fn settings(&self, folder: &Path) -> String {
        let folder = folder.display();
        let window =
            self.window.map_or_else(String::new, |window| format!("renewal_window_duration: {window}\n"));
        let profiles = self.profiles.as_ref().map_or_else(String::new, |json| format!("profiles: {json}\n"));
        format!(
            "[DEFAULT]\ndebug: False\n\
             [CAhandler]\nhandler_module: acme2certifier.cahandlers.openssl_ca_handler\n\
             issuing_ca_key: {folder}/issuer.key\nissuing_ca_cert: {folder}/issuer.pem\n\
             issuing_ca_crl: {folder}/issuer.crl\nca_cert_chain_list: []\n\
             cert_save_path: {folder}/issued\ncert_validity_days: {}\n\
             [Account]\ncontact_check_disable: True\n[Directory]\ntos_url: https://terms.test\n\
             [DBhandler]\nhandler: wsgi\ndbfile: {folder}/acme_srv.db\n\
             [Challenge]\nchallenge_validation_disable: {}\n\
             [Order]\n{profiles}\
             [Renewalinfo]\nrenewalthreshold_pctg: {}\nretry_after_timeout: {}\n{window}",
            self.validity_days,
            matches!(self.reach, Reach::Direct),
            self.renewal_threshold_percent,
            self.retry_after,
        )
    }

    async fn ready(&self, ca: &AcmeTwoCertifier) -> Result<(), String> {
        let started = Instant::now();
        loop {
            if let Some(status) = ca.process.exited() {
                return Err(format!("ended ({status}):\n{}", ca.log()));
            }
            let answer = self.reach.get_https(ca.address, &self.name, "/directory", &ca.ca_file()).await;
            match answer {
                Ok(answer) if answer.status.is_success() => return Ok(()),
                other if started.elapsed() > START => {
                    return Err(format!("does not answer: {other:?}\n{}", ca.log()));
                }
                _ => sleep(Duration::from_millis(50)).await,
            }
        }
    }
}
