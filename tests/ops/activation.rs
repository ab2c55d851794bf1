//! Socket activation: a socket that outlives the process, and restarts that nobody notices.

use std::net::{SocketAddr, TcpListener as StdListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use super::daemon::{Folder, Target, end, serving};
use super::load::Load;
use super::process::Process;
use super::raw::PATIENCE;

/// How often the server is restarted under load.
const RESTARTS: usize = 5;

fn socket() -> (StdListener, SocketAddr) {
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[tokio::test(flavor = "multi_thread")]
async fn restarts_on_a_passed_socket_refuse_no_connection_and_cut_no_response() {
    let folder = Folder::new();
    let (listener, address) = socket();
    restarted_under_load(&folder, &listener, &["docs"], &Target::plain(address)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn restarts_over_tls_refuse_no_connection_and_cut_no_response() {
    let folder = Folder::new();
    let trusted = folder.pair();
    let (listener, address) = socket();
    let arguments = ["docs", "--tls-cert", "cert.pem", "--tls-key", "key.pem"];
    restarted_under_load(&folder, &listener, &arguments, &Target::tls(address, &trusted)).await;
}

async fn restarted_under_load(folder: &Folder, listener: &StdListener, arguments: &[&str], target: &Target) {
    let mut server = folder.start_on(listener, arguments);
    assert_eq!(serving(&server).await.port(), target.address.port());
    let load = Load::on(target);
    for _ in 0..RESTARTS {
        load.answers(200).await;
        // As `systemctl restart` does: the old one ends, then the new one begins.
        end(&server).await;
        server = folder.start_on(listener, arguments);
        serving(&server).await;
    }
    load.answers(200).await;
    let report = load.stop().await;
    println!("{report:?}");
    assert!(report.faults.is_empty() && report.refused == 0, "{report:?}");
    end(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_process_beside_the_old_one_takes_over_without_a_gap() {
    let folder = Folder::new();
    let (listener, address) = socket();
    let target = Target::plain(address);
    let old = folder.start_on(&listener, &["docs"]);
    serving(&old).await;
    let load = Load::on(&target);
    load.answers(200).await;
    let new = folder.start_on(&listener, &["docs"]);
    serving(&new).await;
    end(&old).await;
    load.answers(200).await;
    let report = load.stop().await;
    assert!(report.faults.is_empty() && report.refused == 0, "{report:?}");
    end(&new).await;
}

#[tokio::test]
async fn what_connects_before_the_process_is_there_is_served_when_it_is() {
    let folder = Folder::new();
    let (listener, address) = socket();
    let target = Target::plain(address);
    let early = tokio::spawn({
        let target = target.clone();
        async move { target.get("/llms.txt").await }
    });
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let server = folder.start_on(&listener, &["docs"]);
    assert_eq!(early.await.unwrap().status, 200);
    serving(&server).await;
    end(&server).await;
}

#[tokio::test]
async fn systemd_socket_activate_starts_it_with_the_first_connection() {
    let folder = Folder::new();
    let ports = [free_port(), free_port()];
    let mut command = Command::new("systemd-socket-activate");
    for port in ports {
        command.args(["--listen", &format!("127.0.0.1:{port}")]);
    }
    command
        .args(["--fdname", "acme:serve", env!("CARGO_BIN_EXE_docquay"), "docs"])
        .current_dir(folder.path());
    let server = Process::start(command, "systemd");
    server.wait_for(|line| line.contains(&format!("Listening on 127.0.0.1:{}", ports[1])), PATIENCE).await;
    let target = Target::plain(SocketAddr::from(([127, 0, 0, 1], ports[1])));
    assert_eq!(target.get("/llms.txt").await.status, 200);
    // Without a CA to ask there is nothing to do on the other.
    server.wait_for(|line| line.contains("a socket was passed on for HTTP-01"), PATIENCE).await;
    end(&server).await;
}

fn free_port() -> u16 {
    socket().1.port()
}

#[tokio::test]
async fn another_port_than_the_sockets_is_told() {
    let folder = Folder::new();
    let (listener, address) = socket();
    let server = folder.start_on(&listener, &["docs", "--port", "8443"]);
    assert_eq!(serving(&server).await, address);
    assert!(server.log().contains("another port than `port`"), "{}", server.log());
    end(&server).await;
}

#[tokio::test]
async fn sockets_of_no_use_end_the_start_with_what_to_change() {
    let folder = Folder::new();
    let (listener, address) = socket();
    let client = std::net::TcpStream::connect(address).unwrap();
    let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
    let file = std::fs::File::open(folder.path().join("docs/keys.md")).unwrap();
    for (passed, cause) in [
        (OwnedFd::from(client), "fd 3 does not listen"),
        (OwnedFd::from(datagrams), "fd 3 is not a valid tcp socket"),
        (OwnedFd::from(file), "fd 3 is not a socket"),
    ] {
        let error = refused(&folder, Stdio::from(passed), "1").await;
        assert!(error.contains(&format!("cause: {cause}")) && error.contains("ListenStream="), "{error}");
    }
    let error = refused(&folder, Stdio::from(OwnedFd::from(listener)), "99999999999").await;
    assert!(error.contains("cause: LISTEN_FDS is no number up to 64"), "{error}");
}

/// What is said when that is fd 3 of so many.
async fn refused(folder: &Folder, passed: Stdio, count: &str) -> String {
    let script = r#"exec 3<&0 0</dev/null; LISTEN_PID=$$ exec "$0" docs"#;
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_docquay")]).env("LISTEN_FDS", count).stdin(passed);
    let server = Process::with_its_stdin(
        {
            command.current_dir(folder.path());
            command
        },
        "docquay",
    );
    let status = server.exit(PATIENCE).await;
    assert_eq!(status.code(), Some(1), "{}", server.log());
    server.log()
}

#[tokio::test]
async fn sockets_of_another_process_are_left_alone() {
    let folder = Folder::new();
    let mut command = folder.docquay(&["docs", "--port", "0"]);
    command.env("LISTEN_FDS", "1").env("LISTEN_PID", "1");
    let server = Process::start(command, "docquay");
    assert_eq!(Target::plain(serving(&server).await).get("/healthz").await.status, 200);
    end(&server).await;
}
