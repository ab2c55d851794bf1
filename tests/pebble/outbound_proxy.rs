//! Issuance through tinyproxy: the CA has a name that the proxy alone resolves.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::harness::process::Process;
use crate::harness::setup::ISSUANCE;
use crate::harness::{Certs, Pebble, Setup, ports, wire};

/// The CA's name.
const CA: &str = "ca.test";

/// Debian's tinyproxy on a port of its own, for which [`CA`] is this machine.
struct Tinyproxy {
    process: Process,
    port: u16,
    _folder: TempDir,
}

impl Tinyproxy {
    /// `more` are further lines of its configuration.
    async fn start(more: &str) -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), ports::free());
        let write = |name: &str, text: String| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let hosts = write("hosts", format!("127.0.0.1 localhost {CA}\n"));
        let basics = "Listen 127.0.0.1\nTimeout 60\nMaxClients 20\nLogLevel Connect\n";
        let config = write("tinyproxy.conf", format!("Port {port}\n{basics}{more}"));
        let process = Process::start(with_hosts(&hosts, "tinyproxy", &config), "tinyproxy-bin");
        let started = Instant::now();
        while wire::connect_tcp(([127, 0, 0, 1], port).into()).await.is_err() {
            assert!(started.elapsed() < ISSUANCE, "it does not listen:\n{}", process.log());
            sleep(Duration::from_millis(50)).await;
        }
        Self { process, port, _folder: folder }
    }

    fn url(&self, login: &str) -> String {
        format!("http://{login}127.0.0.1:{}", self.port)
    }
}

/// tinyproxy with this file as its /etc/hosts, seen by it alone.
fn with_hosts(hosts: &Path, program: &str, config: &Path) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--map-root-user", "sh", "-c", "mount --bind \"$0\" /etc/hosts && exec \"$@\""]);
    command.arg(hosts).arg(program).arg("-d").arg("-c").arg(config);
    command
}

async fn pebble_for(setup: &Setup) -> Pebble {
    setup.pebble().named(CA).start().await
}

#[tokio::test]
async fn a_certificate_is_obtained_through_tinyproxy_which_resolves_the_name_of_the_ca() {
    let setup = Setup::of(&["docs.test"]);
    let pebble = pebble_for(&setup).await;
    let proxy = Tinyproxy::start("").await;

    let docquay = setup.docquay_of(&pebble).option("outbound-proxy", proxy.url("")).start();
    docquay.obtains().await;

    let root = pebble.root_pem().await;
    let served = setup.target(&root).handshake().await.unwrap();
    assert_eq!(Some(&served.serial), pebble.issued().last());
    let asked = format!("CONNECT {CA}:{} ", pebble.address().port());
    assert!(proxy.process.log().contains(&asked), "{asked}: {}", proxy.process.log());
}

#[tokio::test]
async fn a_proxy_that_wants_a_password_is_named_without_it_and_gets_it_from_the_option() {
    let mut setup = Setup::of(&["docs.test"]);
    let pebble = pebble_for(&setup).await;
    let proxy = Tinyproxy::start("BasicAuth ana s3cret\n").await;

    let refused = setup.docquay_of(&pebble).option("outbound-proxy", proxy.url("")).start();
    let named = format!("no connection through the proxy {}", proxy.url(""));
    let told = refused.wait_for(|line| line.contains(&named), ISSUANCE).await;
    assert!(told.contains("proxy authorization required"), "{told}");
    refused.kill();
    assert_eq!(pebble.issued().len(), 0);

    // The failure is remembered with its pause: a folder of its own begins without.
    setup.certs = Certs::new();
    let docquay = setup.docquay_of(&pebble).option("outbound-proxy", proxy.url("ana:s3cret@")).start();
    docquay.obtains().await;
    assert!(!docquay.log().contains("s3cret"), "{}", docquay.log());
}
