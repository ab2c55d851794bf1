//! The addresses of a container: mapped ports, a service's name, a pod's address, ports that are root's.

use std::net::SocketAddr;
use std::process::Command;

use crate::container::Container;
use crate::harness::process::{command, run};
use crate::harness::wire::{self, Answer};
use crate::harness::{Families, Network, Pebble, Reach, client, ports};

const NAME: &str = "docs.test";

/// GET with any Host.
async fn get(port: u16, host: &str, path: &str) -> Answer {
    let stream = wire::connect_tcp(([127, 0, 0, 1], port).into()).await.unwrap();
    wire::exchange(stream, wire::request("GET", host, path, "")).await.unwrap()
}

#[tokio::test]
async fn a_probe_asks_by_the_pods_address() {
    let port = ports::free();
    let running = Container::new().args(&["--port", &port.to_string()]).start();
    running.wait_for("serving").await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(get(port, &format!("10.1.2.3:{port}"), path).await.status, 200, "{path}");
    }
    // What holds a word of the documents is not shown to a name that nobody configured.
    assert_eq!(get(port, &format!("10.1.2.3:{port}"), "/llms.txt").await.status, 403);
}

#[tokio::test]
async fn the_name_of_a_compose_service_is_admitted_by_one_option_that_the_refusal_names() {
    let port = ports::free();
    let container = || Container::new().args(&["--port", &port.to_string()]);
    let host = format!("docs:{port}");
    {
        let running = container().start();
        running.wait_for("serving").await;
        let refused = get(port, &host, "/llms.txt").await;
        assert_eq!(refused.status, 403);
        assert!(
            refused.text().contains(&host) && refused.text().contains(r#"allow_host = ["docs"]"#),
            "{}",
            refused.text()
        );
    }
    let running = container().env("DOCQUAY_ALLOW_HOST", "docs").start();
    running.wait_for("serving").await;
    assert_eq!(get(port, &host, "/llms.txt").await.status, 200);
}

#[tokio::test]
async fn mapped_ports_get_a_certificate_and_links_without_the_inner_port() {
    let network = Network::new(Families::Ipv4);
    let pebble = Pebble::builder().within(network.ca()).http_port(80).tls_port(443).start().await;
    pebble.dns().add_a(NAME, &[network.server().ipv4().unwrap()]).await;
    // As `-p 80:8080 -p 443:8443` does.
    for (outer, inner) in [("80", "8080"), ("443", "8443")] {
        let mut map = command(&network.server().prefix(), "iptables");
        map.args(["--table", "nat", "--append", "PREROUTING", "--protocol", "tcp", "--dport", outer]);
        run(map.args(["--jump", "REDIRECT", "--to-ports", inner]), "iptables");
    }
    let certs = tempfile::tempdir().unwrap();
    run(Command::new("chown").arg("65532:65532").arg(certs.path()), "coreutils");
    let container = Container::new().within_plain(network.server());
    let container = container.volume(certs.path(), "/certs").volume(&pebble.ca_file(), "/ca.pem");
    let running = container
        .env("DOCQUAY_DOMAIN", NAME)
        .env("DOCQUAY_AGREE_TOS", "true")
        .env("DOCQUAY_ACME_CA_FILE", "/ca.pem")
        .env("DOCQUAY_ACME_DIRECTORY", &pebble.directory_url())
        .env("DOCQUAY_PORT", "8443")
        .env("DOCQUAY_ACME_PORT", "8080")
        .env("DOCQUAY_BASE_URL", &format!("https://{NAME}"))
        .start();
    running.wait_for("certificate obtained").await;

    let root = certs.path().join("root.pem");
    std::fs::write(&root, pebble.root_pem().await).unwrap();
    let machine = network.server().address();
    let from = network.ca().prefix();
    client::openssl_verifies(&from, SocketAddr::new(machine, 443), NAME, &root).await.unwrap();
    let outside = Reach::Within(from);
    let listed = outside.get_https(SocketAddr::new(machine, 443), NAME, "/llms.txt", &root).await.unwrap();
    let text = listed.text();
    assert!(text.contains("(https://docs.test/docs/") && !text.contains("8443"), "{text}");
    // The redirect leads to where clients come, not to the port inside.
    let led = outside.post(SocketAddr::new(machine, 80), "/mcp?a=1", "{}").await.unwrap();
    assert_eq!((led.status.as_u16(), led.header("location")), (308, Some("https://docs.test/mcp?a=1")));
}

#[tokio::test]
async fn a_port_that_is_roots_ends_the_start_with_the_ways_out() {
    let network = Network::new(Families::Ipv4);
    let container = Container::new().within_plain(network.server()).args(&["--port", "443"]);
    let ended = container.run().await;
    assert_eq!(ended.code, Some(1), "{}", ended.log);
    for part in [
        "cannot listen on [::]:443",
        "this user may not open port 443",
        "--port 8080",
        "net.ipv4.ip_unprivileged_port_start=0",
    ] {
        assert!(ended.log.contains(part), "{}", ended.log);
    }
}
