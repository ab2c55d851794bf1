//! The certificate in a container: volumes of every kind, and none.

use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;

use tempfile::TempDir;

use crate::container::{Container, Root, Running};
use crate::harness::{Families, Network, Pebble, Resource, Signal, client};

const NAME: &str = "docs.test";
/// The user of the image.
const USER: u32 = 65532;

/// A CA on one machine, and on the other what runs the containers.
struct Place {
    pebble: Pebble,
    folder: TempDir,
    // Last, since the CA runs in it.
    network: Network,
}

impl Place {
    async fn new() -> Self {
        let network = Network::new(Families::Both);
        let pebble = Pebble::builder().within(network.ca()).http_port(80).tls_port(443).start().await;
        pebble.dns().add_a(NAME, &[network.server().ipv4().unwrap()]).await;
        pebble.dns().add_aaaa(NAME, &[network.server().ipv6().unwrap()]).await;
        let folder = tempfile::tempdir().unwrap();
        Self { pebble, folder, network }
    }

    /// At the ports 80 and 443, for a certificate of the CA.
    fn container(&self) -> Container {
        let container =
            Container::new().within(self.network.server()).volume(&self.pebble.ca_file(), "/ca.pem");
        let container = container.env("DOCQUAY_DOMAIN", NAME).env("DOCQUAY_AGREE_TOS", "true");
        container
            .env("DOCQUAY_ACME_CA_FILE", "/ca.pem")
            .env("DOCQUAY_ACME_DIRECTORY", &self.pebble.directory_url())
    }

    /// A folder of the host that belongs to `user` and `group`.
    fn volume(&self, user: u32, group: u32, mode: u32) -> std::path::PathBuf {
        let path = self.folder.path().join(format!("{user}-{group}-{mode:o}"));
        std::fs::create_dir(&path).unwrap();
        chown(&path, Some(user), Some(group)).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    /// As a runtime makes a new named volume: with the owner and the mode of the image's folder.
    fn fresh_volume(&self) -> std::path::PathBuf {
        self.volume(USER, USER, 0o700)
    }

    async fn assert_served(&self) {
        let root = self.folder.path().join("root.pem");
        std::fs::write(&root, self.pebble.root_pem().await).unwrap();
        let address = SocketAddr::new(self.network.server().address(), 443);
        client::openssl_verifies(&self.network.ca().prefix(), address, NAME, &root).await.unwrap();
    }

    fn orders(&self) -> usize {
        self.pebble.count(Resource::NewOrder)
    }
}

async fn end(running: Running) {
    running.process.signal(Signal::Terminate);
    running.process.exit(crate::container::LIMIT).await;
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().next().is_none()
}

#[tokio::test]
async fn a_fresh_volume_gets_a_certificate_which_the_next_container_serves() {
    let place = Place::new().await;
    let volume = place.fresh_volume();
    let first = place.container().volume(&volume, "/certs").start_by_buildah();
    first.wait_for("certificate obtained").await;
    assert_eq!(first.status("CapEff"), "0000000000000000");
    place.assert_served().await;
    end(first).await;

    let second = place.container().volume(&volume, "/certs").start();
    second.wait_for("serving").await;
    place.assert_served().await;
    assert_eq!(place.orders(), 1);
}

#[tokio::test]
async fn a_root_that_is_read_only_is_enough() {
    let place = Place::new().await;
    let volume = place.fresh_volume();
    let running = place.container().root(Root::ReadOnly).volume(&volume, "/certs").start();
    running.wait_for("certificate obtained").await;
    place.assert_served().await;
}

#[tokio::test]
async fn a_volume_that_kubernetes_gives_to_the_group_is_enough() {
    let place = Place::new().await;
    // As fsGroup leaves it: root's, setgid, writable for the group.
    let volume = place.volume(0, USER, 0o2775);
    let running = place.container().root(Root::ReadOnly).volume(&volume, "/certs").start();
    running.wait_for("certificate obtained").await;
    place.assert_served().await;
    let key = std::fs::metadata(volume.join(format!("{NAME}.key.pem"))).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_folder_of_another_user_is_named_with_its_owner_and_the_chown() {
    let place = Place::new().await;
    let volume = place.volume(1000, 1000, 0o755);
    let ended = place.container().volume(&volume, "/certs").run().await;
    assert_eq!(ended.code, Some(1), "{}", ended.log);
    for part in ["/certs belongs to user 1000, and docquay runs as user 65532", "chown -R 65532:65532 /certs"]
    {
        assert!(ended.log.contains(part), "{}", ended.log);
    }
    assert!(is_empty(&volume) && place.orders() == 0);
}

#[tokio::test]
async fn five_restarts_without_a_volume_place_no_order_with_a_public_ca() {
    let place = Place::new().await;
    for _ in 0..5 {
        // A second CA makes this one no private one, whose orders cost nothing.
        let container =
            place.container().env("DOCQUAY_FALLBACK_ACME_DIRECTORY", "https://localhost:9/directory");
        let ended = container.run().await;
        assert_eq!(ended.code, Some(1), "{}", ended.log);
        for part in ["overlay", "-v docquay-certs:/certs", "--ephemeral-certs"] {
            assert!(ended.log.contains(part), "{}", ended.log);
        }
    }
    assert_eq!((place.pebble.count(Resource::NewAccount), place.orders()), (0, 0));
}

#[tokio::test]
async fn a_private_ca_is_asked_without_a_volume_too() {
    let place = Place::new().await;
    place.container().start().wait_for("certificate obtained").await;
}
