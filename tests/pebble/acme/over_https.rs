//! The real transport: what it trusts, follows and waits for; and the example that is built on it.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use docquay::acme::{Client, Error, ErrorKind, HttpTransport, Limits, transport};
use docquay::clock::SystemClock;
use docquay::x509::Pair;

use super::site::Site;
use crate::harness::{Pebble, Proxy, Reply, Resource};

async fn connect(url: &str, options: &transport::Options, limits: Limits) -> Result<Client, Error> {
    let transport = Arc::new(HttpTransport::new(options).unwrap());
    Client::connect(url, transport, Arc::new(SystemClock), limits).await
}

fn trusting(proxy: &Proxy) -> transport::Options {
    let mut options = transport::Options::default();
    options.ca_pem = Some(proxy.authority().pem().as_bytes().to_vec());
    options
}

fn hasty() -> Limits {
    let mut limits = Limits::default();
    limits.transport_retries = 0;
    limits
}

/// Everything that an error says, outermost first.
fn said(error: &Error) -> String {
    let (mut text, mut deeper) = (error.to_string(), std::error::Error::source(error));
    while let Some(source) = deeper {
        text = format!("{text}: {source}");
        deeper = source.source();
    }
    text
}

#[tokio::test]
async fn a_ca_is_trusted_by_its_root_and_by_nothing_else() {
    let pebble = Pebble::builder().start().await;
    let proxy = Proxy::before(&pebble).await;
    let by_address = proxy.directory_url().replace("localhost", "127.0.0.1");
    let plain = proxy.directory_url().replace("https:", "http:");

    connect(&proxy.directory_url(), &trusting(&proxy), hasty()).await.unwrap();
    connect(&by_address, &trusting(&proxy), hasty()).await.unwrap();
    let untrusted =
        connect(&proxy.directory_url(), &transport::Options::default(), hasty()).await.unwrap_err();
    let plain = connect(&plain, &trusting(&proxy), hasty()).await.unwrap_err();

    assert_eq!(untrusted.kind(), &ErrorKind::Transport);
    assert!(said(&untrusted).contains("invalid peer certificate: UnknownIssuer"), "{}", said(&untrusted));
    assert_eq!(plain.kind(), &ErrorKind::InsecureUrl);
    assert_eq!(proxy.count(Resource::Directory), 2);
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    let pebble = Pebble::builder().start().await;
    let proxy = Proxy::before(&pebble).await;
    proxy.on(Resource::Directory).nth(1).answers(Reply::new(302).header("location", &proxy.directory_url()));

    let error = connect(&proxy.directory_url(), &trusting(&proxy), hasty()).await.unwrap_err();

    assert!(matches!(error.kind(), ErrorKind::Server(status) if status.as_u16() == 302), "{error}");
    assert_eq!(proxy.count(Resource::Directory), 1);
}

#[tokio::test]
async fn an_answer_has_an_end_in_bytes_and_in_time() {
    let pebble = Pebble::builder().start().await;
    let proxy = Proxy::before(&pebble).await;
    let endless = Reply::new(200).body(&" ".repeat((1 << 20) + 1));
    proxy.on(Resource::Directory).nth(1).answers(endless);
    proxy.on(Resource::Directory).from(2).delays_the_answer(Duration::from_secs(600));
    let mut late = hasty();
    late.request = Duration::from_millis(300);
    let mut backstop = trusting(&proxy);
    backstop.deadline = Duration::from_millis(300);

    let long = connect(&proxy.directory_url(), &trusting(&proxy), hasty()).await.unwrap_err();
    let late_answer = connect(&proxy.directory_url(), &trusting(&proxy), late.clone()).await.unwrap_err();
    let stopped = connect(&proxy.directory_url(), &backstop, hasty()).await.unwrap_err();

    assert!(said(&long).ends_with("the answer is larger than 1048576 bytes"), "{}", said(&long));
    assert_eq!(late_answer.kind(), &ErrorKind::TimedOut(late.request));
    assert!(said(&stopped).contains("no whole answer within 300ms"), "{}", said(&stopped));
}

#[tokio::test]
async fn a_ca_that_is_not_there_is_named_by_what_the_system_says() {
    let pebble = Pebble::builder().start().await;
    let proxy = Proxy::before(&pebble).await;
    let nobody = format!("https://localhost:{}/dir", crate::harness::ports::free());

    let refused = connect(&nobody, &trusting(&proxy), hasty()).await.unwrap_err();

    assert!(said(&refused).contains("Connection refused"), "{}", said(&refused));
}

#[tokio::test]
async fn the_example_obtains_a_certificate() {
    // The site is the example's own: only its port is needed.
    let port = Site::start().await.port;
    let pebble = Pebble::builder().http_port(port).start().await;
    let listen = format!("127.0.0.1:{port}");
    let mut command = tokio::process::Command::new(env!("CARGO"));
    command.args(["run", "--quiet", "--locked", "--example", "acme_only", "--", &pebble.directory_url()]);
    command.args(["docs.example.com", &listen]).arg(pebble.ca_file()).stdin(Stdio::null()).kill_on_drop(true);

    let output = command.output().await.unwrap();

    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let pair = Pair::from_pem(&output.stdout, &output.stdout).unwrap();
    assert_eq!(pair.leaf().identifiers(), super::site::names(&["docs.example.com"]));
    assert_eq!(pebble.issued().len(), 1);
}
