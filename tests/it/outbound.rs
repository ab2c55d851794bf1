//! `outbound_proxy`: what a proxy is asked, and what is said when it does not let through.

use std::error::Error as _;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use docquay::docs::{Fetch as _, Validators};
use docquay::docs_fetch::SourceFetch;
use docquay::outbound::{Answer, Client, Direct, DirectOptions, Error, ErrorKind, Proxy, Version};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A proxy that hears one request, answers it with these bytes, and tells what it heard.
async fn proxy(answer: &'static str) -> (SocketAddr, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let heard = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut heard = Vec::new();
        while !heard.ends_with(b"\r\n\r\n") {
            assert_ne!(stream.read_buf(&mut heard).await.unwrap(), 0);
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(heard).unwrap()
    });
    (address, heard)
}

fn through(url: &str) -> Client {
    Client::with_proxy(Some(&Proxy::parse(url).unwrap())).unwrap()
}

async fn fetch(client: &Client, url: &str) -> Result<Answer, Error> {
    client.get(url, &Version::default(), 1 << 20, Duration::from_secs(20)).await
}

/// Everything that an error says, outermost first.
fn said(error: &Error) -> String {
    let (mut text, mut deeper) = (error.to_string(), error.source());
    while let Some(source) = deeper {
        text = format!("{text}: {source}");
        deeper = source.source();
    }
    text
}

#[tokio::test]
async fn a_plain_source_is_asked_of_the_proxy_which_resolves_its_name() {
    let (address, heard) = proxy("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]").await;
    let client = through(&format!("http://ana:s%40cret@{address}"));
    let answer = fetch(&client, "http://docs.invalid/index.json").await.unwrap();
    assert!(matches!(answer, Answer::Document { body, .. } if body == "[]"));
    let heard = heard.await.unwrap().to_ascii_lowercase();
    assert!(heard.starts_with("get http://docs.invalid/index.json http/1.1\r\n"), "{heard}");
    // ana:s@cret in base64.
    assert!(heard.contains("proxy-authorization: basic yw5honnay3jlda==\r\n"), "{heard}");
}

#[tokio::test]
async fn https_is_a_tunnel_and_the_proxy_is_told_the_name_alone() {
    let (address, heard) = proxy("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await;
    let mut options = DirectOptions::default();
    options.proxy = Some(Proxy::parse(&format!("http://localhost:{}", address.port())).unwrap());
    let request = http::Request::get("https://ca.invalid/directory?secret").body(Bytes::new()).unwrap();
    let error = Direct::new(&options).unwrap().send(request).await.unwrap_err();
    let heard = heard.await.unwrap();
    assert!(heard.starts_with("CONNECT ca.invalid:443 HTTP/1.1\r\n"), "{heard}");
    assert!(!heard.contains("directory") && !heard.contains("secret"), "{heard}");
    assert_eq!(error.kind(), ErrorKind::Connect);
    let named = format!("no connection through the proxy http://localhost:{}", address.port());
    assert!(said(&error).starts_with(&named), "{}", said(&error));
}

#[tokio::test]
async fn a_proxy_that_wants_a_password_is_named_with_that_reason() {
    for url in ["http://docs.invalid/index.json", "https://docs.invalid/index.json"] {
        let answer = "HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic\r\n\
                      content-length: 0\r\nconnection: close\r\n\r\n";
        let (address, _heard) = proxy(answer).await;
        let client = through(&format!("http://ana:wrong@{address}"));
        let error = fetch(&client, url).await.unwrap_err();
        let said = said(&error);
        assert!(said.starts_with(&format!("no connection through the proxy http://{address}: ")), "{said}");
        assert!(said.contains("proxy authorization required") && !said.contains("wrong"), "{said}");
    }
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_named_and_the_option_too() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let fetch = SourceFetch::new(through(&format!("http://{gone}")));
    let url = "https://docs.invalid/index.json";
    let error = fetch.fetch(url, &Validators::default(), 1 << 20, Duration::from_secs(20)).await.unwrap_err();
    assert!(
        error.cause.starts_with(&format!("no connection through the proxy http://{gone}: ")),
        "{error:?}"
    );
    assert!(error.cause.contains("Connection refused") && error.help.contains("outbound_proxy"), "{error:?}");
}
